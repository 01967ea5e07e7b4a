//! The probes of one round, with their limits, and what they left behind.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Site;
use super::beyond::speechless_so_far;
use super::train::answer_times;
use crate::base::{Budget, Error, Family, Gap, Result, Timestamp};
use crate::doctor::case::{CaseFile, ProbeRecord, Probing, RouteRecord, Vantage};
use crate::doctor::train::RETRIED;
use crate::doctor::{Question, Service};
use crate::inventory::{
    Link, NeighState, RefusalCause, RouteAnswer, RouteKind, RouteQuery, RouteTable, Rule,
    RuleAction, Snapshot,
};
use crate::netns::FileOrigin;
use crate::probe::{
    DnsQuery, EchoOutcome, HostsTable, Ping, Probe, ResetTtl, Resolution, Resolve, ResolverConfig,
    TcpOutcome, TcpProbe, UdpPayload, UdpProbe,
};
use crate::wire::dns::{Name, RecordType};

/// How long a connect may take before it counts as silent: one retransmission fits in.
const TCP_WAIT: Duration = Duration::from_millis(1300);
/// How long a nameserver may take per try.
const DNS_WAIT: Duration = Duration::from_millis(800);
/// Between two solicitations, and after the last.
pub(super) const NEIGH_WAIT: Duration = Duration::from_millis(250);
/// Three solicitations a second apart, and a little (net.ipv4.neigh.*.mcast_solicit, retrans_time).
const KERNEL_GIVES_UP: Duration = Duration::from_millis(3400);
/// What the gap is called when neighbours may not be asked for.
pub(super) const SOLICITATION: &str = "neighbour solicitation";

