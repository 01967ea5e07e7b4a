//! Extensions of iptables that fewer rules have, in iptables' language only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::xt::{Words, not, saved};
use crate::base::{Escaped, Timestamp};
use crate::netlink::attr::{self, be32, read, u16, u32, u64};

pub(super) fn matched(name: &[u8], rev: u8, info: &[u8], six: bool) -> Option<Words> {
    let text = match (name, rev) {
        (b"recent", 0 | 1) => recent(rev, info, six),
        (b"hashlimit", 3) => super::xt_hashlimit::words(info, six),
        (b"time", 0) => time(info),
        (b"string", 1) => string(info),
        (b"tcpmss", 0) => {
            let (low, high) = (u16(info)?, u16(info.get(2..)?)?);
            Some(format!("{}--mss {}", bang(*info.get(4)?), range(low, high)))
        }
        (b"quota", 0) => {
            Some(format!("{}--quota {}", bang(*info.first()? & 1), u64(info.get(8..)?)?))
        }
        (b"connbytes", 0) => connbytes(info),
        (b"esp", 0) => spi("esp", u32(info)?, u32(info.get(4..)?)?, *info.get(8)?),
        (b"ah", 0) if !six => spi("ah", u32(info)?, u32(info.get(4..)?)?, *info.get(8)?),
        (b"rpfilter", 0) => flags(
            *info.first()?,
            &[(1, "loose"), (2, "validmark"), (4, "accept-local"), (8, "invert")],
        ),
        (b"socket", 1..=3) => {
            flags(*info.first()?, &[(1, "transparent"), (2, "nowildcard"), (4, "restore-skmark")])
        }
        (b"cpu", 0) => Some(format!("{}--cpu {}", bang(*info.get(4)?), u32(info)?)),
        (b"realm", 0) => {
            let (id, mask) = (u32(info)?, u32(info.get(4..)?)?);
            let mask = if mask == u32::MAX { String::new() } else { format!("/{mask:#x}") };
            Some(format!("{}--realm {id:#x}{mask}", bang(*info.get(8)?)))
        }
        (b"connlabel", 0) => {
            let set = if u16(info.get(2..)?)? & 2 != 0 { " --set" } else { "" };
            let inverted = u16(info.get(2..)?)? & 1;
            Some(format!("{}--label \"{}\"{set}", bang(inverted as u8), u16(info)?))
        }
        (b"cgroup", 0) => Some(format!("{}--cgroup {}", bang(*info.get(4)?), u32(info)?)),
        (b"cgroup", 2) => {
            let &[path, class, not_path, not_class] = info.first_chunk()?;
            let mut out = Vec::new();
            if path != 0 {
                let path = attr::text(info.get(4..516)?);
                out.push(format!("{}--path {}", bang(not_path), Escaped::new(path)));
            }
            if class != 0 {
                out.push(format!("{}--cgroup {}", bang(not_class), u32(info.get(4..)?)?));
            }
            Some(out.join(" "))
        }
        (b"policy", 0) => policy(info, six),
        (b"ecn", 0) => ecn(info),
        (b"cluster", 0) => cluster(info),
        _ => None,
    };
    text.map(|iptables| Words { iptables, ..Words::default() })
}

pub(super) fn target(name: &[u8], rev: u8, info: &[u8], six: bool) -> Option<Words> {
    let text = match (name, rev) {
        (b"CT", 1 | 2) => assignment(info),
        (b"TEE", 1) => tee(info, six),
        (b"TCPOPTSTRIP", 0) => {
            let set = |kind: &u8| {
                let word = info.get(usize::from(*kind) / 32 * 4..).and_then(u32);
                word.is_some_and(|word| word >> (kind % 32) & 1 != 0)
            };
            let kinds: Vec<_> = (0..=u8::MAX).filter(set).map(|kind| kind.to_string()).collect();
            Some(format!("--strip-options {}", kinds.join(",")))
        }
        _ => None,
    };
    text.map(|iptables| Words { iptables, ..Words::default() })
}

fn bang(inverted: u8) -> &'static str {
    not(inverted != 0).0
}

fn range<T: PartialEq + std::fmt::Display>(low: T, high: T) -> String {
    if low == high { low.to_string() } else { format!("{low}:{high}") }
}

/// The options whose bits are set.
fn flags(bits: u8, names: &[(u8, &str)]) -> Option<String> {
    let set = names.iter().filter(|(bit, _)| bits & bit != 0);
    Some(set.map(|(_, name)| format!("--{name}")).collect::<Vec<_>>().join(" "))
}

