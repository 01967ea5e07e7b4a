//! A case file read as flows: who was asked for, along which hops, with what outcome. Pure.

use std::net::IpAddr;

use super::case::{CaseFile, ProbeRecord, Vantage, VantageRole};
use super::{Question, Service};
use crate::base::{Family, Reason, Timestamp, Ttl};
use crate::inventory::{Link, Neighbour, RefusalCause, Route, RouteAnswer, RouteKind};
use crate::probe::{DnsAttempt, DnsOutcome, DnsReport, ResolveOutcome};
use crate::probe::{
    EchoOutcome, IcmpError, NeighReport, PingReport, TcpOutcome, TcpReport, UdpOutcome,
};

/// The whole case as the rules see it.
pub(super) struct Scene<'a> {
    pub(super) case: &'a CaseFile,
    pub(super) target: &'a Vantage,
    pub(super) flows: Vec<Flow<'a>>,
}

/// Packets from the target to one address for one purpose.
pub(super) struct Flow<'a> {
    pub(super) dst: IpAddr,
    pub(super) purpose: Purpose,
    pub(super) outcome: Outcome,
    /// It failed at first and works since the next hop was asked for: asking renewed the entry.
    pub(super) mended: bool,
    pub(super) at: Timestamp,
    /// From the target on, as far as the way could be followed.
    pub(super) hops: Vec<Hop<'a>>,
    /// The way back, from the destination on.
    pub(super) back: Vec<Hop<'a>>,
}

/// Why packets go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The user asked for it.
    Destination(Service),
    /// Names are resolved there.
    Nameserver,
    /// The default route leads there.
    Gateway,
    /// Programs of the namespace talk to each other there.
    Loopback,
    /// Nobody in particular: whether the namespace can send anything at all.
    Anywhere,
}

/// What became of a flow's probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    /// An answer came.
    Works,
    /// The destination said no.
    Refused { icmp: Option<IcmpError>, ttl: Option<Ttl> },
    /// Somebody on the way, or the own kernel after a while, said that it cannot be reached.
    Unreachable(IcmpError),
    /// The own kernel said no at once.
    Local(Reason),
    /// Nothing came.
    Silent,
    /// Nothing was sent.
    Unasked,
}

impl Outcome {
    /// Tells whether a live probe showed a symptom.
    pub(super) fn failed(self) -> bool {
        !matches!(self, Self::Works | Self::Unasked)
    }

    /// Tells whether somebody said what is wrong.
    fn is_told(self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable(_) | Self::Local(_))
    }
}

/// One namespace on a flow's way, and where it sends the packets next.
#[derive(Clone, Copy)]
pub(super) struct Hop<'a> {
    pub(super) vantage: &'a Vantage,
    /// The address this hop looks up.
    pub(super) towards: IpAddr,
    pub(super) answer: Option<&'a RouteAnswer>,
    pub(super) at: Timestamp,
}

