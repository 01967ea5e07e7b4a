//! How the namespaces of a machine hang together: links, veth pairs, bridges, uplinks.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{Addr, Inventory, Link, Route, RouteTable};
use crate::base::{Budget, Error, Gap, Prefix, Result, Timestamp, Untrusted};
use crate::netns::{Listing, NamespaceInfo, Netns, NetnsId, Target};

/// The namespaces of a machine and what connects them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NetworkMap {
    /// When it was begun.
    pub at: Timestamp,
    /// The namespaces: those that connect the most others first.
    pub namespaces: Vec<MappedNamespace>,
    /// What could not be looked at.
    pub gaps: Vec<Gap>,
}

/// One namespace of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MappedNamespace {
    /// Who it is and who lives there.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub info: NamespaceInfo,
    /// What a person would call it; chosen by others.
    pub called: String,
    /// Its interfaces.
    pub links: Vec<MappedLink>,
    /// Its default routes, the preferred one of each family first.
    pub defaults: Vec<DefaultRoute>,
}

/// One interface of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MappedLink {
    /// Its number in its namespace.
    pub ifindex: u32,
    /// Its name.
    pub name: Untrusted,
    /// Its driver, of a virtual one: `veth`, `bridge`.
    pub kind: Option<String>,
    /// Whether it is switched on and the lower layer works.
    pub up: bool,
    /// Its addresses, without those an interface gives itself (`fe80::/10`).
    pub addresses: Vec<Prefix>,
    /// The bridge, bond or VRF it belongs to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub master_ifindex: Option<u32>,
    /// A veth's other end, or the interface it lies over.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub other_end: Option<OtherEnd>,
    /// Whether a default route leaves by it.
    pub uplink: bool,
}

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OtherEnd {
    /// The namespace, if it could be found.
    pub netns: Option<NetnsId>,
    /// The interface's number there.
    pub ifindex: u32,
    /// Its name there, if it could be found.
    pub name: Option<Untrusted>,
}

/// A default route.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DefaultRoute {
    /// The next hop; `None` when everything is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface it leaves by.
    pub ifindex: Option<u32>,
    /// Lower is preferred.
    pub metric: u32,
}

/// A namespace while the map is made.
struct Reading {
    netns: Netns,
    inventory: Inventory,
    links: Vec<Link>,
    addrs: Vec<Addr>,
    defaults: Vec<DefaultRoute>,
    /// Namespaces behind this one's numbers, as far as they were needed.
    numbers: BTreeMap<i32, Option<NetnsId>>,
}

impl NetworkMap {
    /// Looks into every namespace of a listing and finds out what connects them.
    ///
    /// Namespaces that cannot be opened are gaps. Entering the namespaces of others needs
    /// `CAP_SYS_ADMIN` and `CAP_SYS_PTRACE`.
    ///
    /// # Errors
    /// [`Error::Cancelled`]; a spent budget leaves gaps.
    pub fn read(listing: &Listing, budget: &Budget) -> Result<Self> {
        let at = Timestamp::now();
        let mut gaps = listing.gaps.clone();
        if listing.unreadable_processes > 0 {
            let why = format!("{} of others need CAP_SYS_PTRACE", listing.unreadable_processes);
            gaps.push(Gap::new("processes", why));
        }
        let mut readings = BTreeMap::new();
        for (info, reading) in read_all(&listing.namespaces, budget) {
            match reading {
                Ok(reading) => _ = readings.insert(info.id, reading),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(e) => gaps.push(Gap::because(called(info), &e)),
            }
        }
        let ends = ends(&mut readings, budget);
        let mapped = |info: &NamespaceInfo| {
            let reading = readings.get(&info.id)?;
            Some(reading.mapped(info, &ends))
        };
        let mut namespaces: Vec<_> = listing.namespaces.iter().filter_map(mapped).collect();
        // Those that connect others are what a map is read from.
        namespaces.sort_by_key(|namespace| std::cmp::Reverse(namespace.neighbours().len()));
        Ok(Self { at, namespaces, gaps })
    }

    /// Finds a namespace.
    pub fn get(&self, id: NetnsId) -> Option<&MappedNamespace> {
        self.namespaces.iter().find(|namespace| namespace.info.id == id)
    }
}

