//! What else passes the filters of a namespace: questions for neighbours, and frames that its bridges
//! hand from port to port.

use std::net::IpAddr;

use super::Site;
use super::walk::Walk;
use super::walls::{Devices, Probed, bridge_calls};
use crate::doctor::case::{CaseFile, ProbeRecord, Vantage};
use crate::doctor::walls::{Endpoint, Way};
use crate::doctor::{Wire, WireLink};
use crate::firewall::FlowPart;
use crate::inventory::{Link, RouteAnswer};
use crate::netns::NetnsId;

/// What passes the namespaces of a case beside the packets that are routed there.
pub(super) struct Around {
    sought: Vec<Sought>,
    bridged: Vec<Bridged>,
    arrivals: Vec<Arrival>,
}

/// By which link packets for an address come into a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrival {
    at: NetnsId,
    towards: IpAddr,
    link: String,
}

/// A neighbour that was asked for, seen from one of the two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sought {
    /// The end it is seen from.
    at: NetnsId,
    packet: Probed,
    devices: Devices,
}

/// A bridge that frames pass on their way from the target, from port to port; where a port is missing, the bridge
/// itself is an end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Bridged {
    at: NetnsId,
    bridge: String,
    ports: [Option<String>; 2],
}

impl Bridged {
    /// The hooks of the bridge family that frames pass one way (net/bridge/br_input.c, br_forward.c).
    fn hooks(&self, way: Way) -> &'static [&'static str] {
        match (&self.ports, way) {
            ([Some(_), Some(_)], _) => &["prerouting", "forward", "postrouting"],
            ([Some(_), None], Way::There) | ([None, _], Way::Back) => &["prerouting", "input"],
            ([Some(_), None], Way::Back) | ([None, _], Way::There) => &["output", "postrouting"],
        }
    }

    /// Walks frames through the tables of the bridge family, and keeps what they pass.
    fn walk(&self, walk: &mut Walk<'_>, packet: &Probed, way: Way, part: FlowPart) {
        let from = walk.met.len();
        walk.bridged = true;
        let [before, after] = self.ports.clone();
        walk.walk(packet, way, part, (before, after));
        walk.bridged = false;
        let hooks = self.hooks(way);
        let mut at = 0;
        walk.met.retain(|met| {
            at += 1;
            at <= from || hooks.contains(&met.hook.as_str())
        });
    }
}

/// ICMPv6 type of a neighbour solicitation (RFC 4861 §4.3).
const SOLICITATION: u16 = 135;
/// Questions for neighbours that are followed at most.
const SOUGHT: usize = 32;

fn name(link: &Link) -> String {
    link.name.escaped().to_string()
}

impl Around {
    pub(super) fn of(case: &CaseFile) -> Self {
        let target = case.target();
        // What leads back to the target is walked as the answers of what leads away from it.
        let away = case.wires.iter().filter(|w| !target.is_some_and(|v| v.owns(w.neighbour)));
        let mut bridged: Vec<Bridged> = Vec::new();
        for crossing in away.flat_map(Wire::crossings) {
            let port = |step: Option<&WireLink>| step.map(|step| name(&step.link));
            let found = Bridged {
                at: crossing.bridge.netns,
                bridge: name(&crossing.bridge.link),
                ports: [port(crossing.before), port(crossing.after)],
            };
            if !bridged.contains(&found) {
                bridged.push(found);
            }
        }
        Self { sought: sought(case), bridged, arrivals: arrivals(case) }
    }

    /// The link that packets for an address come into a namespace by, where it is one.
    pub(super) fn arrival(&self, at: NetnsId, towards: IpAddr) -> Option<String> {
        let mut all = self.arrivals.iter().filter(|it| (it.at, it.towards) == (at, towards));
        match (all.next(), all.next()) {
            (Some(only), None) => Some(only.link.clone()),
            _ => None,
        }
    }