impl<'a> Hop<'a> {
    fn new(vantage: &'a Vantage, towards: IpAddr, fallback: Timestamp) -> Self {
        let record = vantage.route(towards);
        let at = record.map_or(fallback, |record| record.at);
        Self { vantage, towards, answer: record.map(|record| &record.answer), at }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.towards)
    }

    pub(super) fn route(&self) -> Option<&'a Route> {
        match self.answer? {
            RouteAnswer::Route(route) => Some(route),
            _ => None,
        }
    }

    pub(super) fn refusal(&self) -> Option<(RefusalCause, Reason)> {
        match self.answer? {
            RouteAnswer::Refused(refusal) => Some((refusal.cause, refusal.reason)),
            _ => None,
        }
    }

    pub(super) fn has_no_route(&self) -> bool {
        matches!(self.refusal(), Some((RefusalCause::NoRoute, _)))
    }

    /// Tells whether the packets end here.
    pub(super) fn is_local(&self) -> bool {
        self.route().is_some_and(|route| route.kind == RouteKind::Local)
    }

    pub(super) fn egress(&self) -> Option<&'a Link> {
        let route = self.route().filter(|route| route.kind != RouteKind::Local)?;
        self.vantage.link(route.oif_ifindex?)
    }

    /// The neighbour the packets are handed to.
    pub(super) fn next_hop(&self) -> Option<IpAddr> {
        self.egress().filter(|link| !link.is_loopback())?;
        Some(self.route()?.gateway.unwrap_or(self.towards))
    }

    pub(super) fn via_gateway(&self) -> bool {
        self.route().is_some_and(|route| route.gateway.is_some())
    }

    pub(super) fn entry(&self) -> Option<&'a Neighbour> {
        self.vantage.neighbour(self.egress()?.ifindex, self.next_hop()?)
    }

    /// What the table believed about the next hop before it was asked for.
    pub(super) fn believed(&self) -> Option<&'a Neighbour> {
        self.vantage.believed(self.egress()?.ifindex, self.next_hop()?)
    }

    pub(super) fn solicited(&self) -> Option<&'a NeighReport> {
        self.vantage.solicited(self.egress()?.ifindex, self.next_hop()?)
    }

    /// Links that could carry the family's packets: up, and more than a loopback.
    pub(super) fn up_links(&self) -> impl Iterator<Item = &'a Link> + use<'a> {
        self.vantage.links().iter().filter(|link| link.is_up() && !link.is_loopback())
    }

    /// Tells whether some link that is up has an address others could answer to.
    pub(super) fn has_address(&self, family: Family) -> bool {
        self.up_links().any(|link| has_address(self.vantage, link, family))
    }
}

/// Tells whether a link has an address of the family that reaches beyond the link.
pub(super) fn has_address(vantage: &Vantage, link: &Link, family: Family) -> bool {
    vantage.addrs().iter().any(|addr| {
        let link_local = matches!(addr.local, IpAddr::V6(v6) if v6.is_unicast_link_local());
        addr.ifindex == link.ifindex && addr.family == family && !link_local
    })
}

impl<'a> Scene<'a> {
    pub(super) fn of(case: &'a CaseFile) -> Option<Self> {
        let target = case.target()?;
        let mut flows: Vec<Flow<'a>> = Vec::new();
        for flow in target.probes().rev().flat_map(|probe| flows_of(case, target, probe)) {
            let known = |f: &&mut Flow<'_>| f.dst == flow.dst && f.purpose == flow.purpose;
            match flows.iter_mut().find(known) {
                None => flows.push(flow),
                // The latest word counts, but routers limit their errors: silence after one is no news.
                Some(later) if later.outcome == Outcome::Silent && flow.outcome.is_told() => {
                    *later = flow;
                }
                Some(later) if later.outcome == Outcome::Works && flow.outcome.failed() => {
                    let next = later.hops.first().and_then(Hop::next_hop);
                    later.mended |= next.is_some_and(|next| target.disputes(next));
                }
                Some(_) => {}
            }
        }
        flows.reverse();
        flows.extend(unasked(case, target, &flows));
        flows.extend(anywhere(case, target));
        Some(Self { case, target, flows })
    }

    pub(super) fn failing(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.flows.iter().filter(|flow| flow.outcome.failed())
    }

    pub(super) fn destinations(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.flows.iter().filter(|flow| matches!(flow.purpose, Purpose::Destination(_)))
    }

    /// The namespace that owns an address: the target itself, or one found on the same machine.
    pub(super) fn owner(&self, addr: IpAddr) -> Option<&'a Vantage> {
        if addr.is_loopback() || self.target.owns(addr) {
            return Some(self.target);
        }
        self.case.vantages.iter().find(|v| v.role == VantageRole::Destination && v.owns(addr))
    }
}

/// What one probe says about one address.
struct Told {
    dst: IpAddr,
    purpose: Purpose,
    outcome: Outcome,
    at: Option<Timestamp>,
}

