use super::overlay::{self, Tunnel, accuse, other_end, table};
use super::text::{Draft, shown};
use super::wires::Stretch;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
The two ends of a VXLAN tunnel have different network numbers, so each throws away what the other sends.

How it shows: everything over the overlay times out; the receiving kernel drops the packets with
VXLAN_VNI_NOT_FOUND.
How it is proved: the forwarding table leads to the right tunnel end, the interface there has another
network number, and the neighbour was asked for live in vain.
What to do: give both interfaces the same network number.";

static META: RuleMeta =
    RuleMeta { cause: Cause::OverlayVniMismatch, needs: Sections::LINKS, docs: DOCS };

pub(super) struct OverlayVniMismatch;

impl Rule for OverlayVniMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        overlay::check(scene, "both ends of the tunnel have the same network number", finding)
    }
}

fn finding(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Draft> {
    let (sent, theirs) = (tunnel.sent_with().0?, tunnel.theirs.vni?);
    if sent == theirs || tunnel.ends().is_empty() {
        return None;
    }
    let (name, other) = (tunnel.name(), shown(&tunnel.to.link.name));
    let summary = format!(
        "{}: {name} sends with network {sent}, {other} of {} has network {theirs}",
        tunnel.from.place, tunnel.to.place
    );
    let draft = accuse(META.cause, stretch, tunnel, summary)
        .evidence(stretch.fact(tunnel.from, format!("network of {name}"), sent.to_string()))
        .evidence(table(stretch, tunnel))
        .evidence(other_end(stretch, tunnel));
    Some(draft.prose(format!("give {name} and {other} the same network number")))
}
