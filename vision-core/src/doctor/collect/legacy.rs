//! Reads the legacy iptables around the probes.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use super::Site;
use super::walls::Probed;
use crate::base::{Budget, Prefix, Untrusted};
use crate::doctor::walls::{Endpoint, LegacyStop, MetRule, Way};
use crate::firewall::FwFamily;
use crate::firewall::legacy::{Legacy, LegacyTable, LegacyTarget, LegacyVerdict};
use crate::inventory::Inventory;

/// The tables at one time.
#[derive(Default)]
pub(super) struct Tables(Vec<LegacyTable>);

/// Reads the tables there are; none where they may not be read.
pub(super) fn read(site: &Site, budget: &Budget) -> Tables {
    if names(&site.inventory).is_empty() {
        return Tables::default();
    }
    let tables = Legacy::open(&site.target).and_then(|legacy| legacy.tables(budget));
    Tables(tables.unwrap_or_default())
}

/// The tables that legacy iptables made; readable by the namespace's administrator only.
pub(super) fn names(inventory: &Inventory) -> Vec<String> {
    let mut tables = Vec::new();
    for (file, family) in [("ip_tables_names", "ip"), ("ip6_tables_names", "ip6")] {
        let path = format!("/proc/thread-self/net/{file}");
        let Ok(Ok(text)) = inventory.netns().run(|| std::fs::read_to_string(path)) else {
            continue;
        };
        tables.extend(text.lines().map(|table| format!("{family} {table}")));
    }
    tables
}

impl Tables {
    /// What stopped packets between these tables and later ones.
    pub(super) fn stopped_until(&self, later: &Self) -> Vec<LegacyStop> {
        let key = |stop: &LegacyStop| {
            (stop.family.clone(), stop.table.clone(), stop.chain.clone(), stop.rule.clone())
        };
        // Equal rules of a chain stay in their order.
        let mut old: HashMap<_, VecDeque<u64>> = HashMap::new();
        for stop in self.0.iter().flat_map(stops) {
            old.entry(key(&stop)).or_default().push_back(stop.packets[1]);
        }
        let mut met: Vec<LegacyStop> = Vec::new();
        for mut stop in later.0.iter().flat_map(stops) {
            let before = old.get_mut(&key(&stop)).and_then(VecDeque::pop_front);
            let Some(before) = before else { continue };
            stop.packets[0] = before;
            if stop.moved() > 0 && met.len() < KEPT {
                met.push(stop);
            }
        }
        met
    }
}

/// A rule that leads packets elsewhere.
pub(super) struct Lead {
    chain: String,
    rule: String,
    pub(super) to: Endpoint,
    packets: u64,
}

impl Tables {
    /// The rules that translate the destination of packets like this one, as far as their protocol,
    /// port and address tell.
    pub(super) fn leads(&self, packet: &Probed) -> Vec<Lead> {
        let family = if packet.src.is_ipv6() { FwFamily::Ip6 } else { FwFamily::Ip };
        let nat = self.0.iter().filter(|it| it.family == family && it.name == *"nat");
        let mut found = Vec::new();
        for chain in nat.flat_map(|table| &table.chains) {
            for rule in &chain.rules {
                let line = rule.line(chain);
                let line = line.split_once("] ").map_or(line.as_str(), |(_, line)| line);
                if let Some(to) = led(line, packet).filter(|_| found.len() < KEPT) {
                    let chain = chain.name.escaped().to_string();
                    let packets = rule.counter.packets;
                    found.push(Lead { chain, rule: line.to_owned(), to, packets });
                }
            }
        }
        found
    }

    /// Those that have led packets since, as rules that a packet meets.
    pub(super) fn led_until(&self, later: &Self, packet: &Probed) -> Vec<MetRule> {
        let before = self.leads(packet);
        let (dst, protocol, port) = packet.asked;
        let family = if dst.is_ipv6() { "ip6" } else { "ip" };
        let met = |lead: Lead| {
            let same = |it: &&Lead| it.chain == lead.chain && it.rule == lead.rule;
            let packets = before.iter().find(same).map(|old| [old.packets, lead.packets]);
            MetRule {
                dst,
                protocol,
                port,
                way: Way::There,
                stray: false,
                hook: "prerouting".to_owned(),
                priority: DSTNAT,
                family: family.to_owned(),
                table: "nat".to_owned(),
                chain: lead.chain,
                handle: None,
                outcome: "translate".to_owned(),
                certain: false,
                depends_on: vec!["other matches".to_owned()],
                parts: Vec::new(),
                text: lead.rule,
                comment: None,
                led: None,
                to: vec![lead.to],
                packets,
            }
        };
        // What looks at more than is known here counts what it does lead.
        later.leads(packet).into_iter().map(met).filter(|it| it.moved() != Some(0)).collect()
    }
}

