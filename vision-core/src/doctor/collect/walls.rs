//! Reads packet filters and connection tracking around the probes.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::around::Around;
use super::walk::{Walk, without_counts};
use super::{Site, legacy, past, services};
use crate::base::{Budget, Error, Gap, Prefix, Result, Untrusted};
use crate::doctor::case::{CaseFile, ProbeRecord, Vantage, VantageRole};
use crate::doctor::flows::{is_asked, nameservers};
use crate::doctor::walls::{Endpoint, MetRule, PortPool, Tracking, TrackingCounts, Walls, Way};
use crate::doctor::{Question, Service};
use crate::firewall::{Firewall, Flow, FlowPart, Rule, Ruleset, Text};
use crate::inventory::{CtEntry, CtFilter, CtProtocol, Inventory, Link, RouteAnswer};

/// What was read before the probes.
pub(super) struct Before {
    rules: Option<Ruleset>,
    /// Whether the rules are there and were not shown.
    refused: bool,
    /// Numbers of connections that were there already.
    known: HashSet<u32>,
    counts: Option<TrackingCounts>,
    /// The tables of the legacy iptables, where there are any and they may be read.
    legacy: legacy::Tables,
}

/// A packet that was sent, and how it looks to those behind a translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probed {
    /// As the target sent it.
    pub(super) asked: (IpAddr, u8, Option<u16>),
    pub(super) src: IpAddr,
    pub(super) dst: Endpoint,
}

/// Kinds of packets that are followed at most, translations included.
const PACKETS: usize = 12;
/// Rules kept of one namespace.
const RULES: usize = 400;
/// Connections kept of one namespace.
pub(super) const ENTRIES: usize = 16;
/// IPPROTO_UDP.
pub(super) const UDP: u8 = 17;
/// Earlier connections noted of one kind of packet.
const KNOWN: usize = 10_000;

impl Before {
    /// Reads both; what is not permitted or not there is a gap.
    pub(super) fn read(site: &mut Site, budget: &Budget) -> (Self, Option<Gap>) {
        let (rules, gap) = match ruleset(site, budget) {
            Ok(rules) => (Some(rules), None),
            // Without nf_tables nothing is filtered by it.
            Err(Error::Unsupported(_)) => (None, None),
            Err(e) => (None, Some(Gap::because("firewall", &e))),
        };
        (
            Self {
                rules,
                refused: gap.is_some(),
                known: HashSet::new(),
                counts: counts(&mut site.inventory, budget).ok(),
                legacy: legacy::read(site, budget),
            },
            gap,
        )
    }

    /// Notes the connections that earlier packets of the kind have left.
    pub(super) fn note(&mut self, inventory: &mut Inventory, packet: &Probed, budget: &Budget) {
        if self.counts.is_some() {
            let all = tracked(inventory, packet, budget).into_iter();
            self.known.extend(all.filter_map(|entry| entry.id).take(KNOWN));
        }
    }

    /// Where the rules read here send packets that go to an address.
    pub(super) fn targets(&self, links: &[Link], packet: &Probed) -> Vec<Endpoint> {
        let mut targets = Vec::new();
        if let Some(rules) = &self.rules {
            let mut walk = Walk::new(rules, links);
            walk.walk(packet, Way::There, FlowPart::First, (None, None));
            targets = walk.targets();
        }
        targets.extend(self.legacy.leads(packet).into_iter().map(|lead| lead.to));
        targets
    }
}

fn ruleset(site: &Site, budget: &Budget) -> Result<Ruleset> {
    Firewall::open(&site.target)?.ruleset(budget)
}

fn counts(inventory: &mut Inventory, budget: &Budget) -> Result<TrackingCounts> {
    let fill = inventory.conntrack_count(budget)?;
    let mut counts = TrackingCounts {
        count: fill.count,
        max: fill.max.unwrap_or_default(),
        ..TrackingCounts::default()
    };
    for (_, cpu) in inventory.conntrack_cpus(budget)? {
        counts.drop += u64::from(cpu.drop.unwrap_or_default());
        counts.insert_failed += u64::from(cpu.insert_failed.unwrap_or_default());
        counts.early_drop += u64::from(cpu.early_drop.unwrap_or_default());
        counts.invalid += u64::from(cpu.invalid.unwrap_or_default());
    }
    Ok(counts)
}

