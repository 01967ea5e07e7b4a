//! The types of values, as nft numbers and spells them (nftables datatype.h).

use std::borrow::Cow;
use std::fmt::Write;

use super::value::hex;
use crate::base::Escaped;
use crate::netlink::attr;

/// A type by its number; [`INTEGER`] has any length.
pub(super) type Type = u32;

pub(super) const INTEGER: Type = 4;
pub(super) const STRING: Type = 5;
pub(super) const IPV4: Type = 7;
pub(super) const IPV6: Type = 8;
pub(super) const ETHER: Type = 9;
pub(super) const ETHER_TYPE: Type = 10;
pub(super) const ARP_OP: Type = 11;
pub(super) const PROTO: Type = 12;
pub(super) const SERVICE: Type = 13;
pub(super) const ICMP_TYPE: Type = 14;
pub(super) const TCP_FLAG: Type = 15;
pub(super) const MARK: Type = 19;
pub(super) const IFINDEX: Type = 20;
pub(super) const ICMPV6_TYPE: Type = 29;
pub(super) const BOOLEAN: Type = 39;
pub(super) const IFNAME: Type = 41;

/// Number, name in a set's declaration, bytes, whether this machine's byte order is the usual one.
#[rustfmt::skip]
const TYPES: &[(Type, &str, usize, bool)] = &[
    (1, "verdict", 4, true), (2, "nf_proto", 1, false), (4, "integer", 4, false),
    (5, "string", 16, true), (6, "ll_addr", 8, false), (7, "ipv4_addr", 4, false),
    (8, "ipv6_addr", 16, false), (9, "ether_addr", 6, false), (10, "ether_type", 2, false),
    (11, "arp_op", 2, false), (12, "inet_proto", 1, false), (13, "inet_service", 2, false),
    (14, "icmp_type", 1, false), (15, "tcp_flag", 1, true), (16, "dccp_pkttype", 1, false),
    (17, "mh_type", 1, false), (18, "time", 8, true), (19, "mark", 4, true),
    (20, "iface_index", 4, true), (21, "iface_type", 2, true), (22, "realm", 4, true),
    (23, "classid", 4, true), (24, "uid", 4, true), (25, "gid", 4, true), (26, "ct_state", 4, true),
    (27, "ct_dir", 1, true), (28, "ct_status", 4, true), (29, "icmpv6_type", 1, false),
    (30, "ct_label", 16, true), (31, "pkt_type", 1, true), (32, "icmp_code", 1, false),
    (33, "icmpv6_code", 1, false), (34, "icmpx_code", 1, false), (35, "devgroup", 4, true),
    (36, "dscp", 1, false), (37, "ecn", 1, false), (38, "fib_addrtype", 4, true),
    (39, "boolean", 1, true), (40, "ct_event", 4, true), (41, "ifname", 16, true),
    (42, "igmp_type", 1, false), (43, "time", 8, true), (44, "hour", 4, true), (45, "day", 1, true),
    (46, "cgroupsv2", 8, true),
];

fn row(kind: Type) -> Option<&'static (Type, &'static str, usize, bool)> {
    TYPES.iter().find(|row| row.0 == kind)
}

/// The name of a type, or of a concatenation of some.
pub(super) fn name(packed: u32) -> String {
    let names = parts(packed).into_iter().map(|kind| match row(kind) {
        Some(row) => Cow::Borrowed(row.1),
        None => Cow::Owned(kind.to_string()),
    });
    names.collect::<Vec<_>>().join(" . ")
}

/// The types of a concatenation, six bits each, first to last.
pub(super) fn parts(packed: u32) -> Vec<Type> {
    let parts = (0..5).rev().map(|at| packed >> (6 * at) & 0x3f);
    parts.skip_while(|part| *part == 0).collect()
}

/// Bytes of a value of a type.
pub(super) fn len(kind: Type) -> usize {
    row(kind).map_or(4, |row| row.2)
}

/// Whether a type's values lie in this machine's byte order.
pub(super) fn is_host(kind: Type) -> bool {
    row(kind).is_some_and(|row| row.3)
}

/// Whether values of a type are sets of bits.
pub(super) fn is_flags(kind: Type) -> bool {
    matches!(kind, TCP_FLAG | 26 | 28 | 30 | 40)
}

