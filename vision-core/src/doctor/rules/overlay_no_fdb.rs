use super::overlay::{self, Tunnel, accuse, other_end, table};
use super::text::{Draft, shown};
use super::wires::Stretch;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The VXLAN interface does not know to which tunnel end frames for the neighbour have to go.

How it shows: everything on one node is dead from another, while each node reaches its own; the
interface counts dropped packets and the kernel gives NO_TX_TARGET as the reason.
How it is proved: the forwarding table of the interface has no entry for the neighbour's link-layer
address, or none for all by which it could be asked for, the interface has no remote or group, and the
neighbour was asked for live in vain.
What to do: let the overlay's agent write the entry again: bridge fdb append MAC dev VXLAN dst NODE.";

static META: RuleMeta = RuleMeta { cause: Cause::OverlayNoFdb, needs: Sections::LINKS, docs: DOCS };

pub(super) struct OverlayNoFdb;

impl Rule for OverlayNoFdb {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        overlay::check(scene, "the tunnel knows an end for the neighbour", finding)
    }
}

fn finding(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Draft> {
    // An entry may name a next-hop object in place of an end.
    let led = !tunnel.ends().is_empty() || !tunnel.entries().is_empty();
    if led || tunnel.from.fdb_unread {
        return None;
    }
    let (name, lladdr) = (tunnel.name(), tunnel.lladdr);
    let (place, other) = (&tunnel.from.place, shown(&tunnel.to.link.name));
    let what = match tunnel.asks {
        true => "to ask for neighbours at".to_owned(),
        false => format!("for {lladdr}"),
    };
    let there = &tunnel.to.place;
    let summary =
        format!("{place}: {name} knows no tunnel end {what}; the other end is {other} of {there}");
    let draft = accuse(META.cause, stretch, tunnel, summary)
        .evidence(table(stretch, tunnel))
        .evidence(other_end(stretch, tunnel));
    Some(match tunnel.theirs.local {
        Some(end) => {
            let whom =
                if tunnel.asks { "00:00:00:00:00:00".to_owned() } else { lladdr.to_string() };
            draft.command(format!("bridge fdb append {whom} dev {name} dst {end}"), Risk::Safe)
        }
        None => draft.prose("let the overlay's agent write the forwarding entry again"),
    })
}