fn flows_of<'a>(case: &'a CaseFile, target: &'a Vantage, probe: &ProbeRecord) -> Vec<Flow<'a>> {
    let told = match probe {
        ProbeRecord::Dns(report) => told_by_servers(&[report]),
        // A name that was found, or does not exist, says nothing bad about the servers.
        ProbeRecord::Resolve(r) if r.outcome == ResolveOutcome::TryAgain => {
            let reports: Vec<_> = r.tried.iter().map(|tried| &tried.report).collect();
            told_by_servers(&reports)
        }
        probe => told_by(case, target, probe).into_iter().collect(),
    };
    let flow = |told: Told| {
        let Told { dst, purpose, outcome, at } = told;
        let at = at.unwrap_or(case.at);
        let (hops, back) = (hops_to(case, target, dst, at), hops_back(case, target, dst, at));
        Flow { dst, purpose, outcome, mended: false, at, hops, back }
    };
    told.into_iter().map(flow).collect()
}

fn told_by(case: &CaseFile, target: &Vantage, probe: &ProbeRecord) -> Option<Told> {
    let service = match case.question {
        Question::Reach { service, .. } => Some(service),
        Question::Health => None,
    };
    let destination = service.map(Purpose::Destination);
    let (dst, purpose, outcome, at) = match probe {
        ProbeRecord::Tcp(report) if service.is_some() => {
            (report.to, destination?, of_tcp(report, service?)?, started(report))
        }
        ProbeRecord::Udp(report) => {
            (report.to.ip(), destination?, of_udp(&report.outcome), report.sent.first().copied())
        }
        ProbeRecord::Ping(report) if service == Some(Service::Host) => {
            (report.to, destination?, of_ping(report), report.echoes.first().map(|e| e.sent_at))
        }
        ProbeRecord::Tcp(report) if service.is_none() && report.to.is_loopback() => {
            let alive = of_tcp(report, Service::Host).unwrap_or(Outcome::Silent);
            (report.to, Purpose::Loopback, alive, started(report))
        }
        ProbeRecord::Ping(report) if service.is_none() && is_gateway(target, report.to) => {
            let at = report.echoes.first().map(|echo| echo.sent_at);
            let outcome = match of_ping(report) {
                // Unanswered by the table before the entry was renewed.
                Outcome::Silent if target.disputes(report.to) => Outcome::Silent,
                _ => of_gateway(target, report.to),
            };
            (report.to, Purpose::Gateway, outcome, at)
        }
        ProbeRecord::Neigh(report) if service.is_none() && is_gateway(target, report.to) => {
            let at = report.requests.first().copied();
            (report.to, Purpose::Gateway, of_gateway(target, report.to), at)
        }
        _ => return None,
    };
    Some(Told { dst, purpose, outcome, at })
}

/// What each server did with the questions put to it, in the order of the servers.
fn told_by_servers(reports: &[&DnsReport]) -> Vec<Told> {
    let attempts = || reports.iter().flat_map(|report| &report.attempts);
    let mut servers: Vec<IpAddr> = Vec::new();
    for attempt in attempts() {
        if !servers.contains(&attempt.server.ip()) {
            servers.push(attempt.server.ip());
        }
    }
    let told = |dst: IpAddr| {
        let own: Vec<_> = attempts().filter(|attempt| attempt.server.ip() == dst).collect();
        let at = own.first().map(|attempt| attempt.sent_at);
        Told { dst, purpose: Purpose::Nameserver, outcome: of_dns(&own), at }
    };
    servers.into_iter().map(told).collect()
}

fn hops_to<'a>(
    case: &'a CaseFile,
    target: &'a Vantage,
    dst: IpAddr,
    at: Timestamp,
) -> Vec<Hop<'a>> {
    let others = case.vantages.iter().skip(1).filter(|v| v.route(dst).is_some());
    [target].into_iter().chain(others).map(|vantage| Hop::new(vantage, dst, at)).collect()
}

