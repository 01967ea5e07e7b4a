//! Follows frames over veth pairs and bridges, from a link to whoever holds an address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::segment::{LinkMap, Port};
use super::survey::Survey;
use crate::base::{Budget, LinkAddr};
use crate::doctor::case::CaseFile;
use crate::doctor::wire::{Answering, Wire, WireLink};
use crate::inventory::{FdbEntry, Link, RouteQuery};

/// Links of a segment that are kept where the way does not arrive.
const MANY_LINKS: usize = 24;
/// Forwarding entries of a bridge that are kept.
const MANY_ENTRIES: usize = 16;

impl LinkMap {
    /// The links heard from one, nearest first, and from which each was reached.
    fn heard(&self, from: Port) -> (Vec<Port>, HashMap<Port, Port>) {
        let (mut order, mut parents) = (vec![from], HashMap::new());
        let mut open = VecDeque::from([from]);
        while let Some(port) = open.pop_front() {
            let mut next = self.next_to(port);
            next.sort_unstable_by_key(|port| port.1);
            for other in next {
                if other != from && !parents.contains_key(&other) {
                    parents.insert(other, port);
                    order.push(other);
                    open.push_back(other);
                }
            }
        }
        (order, parents)
    }
}

impl Survey {
    /// Files the way of frames from a link to whoever holds an address, once.
    pub(super) fn wire(
        &mut self,
        case: &mut CaseFile,
        from: Port,
        neighbour: IpAddr,
        budget: &Budget,
    ) {
        let known = |w: &Wire| (w.netns, w.ifindex) == from && w.neighbour == neighbour;
        if case.wires.iter().any(known) {
            return;
        }
        self.learn_numbers(from, budget);
        let (order, parents) = self.map().heard(from);
        let owners = || order.iter().skip(1).filter(|p| self.owns(p.0, neighbour, Some(p.1)));
        let lladdr = case.lladdr_of(from, neighbour);
        let meant = owners().find(|port| self.has_lladdr(**port, lladdr));
        let end = meant.or_else(|| owners().next()).copied();
        let heard = order.clone();
        let (way, owner) = match end {
            Some(end) => (path(end, &parents), Vec::new()),
            None => (order, self.owner_side(from, neighbour, budget)),
        };
        let ends: Vec<LinkAddr> = [way.first(), end.as_ref().or(owner.first())]
            .into_iter()
            .filter_map(|port| self.map().link(*port?)?.address)
            .collect();
        let real: Vec<Port> = way.iter().chain(&owner).copied().collect();
        let twins: Vec<Port> =
            heard.into_iter().filter(|p| self.is_twin(*p, &ends, &real)).collect();
        let describe = |survey: &mut Self, ports: Vec<Port>| -> Vec<WireLink> {
            let ports = ports.into_iter().take(MANY_LINKS);
            ports.filter_map(|port| survey.step(port, neighbour, (from, &ends), budget)).collect()
        };
        let (way, owner) = (describe(self, way), describe(self, owner));
        let twins = describe(self, twins);
        let ((netns, ifindex), arrives) = (from, end.is_some());
        let mut wire = Wire { netns, ifindex, neighbour, way, arrives, owner, twins };
        wire.call_as(case);
        case.wires.push(wire);
    }

    /// What hears the link that has the address, if it is in a namespace of this machine: best one
    /// that shares a namespace with what hears the sender.
    fn owner_side(&mut self, from: Port, neighbour: IpAddr, budget: &Budget) -> Vec<Port> {
        let near: Vec<_> = self.map().heard(from).0.iter().map(|port| port.0).collect();
        let mut sides = Vec::new();
        for port in self.holders(neighbour).into_iter().filter(|port| port.0 != from.0).take(4) {
            self.learn_numbers(port, budget);
            sides.push(self.map().heard(port).0);
        }
        let shared = |side: &Vec<Port>| side.iter().any(|port| near.contains(&port.0));
        sides.sort_by_key(|side| !shared(side));
        sides.into_iter().next().unwrap_or_default()
    }

    /// Tells whether a link of yet another namespace has the link-layer address of an end. Bridges
    /// borrow the addresses of their ports, and ipvlan those of what they are stacked on.
    fn is_twin(&self, port: Port, ends: &[LinkAddr], real: &[Port]) -> bool {
        let Some(link) = self.map().link(port) else { return false };
        let borrowed = matches!(link.kind.as_deref(), Some("bridge" | "ipvlan" | "vlan"))
            || link.master_ifindex.is_some();
        let same = link.address.is_some_and(|address| ends.contains(&address));
        let end_of = |p: &&Port| [real.first(), real.last()].contains(&Some(*p));
        let ends_here = real.iter().filter(end_of).any(|end| end.0 == port.0);
        same && !borrowed && !ends_here
    }

