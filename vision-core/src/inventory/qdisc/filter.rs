use super::{TcHandle, TcStats};
use crate::base::{Prefix, open_enum};
use crate::inventory::row::{Row, string};
use crate::netlink::attr::{Attrs, be16, ip, read, text, u8, u32};
use crate::netlink::header::Message;
use crate::netlink::rtnl::tc::{self, Kind};

/// A filter, as `tc -s filter` shows it.
#[doc(alias = "RTM_NEWTFILTER")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Filter {
    /// The interface.
    pub ifindex: u32,
    /// What it hangs under.
    pub parent: TcHandle,
    /// Which one: `u32`, `flower`, `bpf`, `matchall`.
    pub kind: String,
    /// Turn; the lower is first.
    pub priority: u16,
    /// Ethertype of the packets it looks at; 3 for all.
    pub ethertype: u16,
    /// Chain it is in; the first packet meets chain 0.
    pub chain: Option<u32>,
    /// Its number; zero for what only holds others.
    pub handle: u32,
    /// What it looks for and where it sends what it finds.
    pub options: FilterOptions,
    /// What is done with what it finds, in this order.
    pub actions: Vec<TcAction>,
}

/// What a filter looks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct FilterOptions {
    /// The class for what it finds.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub class: Option<TcHandle>,
    /// `bpf`: name of the program.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bpf_name: Option<String>,
    /// `bpf`: number of the program.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bpf_id: Option<u32>,
    /// `bpf`: fingerprint of the program, in hexadecimal.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bpf_tag: Option<String>,
    /// `bpf`: whether the program itself says what is done (`direct-action`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bpf_direct_action: Option<bool>,
    /// `u32`: conditions as `value/mask at offset`, in hexadecimal.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub u32_keys: Vec<String>,
    /// `flower`: source network.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub src: Option<Prefix>,
    /// `flower`: destination network.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dst: Option<Prefix>,
    /// `flower`: IP protocol.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ip_protocol: Option<u8>,
    /// `flower`: source port.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub src_port: Option<u16>,
    /// `flower`: destination port.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dst_port: Option<u16>,
    /// Attributes not read here, by number.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub unread: Vec<u16>,
}

/// One thing that is done with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TcAction {
    /// Which one: `gact`, `mirred`, `police`, `bpf`.
    pub kind: String,
    /// Its number among those of its kind.
    pub index: Option<u32>,
    /// What becomes of the packet then.
    pub verdict: Option<TcVerdict>,
    /// `mirred`: the interface that gets the packet or a copy.
    pub target_ifindex: Option<u32>,
    /// `police`: bytes in a second that pass.
    pub rate_bytes_per_s: Option<u64>,
    /// What passed it.
    pub stats: TcStats,
}

open_enum! {
    /// What becomes of a packet (linux/pkt_cls.h `TC_ACT_*`).
    pub enum TcVerdict: i32 {
        /// What the filter says otherwise.
        Unspec = -1, "continue";
        /// It goes on its way.
        Ok = 0, "pass";
        /// Filters start anew.
        Reclassify = 1, "reclassify";
        /// It is dropped.
        Shot = 2, "drop";
        /// The next action has it.
        Pipe = 3, "pipe";
        /// It belongs to somebody else now.
        Stolen = 4, "stolen";
        /// It goes out by another interface.
        Redirect = 7, "redirect";
        /// As `drop`, and the hardware asks the kernel.
        Trap = 8, "trap";
    }
}

/// Reads a filter.
pub(in crate::inventory) fn read_filter(message: &Message<'_>, (): ()) -> Row<Filter> {
    let Some(msg) = tc::decode(message, Kind::Filter) else {
        return Row::Other;
    };
    if msg.kind.is_empty() {
        return Row::Unreadable;
    }
    let [high, low, e0, e1] = msg.info.to_be_bytes();
    let (options, actions) = options(msg.kind, msg.options);
    Row::Item(Filter {
        ifindex: msg.ifindex,
        parent: TcHandle::from_raw(msg.parent),
        kind: string(msg.kind),
        priority: u16::from_be_bytes([high, low]),
        // In network byte order inside of a number in that of the host.
        ethertype: u16::from_be_bytes(u16::from_be_bytes([e0, e1]).to_ne_bytes()),
        chain: msg.chain,
        handle: msg.handle,
        options,
        actions,
    })
}

