//! What to look at or ask next; a pure function of what is known.

use std::net::IpAddr;
use std::time::Duration;

use super::Cause;
use super::case::{CaseFile, FullSizeRecord, ProbeRecord, Probing};
use super::engine::{is_hanging, judge};
use super::greeting::{Greeting, greeting, wait_of};
use super::report::{Class, Confidence, Severity, Verdict};
use super::rules::stalled;
use super::scene::{Flow, Outcome, Purpose, Scene};
use super::stop::is_lossy;
use super::train::TrainRecord;
use crate::inventory::AddrFlags;

/// Something to look at or to ask, all in one round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Look at the target's tables and put the question to the network.
    Examine,
    /// Wait, then put the question again: an address may become usable meanwhile.
    Again {
        /// How long to wait first.
        after: Duration,
    },
    /// Follow the packets through the namespaces of this machine that they pass.
    Follow {
        /// Where they go.
        dst: IpAddr,
    },
    /// Leave a connection alone for longer than the most forgetful namespace of the way remembers it.
    LeaveAlone {
        /// The destination.
        dst: IpAddr,
    },
    /// Ask a silent nameserver's host for any sign of life.
    SignOfLife {
        /// The nameserver.
        server: IpAddr,
    },
}

/// Rounds of probes at most.
const ROUNDS: usize = 3;

/// Says what to do next; nothing more when the case is clear or three rounds are done.
pub fn plan(case: &CaseFile) -> Vec<Step> {
    let rounds = case.target().map_or(0, |target| target.rounds.len());
    match rounds {
        0 => return vec![Step::Examine],
        n if n >= ROUNDS || case.probing == Probing::Passive => return Vec::new(),
        _ => {}
    }
    let Some(scene) = Scene::of(case) else {
        return Vec::new();
    };
    let diagnosis = judge(case);
    let proved = diagnosis.findings.iter().any(|finding| {
        let certain = finding.confidence == Confidence::Proved && !leads_further(finding.cause);
        // Where packets are lost or wait was seen, whatever comes through.
        let part =
            [Cause::LossPath, Cause::LatencyQueue, Cause::LatencyHop].contains(&finding.cause);
        certain && (finding.severity == Severity::Error || part)
    });
    let held = |flow: &Flow<'_>| has_senders(&scene, flow.dst);
    let torn = |flow: &Flow<'_>| {
        scene.target.full_size(flow.dst).is_some_and(FullSizeRecord::loses_fragments)
    };
    let sways = |flow: &Flow<'_>| scene.target.train(flow.dst).is_some_and(TrainRecord::is_swaying);
    let open = scene.destinations().any(|f| held(f) || torn(f) || sways(f) || is_late(&scene, f))
        || scene.flows.iter().any(|flow| flow.doubtful || is_disputed(&scene, flow))
        || hangs_first(&scene)
        || may_be_forgotten(&scene).next().is_some();
    let well = diagnosis.verdict == Verdict::Healthy && !open;
    if well || proved {
        return Vec::new();
    }
    if is_settling(&scene) {
        return vec![Step::Again { after: Duration::from_millis(1200) }];
    }
    if case.search.is_some() {
        return Vec::new();
    }
    let mut steps = follow_what_works(&scene);
    let kept = may_be_forgotten(&scene).map(|flow| flow.dst);
    steps.extend(kept.flat_map(|dst| [Step::Follow { dst }, Step::LeaveAlone { dst }]));
    for flow in scene.failing() {
        let local = flow.hops.first().is_some_and(|hop| hop.is_local());
        if flow.purpose == Purpose::Nameserver && flow.outcome == Outcome::Silent {
            steps.push(Step::SignOfLife { server: flow.dst });
        }
        let routed = flow.hops.first().is_some_and(|hop| hop.egress().is_some());
        if flow.purpose != Purpose::Anywhere && (routed || local) {
            steps.push(Step::Follow { dst: flow.dst });
        }
    }
    once_each(steps)
}

/// Tells whether an address that programs try first is silent, and one of the other family answers.
fn hangs_first(scene: &Scene<'_>) -> bool {
    let mut working = scene.destinations().filter(|flow| flow.outcome == Outcome::Works);
    working
        .next()
        .is_some_and(|works| scene.destinations().any(|flow| is_hanging(scene, flow, works)))
}

