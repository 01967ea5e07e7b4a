use super::text::{Draft, evidence, look_up, moved, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Two or more routers send packets for the destination to each other until their time to live ends.

How it shows: connections time out or fail with EHOSTUNREACH; ICMP time-exceeded comes back, and
traceroute shows the same routers in turn.
How it is proved: the kernels' own answers lead from router to router and back to one already passed, and
time-exceeded came back during the probes.
What to do: correct the route of the router that sends the packets back.";

static META: RuleMeta = RuleMeta { cause: Cause::RouteLoop, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteLoop;

impl Rule for RouteLoop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen) = (Vec::new(), false);
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            seen |= flow.hops.len() > 1;
            for way in [&flow.hops, &flow.back] {
                let base = if std::ptr::eq(way, &flow.hops) { 0 } else { flow.hops.len() };
                let turn = turning(scene, way);
                hits.extend(
                    turn.map(|(at, to)| finding(flow, &way[at], &way[to]).hit(n, base + at)),
                );
            }
        }
        Answer::from_hits(hits, || match seen {
            true => Answer::RuledOut("no router on the way sends packets back".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// Follows the look-ups from hop to hop; tells which one leads back to which earlier one.
fn turning(scene: &Scene<'_>, way: &[Hop<'_>]) -> Option<(usize, usize)> {
    let mut passed = vec![0];
    let mut at = 0;
    loop {
        let hop = way.get(at)?;
        let next = scene.wire(hop)?.way.last().filter(|step| step.netns != hop.vantage.netns)?;
        let to = way.iter().position(|other| other.vantage.netns == next.netns)?;
        if passed.contains(&to) {
            return Some((at, to));
        }
        passed.push(to);
        at = to;
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, earlier: &Hop<'_>) -> Draft {
    let (place, back) = (&hop.vantage.name, &earlier.vantage.name);
    let summary =
        format!("{place} sends packets for {} back to {back}, which sent them there", hop.towards);
    let kind = SubjectKind::Route { destination: hop.towards, route: None };
    let group = match hop.family() {
        Family::V4 => "Icmp",
        Family::V6 => "Icmp6",
    };
    let target = flow.hops.first();
    let mut draft = Draft::new(META.cause, hop, kind, summary)
        .all(target.map(|target| symptom(flow, target)))
        .evidence(look_up(earlier))
        .evidence(look_up(hop));
    let told = match flow.outcome {
        Outcome::Unreachable(icmp) => target.map(|t| evidence(t, flow.at, "ICMP", icmp.text())),
        _ => target.and_then(|target| moved(target, group, "InTimeExcds")),
    };
    if told.is_none() {
        draft = draft.confidence(Confidence::Likely);
    }
    draft.all(told).prose(format!("correct the route to {} in {place}", hop.towards))
}
