//! Extensions of iptables inside nf_tables: what they say, in both languages.
//!
//! Layouts are those of the structures under linux/netfilter/xt_*.h, in the order of this machine
//! unless a field is of the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::expr::Expression;
use super::types;
use super::{xt_more, xt_rare};
use crate::base::Escaped;
use crate::netlink::attr::{self, be16, read, u16, u32};

/// One extension in words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// As iptables-save writes it; without `-m NAME` and `-j NAME`.
    pub(super) iptables: String,
    /// As nft writes it; `None` when it has no words for it.
    pub(super) nft: Option<String>,
    /// What its maker wrote beside the rule.
    pub(super) comment: Option<Vec<u8>>,
}

impl Words {
    fn both(iptables: impl Into<String>, nft: impl Into<String>) -> Option<Self> {
        Some(Self { iptables: iptables.into(), nft: Some(nft.into()), comment: None })
    }
}

/// Puts a match or a target into words; `None` for those not known here.
pub(super) fn words(expr: &Expression, six: bool) -> Option<Words> {
    let rev = u8::try_from(expr.number("rev").unwrap_or(0)).ok()?;
    let name = expr.text("name")?.as_bytes();
    extension(expr.is("match"), name, rev, expr.bytes("info")?, six)
}

/// Puts an extension into words by its name and revision; `None` for those not known here.
pub(super) fn extension(
    is_match: bool,
    name: &[u8],
    rev: u8,
    info: &[u8],
    six: bool,
) -> Option<Words> {
    if is_match {
        return match (name, rev) {
            (b"comment", _) => comment(info),
            (b"addrtype", 1) => addrtype(info),
            (b"conntrack", 2 | 3) => conntrack(info, six),
            (b"multiport", 1) => multiport(info),
            (b"tcp", _) => tcp(info),
            (b"udp", _) => udp(info),
            (b"icmp" | b"icmp6", _) => icmp(info, six),
            (b"statistic", _) => statistic(info),
            (b"mark", 1) => mark(info),
            _ => xt_more::matched(name, rev, info, six),
        };
    }
    match (name, rev) {
        (b"DNAT" | b"SNAT" | b"REDIRECT" | b"MASQUERADE", _) => nat(name, info, six),
        (b"MARK", 2) => set_mark(info),
        (b"LOG", _) => log(info),
        (b"REJECT", _) => reject(info, six),
        (b"TCPMSS", _) => mss(info),
        _ => xt_more::target(name, rev, info, six),
    }
}

/// A string as iptables-save writes it: in quotes unless it is one plain word.
pub(super) fn saved(text: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let shown = Escaped::new(text).to_string();
    match !text.is_empty() && text.iter().all(plain) {
        true => shown,
        false => format!("\"{}\"", shown.replace('"', "\\\"").replace('\'', "\\'")),
    }
}

pub(super) fn not(inverted: bool) -> (&'static str, &'static str) {
    if inverted { ("! ", "!= ") } else { ("", "") }
}

/// `struct xt_comment_info`: 256 bytes of text.
fn comment(info: &[u8]) -> Option<Words> {
    let text = attr::text(info);
    let iptables = format!("--comment {}", saved(text));
    let comment = Some(text.to_vec());
    Some(Words { iptables, nft: Some(String::new()), comment })
}

/// `struct xt_addrtype_info_v1`: source bits, destination bits, flags.
fn addrtype(info: &[u8]) -> Option<Words> {
    const NAMES: [&str; 12] = [
        "UNSPEC",
        "UNICAST",
        "LOCAL",
        "BROADCAST",
        "ANYCAST",
        "MULTICAST",
        "BLACKHOLE",
        "UNREACHABLE",
        "PROHIBIT",
        "THROW",
        "NAT",
        "XRESOLVE",
    ];
    let flags = u32(info.get(4..)?)?;
    let (mut ipt, mut nft) = (Vec::new(), Vec::new());
    for (at, word, side, invert) in [(0, "src", "saddr", 1), (2, "dst", "daddr", 2)] {
        let bits = u16(info.get(at..)?)?;
        let names = NAMES.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 != 0);
        let names: Vec<_> = names.map(|(_, name)| *name).collect();
        if names.is_empty() {
            continue;
        }
        let (bang, unequal) = not(flags & invert != 0);
        let lower = names.join(", ").to_lowercase();
        let set = if names.len() > 1 { format!("{{ {lower} }}") } else { lower };
        let device = match flags & 12 {
            4 => " . iif",
            8 => " . oif",
            _ => "",
        };
        ipt.push(format!("{bang}--{word}-type {}", names.join(",")));
        nft.push(format!("fib {side}{device} type {unequal}{set}"));
    }
    for (bit, word) in [(4, "--limit-iface-in"), (8, "--limit-iface-out")] {
        if flags & bit != 0 {
            ipt.push(word.to_owned());
        }
    }
    Words::both(ipt.join(" "), nft.join(" "))
}

