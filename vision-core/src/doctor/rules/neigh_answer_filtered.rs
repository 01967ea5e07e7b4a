use super::text::{Draft, shown};
use super::wires::{Stretch, along};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The neighbour is on the segment and has the address, but does not answer ARP for it.

How it shows: as if the machine were absent, EHOSTUNREACH after three seconds, though it sends other frames.
Why it happens: arp_ignore, as load balancers set it for addresses on the loopback, or a filter.
How it is proved: the way of the frames leads to the link, or to the namespace, that has the address; it was
asked live and stayed silent; and its arp_ignore says that it does not answer such questions.
What to do: set net.ipv4.conf.IFACE.arp_ignore and net.ipv4.conf.all.arp_ignore to 0.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighAnswerFiltered, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighAnswerFiltered;

impl Rule for NeighAnswerFiltered {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        along(scene, "those who have the address answer for it", finding)
    }
}

/// Never answers, or not for addresses of other links (ip-sysctl.rst, `arp_ignore`).
fn mute<'a>(stretch: &'a Stretch<'a>) -> Option<(&'a WireLink, u8)> {
    let wire = stretch.wire;
    let setting = |step: &WireLink| step.answering.and_then(|a| a.arp_ignore);
    if let Some(end) = wire.end() {
        return setting(end).filter(|mode| *mode == 8).map(|mode| (end, mode));
    }
    let holder = wire.owner.first()?;
    let mut heard = wire.way.iter().skip(1).filter(|step| step.netns == holder.netns);
    heard.find_map(|step| Some((step, setting(step).filter(|m| [1, 2, 8].contains(m))?)))
}

fn finding(stretch: &Stretch<'_>) -> Option<Draft> {
    if stretch.hop.via_gateway() || stretch.wire.neighbour.is_ipv6() {
        return None;
    }
    let (step, mode) = mute(stretch)?;
    let (name, addr) = (shown(&step.link.name), stretch.wire.neighbour);
    let summary = format!(
        "{} has {addr} and does not answer ARP for it: arp_ignore of {name} is {mode}",
        step.place
    );
    let key = format!("net.ipv4.conf.{name}.arp_ignore");
    let fact = stretch.fact(step, format!("arp_ignore of {name} and `all`"), mode.to_string());
    let draft = stretch.accuse(META.cause, step, summary).evidence(fact);
    Some(draft.command(format!("sysctl -w {key}=0"), Risk::Disruptive))
}
