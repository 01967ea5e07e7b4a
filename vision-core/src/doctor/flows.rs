//! Reads probes as flows: who was asked for, for what, and what became of it. Pure.

use std::net::IpAddr;

use super::case::{CaseFile, ProbeRecord, Vantage, VantageRole};
use super::scene::{Flow, Hop, Outcome, Purpose, has_address};
use super::stop::{entries, met, walls_of};
use super::{Question, Service};
use crate::base::{Family, Host, Reason, Timestamp};
use crate::inventory::{Link, NeighState, RouteAnswer};
use crate::probe::{
    DnsAttempt, DnsOutcome, DnsReport, EchoOutcome, PingReport, ResolveOutcome, TcpOutcome,
    TcpReport, UdpOutcome,
};

/// What one probe says about one address.
struct Told {
    dst: IpAddr,
    purpose: Purpose,
    outcome: Outcome,
    at: Option<Timestamp>,
}

pub(super) fn flows_of<'a>(
    case: &'a CaseFile,
    target: &'a Vantage,
    probe: &ProbeRecord,
) -> Vec<Flow<'a>> {
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
        let doubtful = purpose == Purpose::Gateway && outcome.failed() && answers_arp(target, dst);
        let mut flow = Flow {
            dst,
            purpose,
            outcome,
            mended: false,
            faltered: false,
            doubtful,
            at,
            hops,
            back,
        };
        lead_on(case, &mut flow);
        answer_masks(case, &mut flow);
        flow
    };
    told.into_iter().map(flow).collect()
}

