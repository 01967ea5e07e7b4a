//! Walks the probed packets through a ruleset on paper and keeps what they would meet.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::walls::{Devices, Probed};
use crate::base::Untrusted;
use crate::doctor::walls::{Endpoint, MetRule, Way};
use crate::firewall::{Aim, Flow, FlowPart, FwFamily, Met, Rule, Ruleset, Text, aims, why};
use crate::inventory::Link;

/// One ruleset, walked through by several packets.
pub(super) struct Walk<'r> {
    ruleset: &'r Ruleset,
    pub(super) text: Text<'r>,
    by_handle: HashMap<(FwFamily, &'r [u8], u64), &'r Rule>,
    /// The names of the links, each with that of the bridge it is a port of.
    links: Vec<(String, Option<String>)>,
    pub(super) met: Vec<MetRule>,
    /// Packets that are none any more as they were sent: they were translated.
    gone: Vec<Probed>,
    /// Whether what is walked are frames that a bridge hands on.
    pub(super) bridged: bool,
}

impl<'r> Walk<'r> {
    pub(super) fn new(ruleset: &'r Ruleset, links: &[Link]) -> Self {
        let names = links.iter().map(|link| (link.ifindex, link.name.clone()));
        let name = |link: &Link| link.name.escaped().to_string();
        let bridge = |link: &Link| {
            let found = links.iter().find(|other| Some(other.ifindex) == link.master_ifindex);
            found.map(name)
        };
        let key = |rule: &'r Rule| (rule.family, rule.table.as_bytes(), rule.handle);
        Self {
            ruleset,
            text: Text::new(ruleset).interfaces(names),
            by_handle: ruleset.rules.iter().map(|rule| (key(rule), rule)).collect(),
            links: links.iter().map(|link| (name(link), bridge(link))).collect(),
            met: Vec::new(),
            gone: Vec::new(),
            bridged: false,
        }
    }

    /// Tells whether a base chain of a device sees what comes in by one link and leaves by another:
    /// the device is that link, or a port of it.
    fn is_on_way(&self, met: &Met, flow: &Flow) -> bool {
        let link = if met.hook == "egress" { &flow.oif } else { &flow.iif };
        let (Some(link), FwFamily::Netdev) = (link.as_deref(), met.family) else { return true };
        let same = |chain: &&crate::firewall::Chain| {
            let hook = chain.hook.as_ref();
            chain.family == met.family
                && *chain.table.escaped().to_string() == met.table
                && hook.is_some_and(|it| it.name == met.hook && it.priority == met.priority)
        };
        let devices = self.ruleset.chains.iter().filter(same).filter_map(|it| it.hook.as_ref());
        let mut devices = devices.flat_map(|hook| &hook.devices).map(|it| it.escaped().to_string());
        devices.any(|device| {
            let port = |(name, bridge): &(String, Option<String>)| {
                *name == device && bridge.as_deref() == Some(link)
            };
            device == link || self.links.iter().any(port)
        })
    }

    pub(super) fn walk(&mut self, packet: &Probed, way: Way, part: FlowPart, devices: Devices) {
        let flow = Flow { bridged: self.bridged, ..packet.flow(way, part, devices) };
        let stray = part == FlowPart::Stray;
        let all = why(self.ruleset, &self.text, &flow);
        if (way, part) == (Way::There, FlowPart::First) && is_led_away(&all, packet.dst) {
            self.gone.push(packet.clone());
        }
        let gone = way == Way::There && self.gone.contains(packet);
        for met in all {
            // What is sent elsewhere comes as another packet to the hooks that follow.
            if gone && ["input", "forward", "postrouting"].contains(&met.hook.as_str()) {
                continue;
            }
            if !self.is_on_way(&met, &flow) {
                continue;
            }
            let rule = self.rule(&met);
            // Of the stray packets only what meets no other is of interest.
            let known = |other: &MetRule| {
                other.handle == met.handle && other.way == way && other.dst == packet.asked.0
            };
            if stray && (met.outcome == "accept" || self.met.iter().any(known)) {
                continue;
            }
            let parts = rule.map_or_else(Vec::new, parts);
            let comment = rule.and_then(comment);
            let (dst, protocol, port) = packet.asked;
            self.met.push(MetRule {
                dst,
                protocol,
                port,
                led: Some(packet.dst).filter(|led| led.addr != dst || led.port != port),
                way,
                stray,
                to: match met.outcome == "translate" {
                    true => led(&met, packet.dst),
                    false => Vec::new(),
                },
                hook: met.hook,
                priority: met.priority,
                family: met.family.to_string(),
                table: met.table,
                chain: met.chain,
                handle: met.handle,
                outcome: met.outcome,
                certain: met.certain,
                depends_on: met.depends_on,
                parts,
                text: without_counts(&met.text),
                comment,
                packets: None,
            });
        }
    }