/// `struct xt_conntrack_mtinfo3`; states, status and direction have words in both languages.
fn conntrack(info: &[u8], six: bool) -> Option<Words> {
    let flags = u16(info.get(146..)?)?;
    let inverted = u16(info.get(148..)?)?;
    let (states, status) = (u16(info.get(150..)?)?, u16(info.get(152..)?)?);
    if flags == ALIAS | 1 {
        return xt_more::state_alias(inverted & 1 != 0, states);
    }
    let (mut ipt, mut nft) = (Vec::new(), Vec::new());
    let named = |bits: u16, names: &[(u16, &str)]| -> String {
        let found = names.iter().filter(|(bit, _)| bits & bit != 0).map(|it| it.1);
        found.collect::<Vec<_>>().join(",")
    };
    if flags & 1 != 0 {
        let names = named(
            states,
            &[
                (1, "INVALID"),
                (8, "NEW"),
                (4, "RELATED"),
                (2, "ESTABLISHED"),
                (256, "UNTRACKED"),
                (64, "SNAT"),
                (128, "DNAT"),
            ],
        );
        let (bang, _) = not(inverted & 1 != 0);
        ipt.push(format!("{bang}--ctstate {names}"));
        let translated = states & 0xc0;
        if translated != 0 && states != translated {
            return Some(Words { iptables: ipt.join(" "), ..Words::default() });
        }
        let (key, lower) = match translated {
            0 => ("state", names.to_lowercase()),
            _ => ("status", names.to_lowercase()),
        };
        nft.push(match inverted & 1 != 0 {
            true => format!("ct {key} & ({}) == 0", lower.replace(',', " | ")),
            false => format!("ct {key} {lower}"),
        });
    }
    xt_rare::tracked(info, flags, inverted, six, &mut ipt)?;
    if flags & 0x40 != 0 {
        let names = &[(1, "EXPECTED"), (2, "SEEN_REPLY"), (4, "ASSURED"), (8, "CONFIRMED")];
        let names = named(status, names);
        let (bang, _) = not(inverted & 0x40 != 0);
        ipt.push(format!("{bang}--ctstatus {names}"));
        let lower = names.to_lowercase().replace('_', "-");
        nft.push(match inverted & 0x40 != 0 {
            true => format!("ct status & ({}) == 0", lower.replace(',', " | ")),
            false => format!("ct status {lower}"),
        });
    }
    xt_rare::expires(info, flags, inverted, &mut ipt)?;
    if flags & 0x1000 != 0 {
        let reply = inverted & 0x1000 != 0;
        ipt.push(format!("--ctdir {}", if reply { "REPLY" } else { "ORIGINAL" }));
        nft.push(format!("ct direction {}", if reply { "reply" } else { "original" }));
    }
    match flags & !0x1041 {
        0 => Words::both(ipt.join(" "), nft.join(" ")),
        _ => Some(Words { iptables: ipt.join(" "), ..Words::default() }),
    }
}

/// `XT_CONNTRACK_STATE_ALIAS`.
const ALIAS: u16 = 1 << 13;

/// Whether a conntrack match that looks at states only admits a packet in such a state.
pub(super) fn admits(expr: &Expression, state: u32) -> Option<bool> {
    let info = expr.bytes("info")?;
    let (flags, inverted) = (u16(info.get(146..)?)?, u16(info.get(148..)?)?);
    let states = u16(info.get(150..)?)?;
    (flags == 1 && states & 0xc0 == 0)
        .then_some((u32::from(states) & state != 0) != (inverted & 1 != 0))
}

