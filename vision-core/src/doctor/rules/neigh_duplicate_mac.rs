use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::base::LinkAddr;
use crate::doctor::scene::Scene;
use crate::doctor::wire::{Wire, WireLink};
use crate::doctor::{Cause, Confidence};
use crate::inventory::Sections;

const DOCS: &str = "\
Two machines on one segment have the same link-layer address. The bridge learns it now at the one
port, now at the other, and sends frames for both to whoever spoke last.

How it shows: two containers work in turn, or never reach each other; connections stall for seconds.
Why it happens: a copied configuration, a cloned machine image, an address set by hand.
How it is proved: another link on the segment has the address of one end of the failing flow, and it
is the flow's other end, or the bridge has it at the other's port.
What to do: give one of the two another address: ip link set dev IFACE address 02:…";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighDuplicateMac, needs: Sections::LINKS, docs: DOCS };

pub(super) struct NeighDuplicateMac;

impl Rule for NeighDuplicateMac {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "no two links of the segment share a link-layer address", finding)
    }
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let wire = stretch.wire;
    let (start, end) = (wire.start()?, wire.end()?);
    let ends_alike = start.lladdr() == end.lladdr() && start.netns != end.netns;
    let (one, other) = match ends_alike {
        true => (start, end),
        false => {
            let twin = wire.twins.first()?;
            let real = [start, end].into_iter().find(|e| e.lladdr() == twin.lladdr())?;
            (real, twin)
        }
    };
    let lladdr = one.lladdr()?;
    let called = |step: &WireLink| format!("{} {}", step.place, shown(&step.link.name));
    let (here, there) = (called(one), called(other));
    let summary = format!("{here} and {there} have the same link-layer address {lladdr}");
    let draft = stretch
        .accuse(META.cause, one, summary)
        .evidence(stretch.fact(
            one,
            format!("address of {}", shown(&one.link.name)),
            lladdr.to_string(),
        ))
        .evidence(stretch.fact(
            other,
            format!("address of {}", shown(&other.link.name)),
            lladdr.to_string(),
        ));
    let proved = ends_alike || is_elsewhere(wire, lladdr);
    let draft = draft.confidence(if proved { Confidence::Proved } else { Confidence::Likely });
    Some(draft.prose("give one of the two another address: ip link set dev IFACE address 02:…"))
}

/// Tells whether a bridge on the way has the address at a port that the way does not use.
fn is_elsewhere(wire: &Wire, lladdr: LinkAddr) -> bool {
    wire.crossings().iter().any(|crossing| {
        let used = |ifindex| crossing.ports().any(|port| port.link.ifindex == ifindex);
        let mut entries = crossing.bridge.fdb.iter().filter(|e| e.lladdr == lladdr);
        entries.any(|entry| !used(entry.ifindex))
    })
}
