//! Questions to the links: who holds an address, and which next hops there are.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::probes::{NEIGH_WAIT, Prober, SOLICITATION};
use crate::base::Result;
use crate::doctor::case::{ProbeRecord, Probing};
use crate::doctor::fib;
use crate::inventory::{Link, NeighState, Route, RouteAnswer, RouteKind, RouteTable};
use crate::probe::{NeighProbe, Probe};

/// How long a second holder of an address is listened for.
const LINGER: Duration = Duration::from_millis(20);

/// How long a neighbour may take in all: routers that answer for others wait up to 0.8 seconds
/// (ip-sysctl.rst, `proxy_delay`).
const PATIENCE: Duration = Duration::from_millis(950);

/// Neighbours are not asked more often than this.
const FLOOR: Duration = Duration::from_millis(200);

/// A port that a gateway answers on, or refuses.
const DNS: u16 = 53;

impl Prober<'_> {
    /// Asks live for the neighbour that packets to `dst` are handed to.
    pub(super) fn solicit_next_hop(&mut self, dst: IpAddr) -> Result<()> {
        match self.next_hop(dst) {
            Some((next, link)) => self.solicit(next, &link),
            None => Ok(()),
        }
    }

    fn solicit(&mut self, next: IpAddr, link: &Link) -> Result<()> {
        let asked = |r: &ProbeRecord| matches!(r, ProbeRecord::Neigh(n) if n.to == next && n.ifindex == link.ifindex);
        if self.records.iter().any(asked) {
            return Ok(());
        }
        // Who was silent before is asked once more, briefly: that may have been the fault.
        let (count, interval, whole) = match (self.silent.contains(&next), self.again) {
            (true, _) => (2, FLOOR, FLOOR + NEIGH_WAIT / 2),
            (false, true) => (3, FLOOR, PATIENCE),
            (false, false) => (3, NEIGH_WAIT, PATIENCE),
        };
        let probe = NeighProbe::new(next, name_of(link))
            .count(count)
            .interval(interval)
            .wait(whole - interval * u32::from(count - 1))
            .stop_after_answer(LINGER);
        self.run_solicitation(probe, link)
    }

    fn run_solicitation(&mut self, probe: NeighProbe, link: &Link) -> Result<()> {
        let ethernet = link.address.is_some_and(|a| a.to_ethernet().is_some());
        if self.probing == Probing::Passive || !ethernet || link.is_noarp() || !link.has_carrier() {
            return Ok(());
        }
        match probe.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.requests.len();
                if report.answers.is_empty() {
                    self.silent.push(report.to);
                }
                self.records.push(ProbeRecord::Neigh(report));
                Ok(())
            }
            Err(e) => self.survive(SOLICITATION, e),
        }
    }

    /// Asks whether anybody else holds an address of this namespace, as duplicate detection does.
    pub(super) fn own_addresses(&mut self) -> Result<()> {
        let addrs = self.before.as_ref().and_then(|s| s.addrs.as_ref());
        let own: Vec<(IpAddr, Link)> = self
            .links()
            .iter()
            .filter(|link| link.is_up() && link.has_carrier() && !link.is_loopback())
            .filter_map(|link| {
                let mut all = addrs.map_or(&[][..], |dump| &dump.items).iter();
                let first = all.find(|a| a.ifindex == link.ifindex && a.local.is_ipv4())?;
                Some((first.local, link.clone()))
            })
            .take(4)
            .collect();
        for (addr, link) in own {
            let probe = NeighProbe::new(addr, name_of(&link))
                .source(Ipv4Addr::UNSPECIFIED.into())
                .count(1)
                .wait(NEIGH_WAIT / 2)
                .stop_after_answer(LINGER);
            self.run_solicitation(probe, &link)?;
        }
        Ok(())
    }

    pub(super) fn routes(&self) -> &[Route] {
        let routes = self.before.as_ref().and_then(|s| s.routes.as_ref());
        routes.map_or(&[], |dump| &dump.items)
    }

    fn link(&self, ifindex: u32) -> Option<Link> {
        self.links().iter().find(|link| link.ifindex == ifindex).cloned()
    }

    /// Asks for the next hops that could have been used instead: what the main table would choose
    /// without rules, and the other default routes.
    pub(super) fn other_ways(&mut self, dst: IpAddr) -> Result<()> {
        let main = fib::longest_match(self.routes(), RouteTable::Main, dst);
        let defaults = self.routes().iter().filter(|r| r.is_default() && r.dst.contains(dst));
        let main = main.filter(|route| route.kind == RouteKind::Unicast);
        let ways: Vec<_> = main.into_iter().chain(defaults.take(4)).flat_map(fib::ways).collect();
        self.solicit_ways(&ways, dst)
    }

    /// Asks for every next hop of a multipath route: one connect uses but one of them.
    pub(super) fn all_paths(&mut self, dst: IpAddr) -> Result<()> {
        let route = fib::longest_match(self.routes(), RouteTable::Main, dst);
        let ways = route.filter(|r| r.nexthops.len() > 1).map(fib::ways).unwrap_or_default();
        self.solicit_ways(&ways, dst)
    }

    fn solicit_ways(&mut self, ways: &[(Option<IpAddr>, u32)], dst: IpAddr) -> Result<()> {
        for (gateway, ifindex) in ways {
            if let Some(link) = self.link(*ifindex) {
                self.solicit(gateway.unwrap_or(dst), &link)?;
            }
        }
        Ok(())
    }

    pub(super) fn next_hop(&self, dst: IpAddr) -> Option<(IpAddr, Link)> {
        let route = self.records.iter().rev().find_map(|record| match record {
            ProbeRecord::Route(r) if r.query.dst == dst => match &r.answer {
                RouteAnswer::Route(route) => Some(route),
                _ => None,
            },
            _ => None,
        })?;
        let ifindex = route.oif_ifindex.filter(|_| route.kind == RouteKind::Unicast)?;
        let link = self.link(ifindex)?;
        let alive = link.has_carrier() && !link.is_loopback();
        alive.then(|| (route.gateway.unwrap_or(dst), link))
    }

    /// Tells whether the neighbour that packets to `dst` are handed to is known to be silent.
    pub(super) fn is_cut_off(&self, dst: IpAddr) -> bool {
        self.next_hop(dst).is_some_and(|(next, _)| self.silent.contains(&next))
    }

    /// Tells whether the table has a link-layer address for the neighbour packets to `dst` go to.
    pub(super) fn is_known(&self, dst: IpAddr) -> bool {
        let Some((next, link)) = self.next_hop(dst) else { return false };
        let table = self.before.as_ref().and_then(|s| s.neighbours.as_ref());
        let mut entries = table.map_or(&[][..], |dump| &dump.items).iter();
        entries.any(|e| e.ifindex == link.ifindex && e.dst == next && e.lladdr.is_some())
    }

    /// Connects to a gateway: to be refused will do.
    pub(super) fn knock_at(&mut self, gateway: IpAddr) -> Result<()> {
        self.tcp(gateway, &[DNS])
    }

    /// The link that a link-local gateway is on, as a zone.
    pub(super) fn zone_of(&self, gateway: IpAddr) -> u32 {
        match gateway {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                self.next_hop(gateway).map_or(0, |(_, link)| link.ifindex)
            }
            _ => self.scope,
        }
    }

    /// Tells whether a neighbour answered for its address in this round.
    pub(super) fn is_heard(&self, addr: IpAddr) -> bool {
        self.records.iter().any(|record| match record {
            ProbeRecord::Neigh(report) => report.to == addr && !report.answers.is_empty(),
            _ => false,
        })
    }

    /// Tells whether this round put a question of its own to an address.
    pub(super) fn has_asked(&self, addr: IpAddr) -> bool {
        self.records.iter().any(|record| match record {
            ProbeRecord::Neigh(report) => report.to == addr,
            ProbeRecord::Ping(report) => report.to == addr,
            _ => false,
        })
    }

    /// Tells whether the next hop answered from elsewhere than the table had it.
    pub(super) fn has_renewed(&self, dst: IpAddr) -> bool {
        let Some((next, link)) = self.next_hop(dst) else { return false };
        let table = self.before.as_ref().and_then(|s| s.neighbours.as_ref());
        let mut entries = table.map_or(&[][..], |dump| &dump.items).iter();
        // What was set by hand the kernel does not renew.
        let believed = entries
            .find(|e| e.ifindex == link.ifindex && e.dst == next)
            .filter(|entry| entry.state != NeighState::Permanent)
            .and_then(|entry| entry.lladdr);
        self.records.iter().any(|record| match record {
            ProbeRecord::Neigh(report) if report.to == next => {
                let holders = report.holders();
                believed.is_some_and(|b| !holders.is_empty() && !holders.contains(&b))
            }
            _ => false,
        })
    }
}

fn name_of(link: &Link) -> String {
    String::from_utf8_lossy(link.name.as_bytes()).into_owned()
}
