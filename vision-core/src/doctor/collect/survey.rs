//! The namespaces of this machine that could be entered: their links and addresses.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::Site;
use super::segment::{LinkMap, Port};
use crate::base::{Budget, Error, Gap, LinkAddr, Result};
use crate::doctor::case::{Elsewhere, Search};
use crate::inventory::{Addr, Inventory, Link, RouteAnswer, RouteQuery};
use crate::netns::{NetnsId, Selector, Target, list};

/// What is known of every namespace in sight; none is held open but those that packets pass.
pub(super) struct Survey {
    target: Target,
    /// How each is found again; all but the target's own.
    selectors: HashMap<NetnsId, Selector>,
    /// What people call each.
    names: HashMap<NetnsId, String>,
    sites: HashMap<NetnsId, Site>,
    addrs: HashMap<NetnsId, Vec<Addr>>,
    map: LinkMap,
    /// Namespaces whose numbers for others were asked for.
    numbered: HashSet<NetnsId>,
    search: Search,
}

impl Survey {
    /// Enters every namespace in sight and reads its links and addresses.
    pub(super) fn take(target: &Target, budget: &Budget) -> Self {
        let mut survey = Self {
            target: target.clone(),
            selectors: HashMap::new(),
            names: HashMap::new(),
            sites: HashMap::new(),
            addrs: HashMap::new(),
            map: LinkMap::default(),
            numbered: HashSet::new(),
            search: Search {
                looked_into: 0,
                refused: 0,
                gaps: Vec::new(),
                elsewhere: Vec::new(),
                held: Vec::new(),
                shared: Vec::new(),
            },
        };
        survey.enter(target, budget);
        match list(budget) {
            Ok(listing) => {
                let others = listing.namespaces.iter().filter(|info| info.id != target.id());
                for info in others {
                    let Some(selector) = info.selector() else { continue };
                    match Target::resolve(&selector, budget) {
                        Ok(found) => {
                            let name = info.called().unwrap_or_else(|| selector.to_string());
                            survey.names.insert(found.id(), name);
                            survey.selectors.insert(found.id(), selector);
                            survey.enter(&found, budget);
                        }
                        Err(e) if is_gone(&e) => {}
                        Err(e) => survey.refuse(&e),
                    }
                }
            }
            Err(e) => survey.refuse(&e),
        }
        survey
    }

    pub(super) fn search(&self) -> &Search {
        &self.search
    }

