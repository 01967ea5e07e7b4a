use super::{Fault, Kind};

/// What is left of a packet: the bytes kept, where they stand, and how long it was on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// Offset in the packet.
    pub(super) at: usize,
    pub(super) data: &'a [u8],
    /// Length before the capture cut it: at least that of `data`.
    pub(super) wire: usize,
}

impl<'a> Part<'a> {
    pub(super) fn new(data: &'a [u8], wire: usize) -> Self {
        Self { at: 0, data, wire: wire.max(data.len()) }
    }

    /// Reads the first bytes, which stay where they are.
    #[inline]
    pub(super) fn head<const N: usize>(self, layer: Kind) -> Result<&'a [u8; N], Fault> {
        self.data.first_chunk().ok_or_else(|| self.short(layer, N))
    }

    #[inline]
    pub(super) fn bytes(self, len: usize, layer: Kind) -> Result<&'a [u8], Fault> {
        self.data.get(..len).ok_or_else(|| self.short(layer, len))
    }

    /// Leaves out the first bytes.
    #[inline]
    pub(super) fn after(self, len: usize) -> Self {
        let data = self.data.get(len..).unwrap_or_default();
        Self { at: self.at + len.min(self.data.len()), data, wire: self.wire.saturating_sub(len) }
    }

    /// Leaves out what a length field excludes: padding and trailers.
    #[inline]
    pub(super) fn within(self, wire: usize) -> Self {
        let data = self.data.get(..wire).unwrap_or(self.data);
        Self { at: self.at, data, wire: self.wire.min(wire) }
    }

    #[cold]
    pub(super) fn short(self, layer: Kind, needed: usize) -> Fault {
        let available = self.data.len();
        Fault { layer, offset: self.at, needed, available, is_cut: self.wire >= needed }
    }

    #[cold]
    pub(super) fn malformed(self, layer: Kind) -> Fault {
        let available = self.data.len();
        Fault { layer, offset: self.at, needed: 0, available, is_cut: available < self.wire }
    }
}

/// Reads a number in network order; zero where there is none, which callers have ruled out.
#[inline]
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..).and_then(|rest| rest.first_chunk());
    two.map_or(0, |two| u16::from_be_bytes(*two))
}

/// Reads a number in network order; zero where there is none, which callers have ruled out.
#[inline]
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(|rest| rest.first_chunk());
    four.map_or(0, |four| u32::from_be_bytes(*four))
}

/// Copies bytes out of a header; zeroes where there are none, which callers have ruled out.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}
