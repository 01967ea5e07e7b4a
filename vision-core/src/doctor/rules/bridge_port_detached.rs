use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Hop, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The host's end of the container's interface is in no bridge, so the container's frames end there.

How it shows: everything times out, though the interface is up; the gateway may even look REACHABLE,
because the host answers ARP for its addresses on any interface.
How it is proved: the host's end has no master and no address, whom it should lead to is on a bridge
of the same namespace, and a live ARP request or neighbour solicitation across stayed unanswered.
What to do: ip link set PORT master BRIDGE.";

static META: RuleMeta =
    RuleMeta { cause: Cause::BridgePortDetached, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgePortDetached;

impl Rule for BridgePortDetached {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "the ends of the interfaces on the way are where they belong", finding)
    }
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let wire = stretch.wire;
    let sides = [(&wire.way, &wire.owner), (&wire.owner, &wire.way)];
    let (port, bridge) = sides.into_iter().find_map(|(near, far)| apart(stretch, near, far))?;
    let (name, bridge_name) = (shown(&port.link.name), shown(&bridge.link.name));
    let summary = format!(
        "{}: {name} is in no bridge; {} is on the other side, at {bridge_name}",
        port.place,
        if wire.way.iter().any(|step| std::ptr::eq(step, port)) {
            wire.neighbour.to_string()
        } else {
            stretch.hop.vantage.name.clone()
        }
    );
    let master = stretch.fact(port, format!("master of {name}"), "none");
    let draft = stretch.accuse(META.cause, port, summary).evidence(master);
    Some(draft.command(format!("ip link set {name} master {bridge_name}"), Risk::Safe))
}

/// A loose end on the one side of the gap and a bridge of the same namespace on the other.
fn apart<'a>(
    stretch: &Stretch<'_>,
    near: &'a [WireLink],
    far: &'a [WireLink],
) -> Option<(&'a WireLink, &'a WireLink)> {
    let loose =
        |step: &&WireLink| step.is_veth() && step.link.master_ifindex.is_none() && !step.addressed;
    let mut ends = near.iter().skip(1).filter(loose);
    let found = ends.find_map(|port| {
        let bridge = far.iter().find(|step| step.is_bridge() && step.netns == port.netns)?;
        Some((port, bridge))
    })?;
    // A host that routes to the end itself needs no bridge.
    let back = |hop: &Hop<'_>| {
        hop.vantage.netns == found.0.netns
            && hop.egress().is_some_and(|link| link.ifindex == found.0.link.ifindex)
    };
    let routed = stretch.flow.hops.iter().chain(&stretch.flow.back).any(back);
    Some(found).filter(|_| !routed)
}