fn address(info: &[u8], at: usize, six: bool) -> Option<IpAddr> {
    match six {
        true => read::<16>(info, at).map(|it| Ipv6Addr::from(it).into()),
        false => read::<4>(info, at).map(|it| Ipv4Addr::from(it).into()),
    }
}

/// `/` and the length of a prefix, or the mask itself where it is none; nothing for a whole address.
pub(super) fn mask(info: &[u8], at: usize, six: bool) -> Option<String> {
    let words = (0..if six { 4 } else { 1 }).map(|i| be32(info.get(at + 4 * i..)?));
    let bits = words
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .fold(0_u128, |sum, word| sum << 32 | u128::from(word));
    let width: u32 = if six { 128 } else { 32 };
    let ones = bits.count_ones();
    let prefix = u128::MAX.checked_shl(128 - ones).unwrap_or(0) >> (128 - width);
    Some(match () {
        () if ones == width => String::new(),
        () if bits == prefix => format!("/{ones}"),
        () => format!("/{}", address(info, at, six)?),
    })
}

/// Protocol, addresses and ports of `struct xt_conntrack_mtinfo3`.
pub(super) fn tracked(
    info: &[u8],
    flags: u16,
    inverted: u16,
    six: bool,
    out: &mut Vec<String>,
) -> Option<()> {
    let number = |at: usize| info.get(at..).and_then(u16);
    let asked = |bit: u16| (flags & bit != 0).then_some(not(inverted & bit != 0).0);
    if let Some(bang) = asked(2) {
        out.push(format!("{bang}--ctproto {}", number(136)?));
    }
    let sides = ["origsrc", "origdst", "replsrc", "repldst"];
    for (nth, side) in sides.iter().enumerate() {
        if let Some(bang) = asked(4 << nth) {
            let (addr, mask) = (address(info, 32 * nth, six)?, mask(info, 32 * nth + 16, six)?);
            out.push(format!("{bang}--ct{side} {addr}{mask}"));
        }
    }
    for (nth, side) in sides.iter().enumerate() {
        if let Some(bang) = asked(256 << nth) {
            let ports = range(number(138 + 2 * nth)?, number(154 + 2 * nth)?);
            out.push(format!("{bang}--ct{side}port {ports}"));
        }
    }
    Some(())
}

/// What is left of a connection's time in seconds, of `struct xt_conntrack_mtinfo3`.
pub(super) fn expires(info: &[u8], flags: u16, inverted: u16, out: &mut Vec<String>) -> Option<()> {
    if flags & 128 != 0 {
        let (low, high) = (u32(info.get(128..)?)?, u32(info.get(132..)?)?);
        out.push(format!("{}--ctexpire {}", not(inverted & 128 != 0).0, range(low, high)));
    }
    Some(())
}

/// `struct xt_recent_mtinfo_v1`: seconds, hits, what to do, inverted, name, side, mask.
fn recent(rev: u8, info: &[u8], six: bool) -> Option<String> {
    let (seconds, hits) = (u32(info)?, u32(info.get(4..)?)?);
    let (does, inverted) = (*info.get(8)?, *info.get(9)?);
    let mut out = bang(inverted).to_owned();
    let deeds = [(2, "--set"), (1, "--rcheck"), (4, "--update"), (8, "--remove")];
    let set = deeds.iter().filter(|(bit, _)| does & bit != 0).map(|(_, word)| *word);
    out.push_str(&set.collect::<Vec<_>>().join(" "));
    if seconds != 0 {
        out.push_str(&format!(" --seconds {seconds}"));
    }
    if does & 32 != 0 {
        out.push_str(" --reap");
    }
    if hits != 0 {
        out.push_str(&format!(" --hitcount {hits}"));
    }
    if does & 16 != 0 {
        out.push_str(" --rttl");
    }
    out.push_str(&format!(" --name {}", Escaped::new(attr::text(info.get(10..210)?))));
    if rev > 0 {
        out.push_str(&format!(" --mask {}", address(info, 212, six)?));
    }
    out.push_str(if *info.get(210)? == 0 { " --rsource" } else { " --rdest" });
    Some(out)
}

/// A moment in seconds since 1970, as iptables writes it.
fn date(seconds: u32) -> String {
    let at = Timestamp::from_unix_nanos(i64::from(seconds) * 1_000_000_000);
    at.to_string().trim_end_matches('Z').to_owned()
}

