//! What routers and filters out of sight said themselves.

use std::net::IpAddr;
use std::time::Duration;

use super::text::{Draft, evidence, look_up, symptom};
use crate::base::Family;
use crate::doctor::case::ProbeRecord;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::probe::{EchoOutcome, IcmpError, TcpOutcome};

/// An unreachable route is known at once; that a host does not answer for its address takes three
/// seconds (net.ipv4.neigh.*.mcast_solicit, retrans_time).
const AT_ONCE: Duration = Duration::from_millis(500);

/// An ICMP error about a flow from an address that no namespace in sight has.
pub(super) fn from_afar(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<(IcmpError, IpAddr)> {
    let icmp = match flow.outcome {
        Outcome::Unreachable(icmp) | Outcome::Refused { icmp: Some(icmp), .. } => icmp,
        _ => return None,
    };
    let from = icmp.from?;
    let in_sight = scene.case.vantages.iter().any(|vantage| vantage.owns(from));
    (!in_sight).then_some((icmp, from))
}

/// Somebody out of sight forbids the packets: by ICMP, or by a reset in the destination's name.
pub(super) fn refused(scene: &Scene<'_>, flow: &Flow<'_>, cause: Cause) -> Option<Draft> {
    if let Some(reset) = forged(scene, flow) {
        return forged_draft(flow, cause, reset);
    }
    let (icmp, from) = from_afar(scene, flow)?;
    let forbidden = match icmp.family {
        Family::V4 => icmp.kind == 3 && matches!(icmp.code, 9 | 10 | 13),
        Family::V6 => icmp.kind == 1 && icmp.code == 1,
    };
    // A host without a listener answers a SYN with a reset, never with ICMP.
    let tcp = matches!(flow.purpose, Purpose::Destination(s) if s.tcp_port().is_some());
    let by_port = icmp.is_port_unreachable() && (tcp || from != flow.dst);
    if !forbidden && !by_port {
        return None;
    }
    let summary = match from == flow.dst {
        true => format!("a filter on {from} itself refuses the packets"),
        false => format!("{from}, on the way to {}, refuses the packets", flow.dst),
    };
    let prose = match by_port {
        true => format!("ask whoever runs {from} to let the flow pass its filter"),
        false => format!(
            "ask whoever runs {from} to let the flow pass: it has a filter rule or a route of type \
             prohibit"
        ),
    };
    elsewhere(flow, cause, from, (summary, prose))
}

/// A router out of sight has a route that says no.
pub(super) fn unreachable(scene: &Scene<'_>, flow: &Flow<'_>, cause: Cause) -> Option<Draft> {
    let (icmp, from) = from_afar(scene, flow)?;
    let host = match icmp.family {
        Family::V4 => (icmp.kind, icmp.code) == (3, 1),
        Family::V6 => icmp.kind == 1 && matches!(icmp.code, 3 | 6),
    };
    let quick = took(scene, flow).is_some_and(|took| took < AT_ONCE);
    if !host || !quick || from == flow.dst {
        return None;
    }
    let summary =
        format!("the router {from} says at once that {} cannot be reached from it", flow.dst);
    let prose = format!("see on {from} which route it has: ip route get {}", flow.dst);
    elsewhere(flow, cause, from, (summary, prose))
}

/// A finding about a machine that is not in sight.
fn elsewhere(
    flow: &Flow<'_>,
    cause: Cause,
    from: IpAddr,
    (summary, prose): (String, String),
) -> Option<Draft> {
    let target = flow.hops.first()?;
    let kind = SubjectKind::Route { destination: flow.dst, route: None };
    let mut draft = Draft::new(cause, target, kind, summary).confidence(Confidence::Likely);
    draft.finding.subject.netns = None;
    draft.finding.subject.place = from.to_string();
    Some(draft.evidence(symptom(flow, target)).evidence(look_up(target)).prose(prose))
}

/// How long the error took to come.
fn took(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Duration> {
    scene.target.probes().find_map(|probe| match probe {
        ProbeRecord::Tcp(report) if report.to == flow.dst => {
            report.attempts.iter().find_map(|attempt| match attempt.outcome {
                TcpOutcome::Unreachable { rtt, .. } => Some(rtt),
                _ => None,
            })
        }
        // An echo request is waited for less long than an address is resolved.
        ProbeRecord::Ping(report) if report.to == flow.dst => {
            let mut echoes = report.echoes.iter().map(|echo| &echo.outcome);
            echoes.any(|e| matches!(e, EchoOutcome::Unreachable(_))).then_some(Duration::ZERO)
        }
        _ => None,
    })
}

/// The time to live of a reset, and of the host's own answers.
type Reset = (u8, u8);

/// A reset that comes from nearer than the host's own answers do. One from farther off may come from
/// behind a translated port.
fn forged(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Reset> {
    let Purpose::Destination(service) = flow.purpose else { return None };
    service.tcp_port()?;
    let Outcome::Refused { icmp: None, ttl: Some(reset) } = flow.outcome else { return None };
    let own = scene.target.probes().find_map(|probe| match probe {
        ProbeRecord::Ping(report) if report.to == flow.dst => {
            report.echoes.iter().find_map(|echo| match echo.outcome {
                EchoOutcome::Reply { ttl, .. } => ttl,
                _ => None,
            })
        }
        _ => None,
    })?;
    let (reset, own) = (reset.0, own.0);
    let nearer = reset > own && reset - own < 32;
    let in_sight = scene.owner(flow.dst).is_some();
    (nearer && !in_sight).then_some((reset, own))
}

fn forged_draft(flow: &Flow<'_>, cause: Cause, (reset, own): Reset) -> Option<Draft> {
    let target = flow.hops.first()?;
    let hops = reset - own;
    let plural = if hops == 1 { "hop" } else { "hops" };
    let summary =
        format!("a filter {hops} {plural} before {} refuses the connection in its name", flow.dst);
    let prose = format!("ask whoever runs the network before {} about the port", flow.dst);
    let draft = elsewhere(flow, cause, flow.dst, (summary, prose))?;
    let seen = format!("of TTL {own}, the reset of TTL {reset}");
    Some(draft.evidence(evidence(target, flow.at, format!("echo replies of {}", flow.dst), seen)))
}