/// The kinds of packets that the target sent in its latest round.
pub(super) fn probed(case: &CaseFile) -> Vec<Probed> {
    let Some(target) = case.target() else { return Vec::new() };
    let mut all: Vec<Probed> = Vec::new();
    for probe in target.rounds.last().map_or(&[][..], |round| &round.probes) {
        for (dst, protocol, port) in packets_of(probe) {
            let Some(src) = source(target, dst) else { continue };
            let packet =
                Probed { asked: (dst, protocol, port), src, dst: Endpoint { addr: dst, port } };
            if all.len() < PACKETS / 2 && !all.contains(&packet) {
                all.push(packet);
            }
        }
    }
    all
}

fn packets_of(probe: &ProbeRecord) -> Vec<(IpAddr, u8, Option<u16>)> {
    let dns = |server: std::net::SocketAddr| (server.ip(), 17, Some(server.port()));
    match probe {
        ProbeRecord::Tcp(r) => r.attempts.iter().map(|a| (r.to, 6, Some(a.port))).collect(),
        ProbeRecord::Udp(r) => vec![(r.to.ip(), 17, Some(r.to.port()))],
        ProbeRecord::Ping(r) => vec![(r.to, if r.to.is_ipv6() { 58 } else { 1 }, None)],
        ProbeRecord::Dns(r) => r.attempts.iter().map(|a| dns(a.server)).collect(),
        ProbeRecord::Resolve(r) => {
            let attempts = r.tried.iter().flat_map(|tried| &tried.report.attempts);
            attempts.map(|a| dns(a.server)).collect()
        }
        ProbeRecord::FullSize(r) => vec![(r.to, if r.to.is_ipv6() { 58 } else { 1 }, None)],
        // What is said goes where a connect went before.
        _ => Vec::new(),
    }
}

fn source(target: &Vantage, dst: IpAddr) -> Option<IpAddr> {
    match target.route(dst).map(|record| &record.answer) {
        Some(RouteAnswer::Route(route)) => route.prefsrc.or(target.owns(dst).then_some(dst)),
        // The loopback is not looked up.
        None if dst.is_loopback() => Some(dst),
        _ => None,
    }
}

/// Tells whether an address is that of a nameserver and not what was asked for.
fn resolves_there(case: &CaseFile, dst: IpAddr) -> bool {
    case.target().is_some_and(|target| {
        !is_asked(&case.question, target, dst) && nameservers(target).contains(&dst)
    })
}

impl Probed {
    /// The packet that is sent there: the question's own, or a query if names are resolved there.
    pub(super) fn asked_about(case: &CaseFile, src: IpAddr, dst: IpAddr) -> Option<Self> {
        let (protocol, port) = match case.question {
            _ if resolves_there(case, dst) => (UDP, Some(53)),
            Question::Health => return None,
            Question::Reach { service: Service::Host, .. } => {
                (if dst.is_ipv6() { 58 } else { 1 }, None)
            }
            Question::Reach { service: Service::Udp(port), .. } => (UDP, Some(port)),
            Question::Reach { service, .. } => (6, service.tcp_port()),
        };
        Some(Self { asked: (dst, protocol, port), src, dst: Endpoint { addr: dst, port } })
    }

    pub(super) fn flow(&self, way: Way, part: FlowPart, (iif, oif): Devices) -> Flow {
        let protocol = self.asked.1;
        let (there, port) = (way == Way::There, self.dst.port);
        Flow {
            src: if there { self.src } else { self.dst.addr },
            dst: if there { self.dst.addr } else { self.src },
            src_port: port.filter(|_| !there),
            dst_port: port.filter(|_| there),
            protocol,
            iif: if there { iif.clone() } else { oif.clone() },
            oif: if there { oif } else { iif },
            part,
            bridged: false,
        }
    }
}