    /// Walks all that passes a namespace through its rules.
    pub(super) fn walk(
        &self,
        site: &Site,
        vantage: &Vantage,
        walk: &mut Walk<'_>,
        packets: &[Probed],
    ) {
        for it in self.sought.iter().filter(|it| it.at == vantage.netns) {
            walk.walk(&it.packet, Way::There, FlowPart::Solicitation, it.devices.clone());
            walk.walk(&it.packet, Way::Back, FlowPart::Advertisement, it.devices.clone());
        }
        for it in self.bridged.iter().filter(|it| it.at == vantage.netns) {
            for question in &self.sought {
                it.walk(walk, &question.packet, Way::There, FlowPart::Solicitation);
                it.walk(walk, &question.packet, Way::Back, FlowPart::Advertisement);
            }
            for packet in packets {
                it.walk(walk, packet, Way::There, FlowPart::First);
                it.walk(walk, packet, Way::Back, FlowPart::Answer);
                let tool = if packet.src.is_ipv6() { "ip6tables" } else { "iptables" };
                // Rules for IP see the bridge as the device on both sides (br_netfilter_hooks.c).
                let passes = it.ports.iter().all(Option::is_some);
                if passes && bridge_calls(&site.inventory, tool) == Some(true) {
                    let bridge = Some(it.bridge.clone());
                    both_ways(walk, packet, &(bridge.clone(), bridge));
                }
            }
        }
    }
}

fn both_ways(walk: &mut Walk<'_>, packet: &Probed, devices: &Devices) {
    walk.walk(packet, Way::There, FlowPart::First, devices.clone());
    walk.walk(packet, Way::Back, FlowPart::Answer, devices.clone());
}

/// Where the look-ups of each namespace hand packets over to another.
fn arrivals(case: &CaseFile) -> Vec<Arrival> {
    let mut all: Vec<Arrival> = Vec::new();
    for vantage in &case.vantages {
        for probe in vantage.probes() {
            let ProbeRecord::Route(record) = probe else { continue };
            let (RouteAnswer::Route(route), towards) = (&record.answer, record.query.dst) else {
                continue;
            };
            let next = route.gateway.unwrap_or(towards);
            let leaves = |wire: &&Wire| {
                (wire.netns, Some(wire.ifindex), wire.neighbour)
                    == (vantage.netns, route.oif_ifindex, next)
            };
            let end = case.wires.iter().find(leaves).and_then(Wire::end);
            let Some(end) = end.filter(|end| end.netns != vantage.netns) else { continue };
            let found = Arrival { at: end.netns, towards, link: name(&end.link) };
            if !all.contains(&found) {
                all.push(found);
            }
        }
    }
    all
}

/// The questions for neighbours that the latest rounds put, for both ends of each.
fn sought(case: &CaseFile) -> Vec<Sought> {
    let mut all = Vec::new();
    for vantage in &case.vantages {
        let latest = vantage.rounds.last().map_or(&[][..], |round| &round.probes);
        for probe in latest {
            let ProbeRecord::Neigh(report) = probe else { continue };
            let (src, addr) = (report.source, report.to);
            let asked = match addr {
                IpAddr::V4(_) => (addr, 0, None),
                IpAddr::V6(_) => (addr, 58, Some(SOLICITATION)),
            };
            let packet = Probed { asked, src, dst: Endpoint { addr, port: None } };
            let devices = (None, vantage.link(report.ifindex).map(name));
            all.push(Sought { at: vantage.netns, packet: packet.clone(), devices });
            let here = |wire: &&Wire| {
                (wire.netns, wire.ifindex, wire.neighbour) == (vantage.netns, report.ifindex, addr)
            };
            if let Some(end) = case.wires.iter().find(here).and_then(Wire::end) {
                all.push(Sought { at: end.netns, packet, devices: (Some(name(&end.link)), None) });
            }
        }
    }
    all.dedup();
    all.truncate(SOUGHT);
    all
}
