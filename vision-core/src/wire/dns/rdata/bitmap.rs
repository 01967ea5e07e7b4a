use std::fmt;

use crate::base::{DecodeError, Layer};
use crate::wire::dns::RecordType;
use crate::wire::dns::cursor::Cursor;

/// The types that exist at a name, in ascending order (RFC 4034 §4.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// closed: a list of types and nothing else.
pub struct TypeBitmap(pub Vec<RecordType>);

impl TypeBitmap {
    pub(super) fn decode(data: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let mut types = Vec::new();
        let mut last_window = None;
        while data.left() > 0 {
            let at = data.position();
            let window = data.u8()?;
            let bits = data.counted()?;
            // Ascending windows of 1 to 32 bytes also bound the list to 65536 types.
            if bits.is_empty() || bits.len() > 32 || last_window.is_some_and(|w| w >= window) {
                return Err(DecodeError::malformed(Layer::Dns, at));
            }
            last_window = Some(window);
            for (n, byte) in (0_u16..).zip(bits) {
                let set = (0..8_u16).filter(|bit| byte & (0x80 >> bit) != 0);
                let base = u16::from(window) << 8 | n << 3;
                types.extend(set.map(|bit| RecordType::from_raw(base | bit)));
            }
        }
        Ok(Self(types))
    }
}

impl fmt::Display for TypeBitmap {
    /// Each type is preceded by a blank, as at the end of a record.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|rtype| write!(f, " {rtype}"))
    }
}