/// Names of the devices a packet comes in by and goes out by, on its way there.
pub(super) type Devices = (Option<String>, Option<String>);

/// Looks again, and keeps what the probed packets could have met. Translations found here are
/// added to `packets`, for those further on.
pub(super) fn after(
    site: &mut Site,
    vantage: &Vantage,
    packets: &mut Vec<Probed>,
    around: &Around,
    budget: &Budget,
) -> Option<Walls> {
    let before = site.walls.take()?;
    let tracking = before.counts.and_then(|counts| {
        let after = self::counts(&mut site.inventory, budget).ok()?;
        let entries = entries(&mut site.inventory, packets, &before.known, budget);
        let failed = after.insert_failed > counts.insert_failed;
        let pool = failed.then(|| pool(&mut site.inventory, packets, budget)).flatten();
        Some(Tracking { before: counts, after, entries, outdated: Vec::new(), pool })
    });
    let bridge_calls = bridge_calls(&site.inventory, "iptables");
    let later = legacy::read(site, budget);
    let legacy_stops = before.legacy.stopped_until(&later);
    let led: Vec<MetRule> =
        packets.iter().flat_map(|packet| before.legacy.led_until(&later, packet)).collect();
    for rule in &led {
        let of = |packet: &&Probed| packet.asked == (rule.dst, rule.protocol, rule.port);
        if let Some(packet) = packets.iter().find(of).cloned() {
            rule.to.iter().for_each(|dst| add(packets, Probed { dst: *dst, ..packet.clone() }));
        }
    }
    let legacy = legacy::names(&site.inventory);
    let mut walls = Walls { tracking, legacy, legacy_stops, bridge_calls, ..Walls::default() };
    let Some(old) = &before.rules else {
        (walls.unread, walls.met) = (before.refused, led);
        return Some(walls).filter(|w| w.tracking.is_some() || !w.legacy.is_empty());
    };
    let new = ruleset(site, budget).ok()?;
    let mut walk = Walk::new(&new, vantage.links());
    translated_by_entries(&walls, packets);
    let mut at = 0;
    // Where only frames pass, no packet is routed.
    let is_routed = vantage.role != VantageRole::Bridge;
    while let Some(packet) = packets.get(at).filter(|_| is_routed).cloned() {
        at += 1;
        let (there, back) = devices(vantage, &packet, around);
        let from = walk.met.len();
        walk.walk(&packet, Way::There, FlowPart::First, there.clone());
        let to: Vec<_> = walk.met.iter().skip(from).flat_map(|rule| rule.to.clone()).collect();
        for dst in to {
            add(packets, Probed { dst, ..packet.clone() });
        }
        walk.walk(&packet, Way::Back, FlowPart::Answer, back.clone());
        walk.walk(&packet, Way::There, FlowPart::Stray, there);
        walk.walk(&packet, Way::Back, FlowPart::Stray, back);
    }
    around.walk(site, vantage, &mut walk, packets);
    walls.rules = new.rules.len();
    walls.masks = masks(&new, &walk.text);
    walls.met = std::mem::take(&mut walk.met);
    let beside = |packet| services::beside(&mut walk, &walls, vantage, packet);
    walls.beside = packets.iter().flat_map(beside).collect();
    let old_ways = past::outdated(&mut site.inventory, &walls.met, packets, budget);
    if let Some(tracking) = &mut walls.tracking {
        tracking.outdated = old_ways;
    }
    count(&mut walls.met, old, &new);
    super::handed::mark_unread(&mut walls.met, &mut site.inventory, budget);
    walls.met.extend(led);
    trim(&mut walls);
    Some(walls)
}

/// Whether bridges hand what passes them to the rules of `tool`: for IPv4 `iptables`, for IPv6
/// `ip6tables`; unknown without bridges.
pub(super) fn bridge_calls(inventory: &Inventory, tool: &str) -> Option<bool> {
    let path = format!("/proc/sys/net/bridge/bridge-nf-call-{tool}");
    let text = inventory.netns().run(|| std::fs::read_to_string(path)).ok()?.ok()?;
    Some(text.trim() != "0")
}

