//! Follows packets through the namespaces of this machine.

use std::net::IpAddr;

use super::probes::Prober;
use super::survey::Survey;
use super::walls::{self, Probed, masked};
use super::{TABLES, push_round};
use crate::base::{Budget, Result};
use crate::doctor::Wire;
use crate::doctor::case::{CaseFile, Elsewhere, ProbeRecord, Shared, Vantage, VantageRole};
use crate::doctor::walls::Endpoint;
use crate::inventory::{RouteAnswer, RouteKind};
use crate::netns::NetnsId;

/// Routers a packet is followed through at most.
const MAX_HOPS: usize = 8;

/// Adds the namespaces on the way to `dst` to the case, with their look-ups in both directions.
pub(super) fn follow(
    case: &mut CaseFile,
    survey: &mut Survey,
    dst: IpAddr,
    budget: &Budget,
) -> Result<()> {
    case.search.get_or_insert_with(|| survey.search().clone());
    let Some(target) = case.vantages.first() else {
        return Ok(());
    };
    let (mut at, mut answer) = (target.netns, target.route(dst).map(|r| r.answer.clone()));
    let mut source = answer.as_ref().and_then(RouteAnswer::route).and_then(|r| r.prefsrc);
    let own = source;
    let mut packet = source.and_then(|source| Probed::asked_about(case, source, dst));
    let (mut towards, mut behind_services, mut ends) = (dst, Vec::new(), vec![dst]);
    // What the target sends to may be translated before it leaves.
    if let Some(sent) = &packet {
        behind_services = own_targets(case, survey, at, sent, budget)?;
        ends.extend(behind_services.iter().map(|(_, led)| led.dst.addr));
        answer = answer.filter(|_| behind_services.is_empty());
    }
    for _ in 0..MAX_HOPS {
        let Some((ifindex, next)) = way_on(answer.as_ref(), towards) else {
            // Where a service leads to is followed after the address itself.
            let Some((from, led)) = behind_services.pop() else { break };
            (at, towards, source) = (from, led.dst.addr, Some(led.src));
            packet = Some(led);
            answer = route_of(case, at, towards);
            continue;
        };
        survey.wire(case, (at, ifindex), next, budget);
        let Some(holder) = handed_to(case, survey, (at, ifindex), next, budget) else {
            let behind = behind_gateway(case, survey, at, next, budget);
            if let Some(search) = &mut case.search {
                search.elsewhere.extend(behind);
            }
            break;
        };
        if case.vantages.iter().any(|v| v.netns == holder && v.route(towards).is_some()) {
            answer = None;
            continue;
        }
        let arrived = survey.owns(holder, towards, None);
        let role = if arrived { VantageRole::Destination } else { VantageRole::Router };
        let iif = ingress(case, (at, ifindex), next, holder).filter(|_| !arrived);
        let ends_at = (Some(towards), source);
        answer = look_from(case, survey, (holder, role, iif), ends_at, packet.as_ref(), budget)?;
        wire_back(case, survey, holder, source, budget);
        at = holder;
        let Some(sent) = &mut packet else { continue };
        if let Some(mask) = survey.site(at, budget).and_then(|site| masked(site, sent, budget)) {
            (sent.src, source) = (mask, Some(mask));
        }
        let targets = serve(case, survey, at, sent, budget)?;
        if !targets.is_empty() {
            ends.extend(targets.iter().map(|target| target.addr));
            behind_services.extend(led(at, sent, targets));
            answer = None;
        }
    }
    let Some((source, own)) = source.zip(own) else { return Ok(()) };
    for end in ends {
        cut_off(case, survey, (end, source), budget)?;
    }
    shared(case, survey);
    follow_back(case, survey, (dst, source), budget)?;
    bridges(case, survey, (dst, own), budget)
}

/// Files who has the addresses that several machines were heard to answer for.
fn shared(case: &mut CaseFile, survey: &Survey) {
    let target = case.vantages.first();
    let reports = target.into_iter().flat_map(Vantage::probes).filter_map(|probe| match probe {
        ProbeRecord::Neigh(report) => Some((report.to, report.holders())),
        _ => None,
    });
    let mut found: Vec<Shared> = Vec::new();
    for (addr, answered) in reports.filter(|(_, answered)| answered.len() > 1) {
        let places = survey.sharers(addr, &answered);
        if places.len() > 1 && !found.iter().any(|known| known.addr == addr) {
            found.push(Shared { addr, places });
        }
    }
    if let Some(search) = &mut case.search {
        search.shared = found;
    }
}

