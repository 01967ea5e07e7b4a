use super::part::{Part, be16, be32};
use super::walk::{Next, Step, end};
use super::{Kind, Proto};

/// The common header of SCTP and its chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sctp<'a> {
    /// Where it comes from.
    pub src_port: u16,
    /// Where it goes.
    pub dst_port: u16,
    /// Tells associations apart; zero in an INIT.
    pub verification_tag: u32,
    /// The CRC-32C as it stands.
    pub checksum: u32,
    /// The chunks as they stand.
    pub raw_chunks: &'a [u8],
}

/// One chunk (RFC 9260 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SctpChunk<'a> {
    /// 0 is data, 1 INIT, 2 INIT ACK, 3 SACK, 6 ABORT, 14 SHUTDOWN COMPLETE.
    pub kind: u8,
    /// Flags of the kind.
    pub flags: u8,
    /// Its length as it says, the four bytes in front included.
    pub length: u16,
    /// What of it is there.
    pub data: &'a [u8],
}

/// The chunks of an [`Sctp`] packet.
#[derive(Debug, Clone)]
pub struct SctpChunks<'a>(&'a [u8]);

impl<'a> Sctp<'a> {
    /// Walks the chunks; ends at the first whose length makes no sense.
    pub fn chunks(&self) -> SctpChunks<'a> {
        SctpChunks(self.raw_chunks)
    }
}

impl<'a> Iterator for SctpChunks<'a> {
    type Item = SctpChunk<'a>;

    fn next(&mut self) -> Option<SctpChunk<'a>> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        let length = be16(head, 2);
        let padded = usize::from(length).next_multiple_of(4);
        if length < 4 {
            return None;
        }
        let data = rest.get(..usize::from(length) - 4).unwrap_or(rest);
        self.0 = self.0.get(padded..).unwrap_or_default();
        Some(SctpChunk { kind: head[0], flags: head[1], length, data })
    }
}

pub(super) fn sctp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<12>(Kind::Sctp)?;
    let sctp = Sctp {
        src_port: be16(head, 0),
        dst_port: be16(head, 2),
        verification_tag: be32(head, 4),
        checksum: be32(head, 8),
        raw_chunks: part.after(12).data,
    };
    end(Proto::Sctp(sctp), part.data.len(), Next::Nothing, part)
}
