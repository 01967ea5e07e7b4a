use super::route_none::{fails_to_answer, not_forwarded_counter};
use super::text::{Draft, look_up, moved, no_route_counter, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::VantageRole;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Packets arrive, but a node or the destination has no route back to the container's address: the answers
end there.

How it shows: connections time out though every packet reaches the other side.
How it is proved: the kernel's answer for the container's address there is `no route`, and its counter
of packets without a route moves with the probes, or it counts requests and no answers. It is likely
where the node that the container is attached to knows no way but its default route, by another link.
What to do: add the route back on the node named, or translate the container's address.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteReturnMissing, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteReturnMissing;

impl Rule for RouteReturnMissing {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut routed) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.back.iter().enumerate() {
                let missing = hop.has_no_route() && hop.has_address(hop.family());
                let position = flow.hops.len() + position;
                if missing && fails_to_answer(hop) {
                    hits.push(finding(flow, hop).hit(n, position));
                } else if scene.leads_astray(flow, hop) {
                    let draft = finding(flow, hop).confidence(Confidence::Likely);
                    hits.push(draft.hit(n, position));
                }
                routed = routed.or(hop.route().map(|_| hop.towards));
            }
        }
        Answer::from_hits(hits, || match routed {
            Some(source) => Answer::RuledOut(format!("those on the way have a route to {source}")),
            None => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Draft {
    let (place, source) = (&hop.vantage.name, hop.towards);
    let summary = format!("{place}: no route leads back to {source}");
    let kind = SubjectKind::Route { destination: source, route: None };
    let (group, name) = match hop.vantage.role {
        VantageRole::Router => not_forwarded_counter(hop.family()),
        _ => no_route_counter(hop.family()),
    };
    Draft::new(META.cause, hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(look_up(hop))
        .all(moved(hop, group, name))
        .prose(format!(
            "add the route back: ip route add {source}/{} via GATEWAY",
            hop.family().bits()
        ))
}
