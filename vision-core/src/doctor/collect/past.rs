//! Connections that still go where the rules of the past led them.

use std::net::IpAddr;
use std::time::Duration;

use super::Site;
use super::walls::{ENTRIES, Probed, UDP, tracked};
use crate::base::Budget;
use crate::doctor::walls::{Endpoint, MetRule};
use crate::inventory::{CtEntry, RouteAnswer, RouteQuery};
use crate::probe::{NeighProbe, Probe};

/// Backends of the past that are asked for at most.
const ASKED: usize = 2;
/// Between two questions for one, and how long the last is waited for.
const INTERVAL: Duration = Duration::from_millis(200);

/// UDP entries that lead where no rule leads any more: unanswered ones, and those whose backend was asked for on its
/// link and is silent now.
pub(super) fn outdated(
    site: &mut Site,
    met: &[MetRule],
    packets: &[Probed],
    budget: &Budget,
) -> Vec<CtEntry> {
    let mut found: Vec<CtEntry> = Vec::new();
    let mut asked: Vec<(IpAddr, bool)> = Vec::new();
    for packet in packets.iter().filter(|p| p.asked.1 == UDP && p.dst.addr == p.asked.0) {
        let own = met.iter().filter(|rule| rule.dst == packet.asked.0 && rule.protocol == UDP);
        let to: Vec<Endpoint> = own.flat_map(|rule| rule.to.clone()).collect();
        if to.is_empty() {
            continue;
        }
        let leads = |to: &Endpoint, entry: &CtEntry| {
            let back = &entry.reply;
            to.addr == back.src && (to.port.is_none() || to.port == back.src_port)
        };
        let led_by_none = |entry: &CtEntry| {
            entry.reply.src != entry.original.dst && !to.iter().any(|to| leads(to, entry))
        };
        let all = tracked(&mut site.inventory, packet, budget).into_iter().filter(led_by_none);
        let dead = all.filter(|entry| {
            let backend = entry.reply.src;
            if entry.is_unreplied() {
                return true;
            }
            match asked.iter().find(|(addr, _)| *addr == backend) {
                Some((_, silent)) => *silent,
                None if asked.len() >= ASKED => false,
                None => {
                    let silent = is_silent(site, backend, budget) == Some(true);
                    asked.push((backend, silent));
                    silent
                }
            }
        });
        found.extend(dead.take(ENTRIES / 2));
    }
    found
}

/// Whether nobody on the link answers for an address; nothing of one behind a router.
fn is_silent(site: &mut Site, addr: IpAddr, budget: &Budget) -> Option<bool> {
    let answer = site.inventory.route_to(&RouteQuery::to(addr), budget).ok()?;
    let RouteAnswer::Route(route) = answer else { return None };
    let ifindex = route.oif_ifindex.filter(|_| route.gateway.is_none())?;
    let links = site.inventory.links(budget).ok()?.items;
    let link = links.into_iter().find(|link| link.ifindex == ifindex)?;
    let ethernet = link.address.is_some_and(|address| address.to_ethernet().is_some());
    if !ethernet || link.is_noarp() || !link.has_carrier() {
        return None;
    }
    let probe = NeighProbe::new(addr, link.name.escaped().to_string()).count(2).interval(INTERVAL);
    let probe = probe.wait(INTERVAL).stop_after_answer(Duration::ZERO);
    let report = probe.run(&site.target, budget).ok()?;
    Some(report.answers.is_empty())
}