    fn enter(&mut self, target: &Target, budget: &Budget) {
        let read = || -> Result<(Vec<Link>, Vec<Addr>)> {
            let mut inventory = Inventory::open(target)?;
            Ok((inventory.links(budget)?.items, inventory.addrs(budget)?.items))
        };
        match read() {
            Ok((links, addrs)) => {
                self.search.looked_into += 1;
                self.map.links.insert(target.id(), links);
                self.addrs.insert(target.id(), addrs);
            }
            Err(e) if is_gone(&e) => {}
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

    fn find(&self, id: NetnsId, budget: &Budget) -> Result<Target> {
        if id == self.target.id() {
            return Ok(self.target.clone());
        }
        let gone = || Error::NotFound(id.to_string());
        let found = Target::resolve(self.selectors.get(&id).ok_or_else(gone)?, budget)?;
        Some(found).filter(|found| found.id() == id).ok_or_else(gone)
    }

    /// Opens a namespace on the way, once, and keeps it for the round.
    pub(super) fn site(&mut self, id: NetnsId, budget: &Budget) -> Option<&mut Site> {
        if !self.sites.contains_key(&id) {
            let opened = self.find(id, budget).and_then(|target| Site::open(&target));
            match opened {
                Ok(site) => self.sites.insert(id, site),
                Err(e) => {
                    self.refuse(&e);
                    None
                }
            };
        }
        self.sites.get_mut(&id)
    }

    /// Returns what a namespace is called.
    pub(super) fn name(&self, id: NetnsId) -> String {
        self.names.get(&id).cloned().unwrap_or_else(|| self.target.to_string())
    }

    pub(super) fn map(&self) -> &LinkMap {
        &self.map
    }

    /// Tells whether a link has an address of the family that reaches beyond the link.
    pub(super) fn has_address(&self, port: Port, v6: bool) -> bool {
        let addrs = self.addrs.get(&port.0).map_or(&[][..], Vec::as_slice);
        let wide = |addr: IpAddr| !matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
        addrs.iter().any(|a| a.ifindex == port.1 && a.local.is_ipv6() == v6 && wide(a.local))
    }

    /// An address of the family that a link, or else its namespace, has and others may answer to.
    pub(super) fn address_of(&self, port: Port, v6: bool) -> Option<IpAddr> {
        let wide = |addr: &IpAddr| {
            let local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
            addr.is_ipv6() == v6 && !addr.is_loopback() && !local
        };
        let own = self.addrs.get(&port.0)?.iter().filter(|a| wide(&a.local));
        own.min_by_key(|a| a.ifindex != port.1).map(|a| a.local)
    }

    /// Every link of any namespace that has an address.
    pub(super) fn holders(&self, addr: IpAddr) -> Vec<Port> {
        let all = self.addrs.iter().flat_map(|(id, addrs)| addrs.iter().map(move |a| (*id, a)));
        let mut found: Vec<Port> =
            all.filter(|(_, a)| a.local == addr).map(|(id, a)| (id, a.ifindex)).collect();
        found.sort_unstable_by_key(|port| port.1);
        found
    }

    /// The namespaces that have an address on links with the link-layer addresses that answered for it.
    pub(super) fn sharers(&self, addr: IpAddr, answered: &[LinkAddr]) -> Vec<String> {
        let answers = |port: &Port| {
            let own = self.map.link(*port).and_then(|link| link.address);
            own.is_some_and(|own| answered.contains(&own))
        };
        let mut all: Vec<NetnsId> =
            self.holders(addr).into_iter().filter(answers).map(|port| port.0).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().map(|id| self.name(id)).collect()
    }

    pub(super) fn owns(&self, id: NetnsId, addr: IpAddr, on: Option<u32>) -> bool {
        let addrs = self.addrs.get(&id).map_or(&[][..], Vec::as_slice);
        addrs.iter().any(|a| a.local == addr && on.is_none_or(|ifindex| a.ifindex == ifindex))
    }

    /// The namespace that answers for `addr` on the segment of a link: best the very link that has
    /// the address, then any link of its owner, as the kernel answers for all its addresses. Where
    /// several have it, as in tunnels of two clusters, it is the one with the link-layer address that
    /// is known of it.
    pub(super) fn holder(
        &mut self,
        from: Port,
        addr: IpAddr,
        known: Option<LinkAddr>,
        budget: &Budget,
    ) -> Option<NetnsId> {
        self.learn_numbers(from, budget);
        let segment = self.map.segment(from);
        let exact = || segment.iter().filter(|port| self.owns(port.0, addr, Some(port.1)));
        let meant = exact().find(|port| self.has_lladdr(**port, known));
        let weak = || segment.iter().find(|port| self.owns(port.0, addr, None));
        let found = meant.or_else(|| exact().next()).or_else(weak);
        found.map(|port| port.0).filter(|id| *id != from.0)
    }

    /// Tells whether a link has the link-layer address that is known of somebody.
    pub(super) fn has_lladdr(&self, port: Port, known: Option<LinkAddr>) -> bool {
        known.is_some() && self.map.link(port).is_some_and(|link| link.address == known)
    }

    /// The namespace that answered for an address nobody there has, as routers do that stand in
    /// for others (proxy ARP): it has the link with the address that was learnt.
    pub(super) fn stand_in(&self, from: Port, lladdr: LinkAddr) -> Option<NetnsId> {
        let segment = self.map.segment(from);
        let mut heard = segment.iter().filter(|port| port.0 != from.0);
        let has = |port: &&Port| self.map.link(**port).is_some_and(|l| l.address == Some(lladdr));
        heard.find(has).map(|port| port.0)
    }

    /// Learns what is needed to tell which links hear one.
    pub(super) fn learn_numbers(&mut self, from: Port, budget: &Budget) {
        for id in self.map.stacked() {
            self.number(id, budget);
        }
        while let Some(id) = self.map.unnumbered(from, &self.numbered) {
            self.number(id, budget);
        }
    }

    /// Learns which number a namespace has for which other: where its veth pairs lead.
    fn number(&mut self, id: NetnsId, budget: &Budget) {
        if !self.numbered.insert(id) {
            return;
        }
        let Ok(mut inventory) = self.find(id, budget).and_then(|t| Inventory::open(&t)) else {
            return;
        };
        let others: Vec<NetnsId> = self.map.links.keys().copied().collect();
        for other in others {
            let number = self
                .find(other, budget)
                .and_then(|target| target.open())
                .and_then(|netns| inventory.nsid_of(&netns, budget));
            if let Ok(Some(number)) = number {
                self.map.numbers.insert((id, number), other);
            }
        }
    }

    /// Where the kernel of a namespace sends packets for an address.
    pub(super) fn way_from(
        &mut self,
        id: NetnsId,
        addr: IpAddr,
        budget: &Budget,
    ) -> Option<RouteAnswer> {
        let inventory = &mut self.site(id, budget)?.inventory;
        inventory.route_to(&RouteQuery::to(addr), budget).ok()
    }

    /// Who holds, on a network of the gateway, an address that nobody on the own link answers for.
    pub(super) fn elsewhere(
        &mut self,
        gateway: NetnsId,
        addr: IpAddr,
        budget: &Budget,
    ) -> Option<Elsewhere> {
        let links = self.map.links.get(&gateway)?;
        let ports: Vec<Port> = links.iter().map(|link| (gateway, link.ifindex)).collect();
        let id = ports.into_iter().find_map(|port| self.holder(port, addr, None, budget))?;
        let found = self.addrs.get(&id)?.iter().find(|a| a.local == addr)?;
        Some(Elsewhere { addr: found.prefix(), place: self.name(id) })
    }
}

/// Tells whether a namespace ended after it was listed: nothing passes it any more.
fn is_gone(error: &Error) -> bool {
    matches!(error, Error::NotFound(_) | Error::TargetExited(_))
}
