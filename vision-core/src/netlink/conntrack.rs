//! Connection tracking (linux/netfilter/nfnetlink_conntrack.h), by our own walk: a busy node has
//! 500 000 entries, and the generated decoder scans each nest again for every field.

use std::net::IpAddr;

use super::attr::{self, Attrs, NESTED, Request, be16, be32, be64};
use super::header::{Message, NLM_F_ACK, NLM_F_DUMP};

/// `NFNL_SUBSYS_CTNETLINK << 8` before the message's own number.
const SUBSYSTEM: u16 = 1 << 8;
pub(crate) const IPCTNL_MSG_CT_NEW: u16 = SUBSYSTEM;
const IPCTNL_MSG_CT_GET: u16 = SUBSYSTEM | 1;
pub(crate) const IPCTNL_MSG_CT_DELETE: u16 = SUBSYSTEM | 2;
const IPCTNL_MSG_CT_GET_STATS: u16 = SUBSYSTEM | 5;

/// `struct nfgenmsg`: family, version 0, resource in network byte order.
const FIXED: usize = 4;

/// One entry as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct CtMsg<'a> {
    pub(crate) family: u8,
    pub(crate) original: TupleMsg<'a>,
    pub(crate) reply: TupleMsg<'a>,
    pub(crate) master: Option<TupleMsg<'a>>,
    pub(crate) status: u32,
    pub(crate) timeout_s: Option<u32>,
    pub(crate) state: StateMsg,
    pub(crate) mark: Option<u32>,
    pub(crate) zone: Option<u16>,
    pub(crate) id: Option<u32>,
    pub(crate) uses: Option<u32>,
    pub(crate) original_counters: Option<[u64; 2]>,
    pub(crate) reply_counters: Option<[u64; 2]>,
    /// Nanoseconds since 1970: start, stop.
    pub(crate) times: [Option<u64>; 2],
    pub(crate) labels: Option<&'a [u8]>,
    pub(crate) helper: Option<&'a [u8]>,
    pub(crate) secctx: Option<&'a [u8]>,
    /// Position, offset before, offset after.
    pub(crate) original_adjust: Option<[u32; 3]>,
    pub(crate) reply_adjust: Option<[u32; 3]>,
    /// Initial sequence number, its start, timestamp offset.
    pub(crate) synproxy: Option<[u32; 3]>,
}

/// One direction; addresses stay bytes of the message.
#[derive(Debug, Default)]
pub(crate) struct TupleMsg<'a> {
    pub(crate) src: Option<&'a [u8]>,
    pub(crate) dst: Option<&'a [u8]>,
    pub(crate) protocol: Option<u8>,
    pub(crate) src_port: Option<u16>,
    pub(crate) dst_port: Option<u16>,
    pub(crate) icmp_id: Option<u16>,
    pub(crate) icmp_type: Option<u8>,
    pub(crate) icmp_code: Option<u8>,
    pub(crate) zone: Option<u16>,
}

/// What the protocol's own tracker knows (`CTA_PROTOINFO`).
#[derive(Debug, Default)]
pub(crate) enum StateMsg {
    #[default]
    None,
    Tcp {
        state: u8,
        wscale: [Option<u8>; 2],
        flags: [Option<u8>; 2],
    },
    Dccp {
        state: u8,
        role: Option<u8>,
        handshake_seq: Option<u64>,
    },
    Sctp {
        state: u8,
        vtags: [Option<u32>; 2],
    },
}

/// How many entries there are and may be.
#[derive(Debug, Default)]
pub(crate) struct StatsMsg {
    pub(crate) entries: Option<u32>,
    pub(crate) max: Option<u32>,
}

/// What the kernel itself can choose by (`CTA_FILTER`, kernel 5.8); older ones send everything.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Query {
    /// Zero for both, which is refused together with any of the others.
    pub(crate) family: u8,
    pub(crate) src: Option<IpAddr>,
    pub(crate) dst: Option<IpAddr>,
    pub(crate) protocol: Option<u8>,
    /// For TCP, UDP and other protocols with ports only.
    pub(crate) src_port: Option<u16>,
    pub(crate) dst_port: Option<u16>,
}

