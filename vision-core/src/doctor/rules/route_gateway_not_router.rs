use super::route_forwarding_off::off;
use super::text::Draft;
use super::way::Entry;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::VantageRole;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
The gateway is an ordinary machine: it answers on the link, but does not forward and has no other
way on.

How it shows: the gateway resolves and answers ping, everything beyond it times out.
Why it happens: the default route names a neighbour instead of the router, often a typing error in the last
number of the address.
How it is proved: the namespace that owns the gateway's address has forwarding off and no way to
the destination but by the link the packets came from, and its InAddrErrors moves with the probes.
What to do: correct the gateway of the route.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteGatewayNotRouter, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteGatewayNotRouter;

impl Rule for RouteGatewayNotRouter {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        // A router whose answers go astray lacks the route back; a server has been told the wrong gateway.
        let own =
            |entry: &Entry<'_>| !entry.back || entry.from.vantage.role == VantageRole::Destination;
        off(scene, META.cause, |entry| entry.turns_back() && own(entry), finding)
    }
}

fn finding(flow: &Flow<'_>, entry: &Entry<'_>, _: &str) -> Draft {
    let place = &entry.hop.vantage.name;
    let sender = entry.from;
    let gateway = sender.next_hop().map_or_else(|| place.clone(), |gateway| gateway.to_string());
    let summary = format!(
        "{}: the gateway {gateway} is {place}, which does not forward and has no way on to {}",
        sender.vantage.name, entry.hop.towards
    );
    let towards = if entry.back { entry.hop.towards } else { flow.dst };
    let kind = SubjectKind::Route { destination: towards, route: None };
    Draft::new(META.cause, sender, kind, summary)
        .prose(format!("correct the gateway of the route to {towards}: {gateway} is no router"))
}
