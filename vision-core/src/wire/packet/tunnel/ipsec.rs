use crate::wire::packet::part::{Part, be32};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// What of an encrypted payload can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Esp {
    /// Which security association.
    pub spi: u32,
    /// The number of the packet.
    pub seq: u32,
}

/// An authentication header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ah {
    /// The protocol that follows.
    pub next_header: u8,
    /// Which security association.
    pub spi: u32,
    /// The number of the packet.
    pub seq: u32,
}

pub(in super::super) fn esp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Esp)?;
    let esp = Esp { spi: be32(head, 0), seq: be32(head, 4) };
    end(Proto::Esp(esp), 8, Next::Nothing, part)
}

pub(in super::super) fn ah(part: Part<'_>) -> Step<'_> {
    let head = part.head::<12>(Kind::Ah)?;
    let ah = Ah { next_header: head[0], spi: be32(head, 4), seq: be32(head, 8) };
    // In words of four bytes, less two (RFC 4302 §2.2).
    let len = (usize::from(head[1]) + 2) * 4;
    part.bytes(len, Kind::Ah)?;
    end(Proto::Ah(ah), len.max(12), Next::Protocol(head[0]), part)
}