impl MappedNamespace {
    /// Returns the other namespaces its links lead to, each once.
    pub fn neighbours(&self) -> Vec<NetnsId> {
        let ends = self.links.iter().filter_map(|link| link.other_end.as_ref()?.netns);
        let mut all: Vec<_> = ends.filter(|id| *id != self.info.id).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Finds an interface.
    pub fn link(&self, ifindex: u32) -> Option<&MappedLink> {
        self.links.iter().find(|link| link.ifindex == ifindex)
    }
}

/// Reads namespaces a few at a time: most of the time goes by in waiting for threads to start.
fn read_all<'l>(
    infos: &'l [NamespaceInfo],
    budget: &Budget,
) -> Vec<(&'l NamespaceInfo, Result<Reading>)> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(info) = infos.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((info, Reading::of(info, budget)));
        }
        done
    };
    thread::scope(|scope| {
        let workers = infos.len().min(WORKERS);
        let spawned: Vec<_> = (1..workers)
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut all = work();
        for worker in spawned {
            all.extend(worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    })
}

impl Reading {
    fn of(info: &NamespaceInfo, budget: &Budget) -> Result<Self> {
        budget.remaining()?;
        let netns = info.open()?;
        // Once inside for all sockets, each of which would go in by itself.
        netns.run(|| Self::inside(netns.clone(), budget))?
    }

    fn inside(netns: Netns, budget: &Budget) -> Result<Self> {
        let mut inventory = Inventory::open(&Target::of(netns.clone()))?;
        let links = inventory.links(budget)?.items;
        let addrs = inventory.addrs(budget)?.items;
        let mut defaults = Vec::new();
        inventory.routes_each(budget, |route| {
            if route.table == RouteTable::Main && route.is_default() {
                defaults.extend(paths(&route));
            }
        })?;
        defaults.sort_by_key(|route: &DefaultRoute| {
            (route.gateway.is_some_and(|gateway| gateway.is_ipv6()), route.metric)
        });
        Ok(Self { netns, inventory, links, addrs, defaults, numbers: BTreeMap::new() })
    }

    /// The number of the interface the other end has, of a veth whose other end is this one.
    fn leads_back(&self, ifindex: u32, to: u32) -> bool {
        self.links.iter().any(|link| link.ifindex == ifindex && link.link_ifindex == Some(to))
    }

    fn mapped(
        &self,
        info: &NamespaceInfo,
        ends: &BTreeMap<(NetnsId, u32), OtherEnd>,
    ) -> MappedNamespace {
        let uplink = |link: &Link| self.defaults.iter().any(|d| d.ifindex == Some(link.ifindex));
        let addresses = |link: &Link| {
            let own = self.addrs.iter().filter(|addr| addr.ifindex == link.ifindex);
            let own = own.filter(|addr| match addr.local {
                IpAddr::V6(addr) => !addr.is_unicast_link_local(),
                IpAddr::V4(_) => true,
            });
            own.filter_map(|addr| Prefix::new(addr.local, addr.prefix_bits).ok()).collect()
        };
        let links = self.links.iter().map(|link| MappedLink {
            ifindex: link.ifindex,
            name: link.name.clone(),
            kind: link.kind.clone(),
            up: link.is_up() && link.has_carrier(),
            addresses: addresses(link),
            master_ifindex: link.master_ifindex,
            other_end: ends.get(&(info.id, link.ifindex)).cloned(),
            uplink: uplink(link),
        });
        MappedNamespace {
            info: info.clone(),
            called: called(info),
            links: links.collect(),
            defaults: self.defaults.clone(),
        }
    }
}

fn called(info: &NamespaceInfo) -> String {
    info.called().unwrap_or_else(|| info.id.to_string())
}

fn paths(route: &Route) -> Vec<DefaultRoute> {
    let metric = route.metric.unwrap_or(0);
    match route.nexthops.is_empty() {
        true => vec![DefaultRoute { gateway: route.gateway, ifindex: route.oif_ifindex, metric }],
        false => {
            let hops = route.nexthops.iter();
            hops.map(|hop| DefaultRoute { gateway: hop.gateway, ifindex: hop.oif_ifindex, metric })
                .collect()
        }
    }
}

/// Finds where each link leads.
fn ends(
    readings: &mut BTreeMap<NetnsId, Reading>,
    budget: &Budget,
) -> BTreeMap<(NetnsId, u32), OtherEnd> {
    let mut wanted = Vec::new();
    for (id, reading) in readings.iter() {
        for link in &reading.links {
            if let Some(other) = link.link_ifindex {
                wanted.push((*id, link.ifindex, other, link.link_netnsid));
            }
        }
    }
    let mut ends = BTreeMap::new();
    for (id, ifindex, other, nsid) in wanted {
        let netns = match nsid {
            None => Some(id),
            Some(nsid) => behind(readings, id, nsid, (ifindex, other), budget),
        };
        let there = netns.and_then(|netns| readings.get(&netns));
        let name = there.and_then(|reading| {
            let link = reading.links.iter().find(|link| link.ifindex == other)?;
            Some(link.name.clone())
        });
        ends.insert((id, ifindex), OtherEnd { netns, ifindex: other, name });
    }
    ends
}

/// Finds the namespace behind a number; those whose link leads back are asked first.
fn behind(
    readings: &mut BTreeMap<NetnsId, Reading>,
    from: NetnsId,
    nsid: i32,
    (ifindex, other): (u32, u32),
    budget: &Budget,
) -> Option<NetnsId> {
    if let Some(known) = readings.get(&from)?.numbers.get(&nsid) {
        return *known;
    }
    let others = readings.iter().filter(|(id, _)| **id != from);
    let (likely, rest): (Vec<_>, Vec<_>) =
        others.partition(|(_, reading)| reading.leads_back(other, ifindex));
    let candidates: Vec<_> =
        likely.into_iter().chain(rest).map(|(id, reading)| (*id, reading.netns.clone())).collect();
    let here = readings.get_mut(&from)?;
    for (id, netns) in candidates {
        // Each answer is of use for other links as well.
        if here.numbers.values().any(|known| *known == Some(id)) {
            continue;
        }
        if let Ok(Some(number)) = here.inventory.nsid_of(&netns, budget) {
            here.numbers.insert(number, Some(id));
            if number == nsid {
                return Some(id);
            }
        }
    }
    here.numbers.insert(nsid, None);
    None
}

/// Namespaces that are read at the same time.
const WORKERS: usize = 4;
