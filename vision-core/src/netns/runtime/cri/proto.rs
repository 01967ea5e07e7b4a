//! The least of protocol buffers (encoding of version 3): fields by number, in the order they come.

use crate::base::Error;

/// What one field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held<'a> {
    Varint(u64),
    Fixed64(u64),
    /// Text, bytes, a message, or a packed list.
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Held<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    pub(super) fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    pub(super) fn number(self) -> u64 {
        match self {
            Self::Varint(number) | Self::Fixed64(number) => number,
            Self::Fixed32(number) => number.into(),
            Self::Bytes(_) => 0,
        }
    }
}

/// The fields of a message; ends with the first error.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn field(&mut self) -> Option<(u64, Held<'a>)> {
        let key = varint(&mut self.0)?;
        let value = match key & 7 {
            0 => Held::Varint(varint(&mut self.0)?),
            1 => Held::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let len = usize::try_from(varint(&mut self.0)?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(len)?;
                self.0 = rest;
                Held::Bytes(bytes)
            }
            5 => Held::Fixed32(u32::from_le_bytes(self.fixed()?)),
            // Groups went with version 2, the rest was never given away.
            _ => return None,
        };
        // A number has 29 bits, and none is 0.
        Some((key >> 3, value)).filter(|(number, _)| (1..1 << 29).contains(number))
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Held<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.field().ok_or_else(|| {
            self.0 = &[];
            super::bad("is no protobuf message")
        }))
    }
}

/// Reads a number of at most ten bytes, seven bits each, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Writes a number as [`varint`] reads it.
fn put_varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    message.push(number.to_le_bytes()[0]);
}

/// Appends a number as a field.
pub(super) fn put_number(message: &mut Vec<u8>, field: u32, number: u64) {
    put_varint(message, u64::from(field) << 3);
    put_varint(message, number);
}

/// Appends text, bytes or a message as a field.
pub(super) fn put_bytes(message: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(message, u64::from(field) << 3 | 2);
    put_varint(message, bytes.len() as u64);
    message.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Option<Vec<(u64, Held<'_>)>> {
        Fields::of(bytes).collect::<Result<_, _>>().ok()
    }

    #[test]
    fn the_examples_of_the_specification_read_as_it_says() {
        assert_eq!(all(&[0x08, 0x96, 0x01]), Some(vec![(1, Held::Varint(150))]));
        let text = [0x12, 7, b't', b'e', b's', b't', b'i', b'n', b'g'];
        assert_eq!(all(&text), Some(vec![(2, Held::Bytes(b"testing"))]));
        let fixed = [0x0d, 1, 0, 0, 0, 0x11, 2, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(all(&fixed), Some(vec![(1, Held::Fixed32(1)), (2, Held::Fixed64(2))]));
        assert_eq!(all(&[]), Some(vec![]));
    }

    #[test]
    fn what_is_written_reads_back() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut message = Vec::new();
            put_number(&mut message, 1, number);
            put_bytes(&mut message, 20, b"x");
            let expected = vec![(1, Held::Varint(number)), (20, Held::Bytes(b"x"))];
            assert_eq!(all(&message), Some(expected));
        }
    }

    #[test]
    fn damage_is_an_error_and_ends_the_message() {
        for bytes in [
            &[0x08][..],
            &[0x08, 0x80],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
            &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            &[0x12, 0x02, 0x00],
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00],
            &[0x0b, 0x0c],
            &[0x0e, 0x00],
            &[0x00, 0x00],
            &[0x0d, 1, 2, 3],
            &[0x09, 1, 2, 3, 4, 5, 6, 7],
        ] {
            let mut fields = Fields::of(bytes);
            assert!(fields.next().is_some_and(|field| field.is_err()), "{bytes:02x?}");
            assert!(fields.next().is_none(), "{bytes:02x?}");
        }
    }
}