/// Reads a number of up to 16 bytes.
pub(super) fn number(bytes: &[u8], host: bool) -> Option<u128> {
    if bytes.len() > 16 {
        return None;
    }
    let fold = |sum: u128, byte: &u8| sum << 8 | u128::from(*byte);
    Some(match host && cfg!(target_endian = "little") {
        true => bytes.iter().rev().fold(0, fold),
        false => bytes.iter().fold(0, fold),
    })
}

/// Writes a value of a type as nft reads it.
pub(super) fn constant(bytes: &[u8], kind: Type, host: bool) -> String {
    let mut out = String::new();
    put_constant(bytes, kind, host, &mut out);
    out
}

/// As [`constant`], at the end of a text.
pub(super) fn put_constant(bytes: &[u8], kind: Type, host: bool, out: &mut String) {
    match kind {
        IPV4 | IPV6 => match attr::ip(bytes) {
            Some(ip) => drop(write!(out, "{ip}")),
            None => drop(write!(out, "0x{}", hex(bytes))),
        },
        ETHER | 6 => out.push_str(&colons(bytes)),
        STRING | IFNAME => out.push_str(&string(bytes)),
        _ => match number(bytes, host) {
            Some(number) => put_number(number, kind, bytes.len(), out),
            None => drop(write!(out, "0x{}", hex(bytes))),
        },
    }
}

fn put_number(number: u128, kind: Type, len: usize, out: &mut String) {
    if let Some(name) = symbol(kind, number) {
        return out.push_str(&name);
    }
    let whole = u64::try_from(number);
    // A string takes all.
    let _ = match (kind, whole) {
        (18, _) => write!(out, "{}", duration(whole.unwrap_or(u64::MAX))),
        // nft reads seconds where the kernel keeps nanoseconds.
        (43, _) if number.is_multiple_of(1_000_000_000) => {
            write!(out, "{}", number / 1_000_000_000)
        }
        (MARK | 22, _) => write!(out, "{number:#010x}"),
        _ if len > 8 => write!(out, "{number:#x}"),
        (_, Ok(number)) => write!(out, "{number}"),
        (_, Err(_)) => write!(out, "{number}"),
    };
}

fn colons(bytes: &[u8]) -> String {
    let parts: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    parts.join(":")
}

/// A quoted string; without its terminator it is the beginning of many.
fn string(bytes: &[u8]) -> String {
    let text = attr::text(bytes);
    let all = text.len() < bytes.len() || bytes.len() >= 16;
    let mut out = String::from("\"");
    let shown = Escaped::new(text).to_string();
    match shown.strip_suffix('*').filter(|_| all) {
        Some(stem) => drop(write!(out, "{stem}\\*")),
        None => out.push_str(&shown),
    }
    out.push_str(if all { "\"" } else { "*\"" });
    out
}

