//! The probes of one round, with their limits, and what they left behind.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Site;
use crate::base::{Budget, Error, Gap, Result, Timestamp};
use crate::doctor::case::{CaseFile, ProbeRecord, Probing, RouteRecord};
use crate::doctor::fib;
use crate::inventory::{
    Link, NeighState, Route, RouteAnswer, RouteKind, RouteQuery, RouteTable, Snapshot,
};
use crate::netns::FileOrigin;
use crate::probe::{
    DnsQuery, EchoOutcome, HostsTable, NeighProbe, Ping, Probe, ResetTtl, Resolve, ResolverConfig,
    TcpOutcome, TcpProbe, UdpProbe,
};
use crate::wire::dns::{Name, RecordType};

/// How long a connect may take before it counts as silent: one retransmission fits in.
const TCP_WAIT: Duration = Duration::from_millis(1300);
/// How long a nameserver may take per try.
const DNS_WAIT: Duration = Duration::from_millis(800);
/// Between two solicitations, and after the last.
const NEIGH_WAIT: Duration = Duration::from_millis(250);
/// How long a second holder of an address is listened for.
const LINGER: Duration = Duration::from_millis(20);

/// Asks from inside one namespace and keeps the answers.
pub(super) struct Prober<'a> {
    site: &'a mut Site,
    budget: &'a Budget,
    probing: Probing,
    before: Option<Snapshot>,
    scope: u32,
    records: Vec<ProbeRecord>,
    gaps: Vec<Gap>,
    sent: usize,
    /// Next hops that were asked for and stayed silent: connects need not wait long.
    silent: Vec<IpAddr>,
    /// Whether the same was asked before.
    again: bool,
}

impl<'a> Prober<'a> {
    pub(super) fn new(case: &CaseFile, site: &'a mut Site, budget: &'a Budget) -> Self {
        let netns = site.inventory.netns_id();
        let vantage = case.vantages.iter().find(|v| v.netns == netns);
        Self {
            before: vantage.and_then(|v| v.state()).cloned(),
            site,
            budget,
            probing: case.probing,
            scope: 0,
            records: Vec::new(),
            gaps: Vec::new(),
            sent: 0,
            silent: Vec::new(),
            again: case.search.is_some(),
        }
    }

    /// Files what was asked under the latest round of a vantage.
    pub(super) fn file(self, case: &mut CaseFile, vantage: usize) {
        let sent = u32::try_from(self.sent).unwrap_or(u32::MAX);
        case.probes_sent = case.probes_sent.saturating_add(sent);
        if let Some(round) = case.vantages.get_mut(vantage).and_then(|v| v.rounds.last_mut()) {
            round.probes.extend(self.records);
            round.gaps.extend(self.gaps);
        }
    }

    pub(super) fn probing(&self) -> Probing {
        self.probing
    }

    pub(super) fn note_gap(&mut self, what: &str, why: &str) {
        self.gaps.push(Gap::new(what, why));
    }

    fn links(&self) -> &[Link] {
        let links = self.before.as_ref().and_then(|s| s.links.as_ref());
        links.map_or(&[], |dump| &dump.items)
    }

    /// Takes the interface of a link-local destination, by name or number.
    pub(super) fn set_zone(&mut self, zone: Option<&str>) -> Result<()> {
        let Some(zone) = zone else { return Ok(()) };
        let ifindex = self.ifindex(zone);
        self.scope = ifindex.ok_or_else(|| Error::NotFound(format!("interface `{zone}`")))?;
        Ok(())
    }

    fn ifindex(&self, zone: &str) -> Option<u32> {
        let by_name = self.links().iter().find(|link| link.name == *zone);
        by_name.map(|link| link.ifindex).or_else(|| zone.parse().ok())
    }

    pub(super) fn resolver_origin(&self) -> Option<FileOrigin> {
        self.before.as_ref()?.resolver.as_ref()?.origin.clone()
    }

    /// The nameservers that the C library asks.
    pub(super) fn servers(&self) -> Vec<IpAddr> {
        let resolver = self.before.as_ref().and_then(|s| s.resolver.as_ref());
        let servers = resolver.map_or(&[][..], |r| &r.nameservers);
        servers.iter().take(3).map(|server| server.addr).collect()
    }

    pub(super) fn is_server(&self, addr: IpAddr) -> bool {
        self.servers().contains(&addr)
    }