fn options(kind: &[u8], nest: &[u8]) -> (FilterOptions, Vec<TcAction>) {
    let (mut found, mut acts) = (FilterOptions::default(), Vec::new());
    let class = |value| u32(value).map(TcHandle::from_raw).filter(|class| !class.is_none());
    let mut flower = Flower::default();
    for (number, value) in Attrs::new(nest) {
        match (kind, number) {
            (b"bpf", 3) | (b"u32" | b"flower" | b"matchall" | b"basic", 1) => {
                found.class = class(value);
            }
            (b"bpf", 1) | (b"u32", 7) | (b"flower", 3) | (b"matchall", 2) | (b"basic", 3) => {
                acts = actions(value);
            }
            (b"bpf", 7) => found.bpf_name = Some(string(text(value))),
            (b"bpf", 8) => found.bpf_direct_action = u32(value).map(|flags| flags & 1 != 0),
            (b"bpf", 10) => found.bpf_tag = Some(hex(value)),
            (b"bpf", 11) => found.bpf_id = u32(value),
            (b"u32", 5) => found.u32_keys = keys(value),
            (b"flower", 8) => {}
            (b"flower", 9) => found.ip_protocol = u8(value),
            (b"flower", 10..=17) => flower.take(number, value),
            (b"flower", 18 | 20) => found.src_port = be16(value),
            (b"flower", 19 | 21) => found.dst_port = be16(value),
            // Switches, counters and what was said above already.
            (b"u32", 2 | 9 | 11 | 12) | (b"flower", 22 | 93) | (b"matchall", 3..=5) => {}
            _ => found.unread.push(number),
        }
    }
    (found.src, found.dst) = (flower.network(0), flower.network(1));
    (found, acts)
}

/// Source and destination of `flower`, each with its mask.
#[derive(Default)]
struct Flower<'a> {
    parts: [[Option<&'a [u8]>; 2]; 2],
}

impl<'a> Flower<'a> {
    /// Takes one of `TCA_FLOWER_KEY_IPV4_SRC` to `TCA_FLOWER_KEY_IPV6_DST_MASK`.
    fn take(&mut self, number: u16, value: &'a [u8]) {
        let at = usize::from(number - 10) % 4;
        if let Some(part) = self.parts.get_mut(at / 2).and_then(|pair| pair.get_mut(at % 2)) {
            *part = Some(value);
        }
    }

    fn network(&self, which: usize) -> Option<Prefix> {
        let [addr, mask] = self.parts.get(which)?;
        let ones = mask.unwrap_or_default().iter().map(|byte| byte.count_ones()).sum::<u32>();
        Prefix::new(ip((*addr)?)?, u8::try_from(ones).ok()?).ok()
    }
}

/// `struct tc_u32_sel`, then its keys.
fn keys(value: &[u8]) -> Vec<String> {
    let keys = value.get(16..).unwrap_or_default().chunks_exact(16);
    let shown = keys.filter_map(|key| {
        let word = |at| read(key, at).map(u32::from_be_bytes);
        let (mask, wanted) = (word(0)?, word(4)?);
        let at = read(key, 8).map(i32::from_ne_bytes)?;
        Some(format!("{wanted:08x}/{mask:08x} at {at}"))
    });
    shown.collect()
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A nest of actions by their turn.
fn actions(nest: &[u8]) -> Vec<TcAction> {
    Attrs::new(nest).map(|(_, action)| one_action(action)).collect()
}

fn one_action(nest: &[u8]) -> TcAction {
    let (mut kind, mut options, mut index, mut stats) = (&[][..], &[][..], None, None);
    for (number, value) in Attrs::new(nest) {
        match number {
            1 => kind = text(value),
            2 => options = value,
            3 => index = u32(value),
            4 => stats = Some(value),
            _ => {}
        }
    }
    // All begin with index, capabilities and verdict (`tc_gen`) but `police`.
    let parms = match kind {
        b"police" => Attrs::new(options).find(1),
        _ => Attrs::new(options).find(2),
    };
    let word = |at| parms.and_then(|parms| parms.get(at..)).and_then(u32);
    let verdict = word(if kind == b"police" { 4 } else { 8 });
    TcAction {
        kind: string(kind),
        index: index.or(word(0)).filter(|index| *index != 0),
        verdict: verdict.map(|v| TcVerdict::from_raw(v.cast_signed())),
        target_ifindex: word(24).filter(|_| kind == b"mirred"),
        rate_bytes_per_s: word(28).map(u64::from).filter(|_| kind == b"police"),
        stats: stats.map(tc::stats).unwrap_or_default().into(),
    }
}