/// Writes a time in milliseconds as nft does: `1d2h3m4s5ms`.
pub(super) fn duration(mut millis: u64) -> String {
    let mut out = String::new();
    for (unit, name) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")]
    {
        if millis >= unit {
            let _ = write!(out, "{}{name}", millis / unit);
            millis %= unit;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// The names of some values.
fn symbol(kind: Type, number: u128) -> Option<Cow<'static, str>> {
    if is_flags(kind) && number != 0 {
        return flags(kind, number).map(Cow::Owned);
    }
    let (_, names) = SYMBOLS.iter().find(|(row, _)| *row == kind)?;
    names.iter().find(|(value, _)| *value == number).map(|(_, name)| Cow::Borrowed(*name))
}

/// Spells out bits, if all have names.
fn flags(kind: Type, mut bits: u128) -> Option<String> {
    let (_, names) = SYMBOLS.iter().find(|(row, _)| *row == kind)?;
    let mut found = Vec::new();
    for (bit, name) in *names {
        if bits & bit != 0 {
            bits &= !bit;
            found.push(*name);
        }
    }
    (bits == 0).then(|| found.join(" | "))
}

/// Names of values, by type. Types not here are written as numbers.
#[rustfmt::skip]
const SYMBOLS: &[(Type, &[(u128, &str)])] = &[
    (2, &[(2, "ipv4"), (10, "ipv6")]),
    (ETHER_TYPE, &[(0x800, "ip"), (0x806, "arp"), (0x86dd, "ip6"), (0x8100, "vlan"), (0x88a8, "8021ad")]),
    (ARP_OP, &[(1, "request"), (2, "reply"), (3, "rrequest"), (4, "rreply"), (8, "inrequest"),
        (9, "inreply"), (10, "nak")]),
    (PROTO, &[(1, "icmp"), (2, "igmp"), (6, "tcp"), (17, "udp"), (33, "dccp"), (47, "gre"), (50, "esp"),
        (51, "ah"), (58, "ipv6-icmp"), (108, "comp"), (132, "sctp"), (136, "udplite")]),
    (ICMP_TYPE, &[(0, "echo-reply"), (3, "destination-unreachable"), (4, "source-quench"),
        (5, "redirect"), (8, "echo-request"), (9, "router-advertisement"), (10, "router-solicitation"),
        (11, "time-exceeded"), (12, "parameter-problem"), (13, "timestamp-request"),
        (14, "timestamp-reply"), (15, "info-request"), (16, "info-reply"),
        (17, "address-mask-request"), (18, "address-mask-reply")]),
    (ICMPV6_TYPE, &[(1, "destination-unreachable"), (2, "packet-too-big"), (3, "time-exceeded"),
        (4, "parameter-problem"), (128, "echo-request"), (129, "echo-reply"),
        (130, "mld-listener-query"), (131, "mld-listener-report"), (132, "mld-listener-done"),
        (133, "nd-router-solicit"), (134, "nd-router-advert"), (135, "nd-neighbor-solicit"),
        (136, "nd-neighbor-advert"), (137, "nd-redirect"), (138, "router-renumbering"),
        (141, "ind-neighbor-solicit"), (142, "ind-neighbor-advert"), (143, "mld2-listener-report")]),
    (TCP_FLAG, &[(1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ecn"),
        (128, "cwr")]),
    (26, &[(1, "invalid"), (2, "established"), (4, "related"), (8, "new"), (64, "untracked")]),
    (27, &[(0, "original"), (1, "reply")]),
    (28, &[(1, "expected"), (2, "seen-reply"), (4, "assured"), (8, "confirmed"), (16, "snat"),
        (32, "dnat"), (512, "dying")]),
    (31, &[(0, "host"), (1, "broadcast"), (2, "multicast"), (3, "other")]),
    (38, &[(0, "unspec"), (1, "unicast"), (2, "local"), (3, "broadcast"), (4, "anycast"),
        (5, "multicast"), (6, "blackhole"), (7, "unreachable"), (8, "prohibit")]),
    (BOOLEAN, &[(0, "missing"), (1, "exists")]),
    (40, &[(1, "new"), (2, "related"), (4, "destroy"), (8, "reply"), (16, "assured"),
        (32, "protoinfo"), (64, "helper"), (128, "mark"), (256, "seqadj"), (512, "secmark"),
        (1024, "label")]),
];

/// A part of a key: its type, its bits, its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) kind: Type,
    pub(super) bits: u32,
    pub(super) host: bool,
    /// Bits to the right of the field in what is compared.
    pub(super) shift: u32,
}

impl Part {
    pub(super) fn of(kind: Type, bits: u32) -> Self {
        Self { kind, bits, host: is_host(kind), shift: 0 }
    }

    pub(super) fn bytes(self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    pub(super) fn constant(self, bytes: &[u8]) -> String {
        let mut out = String::new();
        self.put_constant(bytes, &mut out);
        out
    }

    /// As [`Part::constant`], at the end of a text.
    pub(super) fn put_constant(self, bytes: &[u8], out: &mut String) {
        if let Some(number) = number(bytes, false).filter(|_| self.shift > 0) {
            let bytes = (number >> self.shift).to_be_bytes();
            let field = bytes.get(16 - self.bytes().min(16)..).unwrap_or(&bytes);
            return put_constant(field, self.kind, false, out);
        }
        let field = bytes.get(..self.bytes()).unwrap_or(bytes);
        put_constant(field, self.kind, self.host, out);
    }
}