/// A rule that masquerades or translates sources.
fn masks(ruleset: &Ruleset, text: &Text<'_>) -> Option<String> {
    let is_mask = |rule: &&Rule| {
        let target = |expr: &crate::firewall::Expression| {
            let name = expr.text("name").filter(|_| expr.is("target"));
            name.is_some_and(|name| [&b"MASQUERADE"[..], b"SNAT"].contains(&name.as_bytes()))
        };
        // NFT_NAT_SNAT is 0.
        let snat = |expr: &crate::firewall::Expression| {
            expr.is("masq") || (expr.is("nat") && expr.number("type") == Some(0))
        };
        rule.expressions.iter().any(|expr| snat(expr) || target(expr))
    };
    let rule = ruleset.rules.iter().find(is_mask)?;
    Some(without_counts(&text.rule_body(rule)))
}

fn add(packets: &mut Vec<Probed>, packet: Probed) {
    if packets.len() < PACKETS && !packets.contains(&packet) {
        packets.push(packet);
    }
}

/// What became of the probes' addresses here, as the connection table has it.
fn translated_by_entries(walls: &Walls, packets: &mut Vec<Probed>) {
    for entry in walls.tracking.iter().flat_map(|tracking| &tracking.entries) {
        let (there, back) = (&entry.original, &entry.reply);
        let same = |p: &&Probed| {
            p.src == there.src && p.dst.addr == there.dst && p.dst.port == there.dst_port
        };
        let Some(packet) = packets.iter().find(same).cloned() else { continue };
        let dst = Endpoint { addr: back.src, port: back.src_port };
        add(packets, Probed { src: back.dst, dst, ..packet });
    }
}

/// Connections that began during the round.
fn entries(
    inventory: &mut Inventory,
    packets: &[Probed],
    known: &HashSet<u32>,
    budget: &Budget,
) -> Vec<CtEntry> {
    let mut found: Vec<CtEntry> = Vec::new();
    let is_old = |entry: &CtEntry| entry.id.is_some_and(|id| known.contains(&id));
    for packet in packets {
        let all = tracked(inventory, packet, budget).into_iter();
        for entry in all.filter(|entry| !is_old(entry)).take(ENTRIES) {
            if found.len() < ENTRIES && !found.contains(&entry) {
                found.push(entry);
            }
        }
    }
    found
}

pub(super) fn tracked(inventory: &mut Inventory, packet: &Probed, budget: &Budget) -> Vec<CtEntry> {
    let (src, dst) = (Prefix::host(packet.src), Prefix::host(packet.dst.addr));
    let protocol = CtProtocol::from_raw(packet.asked.1);
    let filter = CtFilter::default().src(src).dst(dst).protocol(protocol);
    let port = packet.dst.port;
    let wanted = |entry: &CtEntry| port.is_none() || entry.original.dst_port == port;
    let all = inventory.conntrack(&filter, budget).map(|dump| dump.items).unwrap_or_default();
    all.into_iter().filter(wanted).collect()
}

/// The source that a namespace gave an earlier packet of the kind, if it is another one.
pub(super) fn masked(site: &mut Site, packet: &Probed, budget: &Budget) -> Option<IpAddr> {
    site.walls.as_ref()?.counts?;
    let all = tracked(&mut site.inventory, packet, budget);
    all.iter().map(|entry| entry.reply.dst).find(|source| *source != packet.src)
}

/// The source ports that translated connections to a probed destination have.
fn pool(inventory: &mut Inventory, packets: &[Probed], budget: &Budget) -> Option<PortPool> {
    packets.iter().filter(|packet| packet.dst.port.is_some()).find_map(|packet| {
        let (to, protocol) = (packet.dst, packet.asked.1);
        let filter = CtFilter::default().dst(Prefix::host(to.addr));
        let filter = filter.protocol(CtProtocol::from_raw(protocol));
        let all = inventory.conntrack(&filter, budget).ok()?.items;
        let masked = |entry: &&CtEntry| {
            entry.original.dst_port == to.port && entry.reply.dst != entry.original.src
        };
        let addr = all.iter().find(masked)?.reply.dst;
        let same = all.iter().filter(masked).filter(|entry| entry.reply.dst == addr);
        let ports: std::collections::BTreeSet<u16> =
            same.filter_map(|entry| entry.reply.dst_port).collect();
        let (first, last) = (*ports.first()?, *ports.last()?);
        let used = u32::try_from(ports.len()).ok()?;
        Some(PortPool { addr, to, protocol, used, first, last })
    })
}