/// Asks from inside one namespace and keeps the answers.
pub(super) struct Prober<'a> {
    pub(super) site: &'a mut Site,
    pub(super) budget: &'a Budget,
    pub(super) probing: Probing,
    pub(super) before: Option<Snapshot>,
    pub(super) scope: u32,
    pub(super) records: Vec<ProbeRecord>,
    pub(super) gaps: Vec<Gap>,
    pub(super) sent: usize,
    /// Next hops that were asked for and stayed silent: connects need not wait long.
    pub(super) silent: Vec<IpAddr>,
    /// Whether the same was asked before.
    pub(super) again: bool,
    /// Whether neighbours could not be asked for.
    pub(super) blind: bool,
    /// Addresses that took a connection in an earlier round and did not say a word over it.
    pub(super) speechless: Vec<IpAddr>,
    /// Addresses of all namespaces in sight.
    pub(super) owned: Vec<IpAddr>,
    /// How long answers took in earlier rounds.
    pub(super) times: Vec<(IpAddr, Duration)>,
    /// IP protocol and port of what was asked about.
    pub(super) service: Option<(u8, u16)>,
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
            silent: vantage.map(silent_so_far).unwrap_or_default(),
            speechless: vantage.map(speechless_so_far).unwrap_or_default(),
            owned: case.vantages.iter().flat_map(Vantage::addrs).map(|addr| addr.local).collect(),
            times: vantage.map(|v| answer_times(v.probes())).unwrap_or_default(),
            again: case.search.is_some(),
            service: selector_of(&case.question),
            blind: case
                .vantages
                .iter()
                .flat_map(|v| &v.rounds)
                .any(|round| round.gaps.iter().any(|gap| gap.what == SOLICITATION)),
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

    pub(super) fn links(&self) -> &[Link] {
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
    pub(super) fn survive(&mut self, what: &str, error: Error) -> Result<()> {
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
        self.look_up_as(dst, None)
    }

    /// The same for packets that already have a source address of this namespace.
    pub(super) fn look_up_as(
        &mut self,
        dst: IpAddr,
        source: Option<IpAddr>,
    ) -> Result<Option<RouteAnswer>> {
        let mut query = RouteQuery::to(dst);
        query.oif = Some(self.scope).filter(|scope| *scope != 0);
        // Policy rules may look at protocol and port (4.17).
        if let Some((protocol, port)) = self.service.filter(|_| !self.is_server(dst)) {
            query.ip_protocol = Some(protocol);
            query.dport = Some(port);
        }
        let answer = self.ask_kernel(query.clone())?;
        // A socket that has its source address is routed once more, by the rules that look at it.
        let route = answer.as_ref().and_then(RouteAnswer::route);
        let leaves = route.is_none_or(|route| route.kind != RouteKind::Local);
        let source = source.or_else(|| route?.prefsrc);
        match source.filter(|source| leaves && self.selects_by_source(*source)) {
            Some(source) => Ok(self.ask_kernel(query.from(source))?.or(answer)),
            None => Ok(answer),
        }
    }

    /// Puts a query to the kernel and files the answer.
    fn ask_kernel(&mut self, query: RouteQuery) -> Result<Option<RouteAnswer>> {
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

    fn rules(&self) -> &[Rule] {
        let rules = self.before.as_ref().and_then(|s| s.rules.as_ref());
        rules.map_or(&[], |dump| &dump.items)
    }

    /// Tells whether there are policy rules besides those every namespace begins with.
    pub(super) fn has_policy(&self) -> bool {
        self.rules().iter().any(|rule| ![0, 32_766, 32_767].contains(&rule.priority))
    }

    /// Tells whether a policy rule looks at a source address that this one falls under.
    fn selects_by_source(&self, source: IpAddr) -> bool {
        let mut rules = self.rules().iter();
        rules.any(|rule| rule.src.is_some_and(|src| src.contains(source) != rule.invert))
    }

    /// Tells whether a table other than the usual ones refuses packets to an address on purpose.
    fn refused_on_purpose(&self, dst: IpAddr) -> bool {
        let usual = [RouteTable::Main, RouteTable::Local, RouteTable::Default];
        let purpose = [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit];
        let by_route = self.routes().iter().any(|route| {
            purpose.contains(&route.kind)
                && !usual.contains(&route.table)
                && route.dst.contains(dst)
        });
        let refusals = [RuleAction::Blackhole, RuleAction::Unreachable, RuleAction::Prohibit];
        let mut rules = self.rules().iter();
        by_route
            || rules.any(|rule| rule.family == Family::of(dst) && refusals.contains(&rule.action))
    }

    /// Asks for the way of packets that come in by a link, as policy rules may tell them apart; what
    /// the kernel would not take in there is left to the plain look-up.
    pub(super) fn look_up_through(
        &mut self,
        dst: IpAddr,
        source: IpAddr,
        iif: u32,
    ) -> Result<Option<RouteAnswer>> {
        let mut query = RouteQuery::to(dst).from(source).iif(iif);
        if let Some((protocol, port)) = self.service {
            (query.ip_protocol, query.dport) = (Some(protocol), Some(port));
        }
        let at = Timestamp::now();
        match self.site.inventory.route_to(&query, self.budget) {
            Ok(RouteAnswer::Refused(_)) if !self.refused_on_purpose(dst) => Ok(None),
            Ok(mut answer) => {
                // A blackhole and an impossible source have one errno (net/ipv4/fib_semantics.c).
                if let RouteAnswer::Refused(refusal) = &mut answer
                    && refusal.reason.errno == nix::libc::EINVAL
                {
                    refusal.cause = RefusalCause::Blackhole;
                }
                let record = RouteRecord { query, answer: answer.clone(), at };
                self.records.push(ProbeRecord::Route(record));
                Ok(Some(answer))
            }
            Err(e) => self.survive("route look-up", e).map(|()| None),
        }
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
        let Some((next, link)) = self.next_hop(dst) else { return TCP_WAIT };
        let table = self.before.as_ref().and_then(|s| s.neighbours.as_ref());
        let mut entries = table.map_or(&[][..], |dump| &dump.items).iter();
        let unresolved = entries.any(|e| {
            let open = [NeighState::Incomplete, NeighState::Failed].contains(&e.state);
            e.ifindex == link.ifindex && e.dst == next && open
        });
        match (self.blind && unresolved, self.silent.contains(&next) || self.again) {
            // Without a question of our own, only the kernel's giving up tells.
            (true, _) => KERNEL_GIVES_UP,
            // Where a SYN was lost and the next one was not, a connect needs both again.
            (false, true)
                if self.times.iter().any(|(from, time)| *from == dst && *time >= RETRIED) =>
            {
                TCP_WAIT
            }
            // A second round knows the symptom; its packets are for the counters on the way.
            (false, true) => self.patience(dst).max(TCP_WAIT / 3),
            (false, false) => TCP_WAIT,
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

    /// Connects again to what answered beyond a gateway, until a connect fails: behind an address there may
    /// be several endpoints, and one connect in n shows the dead one.
    pub(super) fn once_more(&mut self, addr: IpAddr, port: u16) -> Result<()> {
        let beyond = self.next_hop(addr).is_some_and(|(next, _)| next != addr);
        let times = if beyond { MORE } else { 0 };
        for _ in 0..times {
            self.tcp(addr, &[port])?;
            let open = matches!(self.records.last(), Some(ProbeRecord::Tcp(report))
                if report.attempts.iter().any(|attempt| attempt.outcome.is_open()));
            if !open {
                break;
            }
        }
        Ok(())
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
        // A service of a known kind is silent about what is no question of its own.
        let question = UdpPayload::usual(port);
        let probe = UdpProbe::new(addr, port).scope(self.scope).payload(question.bytes());
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

    pub(super) fn was_told(&self, addr: IpAddr) -> bool {
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
        match self.look_name_up(name)? {
            Some(resolution) => {
                let addrs = resolution.addresses.clone();
                self.records.push(ProbeRecord::Resolve(resolution));
                Ok(addrs)
            }
            None => Ok(Vec::new()),
        }
    }

    /// The same without filing it.
    pub(super) fn look_name_up(&mut self, name: &str) -> Result<Option<Resolution>> {
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
                Ok(Some(resolution))
            }
            Err(e) => self.survive("name resolution", e).map(|()| None),
        }
    }
}

/// Connects to what has answered once: of two endpoints, the dead one is met in 63 cases of 64.
const MORE: usize = 5;

/// Who was asked for in earlier rounds and never answered.
fn silent_so_far(vantage: &Vantage) -> Vec<IpAddr> {
    let silent = vantage.probes().filter_map(|probe| match probe {
        ProbeRecord::Neigh(report) if report.answers.is_empty() => Some(report.to),
        _ => None,
    });
    silent.filter(|addr| !vantage.heard_from(*addr)).collect()
}

/// IP protocol and port that packets of a question carry.
fn selector_of(question: &Question) -> Option<(u8, u16)> {
    let Question::Reach { service, .. } = question else { return None };
    match service {
        Service::Udp(port) => Some((17, *port)),
        service => Some((6, service.tcp_port()?)),
    }
}