/// Learns the way of the frames that a namespace answers with.
fn wire_back(
    case: &mut CaseFile,
    survey: &mut Survey,
    id: NetnsId,
    source: Option<IpAddr>,
    budget: &Budget,
) {
    let back = source.and_then(|source| way_on(route_of(case, id, source).as_ref(), source));
    if let Some((ifindex, next)) = back {
        survey.wire(case, (id, ifindex), next, budget);
    }
}

/// A packet as it goes on from a namespace that translates it.
fn led(id: NetnsId, sent: &Probed, targets: Vec<Endpoint>) -> Vec<(NetnsId, Probed)> {
    targets.into_iter().map(|dst| (id, Probed { dst, ..sent.clone() })).collect()
}

/// Where the target's own rules lead a packet of its own.
fn own_targets(
    case: &mut CaseFile,
    survey: &mut Survey,
    id: NetnsId,
    sent: &Probed,
    budget: &Budget,
) -> Result<Vec<(NetnsId, Probed)>> {
    let Some(site) = survey.site(id, budget) else { return Ok(Vec::new()) };
    if site.walls.is_none() {
        site.walls = Some(walls::Before::read(site, budget).0);
    }
    let targets = serve(case, survey, id, sent, budget)?;
    Ok(led(id, sent, targets))
}

/// The link that packets for a neighbour come into its namespace by.
fn ingress(
    case: &CaseFile,
    (netns, ifindex): (NetnsId, u32),
    next: IpAddr,
    holder: NetnsId,
) -> Option<u32> {
    let ours = |w: &&Wire| (w.netns, w.ifindex, w.neighbour) == (netns, ifindex, next);
    let end = case.wires.iter().find(ours)?.way.last().filter(|step| step.netns == holder)?;
    Some(end.link.ifindex)
}

/// Namespaces whose bridges are looked at.
const BRIDGES: usize = 3;

/// Looks at the namespaces whose bridges pass the frames, and that are on no packet's way.
fn bridges(
    case: &mut CaseFile,
    survey: &mut Survey,
    (dst, source): (IpAddr, IpAddr),
    budget: &Budget,
) -> Result<()> {
    let passed = case.wires.iter().flat_map(Wire::crossings);
    let passed = passed.filter(|c| c.before.is_some() && c.after.is_some());
    let mut all: Vec<NetnsId> = passed.map(|crossing| crossing.bridge.netns).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|id| case.vantages.iter().all(|v| v.netns != *id));
    for id in all.into_iter().take(BRIDGES) {
        let name = survey.name(id);
        let Some(site) = survey.site(id, budget) else { continue };
        let round = site.begin(TABLES, budget)?;
        if let Some((walls, packet)) =
            site.walls.as_mut().zip(Probed::asked_about(case, source, dst))
        {
            walls.note(&mut site.inventory, &packet, budget);
        }
        let role = VantageRole::Bridge;
        case.vantages.push(Vantage { role, name, netns: id, rounds: vec![round] });
    }
    Ok(())
}

/// Looks at the destination that no way leads to, if its link has no carrier and its other end is in
/// a namespace on the way: the routes to it are gone with the link.
fn cut_off(
    case: &mut CaseFile,
    survey: &mut Survey,
    (dst, source): (IpAddr, IpAddr),
    budget: &Budget,
) -> Result<()> {
    if case.vantages.iter().any(|vantage| vantage.owns(dst)) {
        return Ok(());
    }
    let holders = survey.holders(dst);
    if let Some(search) = case.search.as_mut().filter(|_| !holders.is_empty()) {
        search.held.push(dst);
    }
    for port in holders {
        let dead = |link: &crate::inventory::Link| link.is_up() && !link.has_carrier();
        if !survey.map().link(port).is_some_and(dead) {
            continue;
        }
        survey.learn_numbers(port, budget);
        let other_ends = survey.map().next_to(port);
        if other_ends.iter().any(|end| case.vantages.iter().any(|v| v.netns == end.0)) {
            let place = (port.0, VantageRole::Destination, None);
            return look_from(case, survey, place, (None, Some(source)), None, budget).map(drop);
        }
    }
    Ok(())
}

