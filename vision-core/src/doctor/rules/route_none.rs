use super::text::{Draft, look_up, moved, no_route_counter, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::case::VantageRole;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
No route leads to the destination: the namespace has links and addresses, but neither a route for
this prefix nor a default route.

How it shows: here, connections fail at once with ENETUNREACH and OutNoRoutes moves; on a router
further on, an ICMP network-unreachable comes back from it.
How it is told from its neighbours: the links are up and have addresses of the family; a route
that refuses on purpose gives another error number.
What to do: add the route: `ip route add PREFIX via GATEWAY`, or `ip route add default via GATEWAY`.";

static META: RuleMeta = RuleMeta { cause: Cause::RouteNone, needs: Sections::ADDRS, docs: DOCS };

pub(super) struct RouteNone;

impl Rule for RouteNone {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().enumerate() {
                if hop.has_no_route() && hop.has_address(hop.family()) {
                    hits.push(finding(flow, hop).hit(n, position));
                }
            }
            hits.extend(told_by_a_router(flow).map(|draft| draft.hit(n, flow.hops.len())));
        }
        let routed = || scene.flows.iter().filter_map(|f| f.hops.first()?.route().map(|_| f.dst));
        Answer::from_hits(hits, || match routed().next() {
            Some(dst) => Answer::RuledOut(format!("there is a route to {dst}")),
            None => Answer::NotApplicable,
        })
    }
}

/// On the way back the sender's address may have been translated: only a router that counts what
/// it could not forward, or a destination that counts answers it could not send, shows that it
/// matters.
pub(super) fn fails_to_answer(hop: &Hop<'_>) -> bool {
    let moved = |group: &str, name: &str| hop.vantage.moved(group, name).unwrap_or(0);
    if hop.vantage.role == VantageRole::Router {
        let (group, name) = not_forwarded_counter(hop.family());
        return moved(group, name) > 0;
    }
    let (group, name) = no_route_counter(hop.family());
    let (asked, answered) = match hop.family() {
        Family::V4 => (moved("Icmp", "InEchos"), moved("Icmp", "OutEchoReps")),
        Family::V6 => (moved("Icmp6", "InEchos"), moved("Icmp6", "OutEchoReplies")),
    };
    let udp = if hop.towards.is_ipv6() { "Udp6" } else { "Udp" };
    // That nobody listens would be said as well.
    let came = moved(udp, "InDatagrams") + moved(udp, "NoPorts");
    let unsaid = came > moved(udp, "OutDatagrams");
    let silent = moved(group, name) > 0 || asked > answered || unsaid;
    hop.vantage.role == VantageRole::Destination && silent
}

/// What arrived and no route took on (net/ipv4/route.c `ip_error`, net/ipv6/route.c `ip6_pkt_drop`).
pub(super) fn not_forwarded_counter(family: Family) -> (&'static str, &'static str) {
    match family {
        Family::V4 => ("IpExt", "InNoRoutes"),
        Family::V6 => ("Ip6", "InNoRoutes"),
    }
}

/// A router out of sight said that it has no route.
fn told_by_a_router(flow: &Flow<'_>) -> Option<Draft> {
    let Outcome::Unreachable(icmp) = flow.outcome else { return None };
    let no_route = match icmp.family {
        Family::V4 => (3, 0),
        Family::V6 => (1, 0),
    };
    let target = flow.hops.first()?;
    let router = icmp.from.filter(|from| !target.vantage.owns(*from))?;
    let seen = flow.hops.iter().any(|hop| hop.has_no_route() || hop.vantage.owns(router));
    if seen || (icmp.kind, icmp.code) != no_route {
        return None;
    }
    let summary = format!("the router {router} has no route to {}", flow.dst);
    let kind = SubjectKind::Route { destination: flow.dst, route: None };
    let mut draft = Draft::new(META.cause, target, kind, summary).confidence(Confidence::Likely);
    draft.finding.subject.netns = None;
    draft.finding.subject.place = router.to_string();
    let prose = format!("add the route to {} on {router}", flow.dst);
    Some(draft.evidence(symptom(flow, target)).evidence(look_up(target)).prose(prose))
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Draft {
    let summary = format!("{}: no route leads to {}", hop.vantage.name, hop.towards);
    let kind = SubjectKind::Route { destination: hop.towards, route: None };
    let (group, name) = match hop.vantage.role {
        VantageRole::Router => not_forwarded_counter(hop.family()),
        _ => no_route_counter(hop.family()),
    };
    let counter = moved(hop, group, name);
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    let own_symptom = flow.hops.first().is_some_and(|t| t.vantage.netns == hop.vantage.netns);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    // Here the kernel counts what it refuses; a router's counter may be out of sight.
    if own_symptom && counter.is_none() && hop.vantage.moved(group, name).is_some() {
        draft = draft.confidence(Confidence::Likely);
    }
    draft.evidence(look_up(hop)).all(counter).prose(format!(
        "add the route: ip route add {}/{} via GATEWAY, or a default route",
        hop.towards,
        hop.family().bits()
    ))
}
