use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::{Link, Route, RouteKind, Sections};

const DOCS: &str = "\
A local network overlaps a remote one: the longest matching route is that of a local bridge or
link, and the destination is not there.

How it shows: one remote subnet, such as an office network or a database behind a tunnel, is dead from this
machine, everything else works.
Why it happens: container networks are numbered from the same private ranges as the networks they
have to reach.
How it is proved: the deciding route belongs to a link on which nobody answers for the destination, while
a namespace beyond the default gateway, which is on another link, holds its address.
What to do: give the local network another range.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteOverlap, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteOverlap;

impl Rule for RouteOverlap {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen) = (Vec::new(), false);
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().enumerate() {
                seen |= hop.egress().is_some();
                hits.extend(finding(scene, flow, hop).map(|draft| draft.hit(n, position)));
            }
        }
        Answer::from_hits(hits, || match seen {
            true => {
                Answer::RuledOut("the link of the route is the one of the destination".to_owned())
            }
            false => Answer::NotApplicable,
        })
    }
}

/// The next wider route by a gateway, and its link, if that is another one.
fn other_way<'a>(hop: &Hop<'a>, link: &Link) -> Option<(&'a Route, &'a Link)> {
    let routes = &hop.vantage.state()?.routes.as_ref()?.items;
    let wider = routes.iter().filter(|route| {
        route.kind == RouteKind::Unicast
            && route.gateway.is_some()
            && route.dst.contains(hop.towards)
    });
    let route = wider.max_by_key(|route| route.dst.bits())?;
    let other = hop.vantage.link(route.oif_ifindex?)?;
    (other.ifindex != link.ifindex).then_some((route, other))
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let link = hop.egress()?;
    let silent =
        !link.has_carrier() || hop.solicited().is_some_and(|report| report.answers.is_empty());
    if hop.via_gateway() || !silent {
        return None;
    }
    let search = scene.case.search.as_ref()?;
    let owner = search.elsewhere.iter().find(|found| found.addr.addr() == hop.towards)?;
    let (wider, other) = other_way(hop, link)?;
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let summary = format!(
        "{place}: {} is taken for a neighbour on {name}, whose network overlaps the one it is in",
        hop.towards
    );
    let kind = SubjectKind::Route { destination: hop.towards, route: Some(format!("dev {name}")) };
    let mut seen =
        evidence(hop, hop.at, format!("owner of {}", hop.towards), owner.addr.to_string());
    seen.place.clone_from(&owner.place);
    let asked = match wider.is_default() {
        true => format!("default route of {place}"),
        false => format!("route {} of {place}", wider.dst),
    };
    Some(
        Draft::new(META.cause, hop, kind, summary)
            .all(flow.hops.first().map(|target| symptom(flow, target)))
            .evidence(look_up(hop))
            .evidence(evidence(hop, hop.at, asked, format!("dev {}", shown(&other.name))))
            .evidence(seen)
            .prose(format!("give the network of {name} another range")),
    )
}