/// `struct xt_multiport_v1`: which side, how many, ports, which begin a range, inverted.
fn multiport(info: &[u8]) -> Option<Words> {
    let (side, count) = (*info.first()?, usize::from(*info.get(1)?));
    let (bang, unequal) = not(info.get(47).is_some_and(|it| *it != 0));
    let (mut ports, mut at) = (Vec::new(), 0);
    while at < count.min(15) {
        let port = u16(info.get(2 + 2 * at..)?)?;
        let ranged = *info.get(32 + at)? != 0;
        at += 1;
        if ranged {
            ports.push((port, Some(u16(info.get(2 + 2 * at..)?)?)));
            at += 1;
        } else {
            ports.push((port, None));
        }
    }
    let join = |sign: &str, between: &str| {
        let text = ports.iter().map(|(low, high)| match high {
            Some(high) => format!("{low}{sign}{high}"),
            None => low.to_string(),
        });
        text.collect::<Vec<_>>().join(between)
    };
    let (word, field) = match side {
        0 => ("sports", "sport"),
        1 => ("dports", "dport"),
        _ => {
            let iptables = format!("{bang}--ports {}", join(":", ","));
            return Some(Words { iptables, ..Words::default() });
        }
    };
    let nft = format!("th {field} {unequal}{{ {} }}", join("-", ", "));
    Words::both(format!("{bang}--{word} {}", join(":", ",")), nft)
}

/// Both ends of both sides, as `struct xt_tcp` and `struct xt_udp` begin.
fn ports(info: &[u8], proto: &str, flags: u8, ipt: &mut Vec<String>, nft: &mut Vec<String>) {
    for (at, word, bit) in [(0, "sport", 1), (4, "dport", 2)] {
        let end = |at| info.get(at..).and_then(u16).unwrap_or(0);
        let (low, high) = (end(at), end(at + 2));
        if (low, high) == (0, 0xffff) {
            continue;
        }
        let (bang, unequal) = not(flags & bit != 0);
        let text = |sign| if low == high { low.to_string() } else { format!("{low}{sign}{high}") };
        ipt.push(format!("{bang}--{word} {}", text(":")));
        nft.push(format!("{proto} {word} {unequal}{}", text("-")));
    }
}

fn tcp(info: &[u8]) -> Option<Words> {
    const FLAGS: [&str; 6] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];
    let &[option, mask, compared, inverted] = info.get(8..)?.first_chunk()?;
    let (mut ipt, mut nft) = (Vec::new(), Vec::new());
    ports(info, "tcp", inverted, &mut ipt, &mut nft);
    if option != 0 {
        let (bang, _) = not(inverted & 8 != 0);
        ipt.push(format!("{bang}--tcp-option {option}"));
        let word = if inverted & 8 != 0 { "missing" } else { "exists" };
        nft.push(format!("tcp option {option} {word}"));
    }
    if mask != 0 {
        let (bang, unequal) = not(inverted & 4 != 0);
        let names = |bits: u8| {
            let set = FLAGS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 != 0);
            set.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
        };
        let none = |text: String| if text.is_empty() { "NONE".to_owned() } else { text };
        ipt.push(format!("{bang}--tcp-flags {} {}", none(names(mask)), none(names(compared))));
        let sign = if unequal.is_empty() { "==" } else { "!=" };
        let flags = |bits: u8| match types::constant(&[bits], types::TCP_FLAG, true) {
            many if many.contains('|') => format!("({many})"),
            one => one,
        };
        nft.push(format!("tcp flags & {} {sign} {}", flags(mask), flags(compared)));
    }
    Words::both(ipt.join(" "), nft.join(" "))
}

fn udp(info: &[u8]) -> Option<Words> {
    let (mut ipt, mut nft) = (Vec::new(), Vec::new());
    ports(info, "udp", *info.get(8)?, &mut ipt, &mut nft);
    Words::both(ipt.join(" "), nft.join(" "))
}

