use super::link_down::{culprit, is_joining};
use super::text::{Draft, evidence, link_state, link_subject, look_up, shown, symptom};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Confidence, Risk};
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
The bridge that joins the containers is administratively down: it passes nothing, though every port
has its carrier.

How it shows: ARP and neighbour solicitation stay unanswered on a link that is up; from the
container alone it cannot be told from a gateway that is gone.
How it is proved: the bridge on the way of the frames is not UP, and the neighbour behind it was
asked live and stayed silent; or the host that has it was asked for the way, and its route over the bridge is gone.
What to do: ip link set BRIDGE up.";

static META: RuleMeta = RuleMeta { cause: Cause::BridgeDown, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgeDown;

impl Rule for BridgeDown {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            let found = culprit(flow, hop).filter(|(link, _)| is_joining(hop.vantage, link));
            hits.extend(
                found.map(|(link, sure)| routes_gone(flow, hop, link, sure).hit(n, position)),
            );
        }
        match along(scene, "the bridges on the way are up", finding) {
            Answer::Confirmed(more) => Answer::Confirmed(hits.into_iter().chain(more).collect()),
            otherwise => Answer::from_hits(hits, || otherwise),
        }
    }
}

/// The host's own routes over the bridge are gone with it.
fn routes_gone(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link, sure: Confidence) -> Draft {
    let (place, name) = (&hop.vantage.name, shown(&link.name));
    let summary = format!("{place}: the bridge {name} is down, so there is no way to {}", flow.dst);
    let state = evidence(hop, hop.at, format!("state of {name}"), link_state(link));
    Draft::new(META.cause, hop, link_subject(link), summary)
        .confidence(sure)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(look_up(hop))
        .evidence(state)
        .command(format!("ip link set {name} up"), Risk::Safe)
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
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