/// Asks for all entries that match.
pub(crate) fn dump(query: &Query) -> Request {
    let head = [query.family, 0, 0, 0];
    let request = Request::new("IPCTNL_MSG_CT_GET", IPCTNL_MSG_CT_GET, NLM_F_DUMP, &head);
    let (flags, tuple) = query.tuple();
    if flags == 0 {
        return request;
    }
    let filter = attr::encode(CTA_FILTER_ORIG_FLAGS, &flags.to_ne_bytes());
    request.attr(NESTED | CTA_TUPLE_ORIG, &tuple).attr(NESTED | CTA_FILTER, &filter)
}

impl Query {
    /// Which fields of the original direction count, and their values.
    pub(super) fn tuple(&self) -> (u32, Vec<u8>) {
        let (mut flags, mut ip, mut proto) = (0, Vec::new(), Vec::new());
        for (addr, bit, v4, v6) in [
            (self.src, F_IP_SRC, CTA_IP_V4_SRC, CTA_IP_V6_SRC),
            (self.dst, F_IP_DST, CTA_IP_V4_DST, CTA_IP_V6_DST),
        ] {
            match addr {
                Some(IpAddr::V4(addr)) => ip.extend(attr::encode(v4, &addr.octets())),
                Some(IpAddr::V6(addr)) => ip.extend(attr::encode(v6, &addr.octets())),
                None => continue,
            }
            flags |= bit;
        }
        if let Some(number) = self.protocol {
            flags |= F_PROTO_NUM;
            proto.extend(attr::encode(CTA_PROTO_NUM, &[number]));
        }
        for (port, bit, kind) in [
            (self.src_port, F_SRC_PORT, CTA_PROTO_SRC_PORT),
            (self.dst_port, F_DST_PORT, CTA_PROTO_DST_PORT),
        ] {
            if let Some(port) = port {
                flags |= bit;
                proto.extend(attr::encode(kind, &port.to_be_bytes()));
            }
        }
        let mut tuple = Vec::new();
        for (kind, nest) in [(CTA_TUPLE_IP, ip), (CTA_TUPLE_PROTO, proto)] {
            if !nest.is_empty() {
                tuple.extend(attr::encode(NESTED | kind, &nest));
            }
        }
        (flags, tuple)
    }
}

/// Asks how many entries there are.
pub(crate) fn stats() -> Request {
    // The only answer claims to be one of many; what ends them is the acknowledgement.
    let head = [0; FIXED];
    Request::new("IPCTNL_MSG_CT_GET_STATS", IPCTNL_MSG_CT_GET_STATS, NLM_F_ACK, &head)
}

/// Reads the answer to [`stats`].
pub(crate) fn decode_stats(message: &Message<'_>) -> Option<StatsMsg> {
    if message.kind != IPCTNL_MSG_CT_GET_STATS {
        return None;
    }
    let mut stats = StatsMsg::default();
    for (kind, value) in Attrs::after(message.body, FIXED) {
        match kind {
            CTA_STATS_GLOBAL_ENTRIES => stats.entries = be32(value),
            CTA_STATS_GLOBAL_MAX_ENTRIES => stats.max = be32(value),
            _ => {}
        }
    }
    Some(stats)
}

/// Reads one entry; `None` when the message is of another type.
#[inline]
pub(crate) fn decode<'a>(message: &Message<'a>) -> Option<CtMsg<'a>> {
    if message.kind != IPCTNL_MSG_CT_NEW {
        return None;
    }
    entry(message.body)
}

/// Reads what follows the header, of whichever type the message is.
#[inline]
pub(super) fn entry(body: &[u8]) -> Option<CtMsg<'_>> {
    let mut entry = CtMsg { family: attr::u8(body)?, ..CtMsg::default() };
    for (kind, value) in Attrs::after(body, FIXED) {
        match kind {
            CTA_TUPLE_ORIG => entry.original = tuple(value),
            CTA_TUPLE_REPLY => entry.reply = tuple(value),
            CTA_STATUS => entry.status = be32(value).unwrap_or(0),
            CTA_PROTOINFO => entry.state = state(value),
            CTA_TIMEOUT => entry.timeout_s = be32(value),
            CTA_MARK => entry.mark = be32(value),
            CTA_COUNTERS_ORIG => entry.original_counters = counters(value),
            CTA_COUNTERS_REPLY => entry.reply_counters = counters(value),
            CTA_USE => entry.uses = be32(value),
            CTA_ID => entry.id = be32(value),
            CTA_ZONE => entry.zone = be16(value),
            _ => take_rare(&mut entry, kind, value),
        }
    }
    Some(entry)
}

