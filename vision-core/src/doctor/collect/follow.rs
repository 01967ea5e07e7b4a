//! Follows packets through the namespaces of this machine.

use std::net::IpAddr;

use super::probes::Prober;
use super::survey::Survey;
use super::{TABLES, push_round};
use crate::base::{Budget, Result};
use crate::doctor::case::{CaseFile, Vantage, VantageRole};
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
    let source = match &answer {
        Some(RouteAnswer::Route(route)) => route.prefsrc,
        _ => None,
    };
    for _ in 0..MAX_HOPS {
        let Some((ifindex, next)) = way_on(answer.as_ref(), dst) else {
            break;
        };
        survey.wire(case, (at, ifindex), next, budget);
        let Some(holder) = survey.holder((at, ifindex), next, budget) else {
            let behind = gateway_of(case, at).and_then(|way| {
                let gateway = survey.holder((at, way.0), way.1, budget)?;
                survey.elsewhere(gateway, next, budget)
            });
            if let Some(search) = &mut case.search {
                search.elsewhere.extend(behind);
            }
            break;
        };
        if case.vantages.iter().any(|v| v.netns == holder && v.route(dst).is_some()) {
            break;
        }
        let arrived = survey.owns(holder, dst, None);
        let role = if arrived { VantageRole::Destination } else { VantageRole::Router };
        let iif =
            case.wires.iter().find(|w| (w.netns, w.ifindex, w.neighbour) == (at, ifindex, next));
        let iif = iif.and_then(|w| w.way.last().filter(|step| step.netns == holder));
        let iif = iif.map(|step| step.link.ifindex).filter(|_| !arrived);
        answer = look_from(case, survey, (holder, role, iif), (dst, source), budget)?;
        let back = source.and_then(|source| {
            let vantage = case.vantages.iter().find(|v| v.netns == holder)?;
            way_on(vantage.route(source).map(|record| &record.answer), source)
        });
        if let Some((ifindex, next)) = back {
            survey.wire(case, (holder, ifindex), next, budget);
        }
        at = holder;
    }
    Ok(())
}

/// The default gateway of a namespace of the case, with the link it is on.
fn gateway_of(case: &CaseFile, id: NetnsId) -> Option<(u32, IpAddr)> {
    let vantage = case.vantages.iter().find(|v| v.netns == id)?;
    let routes = &vantage.state()?.routes.as_ref()?.items;
    let mut defaults = routes.iter().filter(|route| route.is_default());
    defaults.find_map(|route| Some((route.oif_ifindex?, route.gateway?)))
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
    (dst, source): (IpAddr, Option<IpAddr>),
    budget: &Budget,
) -> Result<Option<RouteAnswer>> {
    let name = survey.name(id);
    let Some(site) = survey.site(id, budget) else {
        return Ok(None);
    };
    let round = site.begin(TABLES, budget)?;
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
    let mut answer = prober.look_up(dst)?;
    if let (Some(source), Some(iif)) = (source, iif) {
        answer = prober.look_up_through(dst, source, iif)?.or(answer);
    }
    prober.solicit_next_hop(dst)?;
    if let Some(source) = source {
        prober.look_up(source)?;
        prober.solicit_next_hop(source)?;
    }
    prober.file(case, index);
    Ok(answer)
}
