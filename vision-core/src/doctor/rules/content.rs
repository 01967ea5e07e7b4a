//! Rules that drop what is said over a connection: connects pass, and the rest does not.

use super::filtered::{named, packets, subject};
use super::text::{Draft, evidence, symptom};
use super::{Cause, Hit};
use crate::doctor::case::Vantage;
use crate::doctor::greeting::was_answered;
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{hop_of, walls_of};
use crate::doctor::walls::MetRule;
use crate::doctor::{Confidence, Severity};

/// Which packets of a connection a rule drops.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Those with something in them that it looks for.
    Content,
    /// Those that connection tracking cannot place: it saw one way only of the connect.
    Strays,
}

/// Finds what dropped the words of a connection that stands, and that was not answered.
pub(super) fn dropped(scene: &Scene<'_>, cause: Cause, what: Dropped) -> Vec<Hit> {
    let flows = scene.flows.iter().enumerate();
    let silent = flows.filter(|(_, flow)| flow.outcome == Outcome::Works && is_silent(scene, flow));
    silent
        .filter_map(|(n, flow)| {
            let mut all = scene.case.vantages.iter().enumerate();
            let (at, vantage, rule) = all.find_map(|(at, vantage)| {
                let mut rules = walls_of(vantage)?.met.iter();
                Some((at, vantage, rules.find(|rule| swallowed(rule, flow, what))?))
            })?;
            let mut hit = finding((cause, what), flow, vantage, rule).hit(n, at);
            // Connects work; where nothing else is to blame for the silence, it is an error.
            hit.finding.severity = Severity::Warning;
            hit.overrides = true;
            Some(hit)
        })
        .collect()
}

fn is_silent(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let mut answers = scene.target.probes().filter_map(|probe| was_answered(probe, flow.dst));
    answers.next().is_some_and(|first| !first) && answers.all(|answered| !answered)
}

/// Not every packet of the flow meets it, for the connect passed: what it depends on is in some of them.
fn swallowed(rule: &MetRule, flow: &Flow<'_>, what: Dropped) -> bool {
    let inside = ["string", "u32", "bpf", "length", "more of the packet"];
    let looks = match what {
        Dropped::Content => rule.depends_on.iter().any(|it| inside.contains(&it.as_str())),
        Dropped::Strays => rule.stray,
    };
    let moved = rule.moved().is_some_and(|moved| moved > 0);
    rule.stops() && rule.dst == flow.dst && rule.protocol == 6 && looks && moved
}

fn finding(
    (cause, what): (Cause, Dropped),
    flow: &Flow<'_>,
    vantage: &Vantage,
    rule: &MetRule,
) -> Draft {
    let hop = hop_of(flow, vantage);
    let place = &vantage.name;
    let (why, prose) = match what {
        Dropped::Content => (
            "for what is in them",
            "let what is asked for pass before the rule, or take the rule out",
        ),
        Dropped::Strays => (
            "once they are open: they belong to no connection it tracks",
            "let both ways of the connection pass this filter",
        ),
    };
    let (chain, packets) = (&rule.chain, packets(rule));
    let summary = format!(
        "{place}: a rule in chain {chain} ({} {}) drops {packets} {why}",
        rule.family, rule.table,
    );
    let [before, after] = rule.packets.unwrap_or_default();
    let counted = format!("{before} -> {after}");
    Draft::new(cause, &hop, subject(rule), summary)
        .confidence(Confidence::Likely)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(&hop, flow.at, named(rule), rule.text.clone()))
        .evidence(evidence(&hop, flow.at, "its counter, before and after", counted))
        .prose(prose)
}