/// Looks at the namespaces that answers pass and packets do not.
fn follow_back(
    case: &mut CaseFile,
    survey: &mut Survey,
    (dst, source): (IpAddr, IpAddr),
    budget: &Budget,
) -> Result<()> {
    let Some(end) = case.vantages.iter().skip(1).find(|v| v.owns(dst)) else {
        return Ok(());
    };
    let (mut at, mut answer) = (end.netns, route_of(case, end.netns, source));
    for _ in 0..MAX_HOPS {
        let Some((ifindex, next)) = way_on(answer.as_ref(), source) else { break };
        survey.wire(case, (at, ifindex), next, budget);
        let Some(holder) = handed_to(case, survey, (at, ifindex), next, budget) else { break };
        answer = match case.vantages.iter().any(|v| v.netns == holder) {
            true => route_of(case, holder, source),
            false => {
                let place = (holder, VantageRole::Router, None);
                look_from(case, survey, place, (None, Some(source)), None, budget)?;
                let iif = ingress(case, (at, ifindex), next, holder);
                look_through(case, survey, holder, (dst, source, iif), budget)?;
                route_of(case, holder, source)
            }
        };
        at = holder;
    }
    Ok(())
}

/// Asks a router for the way of answers, which policy rules may tell apart by where they are from.
fn look_through(
    case: &mut CaseFile,
    survey: &mut Survey,
    id: NetnsId,
    (dst, source, iif): (IpAddr, IpAddr, Option<u32>),
    budget: &Budget,
) -> Result<()> {
    let index = case.vantages.iter().position(|v| v.netns == id);
    let (Some(index), Some(iif), Some(site)) = (index, iif, survey.site(id, budget)) else {
        return Ok(());
    };
    let mut prober = Prober::new(case, site, budget);
    if prober.has_policy() {
        prober.look_up_through(source, dst, iif)?;
    }
    prober.file(case, index);
    Ok(())
}

/// Who has, behind the gateway that a wider route names, an address that nobody on the own link
/// answers for.
fn behind_gateway(
    case: &CaseFile,
    survey: &mut Survey,
    at: NetnsId,
    addr: IpAddr,
    budget: &Budget,
) -> Option<Elsewhere> {
    let (ifindex, gateway) = gateway_for(case, at, addr)?;
    let mut router = survey.holder((at, ifindex), gateway, None, budget)?;
    for _ in 0..MAX_HOPS {
        if let Some(found) = survey.elsewhere(router, addr, budget) {
            return Some(found);
        }
        let answer = survey.way_from(router, addr, budget)?;
        let (ifindex, next) = way_on(Some(&answer), addr)?;
        router = survey.holder((router, ifindex), next, None, budget)?;
    }
    None
}

/// The namespace that a link's packets for a neighbour arrive in.
fn handed_to(
    case: &CaseFile,
    survey: &mut Survey,
    port: (NetnsId, u32),
    next: IpAddr,
    budget: &Budget,
) -> Option<NetnsId> {
    let known = case.lladdr_of(port, next);
    survey.holder(port, next, known, budget).or_else(|| survey.stand_in(port, known?))
}

/// What a namespace answered to a look-up.
fn route_of(case: &CaseFile, id: NetnsId, dst: IpAddr) -> Option<RouteAnswer> {
    let vantage = case.vantages.iter().find(|v| v.netns == id)?;
    vantage.route(dst).map(|record| record.answer.clone())
}

/// Targets a service is followed to at most.
const TARGETS: usize = 3;

