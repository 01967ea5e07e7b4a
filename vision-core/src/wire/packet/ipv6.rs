use std::net::Ipv6Addr;

use super::part::{Part, array, be16, be32};
use super::walk::{Next, Step, end};
use super::{Kind, Proto};

/// An IPv6 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6 {
    /// Differentiated services and congestion marks.
    pub traffic_class: u8,
    /// The label of the flow, 20 bits.
    pub flow_label: u32,
    /// Length of what follows the header, in bytes; zero for a jumbogram.
    pub payload_len: u16,
    /// What follows: a protocol or an extension header.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Where it comes from.
    pub src: Ipv6Addr,
    /// Where it goes.
    pub dst: Ipv6Addr,
}

/// A hop-by-hop (0), routing (43), destination (60), mobility (135), HIP (139) or shim (140)
/// header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6Extension<'a> {
    /// Which of them it is.
    pub header: u8,
    /// What follows it.
    pub next_header: u8,
    /// Its bytes after the length.
    pub data: &'a [u8],
}

/// The fragment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6Fragment {
    /// What the whole packet holds after this header.
    pub next_header: u8,
    /// Where the fragment stands, in bytes.
    pub fragment_offset: u16,
    /// Further fragments follow.
    pub more_fragments: bool,
    /// Identifies the fragments of one packet.
    pub id: u32,
}

pub(super) fn ipv6(part: Part<'_>) -> Step<'_> {
    let head = part.head::<40>(Kind::Ipv6)?;
    let first = be32(head, 0);
    if first >> 28 != 6 {
        return Err(part.malformed(Kind::Ipv6));
    }
    let payload_len = be16(head, 4);
    let ip = Ipv6 {
        traffic_class: (first >> 20) as u8,
        flow_label: first & 0xf_ffff,
        payload_len,
        next_header: head[6],
        hop_limit: head[7],
        src: array(head, 8).into(),
        dst: array(head, 24).into(),
    };
    // Zero: a jumbogram (RFC 2675), or a segment that the card was to cut.
    let whole = match payload_len {
        0 if ip.next_header == 0 || part.wire > 0xffff => part,
        _ => part.within(40 + usize::from(payload_len)),
    };
    end(Proto::Ipv6(ip), 40, Next::Protocol(head[6]), whole)
}

pub(super) fn extension(header: u8, part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Ipv6Extension)?;
    let len = (usize::from(head[1]) + 1) * 8;
    let data = part.bytes(len, Kind::Ipv6Extension)?.get(2..).unwrap_or_default();
    let extension = Ipv6Extension { header, next_header: head[0], data };
    end(Proto::Ipv6Extension(extension), len, Next::Protocol(head[0]), part)
}

pub(super) fn fragment(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Ipv6Fragment)?;
    let bits = be16(head, 2);
    let fragment = Ipv6Fragment {
        next_header: head[0],
        fragment_offset: bits & 0xfff8,
        more_fragments: bits & 1 != 0,
        id: be32(head, 4),
    };
    let next = match fragment.fragment_offset {
        0 => Next::Protocol(head[0]),
        _ => Next::Nothing,
    };
    end(Proto::Ipv6Fragment(fragment), 8, next, part)
}