fn take_rare<'a>(entry: &mut CtMsg<'a>, kind: u16, value: &'a [u8]) {
    match kind {
        CTA_TUPLE_MASTER => entry.master = Some(tuple(value)),
        CTA_HELP => entry.helper = Attrs::new(value).find(CTA_HELP_NAME).map(attr::text),
        CTA_SECCTX => entry.secctx = Attrs::new(value).find(CTA_SECCTX_NAME).map(attr::text),
        CTA_LABELS => entry.labels = Some(value),
        CTA_TIMESTAMP => entry.times = [1, 2].map(|n| Attrs::new(value).find(n).and_then(be64)),
        CTA_SEQ_ADJ_ORIG => entry.original_adjust = words(value),
        CTA_SEQ_ADJ_REPLY => entry.reply_adjust = words(value),
        CTA_SYNPROXY => entry.synproxy = words(value),
        _ => {}
    }
}

/// Three numbers under 1, 2 and 3; `None` unless all are there.
fn words(nest: &[u8]) -> Option<[u32; 3]> {
    let [a, b, c] = [1, 2, 3].map(|n| Attrs::new(nest).find(n).and_then(be32));
    Some([a?, b?, c?])
}

#[inline]
pub(super) fn tuple(nest: &[u8]) -> TupleMsg<'_> {
    let mut tuple = TupleMsg::default();
    for (kind, value) in Attrs::new(nest) {
        match kind {
            CTA_TUPLE_IP => {
                for (kind, value) in Attrs::new(value) {
                    match kind {
                        CTA_IP_V4_SRC | CTA_IP_V6_SRC => tuple.src = Some(value),
                        CTA_IP_V4_DST | CTA_IP_V6_DST => tuple.dst = Some(value),
                        _ => {}
                    }
                }
            }
            CTA_TUPLE_PROTO => {
                for (kind, value) in Attrs::new(value) {
                    take_proto(&mut tuple, kind, value);
                }
            }
            CTA_TUPLE_ZONE => tuple.zone = be16(value),
            _ => {}
        }
    }
    tuple
}

#[inline]
fn take_proto(tuple: &mut TupleMsg<'_>, kind: u16, value: &[u8]) {
    match kind {
        CTA_PROTO_NUM => tuple.protocol = attr::u8(value),
        CTA_PROTO_SRC_PORT => tuple.src_port = be16(value),
        CTA_PROTO_DST_PORT => tuple.dst_port = be16(value),
        CTA_PROTO_ICMP_ID | CTA_PROTO_ICMPV6_ID => tuple.icmp_id = be16(value),
        CTA_PROTO_ICMP_TYPE | CTA_PROTO_ICMPV6_TYPE => tuple.icmp_type = attr::u8(value),
        CTA_PROTO_ICMP_CODE | CTA_PROTO_ICMPV6_CODE => tuple.icmp_code = attr::u8(value),
        _ => {}
    }
}

#[inline]
fn state(nest: &[u8]) -> StateMsg {
    let Some((kind, inner)) = Attrs::new(nest).next() else {
        return StateMsg::None;
    };
    let find = |n| Attrs::new(inner).find(n);
    let known = match kind {
        CTA_PROTOINFO_TCP => tcp(inner),
        CTA_PROTOINFO_DCCP => find(1).and_then(attr::u8).map(|state| StateMsg::Dccp {
            state,
            role: find(2).and_then(attr::u8),
            handshake_seq: find(3).and_then(be64),
        }),
        CTA_PROTOINFO_SCTP => find(1).and_then(attr::u8).map(|state| StateMsg::Sctp {
            state,
            vtags: [find(2).and_then(be32), find(3).and_then(be32)],
        }),
        _ => None,
    };
    known.unwrap_or_default()
}