/// `struct ipt_icmp`: type, lowest and highest code, inverted.
fn icmp(info: &[u8], six: bool) -> Option<Words> {
    let &[kind, low, high, inverted] = info.first_chunk()?;
    let (bang, unequal) = not(inverted & 1 != 0);
    let (word, proto) = if six { ("icmpv6", "icmpv6") } else { ("icmp", "icmp") };
    if kind == 0xff {
        return Words::both(format!("{bang}--{word}-type any"), "");
    }
    let every = (low, high) == (0, 0xff);
    let code = if every { String::new() } else { format!("/{low}") };
    let iptables = format!("{bang}--{word}-type {kind}{code}");
    if !every && (low != high || inverted != 0) {
        return Some(Words { iptables, ..Words::default() });
    }
    let code = if every { String::new() } else { format!(" {proto} code {low}") };
    Words::both(iptables, format!("{proto} type {unequal}{kind}{code}"))
}

/// `struct xt_statistic_info`: mode, flags, probability of 2³¹ or every, packet.
fn statistic(info: &[u8]) -> Option<Words> {
    let inverted = u16(info.get(2..)?)? & 1 != 0;
    let (bang, _) = not(inverted);
    let value = u32(info.get(4..)?)?;
    if u16(info)? == 0 {
        let share = f64::from(value) / f64::from(1_u32 << 31);
        let iptables = format!("--mode random {bang}--probability {share:.11}");
        let sign = if inverted { ">=" } else { "<" };
        return Words::both(iptables, format!("meta random & 2147483647 {sign} {value}"));
    }
    let packet = u32(info.get(8..)?)?;
    let every = value.checked_add(1)?;
    let iptables = format!("--mode nth {bang}--every {every} --packet {packet}");
    let (_, unequal) = not(inverted);
    Words::both(iptables, format!("numgen inc mod {every} {unequal}{packet}"))
}

/// `struct xt_mark_mtinfo1`: mark, mask, inverted.
fn mark(info: &[u8]) -> Option<Words> {
    let (mark, mask) = (u32(info)?, u32(info.get(4..)?)?);
    let (bang, unequal) = not(*info.get(8)? != 0);
    if mask == u32::MAX {
        return Words::both(
            format!("{bang}--mark {mark:#x}"),
            format!("meta mark {unequal}{mark}"),
        );
    }
    let sign = if unequal.is_empty() { "== " } else { unequal };
    let nft = format!("meta mark & {mask:#x} {sign}{mark:#x}");
    Words::both(format!("{bang}--mark {mark:#x}/{mask:#x}"), nft)
}

/// `struct nf_nat_ipv4_multi_range_compat` of one range, or `struct nf_nat_range`.
fn nat(name: &[u8], info: &[u8], six: bool) -> Option<Words> {
    let classic = info.len() == 24;
    let flags = u32(info.get(if classic { 4 } else { 0 }..)?)?;
    let ip = |at: usize| -> Option<IpAddr> {
        match six {
            true => read::<16>(info, at).map(|it| Ipv6Addr::from(it).into()),
            false => read::<4>(info, at).map(|it| Ipv4Addr::from(it).into()),
        }
    };
    let [low, high, first, last] = if classic { [8, 12, 16, 18] } else { [4, 20, 36, 38] };
    let (low, high) = (ip(low)?, ip(high)?);
    let (first, last) = (be16(info.get(first..)?)?, be16(info.get(last..)?)?);
    let mut to = String::new();
    if flags & 1 != 0 && name != b"MASQUERADE" && name != b"REDIRECT" {
        let wrap = |addr: IpAddr| match six && flags & 2 != 0 {
            true => format!("[{addr}]"),
            false => addr.to_string(),
        };
        to = if low == high { wrap(low) } else { format!("{}-{}", wrap(low), wrap(high)) };
    }
    let ports = match flags & 2 != 0 {
        true if first == last => first.to_string(),
        true => format!("{first}-{last}"),
        false => String::new(),
    };
    let extra = [(4, "random"), (16, "fully-random"), (8, "persistent")];
    let extra: Vec<_> = extra.iter().filter(|it| flags & it.0 != 0).map(|it| it.1).collect();
    let colon = if ports.is_empty() { "" } else { ":" };
    let (mut ipt, mut nft) = match name {
        b"DNAT" => {
            (format!("--to-destination {to}{colon}{ports}"), format!("dnat to {to}{colon}{ports}"))
        }
        b"SNAT" => {
            (format!("--to-source {to}{colon}{ports}"), format!("snat to {to}{colon}{ports}"))
        }
        _ => {
            let word = if name == b"REDIRECT" { "redirect" } else { "masquerade" };
            let to = if ports.is_empty() { String::new() } else { format!(" to :{ports}") };
            let ipt = if ports.is_empty() { String::new() } else { format!("--to-ports {ports}") };
            (ipt, format!("{word}{to}"))
        }
    };
    for word in &extra {
        let option = if *word == "fully-random" { "random-fully" } else { word };
        ipt.push_str(&format!(" --{option}"));
    }
    if !extra.is_empty() {
        nft.push_str(&format!(" {}", extra.join(",")));
    }
    Words::both(ipt.trim_start(), nft)
}

