use crate::wire::packet::part::{Part, be16};
use crate::wire::packet::walk::{Next, Step, end};
use crate::wire::packet::{Kind, Proto};

/// A DNS message: its header, and the bytes to read the rest from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dns<'a> {
    /// The identifier.
    pub id: u16,
    /// Kind, flags and result as they stand (RFC 1035 §4.1.1).
    pub flags: u16,
    /// Entries each section announces: question, answer, authority, additional.
    pub counts: [u16; 4],
    /// The message, without the length that TCP puts in front.
    pub bytes: &'a [u8],
}

impl Dns<'_> {
    /// Tells whether it is an answer.
    pub fn is_response(&self) -> bool {
        self.flags & 0x8000 != 0
    }

    /// Returns the kind of request; 0 is a query.
    pub fn opcode(&self) -> u8 {
        (self.flags >> 11 & 15) as u8
    }

    /// Returns the result, without the upper bits of the extension record.
    pub fn rcode(&self) -> u8 {
        (self.flags & 15) as u8
    }

    /// Reads names and records.
    #[cfg(feature = "dns")]
    pub fn message(&self) -> Option<crate::wire::dns::Message> {
        crate::wire::dns::Message::decode(self.bytes).ok()
    }
}

fn header(bytes: &[u8]) -> Dns<'_> {
    Dns {
        id: be16(bytes, 0),
        flags: be16(bytes, 2),
        counts: [be16(bytes, 4), be16(bytes, 6), be16(bytes, 8), be16(bytes, 10)],
        bytes,
    }
}

pub(super) fn dns(part: Part<'_>) -> Step<'_> {
    part.head::<12>(Kind::Dns)?;
    end(Proto::Dns(header(part.data)), part.data.len(), Next::Nothing, part)
}

/// A message that a segment holds whole, behind its length; the next may follow.
pub(in super::super) fn over_tcp(part: Part<'_>) -> Step<'_> {
    let Some((length, rest)) = part.data.split_first_chunk::<2>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*length));
    match rest.get(..length) {
        Some(message) if length >= 12 => {
            end(Proto::Dns(header(message)), 2 + length, Next::DnsOverTcp, part)
        }
        _ => Ok(None),
    }
}