/// Connections that came about, on a machine of which some namespace would soon forget one.
fn may_be_forgotten<'s, 'a>(scene: &'s Scene<'a>) -> impl Iterator<Item = &'s Flow<'a>> {
    let told = !scene.case.forgetful.is_empty() && scene.case.search.is_none();
    scene.destinations().filter(move |flow| {
        let Purpose::Destination(service) = flow.purpose else { return false };
        told && service.tcp_port().is_some() && flow.outcome == Outcome::Works
    })
}

/// What is only in sight further on of flows that work, or work in part.
fn follow_what_works(scene: &Scene<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for flow in scene.destinations().filter(|flow| !flow.outcome.failed()) {
        let record = scene.target.full_size(flow.dst);
        if record.is_some_and(|r| r.is_swallowed() || r.loses_fragments()) {
            steps.push(Step::Follow { dst: flow.dst });
        }
    }
    // Where packets are lost, or wait, is in sight only there.
    for flow in scene.destinations() {
        let sways = scene.target.train(flow.dst).is_some_and(TrainRecord::is_swaying);
        if sways || is_lossy(scene, flow) {
            steps.push(Step::Follow { dst: flow.dst });
        }
    }
    // Whether two machines answer or one by two links is in sight only there.
    for flow in scene.flows.iter().filter(|flow| is_disputed(scene, flow)) {
        steps.push(Step::Follow { dst: flow.dst });
    }
    // What keeps a connection from going on is in sight only there.
    for flow in scene.destinations().filter(|flow| !flow.outcome.failed()) {
        let stuck = stalled(scene.target, flow.dst).next().is_some();
        let speechless = matches!(greeting(scene, flow), Greeting::Bad(_));
        if stuck || speechless || has_senders(scene, flow.dst) || is_late(scene, flow) {
            steps.push(Step::Follow { dst: flow.dst });
        }
    }
    steps
}

/// Tells whether a service was asked something and took a moment to answer.
fn is_late(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    wait_of(scene, flow).is_some_and(|wait| wait.is_late())
}

fn once_each(steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().fold(Vec::new(), |mut kept, step| {
        if !kept.contains(&step) {
            kept.push(step);
        }
        kept
    })
}

/// Tells whether the reason for a cause, or the place of it, may be in sight further on: a filter, a link, a route,
/// the other end.
fn leads_further(cause: Cause) -> bool {
    let silence = [
        Cause::NeighGatewayNoAnswer,
        Cause::DnsServerSilent,
        Cause::DnsPortClosed,
        Cause::DnsReplyWrongSource,
        Cause::SocketNotReading,
        Cause::TlsSilent,
        Cause::AppSlow,
        Cause::LatencySynRetry,
    ];
    silence.contains(&cause) || cause.class() == Class::Mtu
}

/// Tells whether a gateway works and was answered for from more than one link-layer address.
fn is_disputed(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let works = flow.purpose == Purpose::Gateway && flow.outcome == Outcome::Works;
    works
        && scene.target.probes().any(|probe| {
            matches!(probe, ProbeRecord::Neigh(report)
                if report.to == flow.dst && report.holders().len() > 1)
        })
}

/// Tells whether other sockets of the target send datagrams there, or could: they may be stuck on an
/// entry of the past, which a new socket does not meet.
fn has_senders(scene: &Scene<'_>, dst: IpAddr) -> bool {
    let senders = scene.target.traffic().map_or(&[][..], |traffic| &traffic.senders);
    senders.iter().any(|sock| sock.remote.to_canonical() == dst || sock.remote.is_unspecified())
}

/// Tells whether an address is still being checked for duplicates: a matter of a second.
fn is_settling(scene: &Scene<'_>) -> bool {
    let first_round = scene.target.rounds.len() == 1;
    let tentative = scene.target.addrs().iter().any(|addr| {
        addr.flags.contains(AddrFlags::TENTATIVE) && !addr.flags.contains(AddrFlags::DADFAILED)
    });
    let v6 = scene.failing().any(|f| f.dst.is_ipv6() || f.purpose == Purpose::Anywhere);
    first_round && tentative && v6
}