/// The way back starts at the destination and looks up the address the target sends from.
fn hops_back<'a>(
    case: &'a CaseFile,
    target: &'a Vantage,
    dst: IpAddr,
    at: Timestamp,
) -> Vec<Hop<'a>> {
    let source = match target.route(dst).map(|record| &record.answer) {
        Some(RouteAnswer::Route(route)) => route.prefsrc,
        _ => None,
    };
    let Some(source) = source else {
        return Vec::new();
    };
    let others = case.vantages.iter().skip(1).rev().filter(|v| v.route(source).is_some());
    others.map(|vantage| Hop::new(vantage, source, at)).collect()
}

/// Tells whether a default route leads there.
fn is_gateway(target: &Vantage, addr: IpAddr) -> bool {
    let routes = target.state().and_then(|s| s.routes.as_ref());
    let mut defaults = routes.map_or(&[][..], |dump| &dump.items).iter().filter(|r| r.is_default());
    defaults.any(|route| {
        route.gateway == Some(addr) || route.nexthops.iter().any(|hop| hop.gateway == Some(addr))
    })
}

fn started(report: &TcpReport) -> Option<Timestamp> {
    report.attempts.first().and_then(|attempt| attempt.started_at)
}

/// `None` when the report says nothing about the service asked for.
fn of_tcp(report: &TcpReport, service: Service) -> Option<Outcome> {
    let best = report.attempts.iter().find(|a| a.outcome.is_open()).or(report.attempts.first())?;
    let outcome = match &best.outcome {
        TcpOutcome::Open { .. } => Outcome::Works,
        TcpOutcome::Refused { icmp, ttl, .. } => Outcome::Refused { icmp: *icmp, ttl: *ttl },
        TcpOutcome::Unreachable { icmp, .. } => Outcome::Unreachable(*icmp),
        TcpOutcome::LocalError { reason, .. } => Outcome::Local(*reason),
        TcpOutcome::TimedOut | TcpOutcome::Pending => Outcome::Silent,
    };
    match (service, outcome) {
        // Of a host as such, a reset shows that it is there; otherwise its ping tells more.
        (Service::Host, Outcome::Works | Outcome::Refused { icmp: None, .. }) => {
            Some(Outcome::Works)
        }
        // What a router says about the host counts; silence of two ports does not.
        (Service::Host, Outcome::Silent) => None,
        (_, outcome) => Some(outcome),
    }
}

fn of_udp(outcome: &UdpOutcome) -> Outcome {
    match outcome {
        UdpOutcome::Reply { .. } => Outcome::Works,
        UdpOutcome::Closed { icmp, .. } => Outcome::Refused { icmp: Some(*icmp), ttl: None },
        UdpOutcome::Unreachable { icmp, .. } => Outcome::Unreachable(*icmp),
        UdpOutcome::LocalError { reason } => Outcome::Local(*reason),
        UdpOutcome::Silent => Outcome::Silent,
    }
}

pub(super) fn of_ping(report: &PingReport) -> Outcome {
    let outcomes = || report.echoes.iter().map(|echo| &echo.outcome);
    if outcomes().any(|outcome| matches!(outcome, EchoOutcome::Reply { .. })) {
        return Outcome::Works;
    }
    let told = outcomes().find_map(|outcome| match outcome {
        EchoOutcome::Unreachable(icmp) => Some(Outcome::Unreachable(*icmp)),
        EchoOutcome::LocalError { reason, .. } => Some(Outcome::Local(*reason)),
        _ => None,
    });
    told.unwrap_or(Outcome::Silent)
}

