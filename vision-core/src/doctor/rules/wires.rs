//! What frames meet between two neighbours, and what speaks for a fault there.

use super::neigh_no_answer::is_silent;
use super::text::{Draft, evidence, link_subject, shown, solicitation, symptom};
use super::{Answer, Hit};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::wire::{Wire, WireLink};
use crate::doctor::{Cause, Confidence, Evidence};
use crate::inventory::Link;

/// A hop of a failing flow whose frames' way is known.
pub(super) struct Stretch<'a> {
    pub(super) number: usize,
    pub(super) flow: &'a Flow<'a>,
    pub(super) position: usize,
    pub(super) hop: &'a Hop<'a>,
    pub(super) wire: &'a Wire,
}

/// The stretches of all failing flows, there and back.
pub(super) fn stretches<'a>(scene: &'a Scene<'a>) -> impl Iterator<Item = Stretch<'a>> {
    scene.failing_hops().filter_map(|(number, flow, position, hop)| {
        let wire = scene.wire(hop)?;
        Some(Stretch { number, flow, position, hop, wire })
    })
}

impl Stretch<'_> {
    /// Begins a finding about a link on the way: the symptom first, and proved only if whoever is
    /// at the other end was asked for in vain.
    pub(super) fn accuse(&self, cause: Cause, step: &WireLink, summary: String) -> Draft {
        let mut draft = Draft::new(cause, self.hop, link_subject(&step.link), summary);
        draft.finding.subject.netns = Some(step.netns);
        draft.finding.subject.place.clone_from(&step.place);
        draft = draft.all(self.flow.hops.first().map(|target| symptom(self.flow, target)));
        match self.silence() {
            Some(silent) => draft.evidence(silent),
            None => draft.confidence(Confidence::Likely),
        }
    }

    /// The evidence that the neighbour, or this one seen from there, stayed silent.
    fn silence(&self) -> Option<Evidence> {
        let back = self.flow.back.iter().filter(|hop| self.is_opposite(hop));
        let hop = [self.hop].into_iter().chain(back).find(|hop| is_silent(self.flow, hop))?;
        let (next, link) = (hop.next_hop()?, hop.egress()?);
        let asked = format!("{} for {next} on {}", solicitation(next), shown(&link.name));
        let (at, seen) = match hop.solicited() {
            Some(report) => (
                report.requests.first().copied(),
                format!("{} sent, none answered", report.requests.len()),
            ),
            None => (None, "the kernel gave up".to_owned()),
        };
        Some(evidence(hop, at.unwrap_or(hop.at), asked, seen))
    }

    /// The evidence that neither end of the segment hears the other.
    pub(super) fn mutual_silence(&self) -> Option<Evidence> {
        let back = self.flow.back.iter().find(|hop| self.is_opposite(hop))?;
        let (next, link) = (back.next_hop()?, back.egress()?);
        if !is_silent(self.flow, self.hop) || !is_silent(self.flow, back) {
            return None;
        }
        let asked = format!("{} for {next} on {}", solicitation(next), shown(&link.name));
        Some(evidence(back, back.at, asked, "no answer"))
    }

    /// Tells whether a hop of the way back crosses the same segment the other way.
    fn is_opposite(&self, hop: &Hop<'_>) -> bool {
        let steps = || self.wire.way.iter().chain(&self.wire.owner);
        let ours = hop.egress().is_some_and(|link| {
            steps().any(|s| s.netns == hop.vantage.netns && s.link.ifindex == link.ifindex)
        });
        ours && hop.next_hop().is_some_and(|next| self.hop.vantage.owns(next))
    }

    /// What was seen of a link on the way.
    pub(super) fn fact(&self, step: &WireLink, asked: String, seen: impl Into<String>) -> Evidence {
        let mut fact = evidence(self.hop, self.hop.at, asked, seen);
        fact.place.clone_from(&step.place);
        fact
    }

    /// The finding explains why a neighbour is silent, so it comes before the silence.
    pub(super) fn hit(&self, draft: Draft) -> Hit {
        Hit { overrides: true, ..draft.hit(self.number, self.position) }
    }
}

/// Goes through all stretches; without one of them the question does not arise.
pub(super) fn along(
    scene: &Scene<'_>,
    right: &str,
    finding: impl Fn(&Stretch<'_>) -> Option<Draft>,
) -> Answer {
    let (mut hits, mut seen) = (Vec::new(), false);
    for stretch in stretches(scene) {
        seen |= !stretch.wire.crossings().is_empty() || !stretch.wire.owner.is_empty();
        hits.extend(finding(&stretch).map(|draft| stretch.hit(draft)));
    }
    Answer::from_hits(hits, || match seen {
        true => Answer::RuledOut(right.to_owned()),
        false => Answer::NotApplicable,
    })
}

/// The other end of a veth pair, where another vantage shows it and it is down. Numbers of links
/// repeat from namespace to namespace; that both have no carrier does not.
pub(super) fn downed_end<'a>(
    scene: &Scene<'a>,
    vantage: &Vantage,
    link: &Link,
) -> Option<(&'a Vantage, &'a Link)> {
    let peer = link.link_ifindex?;
    let mut others = scene.case.vantages.iter().filter(|v| v.netns != vantage.netns);
    let dead = |peer: &&Link| is_pair(peer, link) && !peer.is_up();
    others.find_map(|other| Some((other, other.link(peer).filter(dead)?)))
}

/// Tells whether two links name each other as the other end.
pub(super) fn is_pair(one: &Link, other: &Link) -> bool {
    let is_veth = |link: &Link| link.kind.as_deref() == Some("veth");
    let names = |link: &Link, end: &Link| link.link_ifindex == Some(end.ifindex);
    is_veth(one) && is_veth(other) && names(one, other) && names(other, one)
}

/// Tells whether it is the destination's own link: then routes to it are gone with it, and where
/// packets go instead follows from that.
pub(super) fn is_cut_off(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link) -> bool {
    let meant = |addr| addr == flow.dst || flow.hops.iter().any(|hop| hop.towards == addr);
    let mut own = hop.vantage.addrs().iter().filter(|addr| addr.ifindex == link.ifindex);
    own.any(|addr| meant(addr.local))
}

/// The router whose link to the destination is down, with the link: its routes are gone with it.
pub(super) fn cut_off<'s, 'a>(
    scene: &Scene<'a>,
    flow: &'s Flow<'a>,
) -> Option<(usize, &'s Hop<'a>, &'a Link)> {
    flow.back.iter().find_map(|hop| {
        let link =
            hop.egress().filter(|link| !link.has_carrier() && is_cut_off(flow, hop, link))?;
        let (router, port) = downed_end(scene, hop.vantage, link)?;
        let position = flow.hops.iter().position(|hop| hop.vantage.netns == router.netns)?;
        Some((position, flow.hops.get(position)?, port))
    })
}