/// `NF_IP_PRI_NAT_DST`.
const DSTNAT: i32 = -100;

/// Where a rule, as iptables-save writes it, leads a packet.
fn led(line: &str, packet: &Probed) -> Option<Endpoint> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let at = |flag: &str| words.iter().position(|word| *word == flag);
    let after = |flag: &str| words.get(at(flag)? + 1).copied();
    let negated = |flag: &str| {
        at(flag).and_then(|n| n.checked_sub(1)).is_some_and(|n| words.get(n) == Some(&"!"))
    };
    if after("-j")? != "DNAT" {
        return None;
    }
    let protocol = match packet.asked.1 {
        6 => "tcp",
        17 => "udp",
        1 | 58 => "icmp",
        _ => return None,
    };
    let port = |range: &str| {
        let (from, to) = range.split_once(':').unwrap_or((range, range));
        let (from, to): (u16, u16) = (from.parse().ok()?, to.parse().ok()?);
        Some((from..=to).contains(&packet.dst.port?))
    };
    let addr = |text: &str| {
        let prefix: Prefix = text.parse().ok()?;
        Some(prefix.contains(packet.dst.addr))
    };
    let fits = |flag: &str, says: Option<bool>| says.unwrap_or(true) != negated(flag);
    let asked = fits("-p", after("-p").map(|it| it == protocol))
        && fits("--dport", after("--dport").map(|it| port(it).unwrap_or(false)))
        && fits("-d", after("-d").map(|it| addr(it).unwrap_or(false)));
    let to = after("--to-destination").filter(|_| asked)?;
    // A range begins with what is taken first.
    let to = to.split_once('-').map_or(to, |(first, _)| first);
    match to.parse::<SocketAddr>() {
        Ok(to) => Some(Endpoint { addr: to.ip(), port: Some(to.port()) }),
        Err(_) => Some(Endpoint { addr: to.parse().ok()?, port: None }),
    }
}

/// Rules kept.
const KEPT: usize = 16;

/// The rules and policies of a table that end a packet's way.
fn stops(table: &LegacyTable) -> Vec<LegacyStop> {
    let text = |name: &Untrusted| name.escaped().to_string();
    let family = if table.family == FwFamily::Ip6 { "ip6" } else { "ip" };
    let mut found = Vec::new();
    for chain in &table.chains {
        let stop = |rule: String, packets: u64| LegacyStop {
            family: family.to_owned(),
            table: text(&table.name),
            chain: text(&chain.name),
            rule,
            packets: [0, packets],
        };
        for rule in &chain.rules {
            let ends = match &rule.target {
                Some(LegacyTarget::Verdict(verdict)) => *verdict == LegacyVerdict::Drop,
                Some(LegacyTarget::Extension(target)) => target.name == *"REJECT",
                _ => false,
            };
            if ends {
                let line = rule.line(chain);
                let line = line.split_once("] ").map_or(line.as_str(), |(_, line)| line);
                found.push(stop(line.to_owned(), rule.counter.packets));
            }
        }
        if chain.policy == Some(LegacyVerdict::Drop) {
            let line = format!("-P {} DROP", text(&chain.name));
            found.push(stop(line, chain.counter.packets));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn a_rule_leads_what_its_protocol_port_and_address_fit() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (addr, port) = (ip("10.0.0.1"), Some(8080));
        let packet =
            Probed { asked: (addr, 6, port), src: ip("10.0.0.9"), dst: Endpoint { addr, port } };
        let to = |line: &str| led(line, &packet).map(|to| (to.addr, to.port));
        let web = Some((ip("172.17.0.2"), Some(80)));
        for (line, expected) in [
            (
                "-A D ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
                web,
            ),
            (
                "-A D -d 10.0.0.0/24 -p tcp --dport 8000:8100 -j DNAT --to-destination 172.17.0.2:80",
                web,
            ),
            (
                "-A D ! -d 10.0.0.7/32 -j DNAT --to-destination 172.17.0.2-172.17.0.9",
                Some((ip("172.17.0.2"), None)),
            ),
            ("-A D -d 10.0.0.7/32 -p tcp -j DNAT --to-destination 172.17.0.2:80", None),
            ("-A D -p udp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", None),
            ("-A D -p tcp ! --dport 8080 -j DNAT --to-destination 172.17.0.2:80", None),
            ("-A D -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:80", None),
            ("-A D -p tcp --dport 8080 -j ACCEPT", None),
        ] {
            assert_eq!(to(line), expected, "{line}");
        }
    }
}