/// Asks for the targets that a namespace's translations send a packet to.
fn serve(
    case: &mut CaseFile,
    survey: &mut Survey,
    id: NetnsId,
    packet: &Probed,
    budget: &Budget,
) -> Result<Vec<Endpoint>> {
    let dst = packet.dst.addr;
    let Some(index) = case.vantages.iter().position(|v| v.netns == id) else {
        return Ok(Vec::new());
    };
    let Some(site) = survey.site(id, budget) else { return Ok(Vec::new()) };
    let links = case.vantages.get(index).map_or(&[][..], Vantage::links);
    let all = site.walls.as_ref().map(|walls| walls.targets(links, packet)).unwrap_or_default();
    let mut targets: Vec<Endpoint> = all.into_iter().filter(|to| to.addr != dst).collect();
    targets.dedup_by_key(|target| target.addr);
    targets.truncate(TARGETS);
    let mut prober = Prober::new(case, site, budget);
    for target in &targets {
        prober.look_up(target.addr)?;
        prober.solicit_next_hop(target.addr)?;
    }
    prober.file(case, index);
    // Packets that are passed on are translated before they are routed: where the address itself would
    // go is moot.
    let round = case.vantages.get_mut(index).and_then(|v| v.rounds.last_mut());
    if let Some(round) = round.filter(|_| !targets.is_empty() && index > 0) {
        let moot =
            |probe: &ProbeRecord| matches!(probe, ProbeRecord::Route(r) if r.query.dst == dst);
        round.probes.retain(|probe| !moot(probe));
    }
    Ok(targets)
}

/// The gateway of the longest route of a namespace that has one and covers an address, with its link.
fn gateway_for(case: &CaseFile, id: NetnsId, addr: IpAddr) -> Option<(u32, IpAddr)> {
    let vantage = case.vantages.iter().find(|v| v.netns == id)?;
    let routes = &vantage.state()?.routes.as_ref()?.items;
    let covering =
        routes.iter().filter(|route| route.gateway.is_some() && route.dst.contains(addr));
    let route = covering.max_by_key(|route| route.dst.bits())?;
    Some((route.oif_ifindex?, route.gateway?))
}

/// The link and the neighbour a look-up hands packets to.
fn way_on(answer: Option<&RouteAnswer>, dst: IpAddr) -> Option<(u32, IpAddr)> {
    let RouteAnswer::Route(route) = answer? else {
        return None;
    };
    let unicast = route.kind == RouteKind::Unicast;
    Some((route.oif_ifindex.filter(|_| unicast)?, route.gateway.unwrap_or(dst)))
}

/// Looks at a namespace on the way and asks its kernel for the way on and the way back.
fn look_from(
    case: &mut CaseFile,
    survey: &mut Survey,
    (id, role, iif): (NetnsId, VantageRole, Option<u32>),
    (dst, source): (Option<IpAddr>, Option<IpAddr>),
    packet: Option<&Probed>,
    budget: &Budget,
) -> Result<Option<RouteAnswer>> {
    let name = survey.name(id);
    let Some(site) = survey.site(id, budget) else {
        return Ok(None);
    };
    let round = site.begin(TABLES, budget)?;
    if role == VantageRole::Destination {
        site.meter(budget);
    }
    if let (Some(walls), Some(packet)) = (&mut site.walls, packet) {
        walls.note(&mut site.inventory, packet, budget);
    }
    let index = match case.vantages.iter().position(|v| v.netns == id) {
        Some(index) => index,
        None => {
            let rounds = Vec::new();
            case.vantages.push(Vantage { role, name, netns: id, rounds });
            case.vantages.len() - 1
        }
    };
    push_round(case, index, round);
    let mut prober = Prober::new(case, site, budget);
    let mut answer = None;
    if let Some(dst) = dst {
        answer = prober.look_up(dst)?;
        if let (Some(source), Some(iif)) = (source, iif) {
            answer = prober.look_up_through(dst, source, iif)?.or(answer);
        }
        look_around(&mut prober, dst)?;
    }
    if let Some(source) = source {
        // Answers have the address that was asked for as their source.
        prober.look_up_as(source, dst.filter(|_| role == VantageRole::Destination))?;
        let egress = answer.as_ref().and_then(RouteAnswer::route).and_then(|r| r.oif_ifindex);
        let forwarded = role == VantageRole::Router && prober.has_policy();
        if let (Some(dst), Some(egress), true) = (dst, egress, forwarded) {
            prober.look_up_through(source, dst, egress)?;
        }
        look_around(&mut prober, source)?;
    }
    prober.file(case, index);
    Ok(answer)
}

/// Asks for the next hop, and for those that could be used instead.
fn look_around(prober: &mut Prober<'_>, addr: IpAddr) -> Result<()> {
    prober.solicit_next_hop(addr)?;
    prober.all_paths(addr)?;
    match prober.is_cut_off(addr) {
        true => prober.other_ways(addr),
        false => Ok(()),
    }
}
