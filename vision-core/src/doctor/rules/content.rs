//! Rules that drop packets for what is in them: connects pass, and what is said then does not.

use super::filtered::{named, packets, subject};
use super::text::{Draft, evidence, symptom};
use super::{Cause, Hit};
use crate::doctor::case::Vantage;
use crate::doctor::greeting::was_answered;
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{hop_of, walls_of};
use crate::doctor::walls::MetRule;
use crate::doctor::{Confidence, Severity};

/// Finds what dropped the words of a connection that stands, and that was not answered.
pub(super) fn dropped(scene: &Scene<'_>, cause: Cause) -> Vec<Hit> {
    let flows = scene.flows.iter().enumerate();
    let silent = flows.filter(|(_, flow)| flow.outcome == Outcome::Works && is_silent(scene, flow));
    silent
        .filter_map(|(n, flow)| {
            let mut all = scene.case.vantages.iter().enumerate();
            let (at, vantage, rule) = all.find_map(|(at, vantage)| {
                let mut rules = walls_of(vantage)?.met.iter();
                Some((at, vantage, rules.find(|rule| swallowed(rule, flow))?))
            })?;
            let mut hit = finding(cause, flow, vantage, rule).hit(n, at);
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
fn swallowed(rule: &MetRule, flow: &Flow<'_>) -> bool {
    let inside = ["string", "u32", "bpf", "length", "more of the packet"];
    let looks = rule.depends_on.iter().any(|it| inside.contains(&it.as_str()));
    let moved = rule.moved().is_some_and(|moved| moved > 0);
    rule.stops() && rule.dst == flow.dst && rule.protocol == 6 && looks && moved
}

fn finding(cause: Cause, flow: &Flow<'_>, vantage: &Vantage, rule: &MetRule) -> Draft {
    let hop = hop_of(flow, vantage);
    let place = &vantage.name;
    let summary = format!(
        "{place}: a rule in chain {} ({} {}) drops {} for what is in them",
        rule.chain,
        rule.family,
        rule.table,
        packets(rule)
    );
    let [before, after] = rule.packets.unwrap_or_default();
    let counted = format!("{before} -> {after}");
    Draft::new(cause, &hop, subject(rule), summary)
        .confidence(Confidence::Likely)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(&hop, flow.at, named(rule), rule.text.clone()))
        .evidence(evidence(&hop, flow.at, "its counter, before and after", counted))
        .prose("let what is asked for pass before the rule, or take the rule out")
}