fn of_dns(attempts: &[&DnsAttempt]) -> Outcome {
    if attempts.iter().any(|attempt| attempt.answer().is_some()) {
        return Outcome::Works;
    }
    let told = attempts.iter().find_map(|attempt| match &attempt.outcome {
        DnsOutcome::PortClosed { .. } => Some(Outcome::Refused { icmp: None, ttl: None }),
        DnsOutcome::Unreachable { icmp, .. } => Some(Outcome::Unreachable(*icmp)),
        DnsOutcome::LocalError { reason } => Some(Outcome::Local(*reason)),
        _ => None,
    });
    told.unwrap_or(Outcome::Silent)
}

/// A gateway works if it answers by the table, or past it from where the table believes it.
fn of_gateway(target: &Vantage, addr: IpAddr) -> Outcome {
    let pinged = target.probes().any(|probe| match probe {
        ProbeRecord::Ping(report) => report.to == addr && of_ping(report) == Outcome::Works,
        _ => false,
    });
    let heard = target.probes().any(|probe| match probe {
        ProbeRecord::Neigh(report) => report.to == addr && !report.answers.is_empty(),
        _ => false,
    });
    // An entry that the kernel may renew is right again once the gateway has answered.
    match pinged || (heard && !target.pins_wrongly(addr)) {
        true => Outcome::Works,
        false => Outcome::Silent,
    }
}

/// Destinations that were looked up and never sent to: probing was not allowed or not possible.
fn unasked<'a>(case: &'a CaseFile, target: &'a Vantage, known: &[Flow<'a>]) -> Vec<Flow<'a>> {
    let Question::Reach { service, .. } = case.question else {
        return Vec::new();
    };
    let looked_up = target.rounds.first().map(|round| round.probes.iter()).into_iter().flatten();
    let records = looked_up.filter_map(|probe| match probe {
        ProbeRecord::Route(record) => Some(record),
        _ => None,
    });
    let fresh = records.filter(|r| !known.iter().any(|flow| flow.dst == r.query.dst));
    let flow = |dst, at| Flow {
        dst,
        purpose: Purpose::Destination(service),
        outcome: Outcome::Unasked,
        mended: false,
        at,
        hops: hops_to(case, target, dst, at),
        back: Vec::new(),
    };
    // A nameserver's look-up is no destination's.
    let servers: Vec<IpAddr> = nameservers(target);
    fresh.filter(|r| !servers.contains(&r.query.dst)).map(|r| flow(r.query.dst, r.at)).collect()
}

pub(super) fn nameservers(target: &Vantage) -> Vec<IpAddr> {
    let resolver = target.rounds.first().and_then(|round| round.before.resolver.as_ref());
    resolver.map_or_else(Vec::new, |r| r.nameservers.iter().map(|server| server.addr).collect())
}

/// Whether the namespace could send anything: some link is up, has a carrier and an address.
fn anywhere<'a>(case: &'a CaseFile, target: &'a Vantage) -> Vec<Flow<'a>> {
    let tables_known = target.state().is_some_and(|s| s.links.is_some() && s.addrs.is_some());
    if case.question != Question::Health || !tables_known {
        return Vec::new();
    }
    let families = Family::BOTH.into_iter().filter(|f| case.family.is_none_or(|only| only == *f));
    let families: Vec<_> = families.collect();
    let alive = |link: &&Link| link.is_up() && link.has_carrier() && !link.is_loopback();
    let usable = |family: &Family| {
        let mut links = target.links().iter().filter(alive);
        links.any(|link| has_address(target, link, *family))
    };
    let outcome = match families.iter().any(usable) {
        true => Outcome::Works,
        false => Outcome::Local(Reason::new(nix::libc::ENETUNREACH)),
    };
    let dst = families.first().copied().unwrap_or(Family::V4).unspecified();
    let at = target.state().map_or(case.at, |s| s.at);
    let hops = vec![Hop { vantage: target, towards: dst, answer: None, at }];
    let purpose = Purpose::Anywhere;
    vec![Flow { dst, purpose, outcome, mended: false, at, hops, back: Vec::new() }]
}
