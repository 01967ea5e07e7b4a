use crate::wire::packet::part::{Part, be32};
use crate::wire::packet::walk::{Next, Step, by_version, end};
use crate::wire::packet::{Kind, Proto, link};

/// One entry of a label stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mpls {
    /// The label, 20 bits; below 16 are special (RFC 7274).
    pub label: u32,
    /// The class of traffic (RFC 5462).
    pub traffic_class: u8,
    /// No other entry follows.
    pub is_bottom: bool,
    /// Hops left.
    pub ttl: u8,
}

pub(in super::super) fn mpls(part: Part<'_>) -> Step<'_> {
    let word = be32(part.head::<4>(Kind::Mpls)?, 0);
    let mpls = Mpls {
        label: word >> 12,
        traffic_class: (word >> 9 & 7) as u8,
        is_bottom: word & 0x100 != 0,
        ttl: word as u8,
    };
    let next = if mpls.is_bottom { Next::MplsPayload } else { Next::Mpls };
    end(Proto::Mpls(mpls), 4, next, part)
}

/// Reads what no field names: by custom the first four bits tell (RFC 4928 §3).
pub(in super::super) fn mpls_payload(part: Part<'_>) -> Step<'_> {
    match part.data.first().map(|first| first >> 4) {
        Some(4 | 6) => by_version(part),
        // A pseudowire with its control word (RFC 4385 §3), Ethernet as a rule.
        Some(0) if part.data.len() >= 18 => link::ethernet(part.after(4)),
        _ => Ok(None),
    }
}
