use std::fmt;

use super::Kind;

/// Where a packet stopped making sense, and what was missing there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Fault {
    /// The layer that could not be read.
    pub layer: Kind,
    /// Where it begins, in bytes from the start of the packet.
    pub offset: usize,
    /// Bytes it needs from there; zero when the length is not the fault.
    pub needed: usize,
    /// Bytes that were there.
    pub available: usize,
    /// The capture kept less than was on the wire, so the packet itself may be sound.
    pub is_cut: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, offset, needed, available, is_cut } = self;
        match needed {
            0 => write!(f, "{layer} at byte {offset} is malformed"),
            _ => write!(f, "{layer} at byte {offset} needs {needed} bytes, has {available}"),
        }?;
        if *is_cut { f.write_str(" (cut by the capture)") } else { Ok(()) }
    }
}
