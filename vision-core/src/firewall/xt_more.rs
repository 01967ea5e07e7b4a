//! Extensions that nft has other words or none for: in iptables' language only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::xt::{Words, not, saved};
use super::xt_rare;
use crate::netlink::attr::{self, be16, read, u16, u32};

fn only(iptables: impl Into<String>) -> Option<Words> {
    Some(Words { iptables: iptables.into(), ..Words::default() })
}

pub(super) fn matched(name: &[u8], rev: u8, info: &[u8], six: bool) -> Option<Words> {
    match (name, rev) {
        (b"limit", 0) => limit(info),
        (b"state", 0) => state(info),
        (b"physdev", 0) => physdev(info),
        (b"mac", 0) => mac(info),
        (b"iprange", 1) => iprange(info, six),
        (b"length", 0) => length(info),
        (b"pkttype", 0) => pkttype(info),
        (b"ttl", 0) => hops(info, "ttl"),
        (b"hl", 0) => hops(info, "hl"),
        (b"owner", 1) => owner(info),
        (b"connmark", 1) => connmark(info),
        (b"connlimit", 1) => connlimit(info, six),
        (b"dscp", 0) => {
            let (bang, _) = not(*info.get(1)? != 0);
            only(format!("{bang}--dscp {:#04x}", info.first()?))
        }
        (b"helper", 0) => {
            let (bang, _) = not(u32(info)? != 0);
            only(format!("{bang}--helper {}", saved(attr::text(info.get(4..)?))))
        }
        _ => xt_rare::matched(name, rev, info, six),
    }
}

pub(super) fn target(name: &[u8], rev: u8, info: &[u8], six: bool) -> Option<Words> {
    match (name, rev) {
        (b"TRACE" | b"NOTRACK", 0) => only(""),
        (b"CONNMARK", 1 | 2) => connmark_target(rev, info),
        (b"NFLOG", 0) => nflog(info),
        (b"NFQUEUE", _) => queue(rev, info),
        (b"CLASSIFY", 0) => {
            let class = u32(info)?;
            only(format!("--set-class {:04x}:{:04x}", class >> 16, class & 0xffff))
        }
        (b"TTL" | b"HL", 0) => {
            let word = if six { "hl" } else { "ttl" };
            let mode = *["set", "inc", "dec"].get(usize::from(*info.first()?))?;
            only(format!("--{word}-{mode} {}", info.get(1)?))
        }
        (b"CHECKSUM", 0) => (*info.first()? == 1).then(|| only("--checksum-fill"))?,
        (b"DSCP", 0) => only(format!("--set-dscp {:#04x}", info.first()?)),
        (b"NETMAP", 0) if info.len() == 24 => netmap(info),
        (b"TPROXY", 1) => tproxy(info, six),
        _ => xt_rare::target(name, rev, info, six),
    }
}

/// `struct xt_rateinfo`: credit per packet in 1/10000 of a second, burst.
fn limit(info: &[u8]) -> Option<Words> {
    const SCALE: u32 = 10_000;
    const UNITS: [(&str, u32); 4] =
        [("day", SCALE * 86_400), ("hour", SCALE * 3600), ("min", SCALE * 60), ("sec", SCALE)];
    let (average, burst) = (u32(info)?, u32(info.get(4..)?)?);
    let cost = average.max(1);
    // The largest unit that has at least one whole packet, or as iptables looks for it.
    let mut unit = UNITS.first()?;
    for next in UNITS.iter().skip(1) {
        if cost > next.1 || next.1 / cost < next.1 % cost {
            break;
        }
        unit = next;
    }
    let burst = if burst == 5 { String::new() } else { format!(" --limit-burst {burst}") };
    only(format!("--limit {}/{}{burst}", unit.1 / cost, unit.0))
}

/// `struct xt_state_info`: the states.
fn state(info: &[u8]) -> Option<Words> {
    only(format!("--state {}", states(u32(info)?)))
}

/// A conntrack match that was written as one of `state`.
pub(super) fn state_alias(inverted: bool, bits: u16) -> Option<Words> {
    let (bang, _) = not(inverted);
    only(format!("{bang}--state {}", states(bits.into())))
}

fn states(bits: u32) -> String {
    let names =
        [(1, "INVALID"), (8, "NEW"), (4, "RELATED"), (2, "ESTABLISHED"), (256, "UNTRACKED")];
    let set = names.iter().filter(|(bit, _)| bits & bit != 0).map(|it| it.1);
    set.collect::<Vec<_>>().join(",")
}

