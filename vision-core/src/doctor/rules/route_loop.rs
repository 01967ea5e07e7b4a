use super::route_ttl_too_small::{SMALL, own_ttl};
use super::text::{Draft, evidence, look_up, moved, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::stop::{entries, met, walls_of};
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
                let turn = turn.filter(|_| !is_translated(scene, flow));
                let turn = turn.filter(|(at, to)| goes_round(flow, &way[*at], &way[*to]));
                hits.extend(
                    turn.map(|(at, to)| finding(flow, &way[at], &way[to]).hit(n, base + at)),
                );
            }
            if let Some(draft) = told_by_a_router(flow) {
                seen = true;
                hits.push(draft.hit(n, flow.hops.len()));
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

/// Tells whether the flow's packets are led to another address, or were answered by somebody: then
/// none of them goes where the look-ups lead.
fn is_translated(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let led = |walls| {
        entries(walls, flow).any(|entry| entry.reply.src != flow.dst)
            || met(walls, flow).any(|rule| !rule.to.is_empty())
    };
    matches!(flow.outcome, Outcome::Refused { icmp: None, .. })
        || scene.case.vantages.iter().filter_map(walls_of).any(led)
}

/// Packets that go round end with a word of one of the routers. Where their counters were read and
/// none moved, the look-ups lead round an address that no packet carries: one that is translated.
fn goes_round(flow: &Flow<'_>, hop: &Hop<'_>, earlier: &Hop<'_>) -> bool {
    let group = icmp_group(hop.family());
    let told = matches!(flow.outcome, Outcome::Unreachable(icmp) if icmp.is_time_exceeded());
    let heard = flow.hops.first().and_then(|target| target.vantage.moved(group, "InTimeExcds"));
    let said = |hop: &Hop<'_>| hop.vantage.moved(group, "OutTimeExcds");
    let moved = [heard, said(hop), said(earlier)];
    told || moved.iter().any(|moved| moved.is_some_and(|by| by > 0)) || moved.contains(&None)
}

/// A router out of sight threw a packet away that had hops enough to reach anyone.
fn told_by_a_router(flow: &Flow<'_>) -> Option<Draft> {
    let Outcome::Unreachable(icmp) = flow.outcome else { return None };
    let target = flow.hops.first()?;
    let router = icmp.from.filter(|_| icmp.is_time_exceeded())?;
    let in_sight = |hop: &Hop<'_>| hop.vantage.owns(router);
    let (key, ttl) = own_ttl(target)?;
    if ttl < SMALL || flow.hops.iter().chain(&flow.back).any(in_sight) {
        return None;
    }
    let summary = format!(
        "packets to {} go round at {router}: {ttl} hops were not enough to get there",
        flow.dst
    );
    let kind = SubjectKind::Route { destination: flow.dst, route: None };
    let mut draft = Draft::new(META.cause, target, kind, summary).confidence(Confidence::Likely);
    draft.finding.subject.netns = None;
    draft.finding.subject.place = router.to_string();
    let prose = format!(
        "see which two routers take turns (vision path {}), and correct the route of the one that \
         sends back",
        flow.dst
    );
    let draft = draft.evidence(symptom(flow, target)).evidence(look_up(target));
    Some(draft.evidence(evidence(target, flow.at, key, ttl.to_string())).prose(prose))
}

fn icmp_group(family: Family) -> &'static str {
    match family {
        Family::V4 => "Icmp",
        Family::V6 => "Icmp6",
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, earlier: &Hop<'_>) -> Draft {
    let (place, back) = (&hop.vantage.name, &earlier.vantage.name);
    let summary =
        format!("{place} sends packets for {} back to {back}, which sent them there", hop.towards);
    let kind = SubjectKind::Route { destination: hop.towards, route: None };
    let group = icmp_group(hop.family());
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
