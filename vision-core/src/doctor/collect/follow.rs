//! Follows packets through the namespaces of this machine.

use std::collections::HashMap;
use std::net::IpAddr;

use super::probes::Prober;
use super::segment::{LinkMap, Port};
use super::{Site, TABLES, push_round};
use crate::base::{Budget, Error, Gap, Result};
use crate::doctor::case::{CaseFile, Elsewhere, Search, Vantage, VantageRole};
use crate::inventory::{Addr, RouteAnswer, RouteKind};
use crate::netns::{Netns, NetnsId, Target, list};

/// Routers a packet is followed through at most.
const MAX_HOPS: usize = 8;

/// All namespaces that could be entered, held open for the round.
pub(super) struct Survey {
    sites: HashMap<NetnsId, (String, Site)>,
    addrs: HashMap<NetnsId, Vec<Addr>>,
    map: LinkMap,
    search: Search,
}

impl Survey {
    /// Enters every namespace in sight and reads its links and addresses.
    pub(super) fn take(target: &Target, budget: &Budget) -> Self {
        let mut survey = Self {
            sites: HashMap::new(),
            addrs: HashMap::new(),
            map: LinkMap::default(),
            search: Search { looked_into: 0, refused: 0, gaps: Vec::new(), elsewhere: Vec::new() },
        };
        survey.enter("the target".to_owned(), target, budget);
        match list(budget) {
            Ok(listing) => {
                let others = listing.namespaces.iter().filter(|info| info.id != target.id());
                for selector in others.filter_map(|info| info.selector()) {
                    match Target::resolve(&selector, budget) {
                        Ok(found) => survey.enter(selector.to_string(), &found, budget),
                        Err(e) => survey.refuse(&e),
                    }
                }
            }
            Err(e) => survey.refuse(&e),
        }
        survey.number(budget);
        survey
    }

    fn enter(&mut self, name: String, target: &Target, budget: &Budget) {
        let read = || -> Result<_> {
            let mut site = Site::open(target)?;
            let links = site.inventory.links(budget)?.items;
            let addrs = site.inventory.addrs(budget)?.items;
            Ok((site, links, addrs))
        };
        match read() {
            Ok((site, links, addrs)) => {
                let id = site.inventory.netns_id();
                self.search.looked_into += 1;
                self.map.links.insert(id, links);
                self.addrs.insert(id, addrs);
                self.sites.insert(id, (name, site));
            }
            Err(e) => self.refuse(&e),
        }
    }

    fn refuse(&mut self, error: &Error) {
        self.search.refused += 1;
        let gap = Gap::because("other namespaces of this machine", error);
        if !self.search.gaps.contains(&gap) {
            self.search.gaps.push(gap);
        }
    }

    /// Learns which number each namespace has for which other: the far ends of veth pairs.
    fn number(&mut self, budget: &Budget) {
        let handle =
            |(id, (_, site)): (&NetnsId, &(String, Site))| (*id, site.inventory.netns().clone());
        let handles: Vec<(NetnsId, Netns)> = self.sites.iter().map(handle).collect();
        for (id, (_, site)) in &mut self.sites {
            let links = self.map.links.get(id).map_or(&[][..], Vec::as_slice);
            // Nothing to find out where no link leads elsewhere.
            if links.iter().all(|link| link.link_netnsid.is_none()) {
                continue;
            }
            for (other, handle) in &handles {
                if let Ok(Some(number)) = site.inventory.nsid_of(handle, budget) {
                    self.map.numbers.insert((*id, number), *other);
                }
            }
        }
    }

    pub(super) fn site(&mut self, id: NetnsId) -> Option<&mut Site> {
        self.sites.get_mut(&id).map(|(_, site)| site)
    }

    fn owns(&self, id: NetnsId, addr: IpAddr, on: Option<u32>) -> bool {
        let addrs = self.addrs.get(&id).map_or(&[][..], Vec::as_slice);
        addrs.iter().any(|a| a.local == addr && on.is_none_or(|ifindex| a.ifindex == ifindex))
    }

    /// The namespace that answers for `addr` on the segment of a link: best the very link that has
    /// the address, then any link of its owner, as the kernel answers for all its addresses.
    fn holder(&self, from: Port, addr: IpAddr) -> Option<NetnsId> {
        let segment = self.map.segment(from);
        let exact = segment.iter().find(|port| self.owns(port.0, addr, Some(port.1)));
        let weak = || segment.iter().find(|port| self.owns(port.0, addr, None));
        exact.or_else(weak).map(|port| port.0).filter(|id| *id != from.0)
    }
}

impl Survey {
    /// Who holds an address that nobody on the segment answers for.
    fn elsewhere(&self, not: NetnsId, addr: IpAddr) -> Option<Elsewhere> {
        let mut others = self.addrs.iter().filter(|(id, _)| **id != not);
        others.find_map(|(id, addrs)| {
            let found = addrs.iter().find(|a| a.local == addr)?;
            let (place, _) = self.sites.get(id)?;
            Some(Elsewhere { addr: found.prefix(), place: place.clone() })
        })
    }
}

/// Adds the namespaces on the way to `dst` to the case, with their look-ups in both directions.
pub(super) fn follow(
    case: &mut CaseFile,
    survey: &mut Survey,
    dst: IpAddr,
    budget: &Budget,
) -> Result<()> {
    case.search.get_or_insert_with(|| survey.search.clone());
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
        let Some(holder) = survey.holder((at, ifindex), next) else {
            if let Some(search) = &mut case.search {
                search.elsewhere.extend(survey.elsewhere(at, next));
            }
            break;
        };
        if case.vantages.iter().any(|v| v.netns == holder && v.route(dst).is_some()) {
            break;
        }
        let arrived = survey.owns(holder, dst, None);
        let role = if arrived { VantageRole::Destination } else { VantageRole::Router };
        answer = look_from(case, survey, (holder, role), (dst, source), budget)?;
        at = holder;
    }
    Ok(())
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
    (id, role): (NetnsId, VantageRole),
    (dst, source): (IpAddr, Option<IpAddr>),
    budget: &Budget,
) -> Result<Option<RouteAnswer>> {
    let Some((name, site)) = survey.sites.get_mut(&id) else {
        return Ok(None);
    };
    let round = site.begin(TABLES, budget)?;
    let index = match case.vantages.iter().position(|v| v.netns == id) {
        Some(index) => index,
        None => {
            let rounds = Vec::new();
            case.vantages.push(Vantage { role, name: name.clone(), netns: id, rounds });
            case.vantages.len() - 1
        }
    };
    push_round(case, index, round);
    let mut prober = Prober::new(case, site, budget);
    let answer = prober.look_up(dst)?;
    prober.solicit_next_hop(dst)?;
    if let Some(source) = source {
        prober.look_up(source)?;
        prober.solicit_next_hop(source)?;
    }
    prober.file(case, index);
    Ok(answer)
}
