//! Where the conversations seen so far began, for relative sequence numbers.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::bytes::Ends;

/// The first numbers of a conversation, seen from the end with the smaller port or address.
#[derive(Debug, Clone, Copy)]
struct Start {
    seq: u32,
    ack: u32,
}

/// Conversations by their ends.
#[derive(Debug, Default)]
pub(super) struct Flows {
    v4: HashMap<([u8; 4], [u8; 4], u32), Start, RandomState>,
    v6: HashMap<([u8; 16], [u8; 16], u32), Start, RandomState>,
}

/// Numbers as they are to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Relative {
    pub(super) seq: u32,
    pub(super) ack: u32,
    /// What to take off the edges of selectively acknowledged blocks.
    pub(super) acked: u32,
}

/// Where a segment's numbers come from.
pub(super) enum Numbers<'f> {
    /// From the conversations so far.
    Of(&'f mut Flows),
    /// They were found out before.
    Are(Relative),
}

impl Numbers<'_> {
    #[inline]
    pub(super) fn relative(
        &mut self,
        ends: Ends,
        ports: (u16, u16),
        numbers: (u32, u32, bool),
    ) -> Relative {
        match self {
            Self::Of(flows) => flows.relative(ends, ports, numbers),
            Self::Are(relative) => *relative,
        }
    }
}

/// Conversations remembered at most; when full they are all forgotten, and the next packet of each
/// shows its numbers as they are.
const MOST: usize = 1 << 20;

impl Flows {
    /// Tells a segment's numbers relative to the beginning of its conversation.
    #[inline]
    pub(super) fn relative(
        &mut self,
        ends: Ends,
        (src, dst): (u16, u16),
        (seq, ack, syn): (u32, u32, bool),
    ) -> Relative {
        let low = |from: &[u8], to: &[u8]| (src, from) <= (dst, to);
        let ports = |a: u16, b: u16| u32::from(a) << 16 | u32::from(b);
        let now = (seq, ack, syn);
        match ends {
            Ends::V4(from, to) => {
                let (from, to) = (from.octets(), to.octets());
                match low(&from, &to) {
                    true => in_map(&mut self.v4, (from, to, ports(src, dst)), true, now),
                    false => in_map(&mut self.v4, (to, from, ports(dst, src)), false, now),
                }
            }
            Ends::V6(from, to) => {
                let (from, to) = (from.octets(), to.octets());
                match low(&from, &to) {
                    true => in_map(&mut self.v6, (from, to, ports(src, dst)), true, now),
                    false => in_map(&mut self.v6, (to, from, ports(dst, src)), false, now),
                }
            }
        }
    }
}

#[inline]
fn in_map<K: Eq + std::hash::Hash>(
    map: &mut HashMap<K, Start, RandomState>,
    key: K,
    forth: bool,
    (seq, ack, syn): (u32, u32, bool),
) -> Relative {
    let before = ack.wrapping_sub(1);
    let start = match forth {
        true => Start { seq, ack: before },
        false => Start { seq: before, ack: seq },
    };
    let own = |start: Start| if forth { start } else { Start { seq: start.ack, ack: start.seq } };
    match map.get_mut(&key) {
        Some(known) if !syn => {
            let known = own(*known);
            let (seq, ack) = (seq.wrapping_sub(known.seq), ack.wrapping_sub(known.ack));
            return Relative { seq, ack, acked: known.ack };
        }
        Some(known) => *known = start,
        None => {
            if map.len() >= MOST {
                map.clear();
            }
            map.insert(key, start);
        }
    }
    Relative { seq, ack, acked: own(start).ack }
}
