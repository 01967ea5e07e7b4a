use std::time::Duration;

use super::text::{Draft, evidence, symptom};
use super::tls::BEYOND;
use super::{Answer, Rule, RuleMeta};
use crate::base::Timestamp;
use crate::doctor::greeting::{handshake, lost_nothing, millis, request};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::{Cause, Confidence, Severity, SubjectKind};
use crate::inventory::Sections;
use crate::probe::{ExchangeEnd, TcpOutcome, TlsOutcome};

const DOCS: &str = "\
The network is quick and the service slow.

How it shows: connects take no time, answers do.
How it is proved: the connect took a small part of the time that the first byte of the answer took,
nothing had to be sent again meanwhile and full-size packets pass; a second counts as slow. Where no
answer comes within four seconds it is only likely. Without `http://`, `https://` or `tls:` in the
question nothing is asked that a service would answer.
Why it happens: the service is overloaded, waits for a backend, or looks its clients' names up.
What to do: look at the service, not at the network: its load, its log, what it waits for.";

static META: RuleMeta = RuleMeta { cause: Cause::AppSlow, needs: Sections::NONE, docs: DOCS };

/// From the request to the first byte back.
const SLOW: Duration = Duration::from_secs(1);

pub(super) struct AppSlow;

/// How long a service took for its first byte; none if it did not come.
struct Wait {
    at: Timestamp,
    port: u16,
    asked: &'static str,
    connect: Duration,
    first_byte: Option<Duration>,
}

impl Rule for AppSlow {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut any) = (Vec::new(), false);
        for (n, flow) in scene.flows.iter().enumerate() {
            let works = flow.outcome == Outcome::Works;
            let Some(wait) = wait_of(scene, flow).filter(|_| works) else { continue };
            any = true;
            if wait.first_byte.is_none_or(|first| first >= SLOW && first > wait.connect * 5) {
                let mut hit = finding(scene, flow, &wait).hit(n, BEYOND);
                // What comes late, comes.
                if wait.first_byte.is_some() {
                    hit.finding.severity = Severity::Warning;
                }
                hits.push(hit);
            }
        }
        Answer::from_hits(hits, || match any {
            true => Answer::RuledOut("the first byte came within a second".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn wait_of(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Wait> {
    if let Some(report) = handshake(scene, flow) {
        let TcpOutcome::Open { rtt, .. } = report.connection else { return None };
        // One that did not come to an end is another matter.
        let completed = report.outcome == TlsOutcome::Completed;
        return report.first_byte.filter(|_| completed).map(|first| Wait {
            at: report.at,
            port: report.to.port(),
            asked: "TLS ClientHello",
            connect: rtt,
            first_byte: Some(first),
        });
    }
    let (report, connect, exchange) = request(scene, flow)?;
    let attempt = report.attempts.first()?;
    let over = exchange.first_byte.is_some() || exchange.end == ExchangeEnd::TimedOut;
    over.then_some(Wait {
        at: attempt.started_at.unwrap_or(flow.at),
        port: attempt.port,
        asked: "GET / of HTTP/1.1",
        connect,
        first_byte: exchange.first_byte,
    })
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, wait: &Wait) -> Draft {
    let (here, dst, port) = (&flow.hops[0], flow.dst, wait.port);
    let (place, connect) = (&scene.target.name, millis(wait.connect));
    let summary = match wait.first_byte {
        Some(first) => format!(
            "{place}: the service at {dst} port {port} takes connections in {connect} and {} to answer",
            millis(first)
        ),
        None => format!(
            "{place}: the service at {dst} port {port} takes connections in {connect} and does not answer a request"
        ),
    };
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: dst, port };
    let first = wait.first_byte.map_or_else(
        || "no answer".to_owned(),
        |first| format!("first byte after {}", millis(first)),
    );
    // Whether what does not come would come, nobody knows.
    let confidence = match wait.first_byte.is_some() && lost_nothing(scene, flow) {
        true => Confidence::Proved,
        false => Confidence::Likely,
    };
    let mut draft = Draft::new(META.cause, here, kind, summary).confidence(confidence);
    draft = draft.evidence(symptom(flow, here));
    draft = draft.evidence(evidence(here, wait.at, wait.asked, first));
    if let Some(again) = scene.target.moved("Tcp", "RetransSegs") {
        let seen = if again == 0 { "did not move".to_owned() } else { format!("moved by {again}") };
        draft = draft.evidence(evidence(here, wait.at, "counter Tcp RetransSegs", seen));
    }
    draft.prose(format!("look at the service on port {port}: its load, its log, what it waits for"))
}