/// `struct xt_physdev_info`: two names with masks, which are inverted, which are asked for.
fn physdev(info: &[u8]) -> Option<Words> {
    let (inverted, asked) = (*info.get(64)?, *info.get(65)?);
    let mut words = Vec::new();
    for (bit, word, at) in [
        (8, "physdev-is-in", None),
        (1, "physdev-in", Some(0)),
        (16, "physdev-is-out", None),
        (2, "physdev-out", Some(32)),
        (4, "physdev-is-bridged", None),
    ] {
        if asked & bit == 0 {
            continue;
        }
        let (bang, _) = not(inverted & bit != 0);
        let name = match at {
            Some(at) => format!(" {}", interface(info.get(at..at + 16)?, info.get(at + 16..)?)),
            None => String::new(),
        };
        words.push(format!("{bang}--{word}{name}"));
    }
    only(words.join(" "))
}

/// An interface's name with its mask: `eth+` when only its beginning counts.
pub(super) fn interface(name: &[u8], mask: &[u8]) -> String {
    let text = attr::text(name);
    let kept = mask.iter().take(16).take_while(|it| **it != 0).count();
    let shown = text.get(..kept.min(text.len())).unwrap_or_default();
    let more = if kept <= text.len() { "+" } else { "" };
    format!("{}{more}", crate::base::Escaped::new(shown))
}

/// `struct xt_mac_info`.
fn mac(info: &[u8]) -> Option<Words> {
    let [a, b, c, d, e, f] = read::<6>(info, 0)?;
    let (bang, _) = not(u32(info.get(8..)?)? != 0);
    only(format!("{bang}--mac-source {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}"))
}

/// `struct xt_iprange_mtinfo`: four addresses of 16 bytes, flags.
fn iprange(info: &[u8], six: bool) -> Option<Words> {
    let flags = *info.get(64)?;
    let ip = |at: usize| address(info, at, six);
    let mut words = Vec::new();
    for (bit, invert, word, at) in [(1, 16, "src-range", 0), (2, 32, "dst-range", 32)] {
        if flags & bit != 0 {
            let (bang, _) = not(flags & invert != 0);
            words.push(format!("{bang}--{word} {}-{}", ip(at)?, ip(at + 16)?));
        }
    }
    only(words.join(" "))
}

fn address(info: &[u8], at: usize, six: bool) -> Option<IpAddr> {
    match six {
        true => read::<16>(info, at).map(|it| Ipv6Addr::from(it).into()),
        false => read::<4>(info, at).map(|it| Ipv4Addr::from(it).into()),
    }
}

/// `struct xt_length_info`.
fn length(info: &[u8]) -> Option<Words> {
    let (low, high) = (u16(info)?, u16(info.get(2..)?)?);
    let (bang, _) = not(*info.get(4)? != 0);
    match low == high {
        true => only(format!("{bang}--length {low}")),
        false => only(format!("{bang}--length {low}:{high}")),
    }
}

/// `struct xt_pkttype_info`: type, inverted.
fn pkttype(info: &[u8]) -> Option<Words> {
    let kind = *["unicast", "broadcast", "multicast"].get(u32(info)? as usize)?;
    let (bang, _) = not(u32(info.get(4..)?)? != 0);
    only(format!("{bang}--pkt-type {kind}"))
}

/// `struct ipt_ttl_info` and `struct ip6t_hl_info`: mode, value.
fn hops(info: &[u8], word: &str) -> Option<Words> {
    let (mode, value) = (*info.first()?, *info.get(1)?);
    let option = *["-eq ", "-eq ", "-lt ", "-gt "].get(usize::from(mode))?;
    let (bang, _) = not(mode == 1);
    only(format!("{bang}--{word}{option}{value}"))
}

/// `struct xt_owner_match_info`: users, groups, what is asked, what is inverted.
fn owner(info: &[u8]) -> Option<Words> {
    let number = |at: usize| info.get(at..).and_then(u32);
    let (asked, inverted) = (*info.get(16)?, *info.get(17)?);
    let mut words = Vec::new();
    for (bit, word, at) in
        [(4, "socket-exists", None), (1, "uid-owner", Some(0)), (2, "gid-owner", Some(8))]
    {
        if asked & bit == 0 {
            continue;
        }
        let (bang, _) = not(inverted & bit != 0);
        words.push(match at {
            None => format!("{bang}--{word}"),
            Some(at) => match (number(at)?, number(at + 4)?) {
                (low, high) if low == high => format!("{bang}--{word} {low}"),
                (low, high) => format!("{bang}--{word} {low}-{high}"),
            },
        });
    }
    if asked & 8 != 0 {
        words.push("--suppl-groups".to_owned());
    }
    only(words.join(" "))
}

fn masked(mark: u32, mask: u32) -> String {
    match mask {
        u32::MAX => format!("{mark:#x}"),
        _ => format!("{mark:#x}/{mask:#x}"),
    }
}

