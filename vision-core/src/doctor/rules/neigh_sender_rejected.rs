use super::neigh_no_answer::is_silent;
use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The neighbour is there and does not answer ARP, for its reverse path filter throws the question away: its own
way to the address that asks leads elsewhere.

How it shows: as if the neighbour were absent, EHOSTUNREACH after three seconds, from this address alone.
Why it happens: the host lacks the route to the container, or has it by another interface; or the container
has an address of another network than the bridge it is on.
How it is proved: the way of the frames leads to the neighbour's link, whose rp_filter is 1 (strict); its
kernel's way to the asking address leaves by another link, or there is none; and it was asked in vain.
What to do: correct that route, or set rp_filter of the link to 2.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighSenderRejected, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighSenderRejected;

impl Rule for NeighSenderRejected {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "those who were asked have a way back to who asked", finding)
    }
}

/// The link that should answer: the one that has the address, or else that of a host that answers
/// for others.
fn responder<'a>(stretch: &'a Stretch<'a>) -> Option<&'a WireLink> {
    let wire = stretch.wire;
    let stands_in = |step: &&WireLink| {
        let proxy = step.answering.is_some_and(|a| a.proxy_arp == Some(true));
        wire.owner.is_empty() && step.is_veth() && proxy
    };
    wire.end().or_else(|| wire.way.get(1).filter(stands_in))
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    let addr = stretch.wire.neighbour;
    if addr.is_ipv6() || !is_silent(stretch.flow, stretch.hop) {
        return None;
    }
    let step = responder(stretch)?;
    let astray =
        |a: &crate::doctor::wire::Answering| a.leads_back == Some(false) && a.rp_filter == Some(1);
    step.answering.as_ref().filter(|a| astray(a))?;
    let name = shown(&step.link.name);
    let source = stretch.hop.solicited().map(|report| report.source)?;
    let summary = format!(
        "{} takes no ARP from {source} on {name}: its own way there leads elsewhere",
        step.place
    );
    let fact = |asked: String, seen: &str| stretch.fact(step, asked, seen);
    let draft = stretch
        .accuse(META.cause, step, summary)
        .evidence(fact(format!("rp_filter of {name} and `all`"), "1 (strict)"))
        .evidence(fact(format!("way to {source}"), &format!("not dev {name}")));
    let key = format!("net.ipv4.conf.{name}.rp_filter");
    Some(match stretch.wire.arrives {
        true => draft
            .prose(format!("give {} a route to {source} by {name}, or set {key}=2", step.place)),
        false => {
            draft.command(format!("ip route replace {source}/32 dev {name}"), Risk::Disruptive)
        }
    })
}