fn clock(seconds: u32) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// `struct xt_time_info`: first and last date, first and last second of the day, days of the month,
/// days of the week, flags.
fn time(info: &[u8]) -> Option<String> {
    const WEEK: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let number = |at: usize| info.get(at..).and_then(u32);
    let (from, to, start, stop) = (number(0)?, number(4)?, number(8)?, number(12)?);
    let (month, week, flags) = (number(16)?, *info.get(20)?, *info.get(21)?);
    let mut out = Vec::new();
    if start != 0 || stop != 86_399 {
        out.push(format!("--timestart {} --timestop {}", clock(start), clock(stop)));
    }
    if month & !1 != !1 {
        let days = (1..32).filter(|day| month >> day & 1 != 0).map(|day| day.to_string());
        out.push(format!("--monthdays {}", days.collect::<Vec<_>>().join(",")));
    }
    if week & 0xfe != 0xfe {
        let days = WEEK.iter().zip(1..).filter(|(_, bit)| week >> bit & 1 != 0).map(|it| *it.0);
        out.push(format!("--weekdays {}", days.collect::<Vec<_>>().join(",")));
    }
    for (word, moment) in [("datestart", from), ("datestop", to)] {
        if moment != 0 {
            out.push(format!("--{word} {}", date(moment)));
        }
    }
    for (bit, word) in [(1, "--kerneltz"), (2, "--contiguous")] {
        if flags & bit != 0 {
            out.push(word.to_owned());
        }
    }
    Some(out.join(" "))
}

/// `struct xt_string_info`: first and last offset, algorithm, pattern, its length, flags.
fn string(info: &[u8]) -> Option<String> {
    let (from, to) = (u16(info)?, u16(info.get(2..)?)?);
    let pattern = info.get(20..148)?.get(..usize::from(*info.get(148)?))?;
    let flags = *info.get(149)?;
    let mut out = bang(flags & 1).to_owned();
    let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match pattern.iter().all(plain) {
        true => {
            let text = String::from_utf8_lossy(pattern).replace('\\', "\\\\").replace('"', "\\\"");
            out.push_str(&format!("--string \"{text}\""));
        }
        false => {
            let hex: String = pattern.iter().map(|byte| format!("{byte:02x}")).collect();
            out.push_str(&format!("--hex-string \"|{hex}|\""));
        }
    }
    out.push_str(&format!(" --algo {}", Escaped::new(attr::text(info.get(4..20)?))));
    if from != 0 {
        out.push_str(&format!(" --from {from}"));
    }
    if to != 0 && to != u16::MAX {
        out.push_str(&format!(" --to {to}"));
    }
    if flags & 2 != 0 {
        out.push_str(" --icase");
    }
    Some(out)
}

/// `struct xt_connbytes_info`: from, to, of what, which direction; backwards when inverted.
fn connbytes(info: &[u8]) -> Option<String> {
    let (from, to) = (u64(info)?, u64(info.get(8..)?)?);
    let (inverted, low, high) = if from > to { (1, to, from) } else { (0, from, to) };
    let high = if high == u64::MAX { String::new() } else { format!(":{high}") };
    let mode = ["packets", "bytes", "avgpkt"].get(usize::from(*info.get(16)?))?;
    let dir = ["original", "reply", "both"].get(usize::from(*info.get(17)?))?;
    let what = bang(inverted);
    Some(format!("{what}--connbytes {low}{high} --connbytes-mode {mode} --connbytes-dir {dir}"))
}

/// The first and last index of a security association.
fn spi(proto: &str, low: u32, high: u32, inverted: u8) -> Option<String> {
    Some(match (low, high) {
        (0, u32::MAX) => String::new(),
        _ => format!("{}--{proto}spi {}", bang(inverted), range(low, high)),
    })
}

/// `struct xt_policy_info`: four elements, flags, how many count.
fn policy(info: &[u8], six: bool) -> Option<String> {
    const ELEMENT: usize = 76;
    let (bits, count) = (u16(info.get(304..)?)?, usize::from(u16(info.get(306..)?)?));
    let way = if bits & 1 != 0 { "in" } else { "out" };
    let kind = if bits & 4 != 0 { "none" } else { "ipsec" };
    let mut out = vec![format!("--dir {way} --pol {kind}")];
    if bits & 8 != 0 {
        out.push("--strict".to_owned());
    }
    for nth in 0..count.min(4) {
        let one = info.get(nth * ELEMENT..(nth + 1) * ELEMENT)?;
        if nth > 0 {
            out.push("--next".to_owned());
        }
        let (matched, inverted) = (*one.get(74)?, *one.get(75)?);
        let mut say = |bit: u8, word: String| {
            if matched & bit != 0 {
                out.push(format!("{}--{word}", bang(inverted & bit)));
            }
        };
        say(32, format!("reqid {}", u32(one.get(68..)?)?));
        say(16, format!("spi {:#x}", be32(one.get(64..)?)?));
        let number = *one.get(72)?;
        let proto = match number {
            50 => "esp".to_owned(),
            51 => "ah".to_owned(),
            108 => "ipcomp".to_owned(),
            _ => number.to_string(),
        };
        say(4, format!("proto {proto}"));
        say(8, format!("mode {}", if *one.get(73)? == 0 { "transport" } else { "tunnel" }));
        say(2, format!("tunnel-dst {}{}", address(one, 32, six)?, mask(one, 48, six)?));
        say(1, format!("tunnel-src {}{}", address(one, 0, six)?, mask(one, 16, six)?));
    }
    Some(out.join(" "))
}

