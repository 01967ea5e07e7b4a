use std::net::IpAddr;

use super::text::{Draft, evidence, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::fib::{longest_match, ways};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::{RouteTable, Sections};

const DOCS: &str = "\
A multipath route spreads flows over several next hops, and one of them does not answer: a share of
all connections fails.

How it shows: some connections work, others time out; which ones follows from addresses and ports.
How it is proved: each next hop is asked live on its link; one answers, another stays silent.
What to do: take the dead next hop out of the route, or bring it back.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteMultipathDeadHop, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteMultipathDeadHop;

impl Rule for RouteMultipathDeadHop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut paths) = (Vec::new(), 0);
        for (n, flow) in scene.flows.iter().enumerate() {
            for (position, hop) in flow.hops.iter().chain(&flow.back).enumerate() {
                let (dead, alive) = next_hops(hop);
                paths += dead.len() + alive.len();
                if let (Some(dead), false) = (dead.first(), alive.is_empty()) {
                    let mut hit = finding(flow, hop, *dead, &alive).hit(n, position);
                    if !flow.outcome.failed() {
                        hit.finding.severity = Severity::Warning;
                    }
                    hits.push(hit);
                }
            }
        }
        Answer::from_hits(hits, || match paths {
            0 => Answer::NotApplicable,
            _ => Answer::RuledOut("every next hop of the multipath route answers".to_owned()),
        })
    }
}

/// Tells whether a multipath route on the way leads a share of all flows to nobody.
pub(super) fn is_split(flow: &Flow<'_>) -> bool {
    flow.hops.iter().chain(&flow.back).any(|hop| {
        let (dead, alive) = next_hops(hop);
        !dead.is_empty() && !alive.is_empty()
    })
}

type Way = (IpAddr, u32);

/// The next hops of the multipath route that were asked for: silent ones, and those that answered.
fn next_hops(hop: &Hop<'_>) -> (Vec<Way>, Vec<Way>) {
    let routes = hop.vantage.state().and_then(|s| s.routes.as_ref());
    let routes = routes.map_or(&[][..], |dump| &dump.items);
    // Towards a gateway of the route itself, the route is the default one.
    let route = longest_match(routes, RouteTable::Main, hop.towards);
    let several = route.filter(|r| r.nexthops.len() > 1).or_else(|| {
        routes.iter().find(|r| {
            r.nexthops.len() > 1 && r.nexthops.iter().any(|n| n.gateway == Some(hop.towards))
        })
    });
    let all = several.map(ways).unwrap_or_default();
    let ways = all.into_iter().map(|(gateway, ifindex)| (gateway.unwrap_or(hop.towards), ifindex));
    let (alive, rest): (Vec<Way>, Vec<Way>) =
        ways.partition(|(next, _)| hop.vantage.heard_from(*next));
    let asked = |way: &Way| hop.vantage.solicited(way.1, way.0).is_some();
    (rest.into_iter().filter(asked).collect(), alive)
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, (dead, ifindex): Way, alive: &[Way]) -> Draft {
    let link = hop.vantage.link(ifindex).map_or_else(String::new, |link| shown(&link.name));
    let place = &hop.vantage.name;
    let summary =
        format!("{place}: {dead}, one next hop of a multipath route, does not answer on {link}");
    let kind = SubjectKind::Route { destination: hop.towards, route: Some(format!("via {dead}")) };
    let working: Vec<_> = alive.iter().map(|(addr, _)| addr.to_string()).collect();
    Draft::new(META.cause, hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(hop, hop.at, format!("next hop {dead}"), "asked on its link, no answer"))
        .evidence(evidence(
            hop,
            hop.at,
            "other next hops",
            format!("{} answer", working.join(", ")),
        ))
        .prose(format!("take {dead} out of the multipath route, or bring it back"))
}