    /// The gateways of the default routes, best metric first, once each.
    pub(super) fn gateways(&self) -> Vec<IpAddr> {
        let mut defaults: Vec<_> = self
            .routes()
            .iter()
            .filter(|r| r.is_default() && r.kind == RouteKind::Unicast)
            .collect();
        defaults.sort_by_key(|route| (route.family, route.metric));
        let hops = defaults.iter().flat_map(|route| {
            route.gateway.into_iter().chain(route.nexthops.iter().filter_map(|hop| hop.gateway))
        });
        let mut gateways: Vec<IpAddr> = Vec::new();
        for gateway in hops.take(4) {
            if !gateways.contains(&gateway) {
                gateways.push(gateway);
            }
        }
        gateways
    }

    /// What ends the whole round is passed on; the rest leaves a gap.
    fn survive(&mut self, what: &str, error: Error) -> Result<()> {
        match error {
            Error::Elapsed | Error::Cancelled | Error::TargetExited(_) => Err(error),
            other => {
                self.gaps.push(Gap::because(what, &other));
                Ok(())
            }
        }
    }

    /// Asks the kernel for the way and files the answer.
    pub(super) fn look_up(&mut self, dst: IpAddr) -> Result<Option<RouteAnswer>> {
        let mut query = RouteQuery::to(dst);
        query.oif = Some(self.scope).filter(|scope| *scope != 0);
        let at = Timestamp::now();
        match self.site.inventory.route_to(&query, self.budget) {
            Ok(answer) => {
                let record = RouteRecord { query, answer: answer.clone(), at };
                self.records.push(ProbeRecord::Route(record));
                Ok(Some(answer))
            }
            Err(e) => self.survive("route look-up", e).map(|()| None),
        }
    }

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
        let probe = NeighProbe::new(next, name_of(link))
            .count(3)
            .interval(NEIGH_WAIT)
            .wait(NEIGH_WAIT)
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
            Err(e) => self.survive("neighbour solicitation", e),
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