    fn step(
        &mut self,
        port: Port,
        neighbour: IpAddr,
        (ends_at, ends): (Port, &[LinkAddr]),
        budget: &Budget,
    ) -> Option<WireLink> {
        let link = self.map().link(port)?.clone();
        let (fdb, fdb_unread) = match link.kind.as_deref() {
            Some("bridge") => (self.entries(port, ends, budget), false),
            Some("vxlan") => self.tunnel_ends(port, ends, budget),
            _ => (Vec::new(), false),
        };
        let addressed = self.has_address(port, neighbour.is_ipv6());
        let named =
            |e: &FdbEntry| Some((e.ifindex, self.map().link((port.0, e.ifindex))?.name.clone()));
        let port_names = fdb.iter().filter_map(named).collect();
        let asker = self.address_of(ends_at, neighbour.is_ipv6());
        let apart = port.0 != ends_at.0 && link.master_ifindex.is_none() && !link.is_loopback();
        let answering = match apart {
            true => self.answering(port, &link, asker, budget),
            false => None,
        };
        Some(WireLink {
            netns: port.0,
            place: self.name(port.0),
            link,
            addressed,
            fdb,
            fdb_unread,
            port_names,
            answering,
        })
    }

    /// How a link answers the asking address.
    fn answering(
        &mut self,
        port: Port,
        link: &Link,
        asker: Option<IpAddr>,
        budget: &Budget,
    ) -> Option<Answering> {
        let site = self.site(port.0, budget)?;
        let sysctls = site.inventory.sysctls(budget).ok()?;
        let of = |name: &[u8]| sysctls.interface(name).and_then(|i| i.ipv4);
        let (all, own) = (of(b"all"), of(link.name.as_bytes())?);
        let leads_back = asker.and_then(|asker| {
            let answer = site.inventory.route_to(&RouteQuery::to(asker), budget).ok()?;
            Some(answer.route().is_some_and(|route| route.oif_ifindex == Some(port.1)))
        });
        let proxy_arp = own.proxy_arp.max(all.and_then(|all| all.proxy_arp));
        let arp_ignore = own.arp_ignore.max(all.and_then(|all| all.arp_ignore));
        let rp_filter = own.rp_filter.max(all.and_then(|all| all.rp_filter));
        Some(Answering { proxy_arp, arp_ignore, leads_back, rp_filter })
    }

    /// The forwarding entries of a bridge for the two ends.
    fn entries(&mut self, bridge: Port, ends: &[LinkAddr], budget: &Budget) -> Vec<FdbEntry> {
        let Some(site) = self.site(bridge.0, budget) else { return Vec::new() };
        let mut found = Vec::new();
        let _ = site.inventory.bridge_fdb_each(budget, |entry| {
            let ours = entry.master_ifindex == Some(bridge.1) || entry.ifindex == bridge.1;
            if ours && ends.contains(&entry.lladdr) && found.len() < MANY_ENTRIES {
                found.push(entry);
            }
        });
        found
    }

    /// The tunnel ends that a VXLAN interface has for the two ends, and for all; and whether they could
    /// not be read.
    fn tunnel_ends(
        &mut self,
        port: Port,
        ends: &[LinkAddr],
        budget: &Budget,
    ) -> (Vec<FdbEntry>, bool) {
        let Some(site) = self.site(port.0, budget) else { return (Vec::new(), true) };
        let mut found = Vec::new();
        let read = site.inventory.bridge_fdb_each(budget, |entry| {
            let for_all = entry.lladdr.as_bytes().iter().all(|byte| *byte == 0);
            let led = entry.dst.is_some() || entry.nexthop_id.is_some();
            let ours = entry.ifindex == port.1 && led;
            if ours && (for_all || ends.contains(&entry.lladdr)) && found.len() < MANY_ENTRIES {
                found.push(entry);
            }
        });
        (found, read.is_err())
    }
}

/// From the first link to `end`.
fn path(end: Port, parents: &HashMap<Port, Port>) -> Vec<Port> {
    let mut path = vec![end];
    let mut at = end;
    while let Some(parent) = parents.get(&at) {
        path.push(*parent);
        at = *parent;
    }
    path.reverse();
    path
}