/// `struct xt_mark_tginfo2`: `mark = (mark & ~mask) ^ value`.
fn set_mark(info: &[u8]) -> Option<Words> {
    let (value, mask) = (u32(info)?, u32(info.get(4..)?)?);
    let iptables = format!("--set-xmark {value:#x}/{mask:#x}");
    let nft = match (mask, value) {
        (u32::MAX, _) => format!("meta mark set {value:#x}"),
        (0, _) => format!("meta mark set meta mark ^ {value:#x}"),
        (_, 0) => format!("meta mark set meta mark & {:#x}", !mask),
        _ if mask == value => format!("meta mark set meta mark | {value:#x}"),
        _ => format!("meta mark set meta mark & {:#x} ^ {value:#x}", !mask),
    };
    Words::both(iptables, nft)
}

/// `struct ipt_log_info`: level, flags, prefix.
fn log(info: &[u8]) -> Option<Words> {
    const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
    let (level, flags) = (usize::from(*info.first()?), *info.get(1)?);
    let prefix = Escaped::new(attr::text(info.get(2..)?)).to_string();
    let (mut ipt, mut nft) = (Vec::new(), vec!["log".to_owned()]);
    if !prefix.is_empty() {
        ipt.push(format!("--log-prefix {}", saved(attr::text(info.get(2..)?))));
        nft.push(format!("prefix \"{}\"", prefix.replace('"', "\\x22")));
    }
    if level != 4 {
        ipt.push(format!("--log-level {level}"));
        nft.push(format!("level {}", LEVELS.get(level)?));
    }
    for (bit, option, words) in [
        (1, "--log-tcp-sequence", "flags tcp sequence"),
        (2, "--log-tcp-options", "flags tcp options"),
        (4, "--log-ip-options", "flags ip options"),
        (8, "--log-uid", "flags skuid"),
        (32, "--log-macdecode", "flags ether"),
    ] {
        if flags & bit != 0 {
            ipt.push(option.to_owned());
            nft.push(words.to_owned());
        }
    }
    Words::both(ipt.join(" "), nft.join(" "))
}

/// `struct ipt_reject_info` and `struct ip6t_reject_info`: with what.
fn reject(info: &[u8], six: bool) -> Option<Words> {
    let with = u32(info)? as usize;
    let names: &[&str] = match six {
        true => &[
            "no-route",
            "adm-prohibited",
            "",
            "addr-unreachable",
            "port-unreachable",
            "",
            "tcp-reset",
        ],
        false => &[
            "net-unreachable",
            "host-unreachable",
            "prot-unreachable",
            "port-unreachable",
            "",
            "net-prohibited",
            "host-prohibited",
            "tcp-reset",
            "admin-prohibited",
        ],
    };
    let name = *names.get(with).filter(|name| !name.is_empty())?;
    let kind = if six { "icmp6" } else { "icmp" };
    if name == "tcp-reset" {
        return Words::both("--reject-with tcp-reset", "reject with tcp reset");
    }
    let family = if six { "icmpv6" } else { "icmp" };
    let nft = if six { name.replace("adm-", "admin-") } else { name.to_owned() };
    let option = format!("--reject-with {kind}-{name}");
    Words::both(option, format!("reject with {family} type {nft}"))
}

/// `struct xt_tcpmss_info`: the size, or all ones for the path's.
fn mss(info: &[u8]) -> Option<Words> {
    match u16(info)? {
        0xffff => Words::both("--clamp-mss-to-pmtu", "tcp option maxseg size set rt mtu"),
        size => {
            Words::both(format!("--set-mss {size}"), format!("tcp option maxseg size set {size}"))
        }
    }
}
