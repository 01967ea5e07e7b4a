use super::overlay::{self, Tunnel, accuse, other_end, table};
use super::text::{Draft, shown};
use super::wires::Stretch;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::VantageRole;
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Confidence, Evidence};
use crate::inventory::Sections;

const DOCS: &str = "\
What a VXLAN interface sends does not reach the UDP port of the other one.

How it shows: everything over the overlay times out, while the nodes themselves reach each other.
Why it happens: the two ends have different ports, the other interface is down, or a filter between the
nodes drops the outer packets.
How it is proved: the ports differ or the other interface is down, and the neighbour was asked for live
in vain. Where both ends agree, and the other node passed on nothing meanwhile or neither side hears the
other, it is `likely`.
What to do: give both the same port, set the interface up, or let the UDP port pass between the nodes.";

static META: RuleMeta =
    RuleMeta { cause: Cause::OverlayPortClosed, needs: Sections::LINKS, docs: DOCS };

pub(super) struct OverlayPortClosed;

impl Rule for OverlayPortClosed {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let right = "what the tunnel sends reaches the other end";
        overlay::check(scene, right, |stretch, tunnel| {
            closed(stretch, tunnel).or_else(|| unheard(scene, stretch, tunnel))
        })
    }
}

/// The other end does not listen on the port.
fn closed(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Draft> {
    let (sent, theirs) = (tunnel.sent_with().1?, tunnel.theirs.port?);
    let (name, other) = (tunnel.name(), shown(&tunnel.to.link.name));
    let (place, there) = (&tunnel.from.place, &tunnel.to.place);
    let (what, fix) = match tunnel.to.link.is_up() {
        true if sent == theirs => return None,
        true => (
            format!("{other} of {there} listens on {theirs}"),
            format!("give {name} and {other} the same UDP port"),
        ),
        false => (format!("{other} of {there} is down"), format!("set {other} of {there} up")),
    };
    let summary = format!("{place}: {name} sends to UDP port {sent}, and {what}");
    let draft = accuse(META.cause, stretch, tunnel, summary)
        .evidence(stretch.fact(tunnel.from, format!("UDP port of {name}"), sent.to_string()))
        .evidence(table(stretch, tunnel))
        .evidence(other_end(stretch, tunnel));
    Some(draft.prose(fix))
}

/// Both ends agree, and nothing arrives.
fn unheard(scene: &Scene<'_>, stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Draft> {
    let (end, port) = (tunnel.ends().into_iter().next()?, tunnel.sent_with().1?);
    let begins_here = tunnel.from.netns == stretch.wire.way.iter().find(|s| s.is_tunnel())?.netns;
    let silence = match passed_on(scene, stretch, tunnel) {
        Some(nothing) => nothing,
        None => stretch.mutual_silence()?,
    };
    if !begins_here {
        return None;
    }
    let summary = format!(
        "{}: nothing that {} sends to {end}, UDP port {port}, comes out of {} of {}",
        tunnel.from.place,
        tunnel.name(),
        shown(&tunnel.to.link.name),
        tunnel.to.place
    );
    let draft = accuse(META.cause, stretch, tunnel, summary)
        .evidence(table(stretch, tunnel))
        .evidence(other_end(stretch, tunnel))
        .evidence(silence)
        .confidence(Confidence::Likely);
    Some(draft.prose(format!("let UDP port {port} pass between the nodes")))
}

/// The node at the other end is a router that has passed on nothing.
fn passed_on(scene: &Scene<'_>, stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Option<Evidence> {
    let mut all = scene.case.vantages.iter();
    let there = all.find(|vantage| vantage.netns == tunnel.to.netns)?;
    let (group, name) = match stretch.wire.neighbour.is_ipv6() {
        false => ("Ip", "ForwDatagrams"),
        true => ("Ip6", "OutForwDatagrams"),
    };
    let quiet = there.role == VantageRole::Router && there.moved(group, name) == Some(0);
    quiet.then(|| stretch.fact(tunnel.to, format!("counter {group} {name}"), "moved by 0"))
}