#[inline]
fn tcp(nest: &[u8]) -> Option<StateMsg> {
    let (mut state, mut wscale, mut flags) = (None, [None; 2], [None; 2]);
    for (kind, value) in Attrs::new(nest) {
        // Flags are `struct nf_ct_tcp_flags`: the bits, and a mask for those who set them.
        match kind {
            CTA_PROTOINFO_TCP_STATE => state = attr::u8(value),
            CTA_PROTOINFO_TCP_WSCALE_ORIGINAL => wscale[0] = attr::u8(value),
            CTA_PROTOINFO_TCP_WSCALE_REPLY => wscale[1] = attr::u8(value),
            CTA_PROTOINFO_TCP_FLAGS_ORIGINAL => flags[0] = attr::u8(value),
            CTA_PROTOINFO_TCP_FLAGS_REPLY => flags[1] = attr::u8(value),
            _ => {}
        }
    }
    Some(StateMsg::Tcp { state: state?, wscale, flags })
}

/// Packets and bytes; kernels before 2.6.29 sent 32 bits of each.
fn counters(nest: &[u8]) -> Option<[u64; 2]> {
    let (mut packets, mut bytes) = (None, None);
    for (kind, value) in Attrs::new(nest) {
        match kind {
            CTA_COUNTERS_PACKETS => packets = be64(value),
            CTA_COUNTERS_BYTES => bytes = be64(value),
            CTA_COUNTERS32_PACKETS => packets = be32(value).map(u64::from),
            CTA_COUNTERS32_BYTES => bytes = be32(value).map(u64::from),
            _ => {}
        }
    }
    Some([packets?, bytes?])
}

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_PROTOINFO: u16 = 4;
const CTA_HELP: u16 = 5;
const CTA_TIMEOUT: u16 = 7;
const CTA_MARK: u16 = 8;
const CTA_COUNTERS_ORIG: u16 = 9;
const CTA_COUNTERS_REPLY: u16 = 10;
const CTA_USE: u16 = 11;
const CTA_ID: u16 = 12;
const CTA_TUPLE_MASTER: u16 = 14;
const CTA_SEQ_ADJ_ORIG: u16 = 15;
const CTA_SEQ_ADJ_REPLY: u16 = 16;
const CTA_ZONE: u16 = 18;
const CTA_SECCTX: u16 = 19;
const CTA_TIMESTAMP: u16 = 20;
const CTA_LABELS: u16 = 22;
const CTA_SYNPROXY: u16 = 24;
const CTA_FILTER: u16 = 25;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_TUPLE_ZONE: u16 = 3;

const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;

const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;
const CTA_PROTO_ICMP_ID: u16 = 4;
const CTA_PROTO_ICMP_TYPE: u16 = 5;
const CTA_PROTO_ICMP_CODE: u16 = 6;
const CTA_PROTO_ICMPV6_ID: u16 = 7;
const CTA_PROTO_ICMPV6_TYPE: u16 = 8;
const CTA_PROTO_ICMPV6_CODE: u16 = 9;

const CTA_PROTOINFO_TCP: u16 = 1;
const CTA_PROTOINFO_DCCP: u16 = 2;
const CTA_PROTOINFO_SCTP: u16 = 3;
const CTA_PROTOINFO_TCP_STATE: u16 = 1;
const CTA_PROTOINFO_TCP_WSCALE_ORIGINAL: u16 = 2;
const CTA_PROTOINFO_TCP_WSCALE_REPLY: u16 = 3;
const CTA_PROTOINFO_TCP_FLAGS_ORIGINAL: u16 = 4;
const CTA_PROTOINFO_TCP_FLAGS_REPLY: u16 = 5;

const CTA_COUNTERS_PACKETS: u16 = 1;
const CTA_COUNTERS_BYTES: u16 = 2;
const CTA_COUNTERS32_PACKETS: u16 = 3;
const CTA_COUNTERS32_BYTES: u16 = 4;

const CTA_HELP_NAME: u16 = 1;
const CTA_SECCTX_NAME: u16 = 1;

const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;
const CTA_STATS_GLOBAL_MAX_ENTRIES: u16 = 2;

const CTA_FILTER_ORIG_FLAGS: u16 = 1;
/// Bits of the filter's flags (net/netfilter/nf_conntrack_netlink.c `CTA_FILTER_F_*`).
const F_IP_SRC: u32 = 1 << 0;
const F_IP_DST: u32 = 1 << 1;
const F_PROTO_NUM: u32 = 1 << 3;
const F_SRC_PORT: u32 = 1 << 4;
const F_DST_PORT: u32 = 1 << 5;