fn told_by(case: &CaseFile, target: &Vantage, probe: &ProbeRecord) -> Option<Told> {
    let service = match case.question {
        Question::Reach { service, .. } => Some(service),
        Question::Health => None,
    };
    let destination = service.map(Purpose::Destination);
    let asked = |addr| is_asked(&case.question, target, addr);
    let (dst, purpose, outcome, at) = match probe {
        ProbeRecord::Tcp(report) if service.is_some() && asked(report.to) => {
            (report.to, destination?, of_tcp(report, service?)?, started(report))
        }
        ProbeRecord::Udp(report) => {
            (report.to.ip(), destination?, of_udp(&report.outcome), report.sent.first().copied())
        }
        ProbeRecord::Ping(report) if service == Some(Service::Host) && asked(report.to) => {
            (report.to, destination?, of_ping(report), report.echoes.first().map(|e| e.sent_at))
        }
        ProbeRecord::Tcp(report) if service.is_none() && report.to.is_loopback() => {
            let alive = of_tcp(report, Service::Host).unwrap_or(Outcome::Silent);
            (report.to, Purpose::Loopback, alive, started(report))
        }
        ProbeRecord::Tcp(report) if service.is_none() && is_gateway(target, report.to) => {
            (report.to, Purpose::Gateway, of_knock(target, report)?, started(report))
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

/// Tells whether the question is about this address: a nameserver that shows a sign of life says
/// nothing about the host whose name it should know.
pub(super) fn is_asked(question: &Question, target: &Vantage, addr: IpAddr) -> bool {
    let Question::Reach { host, .. } = question else { return false };
    match host {
        Host::Addr(asked, _) => *asked == addr,
        Host::Name(_) => target.probes().any(|probe| {
            matches!(probe, ProbeRecord::Resolve(resolution) if resolution.addresses.contains(&addr))
        }),
    }
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

/// Adds the hops of packets that are translated, from there on to where they are led.
fn lead_on<'a>(case: &'a CaseFile, flow: &mut Flow<'a>) {
    let Some(end) = led_to(case, flow).filter(|_| flow.outcome.failed()) else { return };
    let others = case.vantages.iter().skip(1).filter(|v| v.route(end).is_some());
    flow.hops.extend(others.map(|vantage| Hop::new(vantage, end, flow.at)));
}

/// The way back with the sources that namespaces on the way gave the packets: beyond those, only the way
/// to these matters.
fn answer_masks<'a>(case: &'a CaseFile, flow: &mut Flow<'a>) {
    let walls = case.vantages.iter().filter_map(walls_of);
    let entries = walls.flat_map(|walls| entries(walls, flow));
    let masks: Vec<IpAddr> =
        entries.filter(|e| e.reply.dst != e.original.src).map(|e| e.reply.dst).collect();
    if masks.is_empty() || !flow.outcome.failed() {
        return;
    }
    let source = flow.hops.first().and_then(Hop::route).and_then(|route| route.prefsrc);
    let ends = || masks.iter().copied().rev().chain(source);
    let back = case.vantages.iter().skip(1).rev().filter_map(|vantage| {
        let knows = |end: &IpAddr| !vantage.owns(*end) && vantage.route(*end).is_some();
        Some(Hop::new(vantage, ends().find(knows)?, flow.at))
    });
    flow.back = back.collect();
}

/// Where a flow's packets are led: as the connection table has it, or by the only target of rules.
fn led_to(case: &CaseFile, flow: &Flow<'_>) -> Option<IpAddr> {
    let walls = || case.vantages.iter().filter_map(walls_of);
    let given = walls().flat_map(|walls| entries(walls, flow)).map(|entry| entry.reply.src);
    if let Some(end) = given.into_iter().find(|end| *end != flow.dst) {
        return Some(end);
    }
    let rules = walls().flat_map(|walls| met(walls, flow)).filter(|rule| !rule.redirects());
    let mut ends: Vec<IpAddr> = rules.flat_map(|rule| &rule.to).map(|to| to.addr).collect();
    ends.sort_unstable();
    ends.dedup();
    match ends.as_slice() {
        [only] if *only != flow.dst => Some(*only),
        _ => None,
    }
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
    let mut others: Vec<_> = others.collect();
    // Routers of the way back alone were met after the destination.
    others.sort_by_key(|vantage| vantage.role != VantageRole::Destination);
    others.into_iter().map(|vantage| Hop::new(vantage, source, at)).collect()
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
    // An entry that the kernel may renew is right again once the gateway has answered.
    let heard = answers_arp(target, addr) && !knocked_in_vain(target, addr);
    match pinged || (heard && !target.pins_wrongly(addr)) {
        true => Outcome::Works,
        false => Outcome::Silent,
    }
}

fn answers_arp(target: &Vantage, addr: IpAddr) -> bool {
    target.probes().any(|probe| match probe {
        ProbeRecord::Neigh(report) => report.to == addr && !report.answers.is_empty(),
        _ => false,
    })
}

/// Tells whether connects to a gateway were neither taken nor refused.
fn knocked_in_vain(target: &Vantage, addr: IpAddr) -> bool {
    let mut knocks = target.probes().filter_map(|probe| match probe {
        ProbeRecord::Tcp(report) if report.to == addr => of_tcp(report, Service::Tcp(0)),
        _ => None,
    });
    knocks.next_back() == Some(Outcome::Silent)
}

/// A connect to a gateway that could not be asked otherwise: what it says, or what its kernel's ARP
/// said meanwhile. `None` if an entry of before may yet be right.
fn of_knock(target: &Vantage, report: &TcpReport) -> Option<Outcome> {
    let outcome = of_tcp(report, Service::Tcp(0))?;
    let entries = || {
        let last = target.rounds.last();
        let tables = last.into_iter().flat_map(|r| [r.after.as_ref(), Some(&r.before)]).flatten();
        tables.filter_map(|snapshot| snapshot.neighbours.as_ref()).flat_map(|dump| &dump.items)
    };
    match outcome {
        Outcome::Refused { .. } => Some(Outcome::Works),
        // One that stands in for others passed the packet on.
        Outcome::Unreachable(icmp) if !icmp.from.is_some_and(|from| target.owns(from)) => {
            Some(Outcome::Works)
        }
        Outcome::Local(_) => None,
        Outcome::Silent => match entries().find(|entry| entry.dst == report.to) {
            Some(_) if answers_arp(target, report.to) => Some(Outcome::Silent),
            Some(entry) if entry.state == NeighState::Reachable => Some(Outcome::Works),
            Some(entry) if entry.lladdr.is_some() => None,
            _ => Some(Outcome::Silent),
        },
        outcome => Some(outcome),
    }
}

/// Destinations that were looked up and never sent to: probing was not allowed or not possible.
pub(super) fn unasked<'a>(
    case: &'a CaseFile,
    target: &'a Vantage,
    known: &[Flow<'a>],
) -> Vec<Flow<'a>> {
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
        faltered: false,
        doubtful: false,
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

/// Whether the namespace could send anything: some link is up, has a carrier and an address. Asked
/// where there is no destination, for none was given or its name leads nowhere.
pub(super) fn anywhere<'a>(
    case: &'a CaseFile,
    target: &'a Vantage,
    known: &[Flow<'a>],
) -> Vec<Flow<'a>> {
    let tables_known = target.state().is_some_and(|s| s.links.is_some() && s.addrs.is_some());
    let health = case.question == Question::Health;
    let aimed = |flow: &Flow<'_>| match flow.purpose {
        Purpose::Destination(_) => true,
        // That of a host itself is the same whether anything can leave or not.
        Purpose::Nameserver => !flow.dst.is_loopback(),
        _ => false,
    };
    if (!health && known.iter().any(aimed)) || !tables_known {
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
    if !health && outcome == Outcome::Works {
        return Vec::new();
    }
    vec![Flow {
        dst,
        purpose,
        outcome,
        mended: false,
        faltered: false,
        doubtful: false,
        at,
        hops,
        back: Vec::new(),
    }]
}
