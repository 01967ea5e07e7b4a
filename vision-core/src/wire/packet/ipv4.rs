use std::net::Ipv4Addr;

use super::part::{Part, array, be16};
use super::walk::{Next, Step, end};
use super::{Kind, Proto};

/// An IPv4 header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv4<'a> {
    /// Length of the header in bytes, options included.
    pub header_len: u8,
    /// Differentiated services and congestion marks.
    pub tos: u8,
    /// Length of the packet in bytes; zero where the sender's card was to fill it in.
    pub total_len: u16,
    /// Identifies the fragments of one packet.
    pub id: u16,
    /// It may not be fragmented.
    pub dont_fragment: bool,
    /// Further fragments follow.
    pub more_fragments: bool,
    /// Where the fragment stands, in bytes.
    pub fragment_offset: u16,
    /// Hops left.
    pub ttl: u8,
    /// The protocol of the payload.
    pub protocol: u8,
    /// The checksum as it stands.
    pub checksum: u16,
    /// Where it comes from.
    pub src: Ipv4Addr,
    /// Where it goes.
    pub dst: Ipv4Addr,
    /// The options as they stand.
    pub raw_options: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Walks the options; ends at the first that does not fit.
    pub fn options(&self) -> Ipv4Options<'a> {
        Ipv4Options(self.raw_options)
    }

    /// Tells whether this is a piece of a packet.
    pub fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }
}

/// One option: its kind and what follows the length (RFC 791 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv4Option<'a> {
    /// Copied flag, class and number in one byte.
    pub kind: u8,
    /// The rest, without kind and length.
    pub data: &'a [u8],
}

/// The options of an [`Ipv4`] header, without padding.
#[derive(Debug, Clone)]
pub struct Ipv4Options<'a>(&'a [u8]);

impl<'a> Iterator for Ipv4Options<'a> {
    type Item = Ipv4Option<'a>;

    fn next(&mut self) -> Option<Ipv4Option<'a>> {
        while let [1, rest @ ..] = self.0 {
            self.0 = rest;
        }
        let [kind @ 2..=255, len, ..] = *self.0 else { return None };
        let data = self.0.get(2..usize::from(len))?;
        self.0 = self.0.get(usize::from(len)..)?;
        Some(Ipv4Option { kind, data })
    }
}

pub(super) fn ipv4(part: Part<'_>) -> Step<'_> {
    let head = part.head::<20>(Kind::Ipv4)?;
    let header_len = usize::from(head[0] & 15) * 4;
    if head[0] >> 4 != 4 || header_len < 20 {
        return Err(part.malformed(Kind::Ipv4));
    }
    let raw_options = part.bytes(header_len, Kind::Ipv4)?.get(20..).unwrap_or_default();
    let (total_len, fragment) = (be16(head, 2), be16(head, 6));
    let ip = Ipv4 {
        header_len: header_len as u8,
        tos: head[1],
        total_len,
        id: be16(head, 4),
        dont_fragment: fragment & 0x4000 != 0,
        more_fragments: fragment & 0x2000 != 0,
        fragment_offset: (fragment & 0x1fff) << 3,
        ttl: head[8],
        protocol: head[9],
        checksum: be16(head, 10),
        src: array(head, 12).into(),
        dst: array(head, 16).into(),
        raw_options,
    };
    let next = match ip.fragment_offset {
        0 => Next::Protocol(ip.protocol),
        _ => Next::Nothing,
    };
    // Zero: the card was to cut a larger segment (net/ipv4/ip_output.c leaves it so for BIG TCP).
    let whole = match total_len {
        0 => part,
        _ if usize::from(total_len) < header_len => part.within(header_len),
        _ => part.within(usize::from(total_len)),
    };
    end(Proto::Ipv4(ip), header_len, next, whole)
}
