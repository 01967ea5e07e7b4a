use super::text::{Draft, evidence, link_subject, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk};
use crate::inventory::{Link, LinkType, Sections};

const DOCS: &str = "\
The interface does no neighbour resolution: it has the flag NOARP although it is an Ethernet link.

How it shows: connections time out; the neighbour table has no entry for the next hop, or one in
state NOARP without a usable link-layer address.
Why it happens: `ip link set DEV arp off`, set for a tunnel or a bond and left behind.
What to do: `ip link set DEV arp on`.";

static META: RuleMeta = RuleMeta { cause: Cause::NeighArpOff, needs: Sections::LINKS, docs: DOCS };

pub(super) struct NeighArpOff;

impl Rule for NeighArpOff {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            if let Some(link) = hop.egress().filter(|link| is_mute(link)) {
                hits.push(finding(flow, hop, link).hit(n, position));
            }
        }
        let resolving = || scene.target.links().iter().any(|l| !l.is_loopback() && !is_mute(l));
        Answer::from_hits(hits, || match resolving() {
            true => Answer::RuledOut("the links on the way resolve neighbours".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// An Ethernet link that resolves nobody; tunnels of other kinds have nobody to resolve.
fn is_mute(link: &Link) -> bool {
    let broadcast = ["veth", "macvlan", "bridge", "vlan", "bond", "dummy"];
    let kind = link.kind.as_deref();
    link.is_noarp()
        && link.link_type == LinkType::Ether
        && kind.is_none_or(|kind| broadcast.contains(&kind))
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link) -> Draft {
    let name = shown(&link.name);
    let summary = format!("{}: {name} does not resolve neighbours (NOARP)", hop.vantage.name);
    let mut draft = Draft::new(META.cause, hop, link_subject(link), summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    let state = hop.entry().map_or_else(|| "no entry".to_owned(), |entry| entry.state.to_string());
    let next = hop.next_hop().unwrap_or(hop.towards);
    draft
        .evidence(evidence(hop, hop.at, format!("flags of {name}"), "NOARP"))
        .evidence(evidence(hop, hop.at, format!("neighbour table, {next}"), state))
        .command(format!("ip link set dev {name} arp on"), Risk::Safe)
}