    fn routes(&self) -> &[Route] {
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

    fn next_hop(&self, dst: IpAddr) -> Option<(IpAddr, Link)> {
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

    /// Tells whether the table has a link-layer address for the neighbour packets to `dst` go to.
    pub(super) fn is_known(&self, dst: IpAddr) -> bool {
        let Some((next, link)) = self.next_hop(dst) else { return false };
        let table = self.before.as_ref().and_then(|s| s.neighbours.as_ref());
        let mut entries = table.map_or(&[][..], |dump| &dump.items).iter();
        entries.any(|e| e.ifindex == link.ifindex && e.dst == next && e.lladdr.is_some())
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

    /// Tells whether any probe of this round was answered by `addr`.
    pub(super) fn answered(&self, addr: IpAddr) -> bool {
        self.records.iter().any(|record| match record {
            ProbeRecord::Tcp(r) if r.to == addr => r.attempts.iter().any(|a| a.outcome.is_open()),
            ProbeRecord::Udp(r) if r.to.ip() == addr => r.answer().is_some(),
            ProbeRecord::Ping(r) if r.to == addr => r.summary().received > 0,
            _ => false,
        })
    }

    fn tcp_wait(&self, dst: IpAddr) -> Duration {
        let dead = self.next_hop(dst).is_some_and(|(next, _)| self.silent.contains(&next));
        // A second round knows the symptom; its packets are for the counters on the way.
        match dead || self.again {
            true => TCP_WAIT / 3,
            false => TCP_WAIT,
        }
    }

    pub(super) fn tcp(&mut self, addr: IpAddr, ports: &[u16]) -> Result<()> {
        let probe = TcpProbe::new(addr, ports.iter().copied())
            .wait(self.tcp_wait(addr))
            .reset_ttl(ResetTtl::Seen);
        match probe.scope(self.scope).run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.attempts.len();
                self.records.push(ProbeRecord::Tcp(report));
                Ok(())
            }
            Err(e) => self.survive("TCP connect", e),
        }
    }

    /// Tells whether a connect of this round was refused by a reset that crossed a link.
    pub(super) fn was_reset(&self, addr: IpAddr) -> bool {
        let reports = self.records.iter().filter_map(|record| match record {
            ProbeRecord::Tcp(report) if report.to == addr => Some(report),
            _ => None,
        });
        let mut attempts = reports.flat_map(|report| &report.attempts);
        self.next_hop(addr).is_some()
            && attempts.any(|a| matches!(a.outcome, TcpOutcome::Refused { icmp: None, .. }))
    }

    pub(super) fn udp(&mut self, addr: IpAddr, port: u16) -> Result<()> {
        let probe = UdpProbe::new(addr, port).scope(self.scope);
        match probe.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.sent.len();
                self.records.push(ProbeRecord::Udp(report));
                Ok(())
            }
            Err(e) => self.survive("UDP datagram", e),
        }
    }

    /// Asks a host for any answer: echo first, then ports that are either open or refused.
    pub(super) fn host(&mut self, addr: IpAddr) -> Result<()> {
        match self.ping(addr)? {
            true => Ok(()),
            // A router that spoke up has said enough.
            false if self.was_told(addr) => Ok(()),
            false => self.tcp(addr, &[443, 80]),
        }
    }

    fn was_told(&self, addr: IpAddr) -> bool {
        self.records.iter().any(|record| match record {
            ProbeRecord::Ping(r) if r.to == addr => r.echoes.iter().any(|echo| {
                matches!(echo.outcome, EchoOutcome::Unreachable(_) | EchoOutcome::LocalError { .. })
            }),
            _ => false,
        })
    }

    /// Sends two echo requests; tells whether one was answered.
    pub(super) fn ping(&mut self, addr: IpAddr) -> Result<bool> {
        let wait = self.tcp_wait(addr) / 2;
        self.run_ping(Ping::new(addr).count(2).interval(wait / 2).wait(wait))
    }

    /// Sends one echo request with little patience.
    pub(super) fn ping_once(&mut self, addr: IpAddr) -> Result<bool> {
        self.run_ping(Ping::new(addr).count(1).wait(NEIGH_WAIT))
    }

    fn run_ping(&mut self, ping: Ping) -> Result<bool> {
        match ping.scope(self.scope).run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.echoes.len();
                let answered = report.summary().received > 0;
                self.records.push(ProbeRecord::Ping(report));
                Ok(answered)
            }
            Err(e) => self.survive("echo request", e).map(|()| false),
        }
    }

    /// Asks a nameserver for a name, or for the root's servers: any answer, a refusal too, shows
    /// that it is there.
    pub(super) fn ask_server(
        &mut self,
        server: IpAddr,
        name: Option<&str>,
        wait: Duration,
        tries: u8,
    ) -> Result<()> {
        if self.probing == Probing::Passive {
            return Ok(());
        }
        let query = match name.and_then(|name| name.parse().ok()) {
            Some(name) => DnsQuery::new(name, RecordType::A),
            None => DnsQuery::new(Name::root(), RecordType::Ns),
        };
        let query = query.server(SocketAddr::new(server, 53)).timeout(wait).tries(tries);
        match query.run(&self.site.target, self.budget) {
            Ok(report) => {
                self.sent += report.attempts.len();
                self.records.push(ProbeRecord::Dns(report));
                Ok(())
            }
            Err(e) => self.survive("DNS query", e),
        }
    }

    pub(super) fn sign_of_life(&mut self, server: IpAddr) -> Result<()> {
        match self.ping(server)? {
            true => Ok(()),
            false => self.tcp(server, &[53]),
        }
    }

    /// Resolves a name as the target would, but with less patience, and files every step.
    pub(super) fn resolve(&mut self, name: &str) -> Result<Vec<IpAddr>> {
        if self.probing == Probing::Passive {
            self.note_gap("name", "resolving it would send packets");
            return Ok(Vec::new());
        }
        let hosts = self.before.as_ref().and_then(|s| s.hosts.as_ref());
        let hosts = hosts.map(HostsTable::from).unwrap_or_default();
        let found = self.before.as_ref().and_then(|s| s.resolver.as_ref());
        let config = match found {
            Some(file) => ResolverConfig::from_file(file, |scope| {
                self.ifindex(&String::from_utf8_lossy(scope.as_bytes()))
            }),
            None => ResolverConfig::default(),
        };
        // With several servers a second round would only repeat what the first has shown.
        let attempts = if config.servers.len() > 1 { 1 } else { config.attempts.min(2) };
        let config = ResolverConfig { timeout: DNS_WAIT, attempts, ..config };
        match Resolve::new(name).run(&config, &hosts, &self.site.target, self.budget) {
            Ok(resolution) => {
                let attempts = resolution.tried.iter().map(|tried| tried.report.attempts.len());
                self.sent += attempts.sum::<usize>();
                let addrs = resolution.addresses.clone();
                self.records.push(ProbeRecord::Resolve(resolution));
                Ok(addrs)
            }
            Err(e) => self.survive("name resolution", e).map(|()| Vec::new()),
        }
    }
}

fn name_of(link: &Link) -> String {
    String::from_utf8_lossy(link.name.as_bytes()).into_owned()
}