    fn rule(&self, met: &Met) -> Option<&'r Rule> {
        let table = Untrusted::from(met.table.as_bytes());
        self.by_handle.get(&(met.family, table.as_bytes(), met.handle?)).copied()
    }

    pub(super) fn aims(&self) -> Vec<Aim> {
        aims(self.ruleset)
    }

    pub(super) fn targets(&self) -> Vec<Endpoint> {
        let mut targets: Vec<Endpoint> = Vec::new();
        for endpoint in self.met.iter().flat_map(|rule| &rule.to) {
            if !targets.contains(endpoint) {
                targets.push(*endpoint);
            }
        }
        targets
    }
}

/// The names of a rule's expressions; of extensions of iptables their own.
fn parts(rule: &Rule) -> Vec<String> {
    let name = |expr: &crate::firewall::Expression| match expr.text("name") {
        Some(name) if expr.is("match") || expr.is("target") => name.escaped().to_string(),
        _ => expr.name.to_string(),
    };
    rule.expressions.iter().map(name).collect()
}

/// What is written beside a rule, by nft or by iptables.
fn comment(rule: &Rule) -> Option<String> {
    let noted = |expr: &crate::firewall::Expression| {
        let own = expr.is("match") && expr.text("name").is_some_and(|name| *name == *"comment");
        let info = expr.bytes("info").filter(|_| own)?;
        let end = info.iter().position(|byte| *byte == 0).unwrap_or(info.len());
        Some(Untrusted::from(info.get(..end)?).escaped().to_string())
    };
    let by_nft = rule.comment.as_ref().map(|text| text.escaped().to_string());
    by_nft.or_else(|| rule.expressions.iter().find_map(noted))
}

/// A rule's words without what its counters show, which moves.
pub(super) fn without_counts(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut rest = text.split(' ').peekable();
    while let Some(word) = rest.next() {
        let counts = words.last() == Some(&"counter") || words.last() == Some(&"bytes");
        match word {
            "packets" if counts => drop(rest.next()),
            "bytes" if words.last() == Some(&"counter") => drop(rest.next()),
            word => words.push(word),
        }
    }
    words.join(" ")
}

/// Tells whether a translation sends a packet elsewhere for certain, whichever of several places it is.
fn is_led_away(all: &[Met], asked: Endpoint) -> bool {
    let first = |met: &&Met| met.hook == "prerouting" || met.hook == "output";
    let lots = ["numgen", "hash", "statistic"];
    let drawn = |met: &Met| met.depends_on.iter().all(|it| lots.contains(&it.as_str()));
    let elsewhere = |met: &Met| {
        met.outcome == "translate" && led(met, asked).iter().any(|to| to.addr != asked.addr)
    };
    let before = all.iter().filter(first).position(elsewhere);
    before.is_some_and(|end| all.iter().filter(first).take(end + 1).all(drawn))
}

/// Where a translation sends the packet: what the walk knows, or else the rule's words.
fn led(met: &Met, asked: Endpoint) -> Vec<Endpoint> {
    let known = met
        .to
        .iter()
        .map(|target| Endpoint { addr: target.addr.unwrap_or(asked.addr), port: target.port });
    let known: Vec<Endpoint> = known.collect();
    match known.is_empty() {
        true => destinations(&met.text, &met.hook, asked),
        false => known,
    }
}

/// The addresses behind `dnat` in a rule's words, or the port behind `redirect`.
fn destinations(text: &str, hook: &str, asked: Endpoint) -> Vec<Endpoint> {
    let Some((_, behind)) = text.split_once("dnat ") else {
        return redirected(text, hook, asked).into_iter().collect();
    };
    let words = behind.split([' ', ',', '{', '}']).map(str::trim).filter(|word| !word.is_empty());
    let read = |word: &str| {
        if let Ok(addr) = word.parse::<std::net::SocketAddr>() {
            return Some(Endpoint { addr: addr.ip(), port: Some(addr.port()) });
        }
        let bare = word.trim_start_matches('[').trim_end_matches(']');
        bare.parse().ok().map(|addr| Endpoint { addr, port: None })
    };
    let mut found: Vec<Endpoint> = Vec::new();
    for endpoint in words.filter_map(read) {
        if !found.contains(&endpoint) {
            found.push(endpoint);
        }
    }
    found
}

/// What is sent from here goes to the loopback; what came in is taken for the own address
/// (net/netfilter/nf_nat_redirect.c).
fn redirected(text: &str, hook: &str, asked: Endpoint) -> Option<Endpoint> {
    let (_, behind) = text.split_once("redirect")?;
    let port = behind.strip_prefix(" to :").and_then(|ports| {
        let end = ports.find(|c: char| !c.is_ascii_digit()).unwrap_or(ports.len());
        ports.get(..end)?.parse().ok()
    });
    let addr = match (hook, asked.addr) {
        ("output", IpAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
        ("output", IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        (_, addr) => addr,
    };
    Some(Endpoint { addr, port: port.or(asked.port) })
}
