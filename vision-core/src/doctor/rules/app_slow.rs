use std::time::Duration;

use super::text::{Draft, evidence, symptom};
use super::tls::BEYOND;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::{Wait, lost_nothing, millis, wait_of};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::{Cause, Confidence, Severity, SubjectKind};
use crate::inventory::Sections;

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
    // Whether what does not come would come, nobody knows.
    let confidence = match wait.first_byte.is_some() && lost_nothing(scene, flow) {
        true => Confidence::Proved,
        false => Confidence::Likely,
    };
    let mut draft = Draft::new(META.cause, here, kind, summary).confidence(confidence);
    draft = draft.evidence(symptom(flow, here));
    draft = draft.evidence(evidence(here, wait.at, wait.asked, wait.text()));
    if let Some(again) = scene.target.moved("Tcp", "RetransSegs") {
        let seen = if again == 0 { "did not move".to_owned() } else { format!("moved by {again}") };
        draft = draft.evidence(evidence(here, wait.at, "counter Tcp RetransSegs", seen));
    }
    draft.prose(format!("look at the service on port {port}: its load, its log, what it waits for"))
}
