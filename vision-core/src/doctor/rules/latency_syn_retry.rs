use super::loss_path::LAST;
use super::text::{Draft, evidence, moved};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::millis;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::stop::{retried, stops};
use crate::doctor::train::TrainRecord;
use crate::doctor::{Cause, Confidence, Severity, SubjectKind};
use crate::inventory::Sections;
use crate::probe::{TcpAttempt, TcpOutcome};

const DOCS: &str = "\
The first SYN of a connect was lost and the next one, a second later, came through.

How it shows: some connects take one, three or seven seconds, all others no time.
How it is proved: a connect took a second though the way is quick, and the kernel counted the SYNs that it sent
again (TCPSynRetrans). Where a rule, a queue or the way as a whole loses packets, that is named instead.
Why it happens: something takes only so many connections in a time: a listener with a short queue, a limit of
connections per second, a balancer that learns a connection from its second packet.
What to do: look at the listener's queue (`vision sock -t -l`) and at filters that tell new connections apart.";

static META: RuleMeta =
    RuleMeta { cause: Cause::LatencySynRetry, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct LatencySynRetry;

impl Rule for LatencySynRetry {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut quick) = (Vec::new(), false);
        for (n, flow) in scene.flows.iter().enumerate() {
            let late = retried(scene, flow);
            let lossy = scene.target.train(flow.dst).is_some_and(TrainRecord::is_lossy);
            if let (Some(attempt), false) = (late.first(), lossy || !stops(scene, flow).is_empty())
            {
                hits.push(finding(scene, flow, attempt, late.len()).hit(n, LAST));
            }
            let Purpose::Destination(service) = flow.purpose else { continue };
            quick |=
                service.tcp_port().is_some() && flow.outcome == Outcome::Works && late.is_empty();
        }
        Answer::from_hits(hits, || match quick {
            true => Answer::RuledOut("no connect took a second".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, attempt: &TcpAttempt, late: usize) -> Draft {
    let (hop, dst, port) = (&flow.hops[0], flow.dst, attempt.port);
    let took = match attempt.outcome {
        TcpOutcome::Open { rtt, .. } | TcpOutcome::Refused { rtt, .. } => millis(rtt),
        _ => String::new(),
    };
    let place = &scene.target.name;
    let summary =
        format!("{place}: a connect to {dst} port {port} took {took}: its first SYN was lost");
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: dst, port };
    let counter = moved(hop, "TcpExt", "TCPSynRetrans");
    let confidence = if counter.is_some() { Confidence::Proved } else { Confidence::Likely };
    let at = attempt.started_at.unwrap_or(flow.at);
    let asked = format!("connects to {dst} port {port} that took a second or more");
    let mut draft = Draft::new(META.cause, hop, kind, summary).confidence(confidence);
    draft = draft.evidence(evidence(hop, at, asked, format!("{late}, the first {took}")));
    if let Some([_, median, _]) = scene.target.train(dst).and_then(TrainRecord::times) {
        let asked = format!("paced echo requests to {dst}");
        let seen = format!("answered in {} in the median", millis(median));
        draft = draft.evidence(evidence(hop, flow.at, asked, seen));
    }
    draft.finding.severity = Severity::Warning;
    draft.all(counter).prose(format!(
        "look at the queue of the listener on port {port}, and at what limits new connections on the way"
    ))
}
