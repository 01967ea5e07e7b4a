use super::{Endian, Options};
use crate::capture::Frame;

/// One thing in a capture file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// A packet.
    Frame(Frame<'a>),
    /// A block of a pcapng file that is no packet, of whatever kind.
    Block(Block<'a>),
}

/// A block of a pcapng file that is no packet, as it stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block<'a> {
    /// Block type: 1 an interface, 4 names, 5 statistics, 10 secrets, 0x0bad custom, and others.
    pub kind: u32,
    /// What stands between the two lengths, padding included.
    pub body: &'a [u8],
    /// The byte order of its section.
    pub endian: Endian,
}

impl<'a> Block<'a> {
    /// Section Header Block, §4.1.
    pub const SECTION: u32 = 0x0a0d_0d0a;
    /// Interface Description Block, §4.2.
    pub const INTERFACE: u32 = 1;
    /// Packet Block, obsolete, appendix A.
    pub const PACKET: u32 = 2;
    /// Simple Packet Block, §4.4.
    pub const SIMPLE_PACKET: u32 = 3;
    /// Name Resolution Block, §4.5.
    pub const NAMES: u32 = 4;
    /// Interface Statistics Block, §4.6.
    pub const STATISTICS: u32 = 5;
    /// Enhanced Packet Block, §4.3.
    pub const ENHANCED_PACKET: u32 = 6;
    /// Decryption Secrets Block, §4.7.
    pub const SECRETS: u32 = 10;
    /// Custom Block that may be copied, §4.8.
    pub const CUSTOM: u32 = 0x0bad;
    /// Custom Block that must not be copied, §4.8.
    pub const CUSTOM_NO_COPY: u32 = 0x4000_0bad;

    /// Returns the options of kinds of blocks that have them after a head of fixed length; empty
    /// for others.
    pub fn options(&self) -> Options<'a> {
        let head = match self.kind {
            Self::SECTION => 16,
            Self::INTERFACE => 8,
            Self::STATISTICS => 12,
            _ => usize::MAX,
        };
        Options::new(self.body.get(head..).unwrap_or_default(), self.endian)
    }
}
