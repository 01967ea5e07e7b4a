use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::{Risk, wire::Crossing, wire::WireLink};
use crate::inventory::Sections;
use crate::inventory::kind::PortState;

const DOCS: &str = "\
A bridge port on the way does not pass packets: the spanning tree holds it back, or it was told so.

How it shows: nothing works for about 30 seconds after a container started (states listening and
learning), or not at all (blocking, disabled), though the link is up on both ends.
How it is proved: the port's state is not `forwarding`, and the neighbour behind it was asked live
and stayed silent.
What to do: wait for the spanning tree, or switch it off on a bridge that cannot form a loop
(`ip link set BRIDGE type bridge stp_state 0`), or set the forward delay to 2 seconds.";

static META: RuleMeta =
    RuleMeta { cause: Cause::BridgePortNotForwarding, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgePortNotForwarding;

impl Rule for BridgePortNotForwarding {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "the bridge ports on the way are forwarding", finding)
    }
}

/// A port that is down is a cause of its own.
fn held_back<'a>(crossing: &Crossing<'a>) -> Option<(&'a WireLink, PortState)> {
    let usable = |port: &&WireLink| port.link.is_up() && port.link.has_carrier();
    let mut ports = crossing.ports().filter(usable);
    ports.find_map(|port| Some((port, port.port_state().filter(|s| *s != PortState::Forwarding)?)))
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let crossings = stretch.wire.crossings();
    let mut up = crossings.iter().filter(|crossing| crossing.bridge.link.is_up());
    let (bridge, (port, state)) = up.find_map(|c| Some((c.bridge, held_back(c)?)))?;
    let (name, bridge_name) = (shown(&port.link.name), shown(&bridge.link.name));
    let summary = format!(
        "{}: port {name} of bridge {bridge_name} is {state} and passes no packets",
        port.place
    );
    let asked = format!("state of port {name}");
    let tree = if bridge.has_stp() { "on" } else { "off" };
    let seen = format!("{state}; the spanning tree of {bridge_name} is {tree}");
    let draft = stretch.accuse(META.cause, port, summary);
    let draft = draft.evidence(stretch.fact(port, asked, seen));
    Some(match (bridge.has_stp(), state) {
        (true, PortState::Listening | PortState::Learning) => draft.prose(format!(
            "it passes packets after twice the forward delay of {bridge_name}; lower that, or \
             switch the spanning tree off where no loop can form"
        )),
        (true, _) => draft.prose("the spanning tree holds it back: look for a loop"),
        (false, _) => draft.command(format!("bridge link set dev {name} state 3"), Risk::Safe),
    })
}
