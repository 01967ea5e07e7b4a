use super::mtu_veth_mismatch::{swallowed, where_swallowed};
use super::text::{Draft, evidence, link_subject, shown};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::FullSizeRecord;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk, Severity};
use crate::inventory::Sections;

const DOCS: &str = "\
A bridge joins links of different MTUs: what the sender's link takes is too large for the port it has
to leave by. A bridge drops it without a word, for it sends no ICMP errors.

How it shows: small packets pass between two containers of one bridge, large ones vanish.
How it is proved: two echo requests of the sender's MTU stay unanswered while small ones are answered,
and the bridge port on the way takes less than the port or the link they came by. Both ends of the
port's veth pair agree; where they do not, that is the cause.
What to do: give all ports of the bridge, and the links behind them, the same MTU.";

static META: RuleMeta =
    RuleMeta { cause: Cause::MtuBridgeTooSmall, needs: Sections::LINKS, docs: DOCS };

pub(super) struct MtuBridgeTooSmall;

impl Rule for MtuBridgeTooSmall {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        where_swallowed(scene, finding)
    }
}

/// The bridge on the way, and the port behind it that takes less than the packets.
fn narrow<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'a>,
    size: u32,
) -> Option<(&'a WireLink, &'a WireLink)> {
    let hops = flow.hops.iter().chain(&flow.back);
    hops.filter_map(|hop| scene.wire(hop)).find_map(|wire| {
        wire.crossings().into_iter().find_map(|crossing| {
            let out = crossing.after?;
            let before = crossing.before.unwrap_or(crossing.bridge);
            let (mtu, came_by) = (out.link.mtu_bytes?, before.link.mtu_bytes?);
            (mtu < size && mtu < came_by).then_some((crossing.bridge, out))
        })
    })
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, record: &FullSizeRecord) -> Option<Draft> {
    let (target, size) = (flow.hops.first()?, record.size_bytes);
    let (bridge, port) = narrow(scene, flow, size)?;
    let (name, mtu) = (shown(&port.link.name), port.link.mtu_bytes?);
    let summary = format!(
        "{}: bridge {} cannot pass packets of {size} bytes on to {name}, which takes {mtu}: they are dropped without a word",
        bridge.place,
        shown(&bridge.link.name)
    );
    let mut draft = Draft::new(META.cause, target, link_subject(&bridge.link), summary);
    draft.finding.subject.netns = Some(bridge.netns);
    draft.finding.subject.place.clone_from(&bridge.place);
    draft.finding.severity = Severity::Warning;
    draft = draft.all(swallowed(target, record));
    for step in [bridge, port] {
        let mtu = step.link.mtu_bytes.unwrap_or(0).to_string();
        let asked = format!("MTU of {}", shown(&step.link.name));
        let mut fact = evidence(target, target.at, asked, mtu);
        fact.place.clone_from(&step.place);
        draft = draft.evidence(fact);
    }
    Some(draft.command(format!("ip link set {name} mtu {size}"), Risk::Disruptive))
}
