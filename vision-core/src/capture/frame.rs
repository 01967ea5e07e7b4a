use crate::base::Timestamp;
use crate::wire::LinkType;

/// One captured packet, borrowed from the ring or the file it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// When it was taken; `None` where the file does not say (a pcapng simple packet).
    pub time: Option<Timestamp>,
    /// The bytes that were kept.
    pub data: &'a [u8],
    /// Length on the wire in bytes; more than `data` holds when the capture cut it.
    pub len: u32,
    /// What `data` begins with.
    pub link_type: LinkType,
    /// Which interface of its source, counted from zero.
    pub interface: u32,
    /// Which way it went, where the source says.
    pub direction: Option<Direction>,
}

impl<'a> Frame<'a> {
    /// Takes bytes that are a whole packet of which nothing else is known.
    pub fn new(link_type: LinkType, data: &'a [u8]) -> Self {
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        Self { time: None, data, len, link_type, interface: 0, direction: None }
    }
}

/// Which way a packet went, seen from the host that captured it.
// Closed: a packet comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Direction {
    /// Received by the interface.
    In,
    /// Sent by the interface.
    Out,
}
