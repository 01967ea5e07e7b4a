use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::{RouteKind, Sections};

const DOCS: &str = "\
The prefix of an interface is wider than the network it is on, so hosts elsewhere are taken for
neighbours: they are asked for on the link instead of being reached through the gateway.

How it shows: some remote hosts fail with EHOSTUNREACH after three seconds, others work; the route
look-up names no gateway for them.
How it is proved: the destination stays silent on the link, and the namespace that owns it is seen
on another network, whose prefix does not cover this one.
What to do: correct the prefix length of the address.";

static META: RuleMeta = RuleMeta {
    cause: Cause::RoutePrefixTooWide,
    needs: Sections::ADDRS.union(Sections::ROUTES),
    docs: DOCS,
};

pub(super) struct RoutePrefixTooWide;

impl Rule for RoutePrefixTooWide {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().enumerate() {
                if let Some(draft) = finding(scene, flow, hop) {
                    hits.push(draft.hit(n, position));
                }
            }
        }
        Answer::from_hits(hits, || Answer::NotApplicable)
    }
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let link = hop.egress()?;
    let silent = hop.solicited().is_some_and(|report| report.answers.is_empty());
    if hop.via_gateway() || !silent {
        return None;
    }
    let own = hop
        .vantage
        .addrs()
        .iter()
        .find(|addr| addr.ifindex == link.ifindex && addr.prefix().contains(hop.towards))?;
    let search = scene.case.search.as_ref()?;
    let owner = search.elsewhere.iter().find(|found| found.addr.addr() == hop.towards)?;
    // On one network both ends have each other inside their prefix.
    if owner.addr.contains(own.local) {
        return None;
    }
    let routes = &hop.vantage.state()?.routes.as_ref()?.items;
    let gateway = routes
        .iter()
        .filter(|r| r.is_default() && r.family == hop.family() && r.kind == RouteKind::Unicast)
        // Behind another link it is the networks that overlap.
        .filter(|r| r.oif_ifindex.is_none_or(|oif| oif == link.ifindex))
        .find_map(|r| r.gateway)?;
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let prefix = format!("{}/{}", own.local, own.prefix_bits);
    let summary = format!(
        "{place}: {prefix} on {name} is too wide: {} is behind {gateway}, not on the link",
        hop.towards
    );
    let kind = SubjectKind::Address {
        link: Some(link.name.clone()),
        family: hop.family(),
        address: Some(own.local),
    };
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    let mut seen =
        evidence(hop, hop.at, format!("owner of {}", hop.towards), owner.addr.to_string());
    seen.place.clone_from(&owner.place);
    Some(
        draft
            .evidence(look_up(hop))
            .evidence(evidence(hop, hop.at, format!("address of {name}"), prefix))
            .evidence(seen)
            .prose(format!("give {} on {name} the prefix length of its network", own.local)),
    )
}
