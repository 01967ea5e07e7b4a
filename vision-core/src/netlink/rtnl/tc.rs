//! Traffic control (linux/rtnetlink.h, linux/gen_stats.h): queueing disciplines, classes, filters.

use super::fixed;
use crate::netlink::attr::{self, Attrs, Request, read};
use crate::netlink::header::{Message, NLM_F_DUMP};

/// `struct tcmsg`.
const FIXED: usize = 20;

/// What to list.
// closed: the kinds of object traffic control has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Qdisc,
    Class,
    Filter,
}

impl Kind {
    /// The request's constant, its number, the number of its answers.
    fn numbers(self) -> (&'static str, u16, u16) {
        match self {
            Self::Qdisc => ("RTM_GETQDISC", 38, 36),
            Self::Class => ("RTM_GETTCLASS", 42, 40),
            Self::Filter => ("RTM_GETTFILTER", 46, 44),
        }
    }
}

/// One object as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct TcMsg<'a> {
    pub(crate) ifindex: u32,
    pub(crate) handle: u32,
    pub(crate) parent: u32,
    pub(crate) info: u32,
    pub(crate) kind: &'a [u8],
    pub(crate) options: &'a [u8],
    pub(crate) xstats: Option<&'a [u8]>,
    pub(crate) chain: Option<u32>,
    pub(crate) offloaded: Option<u8>,
    pub(crate) ingress_block: Option<u32>,
    pub(crate) egress_block: Option<u32>,
    pub(crate) stats: StatsMsg,
}

/// What has passed, and what waits (`TCA_STATS2`).
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct StatsMsg {
    pub(crate) bytes: Option<u64>,
    pub(crate) packets: Option<u64>,
    /// Packets waiting, bytes waiting, dropped, put back, over the limit.
    pub(crate) queue: Option<[u32; 5]>,
    /// Bits and packets in a second.
    pub(crate) rate: Option<[u64; 2]>,
}

/// Asks for all objects of a kind; classes and filters are listed for one interface, filters for
/// one parent (zero for the root).
pub(crate) fn dump(kind: Kind, ifindex: u32, parent: u32) -> Request {
    let (name, number, _) = kind.numbers();
    let [index, parent] = [ifindex, parent].map(u32::to_ne_bytes);
    let head = [[0; 4], index, [0; 4], parent, [0; 4]].concat();
    Request::new(name, number, NLM_F_DUMP, &head)
}

/// Reads one object; `None` when the message is of another kind.
pub(crate) fn decode<'a>(message: &Message<'a>, kind: Kind) -> Option<TcMsg<'a>> {
    let (.., answer) = kind.numbers();
    if message.kind != answer {
        return None;
    }
    let head: [u8; FIXED] = fixed(message.body);
    let word = |at| read(&head, at).map(u32::from_ne_bytes);
    let mut found = TcMsg {
        ifindex: word(4)?,
        handle: word(8)?,
        parent: word(12)?,
        info: word(16)?,
        ..TcMsg::default()
    };
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            1 => found.kind = attr::text(value),
            2 => found.options = value,
            4 => found.xstats = Some(value),
            7 => found.stats = stats(value),
            11 => found.chain = attr::u32(value),
            12 => found.offloaded = attr::u8(value),
            13 => found.ingress_block = attr::u32(value),
            14 => found.egress_block = attr::u32(value),
            _ => {}
        }
    }
    Some(found)
}

/// Reads a nest of `TCA_STATS_*`, as actions have one as well.
pub(crate) fn stats(nest: &[u8]) -> StatsMsg {
    let mut stats = StatsMsg::default();
    let mut wide = None;
    for (kind, value) in Attrs::new(nest) {
        match kind {
            1 => {
                stats.bytes = read(value, 0).map(u64::from_ne_bytes);
                stats.packets = value.get(8..).and_then(attr::u32).map(u64::from);
            }
            2 => {
                let [bytes, packets] = [0, 4].map(|at| value.get(at..).and_then(attr::u32));
                let rate = bytes.zip(packets).map(|(b, p)| [u64::from(b) * 8, p.into()]);
                stats.rate = stats.rate.or(rate);
            }
            3 => {
                let word = |n: usize| value.get(4 * n..).and_then(attr::u32);
                stats.queue = word(4).map(|_| [0, 1, 2, 3, 4].map(|n| word(n).unwrap_or(0)));
            }
            5 => {
                let [bytes, packets] = [0, 8].map(|at| read(value, at).map(u64::from_ne_bytes));
                stats.rate = bytes.zip(packets).map(|(b, p)| [b.saturating_mul(8), p]);
            }
            8 => wide = read(value, 0).map(u64::from_ne_bytes),
            _ => {}
        }
    }
    stats.packets = wide.or(stats.packets);
    stats
}
