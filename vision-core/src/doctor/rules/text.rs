//! The words findings are made of.

use std::net::IpAddr;

use super::Hit;
use crate::base::{Family, LinkAddr, Timestamp, Untrusted};
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose};
use crate::doctor::{
    Cause, Confidence, Evidence, Finding, Fix, Risk, Service, Severity, Subject, SubjectKind,
};
use crate::inventory::{Link, RefusalCause};

/// A finding under construction; the defaults are an error without a fix.
pub(super) struct Draft {
    pub(super) finding: Finding,
}

impl Draft {
    pub(super) fn new(cause: Cause, hop: &Hop<'_>, kind: SubjectKind, summary: String) -> Self {
        let subject =
            Subject { netns: Some(hop.vantage.netns), place: hop.vantage.name.clone(), kind };
        let finding = Finding {
            cause,
            severity: Severity::Error,
            confidence: Confidence::Proved,
            subject,
            summary,
            evidence: Vec::new(),
            fix: None,
        };
        Self { finding }
    }

    pub(super) fn confidence(mut self, confidence: Confidence) -> Self {
        self.finding.confidence = confidence;
        self
    }

    pub(super) fn evidence(mut self, evidence: Evidence) -> Self {
        self.finding.evidence.push(evidence);
        self
    }

    pub(super) fn all(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.finding.evidence.extend(evidence);
        self
    }

    pub(super) fn command(self, command: String, risk: Risk) -> Self {
        self.fix(Some(command), None, risk)
    }

    pub(super) fn prose(self, prose: impl Into<String>) -> Self {
        self.fix(None, Some(prose.into()), Risk::Manual)
    }

    fn fix(mut self, command: Option<String>, prose: Option<String>, risk: Risk) -> Self {
        let place = self.finding.subject.place.clone();
        self.finding.fix = Some(Fix { command, prose, place, risk });
        self
    }

    pub(super) fn hit(self, flow: usize, hop: usize) -> Hit {
        Hit { flow, hop, overrides: false, finding: self.finding }
    }
}

pub(super) fn evidence(
    hop: &Hop<'_>,
    at: Timestamp,
    asked: impl Into<String>,
    seen: impl Into<String>,
) -> Evidence {
    Evidence { asked: asked.into(), place: hop.vantage.name.clone(), seen: seen.into(), at }
}

/// What the probe asked, as a noun phrase.
pub(in crate::doctor) fn question(flow: &Flow<'_>) -> String {
    let dst = flow.dst;
    let with_port = |port: u16| std::net::SocketAddr::new(dst, port).to_string();
    match flow.purpose {
        Purpose::Destination(Service::Host) => format!("echo request to {dst}"),
        Purpose::Destination(Service::Udp(port)) => format!("UDP datagram to {}", with_port(port)),
        Purpose::Destination(service) => {
            let port = service.tcp_port().unwrap_or_default();
            format!("TCP connect to {}", with_port(port))
        }
        Purpose::Nameserver => format!("DNS query to {dst}"),
        Purpose::Gateway => format!("the gateway {dst}"),
        Purpose::Loopback => format!("TCP connect to {dst} on the loopback"),
        Purpose::Anywhere => "any link that is up, has a carrier and an address".to_owned(),
    }
}

/// What the probe got, as a clause.
pub(in crate::doctor) fn outcome(flow: &Flow<'_>) -> String {
    let from = |icmp: crate::probe::IcmpError| match icmp.from {
        Some(from) => format!("{} from {from}", icmp.text()),
        None => icmp.text().to_owned(),
    };
    match flow.outcome {
        Outcome::Works => "answered".to_owned(),
        Outcome::Refused { icmp: None, ttl: None } => "refused".to_owned(),
        Outcome::Refused { icmp: None, ttl: Some(ttl) } => {
            format!("refused by a reset of TTL {ttl}")
        }
        Outcome::Refused { icmp: Some(icmp), .. } | Outcome::Unreachable(icmp) => from(icmp),
        Outcome::Local(_) if flow.purpose == Purpose::Anywhere => "none".to_owned(),
        Outcome::Local(reason) => format!("refused by this kernel: {reason}"),
        Outcome::Silent => "no answer".to_owned(),
        Outcome::Unasked => "not asked".to_owned(),
    }
}

/// The evidence that a live probe showed the symptom.
pub(super) fn symptom(flow: &Flow<'_>, target: &Hop<'_>) -> Evidence {
    evidence(target, flow.at, question(flow), outcome(flow))
}

/// The evidence of a look-up in the kernel's tables.
pub(super) fn look_up(hop: &Hop<'_>) -> Evidence {
    let seen = match (hop.route(), hop.refusal()) {
        (Some(route), _) => {
            let link = hop.egress().map_or_else(|| "?".to_owned(), |link| shown(&link.name));
            match route.gateway {
                Some(gateway) => format!("via {gateway} dev {link}"),
                None => format!("{} dev {link}", route.kind),
            }
        }
        (None, Some((cause, reason))) => format!("{} ({reason})", refused(cause)),
        (None, None) => "not asked".to_owned(),
    };
    evidence(hop, hop.at, format!("route get {}", hop.towards), seen)
}

fn refused(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::NoRoute => "no route",
        RefusalCause::Blackhole => "blackhole",
        RefusalCause::Unreachable => "unreachable route",
        RefusalCause::Prohibit => "prohibited",
        _ => "refused",
    }
}

/// The evidence that a protocol counter moved, if it did.
pub(super) fn moved(hop: &Hop<'_>, group: &str, name: &str) -> Option<Evidence> {
    let by = hop.vantage.moved(group, name).filter(|by| *by > 0)?;
    Some(evidence(hop, hop.at, format!("counter {group} {name}"), format!("moved by {by}")))
}

/// `OutNoRoutes` of the family's group.
pub(super) fn no_route_counter(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("Ip", "OutNoRoutes"),
        Family::V6 => ("Ip6", "OutNoRoutes"),
    }
}

pub(super) fn shown(name: &Untrusted) -> String {
    name.escaped().to_string()
}

pub(super) fn link_subject(link: &Link) -> SubjectKind {
    SubjectKind::Link { ifindex: link.ifindex, name: link.name.clone() }
}

/// How a neighbour is asked for.
pub(super) fn solicitation(addr: IpAddr) -> &'static str {
    match addr {
        IpAddr::V4(_) => "ARP request",
        IpAddr::V6(_) => "neighbour solicitation",
    }
}

pub(super) fn list(addrs: &[LinkAddr]) -> String {
    let shown: Vec<_> = addrs.iter().map(ToString::to_string).collect();
    shown.join(", ")
}

/// Flags and state of a link, as `ip link` shows them.
pub(super) fn link_state(link: &Link) -> String {
    let admin = if link.is_up() { "UP" } else { "DOWN" };
    let carrier = match link.is_up() && !link.has_carrier() {
        true => ", NO-CARRIER",
        false => "",
    };
    match link.operstate {
        Some(state) => format!("{admin}{carrier}, operstate {state}"),
        None => format!("{admin}{carrier}"),
    }
}
