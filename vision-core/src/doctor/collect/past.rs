//! Connections that still go where the rules of the past led them.

use std::net::IpAddr;

use super::Site;
use super::probes::Prober;
use super::walls::{ENTRIES, Probed, UDP, tracked};
use crate::base::{Budget, Result};
use crate::doctor::case::CaseFile;
use crate::doctor::walls::{Endpoint, MetRule};
use crate::inventory::{CtEntry, Inventory};

/// Backends of the past that are asked for at most in one namespace.
const ASKED: usize = 2;

/// UDP entries that were translated by rules of the past.
pub(super) fn outdated(
    inventory: &mut Inventory,
    met: &[MetRule],
    packets: &[Probed],
    budget: &Budget,
) -> Vec<CtEntry> {
    let mut found = Vec::new();
    for packet in packets.iter().filter(|p| p.asked.1 == UDP && p.dst.addr == p.asked.0) {
        let own = met.iter().filter(|rule| rule.dst == packet.asked.0 && rule.protocol == UDP);
        let to: Vec<Endpoint> = own.flat_map(|rule| rule.to.clone()).collect();
        if to.is_empty() {
            continue;
        }
        let led_by_none = |entry: &CtEntry| {
            let back = &entry.reply;
            back.src != entry.original.dst
                && !to.iter().any(|to| {
                    to.addr == back.src && (to.port.is_none() || to.port == back.src_port)
                })
        };
        let all = tracked(inventory, packet, budget).into_iter().filter(led_by_none);
        found.extend(all.take(ENTRIES / 2));
    }
    found
}

/// Asks on their links for the backends that such entries were answered by.
pub(super) fn ask(
    case: &mut CaseFile,
    index: usize,
    site: &mut Site,
    budget: &Budget,
) -> Result<()> {
    let walls = case.vantages.get(index).and_then(|it| it.rounds.last()?.walls.as_ref());
    let tracking = walls.and_then(|walls| walls.tracking.as_ref());
    let outdated = tracking.into_iter().flat_map(|tracking| &tracking.outdated);
    let answered = outdated.filter(|entry| !entry.is_unreplied()).map(|entry| entry.reply.src);
    let mut backends: Vec<IpAddr> = answered.collect();
    backends.sort_unstable();
    backends.dedup();
    if backends.is_empty() {
        return Ok(());
    }
    let mut prober = Prober::new(case, site, budget);
    for backend in backends.into_iter().take(ASKED) {
        prober.look_up(backend)?;
        if prober.next_hop(backend).is_some_and(|(next, _)| next == backend) {
            prober.solicit_next_hop(backend)?;
        }
    }
    prober.file(case, index);
    Ok(())
}