/// The devices that a packet passes here, and those of its answer, each as of a packet on its way
/// there. By which it comes in is said by the look-ups of who hands it over, else by the own ones.
fn devices(vantage: &Vantage, packet: &Probed, around: &Around) -> (Devices, Devices) {
    let name = |addr: IpAddr| {
        let Some(RouteAnswer::Route(route)) = vantage.route(addr).map(|record| &record.answer)
        else {
            return None;
        };
        let link = vantage.link(route.oif_ifindex?).filter(|link| !link.is_loopback())?;
        Some(String::from_utf8_lossy(link.name.as_bytes()).into_owned())
    };
    let arrival = |towards| around.arrival(vantage.netns, towards);
    // What was translated was looked up by the address asked for.
    let out = name(packet.dst.addr).or_else(|| name(packet.asked.0));
    let home = name(packet.src).filter(|_| !vantage.owns(packet.src));
    let inward = match vantage.owns(packet.src) {
        true => None,
        false => arrival(packet.dst.addr).or_else(|| arrival(packet.asked.0)).or(home.clone()),
    };
    let inward_back = match vantage.owns(packet.dst.addr) {
        true => out.clone(),
        false => arrival(packet.src).or(out.clone()),
    };
    ((inward, out), (home, inward_back))
}

/// Puts the counters of both looks beside each rule.
fn count(met: &mut [MetRule], old: &Ruleset, new: &Ruleset) {
    let (old, new) = (Counters::of(old), Counters::of(new));
    for rule in met {
        let packets = old.of_rule(rule).zip(new.of_rule(rule));
        rule.packets = packets.map(|(before, after)| [before, after]);
    }
}

/// The counters of a ruleset by what they belong to.
struct Counters {
    rules: HashMap<(String, String, u64), u64>,
    policies: HashMap<(String, String, String), u64>,
}

impl Counters {
    fn of(ruleset: &Ruleset) -> Self {
        let name = |name: &Untrusted| name.escaped().to_string();
        let named = |rule: &Rule| {
            let object = rule.expressions.iter().find(|expr| expr.is("objref"))?.text("name")?;
            let here = |it: &&crate::firewall::Object| {
                it.family == rule.family && it.table == rule.table && it.name == *object
            };
            ruleset.objects.iter().find(here)?.counter()
        };
        let rules = ruleset.rules.iter().filter_map(|rule| {
            let counter = rule.counter().or_else(|| named(rule))?;
            let key = (rule.family.to_string(), name(&rule.table), rule.handle);
            Some((key, counter.packets))
        });
        let policies = ruleset.chains.iter().filter_map(|chain| {
            let key = (chain.family.to_string(), name(&chain.table), name(&chain.name));
            Some((key, chain.counter?.packets))
        });
        Self { rules: rules.collect(), policies: policies.collect() }
    }

    fn of_rule(&self, rule: &MetRule) -> Option<u64> {
        let (family, table) = (rule.family.clone(), rule.table.clone());
        match rule.handle {
            Some(handle) => self.rules.get(&(family, table, handle)).copied(),
            None => self.policies.get(&(family, table, rule.chain.clone())).copied(),
        }
    }
}

/// Keeps what decides first, when there is too much.
fn trim(walls: &mut Walls) {
    if walls.met.len() <= RULES {
        return;
    }
    let all = walls.met.len();
    walls.met.retain(|rule| rule.stops() || !rule.to.is_empty() || rule.handle.is_none());
    walls.met.truncate(RULES);
    walls.left_out = all - walls.met.len();
}
