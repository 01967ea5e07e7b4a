//! Tables that iptables-nft made, in the words of iptables-save.

use std::fmt::Write;

use super::model::{Chain, FwFamily, Rule, Table};
use super::text::Text;

use super::value::Value;

/// Tells whether a table is one of those that iptables, ip6tables keep in nf_tables.
///
/// They are known by family and name only; the kernel notes nothing else about them.
pub fn is_iptables(table: &Table) -> bool {
    let names: [&[u8]; 5] = [b"filter", b"nat", b"mangle", b"raw", b"security"];
    matches!(table.family, FwFamily::Ip | FwFamily::Ip6) && names.contains(&table.name.as_bytes())
}

/// Writes a chain's declaration as `iptables-save -c` does: `:INPUT ACCEPT [0:0]`.
pub fn chain_line(chain: &Chain) -> String {
    let policy = match (&chain.hook, chain.policy) {
        (None, _) => "-",
        (Some(_), Some(0)) => "DROP",
        (Some(_), _) => "ACCEPT",
    };
    let counter = chain.counter.unwrap_or_default();
    let name = chain.name.escaped();
    format!(":{name} {policy} [{}:{}]", counter.packets, counter.bytes)
}

/// Writes a rule as `iptables-save -c` does, or as a comment when iptables has no words for it.
pub fn rule_line(text: &Text<'_>, rule: &Rule) -> String {
    let counter = rule.counter().unwrap_or_default();
    let head = format!("[{}:{}] -A {}", counter.packets, counter.bytes, rule.chain.escaped());
    let mut line = Line::default();
    let words = text.plain_words(rule);
    let all = words.iter().all(|word| line.take(word));
    let verdict = rule.expressions.iter().filter(|it| it.is("immediate")).find_map(|it| {
        let Some(Value::Verdict { code, chain }) = it.get("data") else {
            return None;
        };
        let to = chain.as_ref().map(|to| to.escaped().to_string()).unwrap_or_default();
        Some(match code {
            0 => "-j DROP".to_owned(),
            1 => "-j ACCEPT".to_owned(),
            -4 => format!("-g {to}"),
            -5 => "-j RETURN".to_owned(),
            _ => format!("-j {to}"),
        })
    });
    if !all {
        return format!("# {head} is not in iptables' words: {}", words.join(" "));
    }
    let mut out = head;
    for part in line.base.iter().flatten().chain(&line.rest).chain(&verdict) {
        let _ = write!(out, " {part}");
    }
    out
}

/// A line under construction: what iptables-save puts first in its order, then the matches.
#[derive(Default)]
struct Line {
    /// `-s`, `-d`, `-i`, `-o`, `-p`.
    base: [Option<String>; 5],
    rest: Vec<String>,
    protocol: Option<String>,
}

impl Line {
    fn take(&mut self, word: &str) -> bool {
        if word.starts_with("-m ") || word.starts_with("-j ") {
            self.rest.push(word.to_owned());
            return true;
        }
        if word.starts_with("counter ") || is_verdict(word) {
            return true;
        }
        if let Some(limit) = word.strip_prefix("limit rate ") {
            return self.limit(limit);
        }
        let Some((key, value)) = key_and_value(word) else {
            return false;
        };
        let (bang, value) = match value.strip_prefix("!= ") {
            Some(value) => ("! ", value),
            None => ("", value),
        };
        let place = match key {
            "ip saddr" | "ip6 saddr" => 0,
            "ip daddr" | "ip6 daddr" => 1,
            "iifname" => 2,
            "oifname" => 3,
            "meta l4proto" | "ip protocol" => 4,
            _ => return self.match_(key, bang, value),
        };
        let option = ["-s", "-d", "-i", "-o", "-p"].get(place).copied().unwrap_or_default();
        let value = match place {
            0 | 1 if value.contains(['/', '-']) => value.to_owned(),
            0 | 1 if value.contains(':') => format!("{value}/128"),
            0 | 1 => format!("{value}/32"),
            2 | 3 => value.trim_matches('"').replace('*', "+"),
            _ => value.to_owned(),
        };
        if place == 4 {
            self.protocol = Some(value.clone());
        }
        if let Some(slot) = self.base.get_mut(place) {
            *slot = Some(format!("{bang}{option} {value}"));
        }
        true
    }

    fn limit(&mut self, text: &str) -> bool {
        // RATE/UNIT burst N packets
        let mut words = text.split(' ');
        let (Some(rate), Some("burst"), Some(burst)) = (words.next(), words.next(), words.next())
        else {
            return false;
        };
        let rate = rate.replace("/second", "/sec").replace("/minute", "/min");
        let burst = if burst == "5" { String::new() } else { format!(" --limit-burst {burst}") };
        self.rest.push(format!("-m limit --limit {rate}{burst}"));
        true
    }

    fn match_(&mut self, key: &str, bang: &str, value: &str) -> bool {
        let protocol = self.protocol.clone().unwrap_or_default();
        let option = match key {
            "tcp sport" | "udp sport" | "sctp sport" | "th sport" => "--sport",
            "tcp dport" | "udp dport" | "sctp dport" | "th dport" => "--dport",
            "tcp flags &" => {
                let Some((mask, flags)) = value.split_once(" == ").or(value.split_once(" != "))
                else {
                    return false;
                };
                let names = |text: &str| {
                    let text = text.trim_matches(['(', ')']).to_uppercase();
                    if text == "0" { "NONE".to_owned() } else { text.replace(" | ", ",") }
                };
                let bang = if value.contains(" != ") { "! " } else { "" };
                let (mask, flags) = (names(mask), names(flags));
                self.rest.push(format!("-m tcp {bang}--tcp-flags {mask} {flags}"));
                return true;
            }
            "meta mark" | "meta mark &" => {
                let (bang, text) = match value.split_once(" != ").or(value.split_once(" == ")) {
                    Some((mask, mark)) if value.contains(" != ") => ("! ", (mark, Some(mask))),
                    Some((mask, mark)) => ("", (mark, Some(mask))),
                    None => (bang, (value, None)),
                };
                let (mark, mask) = (short(text.0), text.1.map(short));
                let mask = mask.map(|mask| format!("/{mask}")).unwrap_or_default();
                self.rest.push(format!("-m mark {bang}--mark {mark}{mask}"));
                return true;
            }
            _ => return false,
        };
        let value = value.replace('-', ":");
        self.rest.push(format!("-m {protocol} {bang}{option} {value}"));
        true
    }
}

/// `0x00004000` as iptables writes it: `0x4000`.
fn short(hex: &str) -> String {
    let digits = hex.trim_start_matches("0x");
    u64::from_str_radix(digits, 16).map_or_else(|_| hex.to_owned(), |it| format!("{it:#x}"))
}

fn is_verdict(word: &str) -> bool {
    let first = word.split(' ').next().unwrap_or_default();
    matches!(first, "accept" | "drop" | "return" | "jump" | "goto" | "continue")
}

/// The two words that name a field, and what it is compared with.
fn key_and_value(word: &str) -> Option<(&str, &str)> {
    if let Some(rest) = word.strip_prefix("iifname ") {
        return Some(("iifname", rest));
    }
    if let Some(rest) = word.strip_prefix("oifname ") {
        return Some(("oifname", rest));
    }
    let mut ends = word.match_indices(' ').map(|it| it.0);
    let second = ends.nth(1)?;
    let (key, value) = word.split_at_checked(second)?;
    match value.strip_prefix(" & ") {
        Some(value) => Some((word.get(..second + 2)?, value)),
        None => Some((key, value.trim_start())),
    }
}
