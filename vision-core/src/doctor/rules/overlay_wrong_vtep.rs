use super::overlay::{self, Tunnel, accuse, other_end, table};
use super::text::Draft;
use super::wires::Stretch;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The VXLAN interface sends frames for the neighbour to a tunnel end that it is not behind.

How it shows: one node is dead over the overlay; it was made anew and has another address now.
How it is proved: the forwarding table of the interface names another tunnel end than the one that the
interface of the neighbour's node sends from, and the neighbour was asked for live in vain.
What to do: correct the entry, or let the overlay's agent write it again.";

static META: RuleMeta =
    RuleMeta { cause: Cause::OverlayWrongVtep, needs: Sections::LINKS, docs: DOCS };

pub(super) struct OverlayWrongVtep;

impl Rule for OverlayWrongVtep {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        overlay::check(scene, "the tunnel leads to the node of the neighbour", finding)
    }
}

fn finding(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Draft> {
    let right = tunnel.theirs.local.filter(|addr| !addr.is_unspecified())?;
    let ends = tunnel.ends();
    let wrong = ends.first().filter(|_| !ends.contains(&right))?;
    // A group is heard by all.
    if wrong.is_multicast() {
        return None;
    }
    let (name, lladdr) = (tunnel.name(), tunnel.lladdr);
    let what = match tunnel.asks {
        true => "asks for neighbours at".to_owned(),
        false => format!("sends frames for {lladdr} to"),
    };
    let (place, there) = (&tunnel.from.place, &tunnel.to.place);
    let summary = format!("{place}: {name} {what} {wrong}; the other end is {right} ({there})");
    let draft = accuse(META.cause, stretch, tunnel, summary)
        .evidence(table(stretch, tunnel))
        .evidence(other_end(stretch, tunnel));
    Some(match tunnel.entries().is_empty() {
        true => draft.prose(format!("let {name} have {right} as its remote")),
        false if tunnel.asks => draft.command(
            format!("bridge fdb append 00:00:00:00:00:00 dev {name} dst {right}"),
            Risk::Safe,
        ),
        false => {
            draft.command(format!("bridge fdb replace {lladdr} dev {name} dst {right}"), Risk::Safe)
        }
    })
}