/// `struct xt_connmark_mtinfo1`.
fn connmark(info: &[u8]) -> Option<Words> {
    let (bang, _) = not(*info.get(8)? != 0);
    only(format!("{bang}--mark {}", masked(u32(info)?, u32(info.get(4..)?)?)))
}

/// `struct xt_connlimit_info`: mask, limit, flags.
fn connlimit(info: &[u8], six: bool) -> Option<Words> {
    let (limit, flags) = (u32(info.get(16..)?)?, u32(info.get(20..)?)?);
    let mask: u32 = (0..if six { 4 } else { 1 })
        .filter_map(|i| attr::be32(info.get(4 * i..)?))
        .map(u32::count_ones)
        .sum();
    let word = if flags & 1 != 0 { "upto" } else { "above" };
    let side = if flags & 2 != 0 { "daddr" } else { "saddr" };
    only(format!("--connlimit-{word} {limit} --connlimit-mask {mask} --connlimit-{side}"))
}

/// `struct xt_connmark_tginfo1` and `2`: mark, two masks, how far to shift, mode.
fn connmark_target(rev: u8, info: &[u8]) -> Option<Words> {
    let number = |at: usize| info.get(at..).and_then(u32);
    let (mark, ctmask, nfmask) = (number(0)?, number(4)?, number(8)?);
    if rev == 2 && *info.get(13)? != 0 {
        return None;
    }
    let masks = |word: &str| format!("{word} --nfmask {nfmask:#x} --ctmask {ctmask:#x}");
    only(match *info.get(if rev == 2 { 14 } else { 12 })? {
        0 => format!("--set-xmark {mark:#x}/{ctmask:#x}"),
        1 => masks("--save-mark"),
        2 => masks("--restore-mark"),
        _ => return None,
    })
}

/// `struct xt_nflog_info`: length, group, threshold, flags, prefix.
fn nflog(info: &[u8]) -> Option<Words> {
    let (length, group, threshold) = (u32(info)?, u16(info.get(4..)?)?, u16(info.get(6..)?)?);
    let sized = u16(info.get(8..)?)? & 1 != 0;
    let prefix = attr::text(info.get(12..)?);
    let mut words = Vec::new();
    if !prefix.is_empty() {
        words.push(format!("--nflog-prefix {}", saved(prefix)));
    }
    if group != 0 {
        words.push(format!("--nflog-group {group}"));
    }
    if sized {
        words.push(format!("--nflog-size {length}"));
    } else if length != 0 {
        words.push(format!("--nflog-range {length}"));
    }
    if threshold != 0 {
        words.push(format!("--nflog-threshold {threshold}"));
    }
    only(words.join(" "))
}

/// `struct xt_NFQ_info` up to `_v3`: first queue, how many, flags.
fn queue(rev: u8, info: &[u8]) -> Option<Words> {
    let first = u16(info)?;
    let count = if rev == 0 { 1 } else { u16(info.get(2..)?)? };
    let flags = if rev < 2 { 0 } else { u16(info.get(4..)?)? };
    let (mut iptables, mut nft) = match count {
        0 | 1 => (format!("--queue-num {first}"), format!("queue num {first}")),
        _ => {
            let last = first.checked_add(count - 1)?;
            (format!("--queue-balance {first}:{last}"), format!("queue num {first}-{last}"))
        }
    };
    let mut between = ' ';
    for (bit, long, word) in
        [(1, " --queue-bypass", "bypass"), (2, " --queue-cpu-fanout", "fanout")]
    {
        if flags & bit != 0 {
            iptables.push_str(long);
            nft.push(between);
            nft.push_str(word);
            between = ',';
        }
    }
    Some(Words { iptables, nft: Some(nft), ..Words::default() })
}

/// `struct nf_nat_ipv4_multi_range_compat`: the network is all that differs in no bit.
fn netmap(info: &[u8]) -> Option<Words> {
    let (low, high) = (attr::be32(info.get(8..)?)?, attr::be32(info.get(12..)?)?);
    let mask = !(low ^ high);
    let prefix = (mask.leading_ones() == mask.count_ones()).then(|| mask.leading_ones())?;
    let addr = Ipv4Addr::from(low);
    match prefix {
        32 => only(format!("--to {addr}")),
        _ => only(format!("--to {addr}/{prefix}")),
    }
}

/// `struct xt_tproxy_target_info_v1`: mark mask, mark, address, port.
fn tproxy(info: &[u8], six: bool) -> Option<Words> {
    let (mask, value) = (u32(info)?, u32(info.get(4..)?)?);
    let (ip, port) = (address(info, 8, six)?, be16(info.get(24..)?)?);
    only(format!("--on-port {port} --on-ip {ip} --tproxy-mark {value:#x}/{mask:#x}"))
}
