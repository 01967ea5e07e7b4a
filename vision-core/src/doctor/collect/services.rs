//! Services that rules translate beside what was asked for: other ports of the address, other addresses near it.

use std::net::IpAddr;

use super::walk::Walk;
use super::walls::Probed;
use crate::base::Family;
use crate::doctor::case::Vantage;
use crate::doctor::walls::{Endpoint, MetRule, Walls, Way, common_bits};
use crate::firewall::{Aim, FlowPart};

/// Addresses that are tried at most.
const TRIED: usize = 8;
/// Rules that are kept of one packet.
const KEPT: usize = 4;

/// Rules that translate other ports of an address or, if there are none, other addresses: where none translates
/// what was asked for.
pub(super) fn beside(
    walk: &mut Walk<'_>,
    walls: &Walls,
    vantage: &Vantage,
    packet: &Probed,
) -> Vec<MetRule> {
    let served = |rule: &MetRule| rule.dst == packet.asked.0 && !rule.to.is_empty();
    if packet.dst.addr != packet.asked.0
        || packet.dst.port.is_none()
        || walls.met.iter().any(served)
    {
        return Vec::new();
    }
    let ports = other_ports(walk, packet);
    match ports.is_empty() && !vantage.owns(packet.asked.0) {
        true => others(walk, vantage, packet),
        false => ports,
    }
}

fn other_ports(walk: &mut Walk<'_>, packet: &Probed) -> Vec<MetRule> {
    let any = Probed { dst: Endpoint { port: None, ..packet.dst }, ..packet.clone() };
    let met = met(walk, &any);
    match met.iter().any(|rule| !rule.to.is_empty()) {
        true => met.into_iter().filter(|rule| names(rule, packet.asked.0)).take(KEPT).collect(),
        false => Vec::new(),
    }
}

fn met(walk: &mut Walk<'_>, packet: &Probed) -> Vec<MetRule> {
    walk.walk(packet, Way::There, FlowPart::First, (None, None));
    std::mem::take(&mut walk.met)
}

/// Tells whether a rule is about an address: one for every address says nothing about this one.
fn names(rule: &MetRule, addr: IpAddr) -> bool {
    let address = addr.to_string();
    rule.outcome != "accept" && rule.text.split(' ').any(|word| word == address)
}

/// One rule of each address that is translated, the nearest first. The host's own addresses are no services.
fn others(walk: &mut Walk<'_>, vantage: &Vantage, packet: &Probed) -> Vec<MetRule> {
    let asked = packet.asked.0;
    let family = Family::of(asked);
    let other = |aim: &Aim| Family::of(aim.addr) == family && !vantage.owns(aim.addr);
    let mut aims: Vec<Aim> = walk.aims().into_iter().filter(other).collect();
    // What is named with its port is known better.
    aims.sort_by_key(|aim| {
        (std::cmp::Reverse(common_bits(asked, aim.addr)), aim.addr, aim.port.is_none())
    });
    aims.dedup_by_key(|aim| aim.addr);
    let rules = aims.into_iter().take(TRIED).filter_map(|aim| {
        let protocol = aim.protocol.unwrap_or(packet.asked.1);
        let dst = Endpoint { addr: aim.addr, port: aim.port };
        let asked = (aim.addr, protocol, aim.port);
        let met = met(walk, &Probed { asked, dst, ..packet.clone() });
        let leads = |rule: &&MetRule| rule.to.iter().any(|to| to.addr != aim.addr);
        let leading = met.iter().find(leads)?;
        Some(met.iter().find(|rule| names(rule, aim.addr)).unwrap_or(leading).clone())
    });
    rules.take(KEPT).collect()
}
