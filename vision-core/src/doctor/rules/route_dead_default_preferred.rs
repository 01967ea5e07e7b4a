use super::text::{Draft, evidence, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::fib::longest_match;
use crate::doctor::scene::{Flow, Hop, Purpose, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::{Route, RouteKind, RouteTable, Sections};

const DOCS: &str = "\
There are several default routes, and the preferred one, with the lowest metric, leads to a gateway
that does not answer, while the next one would.

How it shows: everything beyond the own links is dead although a good default route exists.
How it is proved: the preferred gateway, asked live, stays silent; another default route's gateway
answers on its link.
Why it happens: a VPN, a second network or DHCP added a default route that does not work.
What to do: delete the dead default route, or raise its metric.";

static META: RuleMeta = RuleMeta {
    cause: Cause::RouteDeadDefaultPreferred,
    needs: Sections::ROUTES.union(Sections::NEIGHBOURS),
    docs: DOCS,
};

pub(super) struct RouteDeadDefaultPreferred;

impl Rule for RouteDeadDefaultPreferred {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().chain(&flow.back).enumerate() {
                hits.extend(finding(flow, hop).map(|draft| draft.hit(n, position)));
            }
        }
        Answer::from_hits(hits, || match defaults(scene) {
            0 | 1 => Answer::RuledOut("there are no two default routes of a family".to_owned()),
            _ => Answer::RuledOut("the preferred gateway answers, or no other does".to_owned()),
        })
    }
}

fn defaults(scene: &Scene<'_>) -> usize {
    let count = |place: &Vantage| {
        let routes = place.state().and_then(|s| s.routes.as_ref());
        routes.map_or(0, |dump| dump.items.iter().filter(|r| r.is_default()).count())
    };
    scene.case.vantages.iter().map(count).max().unwrap_or(0)
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let link = hop.egress()?;
    let routes = &hop.vantage.state()?.routes.as_ref()?.items;
    // A gateway that is asked for itself stands for everything behind it.
    let (dead, beyond) = match flow.purpose {
        Purpose::Gateway => (flow.dst, hop.family().unspecified()),
        _ => (hop.route()?.gateway?, hop.towards),
    };
    let preferred = longest_match(routes, RouteTable::Main, beyond)?;
    let silent = hop.solicited().is_some_and(|r| r.answers.is_empty() && r.requests.len() >= 2)
        || !link.has_carrier();
    if !preferred.is_default() || preferred.gateway != Some(dead) || !silent {
        return None;
    }
    let other = routes.iter().find(|route| {
        route.is_default()
            && route.table == RouteTable::Main
            && route.family == hop.family()
            && route.kind == RouteKind::Unicast
            && route.metric.unwrap_or(0) > preferred.metric.unwrap_or(0)
            && answers(hop, route)
    })?;
    let alive = other.gateway?;
    let summary = format!(
        "{}: the preferred default route leads to {dead}, which does not answer; {alive} would",
        hop.vantage.name
    );
    let name = shown(&link.name);
    let text = format!("default via {dead} dev {name} metric {}", preferred.metric.unwrap_or(0));
    let kind = SubjectKind::Route { destination: hop.towards, route: Some(text.clone()) };
    let mut draft = Draft::new(META.cause, hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)));
    if let Some(report) = hop.solicited() {
        let seen = format!("{} requests, none answered", report.requests.len());
        draft = draft.evidence(evidence(hop, hop.at, format!("gateway {dead}"), seen));
    }
    let v6 = if dead.is_ipv6() { "-6 " } else { "" };
    Some(
        draft
            .evidence(evidence(hop, hop.at, format!("gateway {alive}"), "answers on its link"))
            .command(format!("ip {v6}route del {text}"), crate::doctor::Risk::Disruptive),
    )
}

fn answers(hop: &Hop<'_>, route: &Route) -> bool {
    route.gateway.is_some_and(|gateway| hop.vantage.heard_from(gateway))
}
