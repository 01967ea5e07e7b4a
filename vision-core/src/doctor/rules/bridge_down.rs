use super::text::{link_state, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The bridge that joins the containers is administratively down: it passes nothing, though every port
has its carrier.

How it shows: ARP and neighbour solicitation stay unanswered on a link that is up; from the
container alone it cannot be told from a gateway that is gone.
How it is proved: the bridge on the way of the frames is not UP, and the neighbour behind it was
asked live and stayed silent.
What to do: ip link set BRIDGE up.";

static META: RuleMeta = RuleMeta { cause: Cause::BridgeDown, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgeDown;

impl Rule for BridgeDown {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "the bridges on the way are up", finding)
    }
}

fn finding(stretch: &Stretch<'_>) -> Option<super::text::Draft> {
    // A bridge that goes down loses its IPv6 addresses: the way need not arrive.
    let down = |step: &&WireLink| step.is_bridge() && !step.link.is_up();
    let bridge = stretch.wire.way.iter().find(down)?;
    let (name, next) = (shown(&bridge.link.name), stretch.wire.neighbour);
    let summary =
        format!("{}: the bridge {name} is down, so nothing reaches {next} over it", bridge.place);
    let state = stretch.fact(bridge, format!("state of {name}"), link_state(&bridge.link));
    let draft = stretch.accuse(META.cause, bridge, summary).evidence(state);
    Some(draft.command(format!("ip link set {name} up"), Risk::Safe))
}