/// `struct xt_ecn_info`: what is asked, what is inverted, the bits of IP.
fn ecn(info: &[u8]) -> Option<String> {
    let (asked, inverted, bits) = (*info.first()?, *info.get(1)?, *info.get(2)?);
    let mut out = Vec::new();
    for (bit, word) in [(0x10, "--ecn-tcp-ece"), (0x20, "--ecn-tcp-cwr")] {
        if asked & bit != 0 {
            out.push(format!("{}{word}", bang(inverted & bit)));
        }
    }
    if asked & 1 != 0 {
        out.push(format!("{}--ecn-ip-ect {bits}", bang(inverted & 1)));
    }
    Some(out.join(" "))
}

/// `struct xt_cluster_match_info`: nodes, mask of nodes, seed, flags.
fn cluster(info: &[u8]) -> Option<String> {
    let number = |at: usize| info.get(at..).and_then(u32);
    let (total, nodes, seed, inverted) = (number(0)?, number(4)?, number(8)?, number(12)? & 1);
    let what = bang(inverted as u8);
    Some(format!(
        "{what}--cluster-local-nodemask {nodes:#010x} --cluster-total-nodes {total} \
         --cluster-hash-seed {seed:#010x}"
    ))
}

/// `struct xt_ct_target_info_v1`: flags, zone, two sets of events, helper, timeout.
fn assignment(info: &[u8]) -> Option<String> {
    const EVENTS: [&str; 12] = [
        "new",
        "related",
        "destroy",
        "reply",
        "assured",
        "protoinfo",
        "helper",
        "mark",
        "natseqinfo",
        "secmark",
        "label",
        "synproxy",
    ];
    let (bits, zone) = (u16(info)?, u16(info.get(2..)?)?);
    let (events, expected) = (u32(info.get(4..)?)?, u32(info.get(8..)?)?);
    let mut out = Vec::new();
    if bits & 1 != 0 {
        out.push("--notrack".to_owned());
    }
    let name = |at: usize, length: usize| Some(attr::text(info.get(at..at + length)?));
    for (word, name) in [("helper", name(12, 16)?), ("timeout", name(28, 32)?)] {
        if !name.is_empty() {
            out.push(format!("--{word} {}", saved(name)));
        }
    }
    if events != 0 {
        let set = EVENTS.iter().enumerate().filter(|(bit, _)| events >> bit & 1 != 0);
        out.push(format!("--ctevents {}", set.map(|it| *it.1).collect::<Vec<_>>().join(",")));
    }
    if expected & 1 != 0 {
        out.push("--expevents new".to_owned());
    }
    let zone_word = match bits & 12 {
        4 => "zone-orig",
        8 => "zone-reply",
        _ => "zone",
    };
    if bits & 16 != 0 {
        out.push(format!("--{zone_word} mark"));
    } else if zone != 0 {
        out.push(format!("--{zone_word} {zone}"));
    }
    Some(out.join(" "))
}

/// `struct xt_tee_tginfo`: where to, through which interface.
fn tee(info: &[u8], six: bool) -> Option<String> {
    let oif = attr::text(info.get(16..32)?);
    let oif = if oif.is_empty() { String::new() } else { format!(" --oif {}", Escaped::new(oif)) };
    Some(format!("--gateway {}{oif}", address(info, 0, six)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_bytes_are_no_danger() {
        let names: &[&[u8]] = &[
            b"recent",
            b"hashlimit",
            b"time",
            b"string",
            b"tcpmss",
            b"quota",
            b"connbytes",
            b"esp",
            b"ah",
            b"rpfilter",
            b"socket",
            b"cpu",
            b"realm",
            b"connlabel",
            b"cgroup",
            b"policy",
            b"ecn",
            b"cluster",
            b"CT",
            b"TEE",
            b"TCPOPTSTRIP",
        ];
        for fill in [0, 1, 0x7f, 0xff] {
            for length in (0..600).step_by(7) {
                let info = vec![fill; length];
                for name in names {
                    for rev in 0..4 {
                        let _ = matched(name, rev, &info, length % 2 == 0);
                        let _ = target(name, rev, &info, length % 2 == 0);
                    }
                }
            }
        }
    }
}
