use crate::base::Timestamp;
use crate::capture::{Direction, Frame};
use crate::wire::LinkType;

/// How packets come from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CaptureMethod {
    /// They lie in memory shared with it (`TPACKET_V3`; Linux 3.2).
    Ring,
    /// They are received, many with one call, because it shares none.
    Receive,
}

/// A packet to keep: [`Frame`] with bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Packet {
    /// When it was taken.
    pub time: Option<Timestamp>,
    /// The bytes that were kept.
    pub data: Vec<u8>,
    /// Length on the wire in bytes.
    pub len: u32,
    /// What `data` begins with.
    pub link_type: LinkType,
    /// Which interface of its source, counted from zero.
    pub interface: u32,
    /// Which way it went.
    pub direction: Option<Direction>,
}

impl Packet {
    /// Lends the packet as readers and decoders take it.
    pub fn frame(&self) -> Frame<'_> {
        let &Self { time, ref data, len, link_type, interface, direction } = self;
        Frame { time, data, len, link_type, interface, direction }
    }
}

impl From<Frame<'_>> for Packet {
    fn from(frame: Frame<'_>) -> Self {
        let Frame { time, data, len, link_type, interface, direction } = frame;
        Self { time, data: data.to_vec(), len, link_type, interface, direction }
    }
}
