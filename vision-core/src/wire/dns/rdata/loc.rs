use std::fmt;

use crate::base::DecodeError;
use crate::wire::dns::cursor::Cursor;

/// A place on Earth (RFC 1876 §2), in the units of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Loc {
    /// Diameter of the place: mantissa and power of ten, in centimetres.
    pub size: u8,
    /// Horizontal precision, likewise.
    pub horizontal: u8,
    /// Vertical precision, likewise.
    pub vertical: u8,
    /// Thousandths of a second of arc, the equator at 2³¹.
    pub latitude: u32,
    /// Thousandths of a second of arc, the prime meridian at 2³¹.
    pub longitude: u32,
    /// Centimetres above 100 km below the reference spheroid.
    pub altitude: u32,
}

impl Loc {
    /// Version zero is the only one.
    pub(super) fn decode(data: &mut Cursor<'_>) -> Result<Option<Self>, DecodeError> {
        if data.u8()? != 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            size: data.u8()?,
            horizontal: data.u8()?,
            vertical: data.u8()?,
            latitude: data.u32()?,
            longitude: data.u32()?,
            altitude: data.u32()?,
        }))
    }
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        angle(self.latitude, ['N', 'S'], f)?;
        angle(self.longitude, ['E', 'W'], f)?;
        metres(i64::from(self.altitude) - 10_000_000, f)?;
        for power in [self.size, self.horizontal, self.vertical] {
            // Precisions are printed in whole metres from one metre on.
            match centimetres(power) {
                whole @ 100.. => write!(f, " {}m", whole / 100)?,
                part => write!(f, " 0.{part:02}m")?,
            }
        }
        Ok(())
    }
}

fn angle(raw: u32, signs: [char; 2], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let milli = i64::from(raw) - (1 << 31);
    let sign = if milli < 0 { signs[1] } else { signs[0] };
    let milli = milli.unsigned_abs();
    let (seconds, minutes) = (milli / 1000, milli / 60_000);
    let fields = (minutes / 60, minutes % 60, seconds % 60, milli % 1000);
    write!(f, "{} {} {}.{:03} {sign} ", fields.0, fields.1, fields.2, fields.3)
}

fn metres(centimetres: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let sign = if centimetres < 0 { "-" } else { "" };
    let whole = centimetres.unsigned_abs();
    write!(f, "{sign}{}.{:02}m", whole / 100, whole % 100)
}

fn centimetres(power: u8) -> i64 {
    i64::from(power >> 4) * 10_i64.pow(u32::from(power & 15))
}
