use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
Both bridge ports on the way are isolated, and a bridge passes nothing between isolated ports.

How it shows: containers of one network do not reach each other, while the gateway and everything
beyond it works.
How it is proved: the ports of both ends have `isolated on`, and the peer was asked live and stayed
silent. Isolated ports between which nothing was asked are not accused: isolation is often meant.
What to do: take the isolation off one of the two ports, or talk through the gateway.";

static META: RuleMeta =
    RuleMeta { cause: Cause::BridgePortIsolated, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgePortIsolated;

impl Rule for BridgePortIsolated {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "no two isolated ports are on the way", finding)
    }
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let crossings = stretch.wire.crossings();
    let isolated = crossings.iter().find_map(|crossing| {
        let (before, after) = (crossing.before?, crossing.after?);
        let both = before.is_isolated() && after.is_isolated();
        both.then_some((crossing.bridge, before, after))
    });
    let (bridge, before, after) = isolated?;
    let [bridge_name, here, there] = [bridge, before, after].map(|step| shown(&step.link.name));
    let summary = format!(
        "{}: bridge {bridge_name} passes nothing between {here} and {there}: both are isolated",
        bridge.place
    );
    let asked = format!("ports {here} and {there} of {bridge_name}");
    let draft = stretch.accuse(META.cause, before, summary);
    let draft = draft.evidence(stretch.fact(before, asked, "both isolated"));
    Some(draft.command(format!("bridge link set dev {here} isolated off"), Risk::Disruptive))
}
