//! What the rules about overlays share: the two ends of a VXLAN tunnel, and what each knows of the
//! other.

use std::net::IpAddr;

use super::Answer;
use super::text::{Draft, evidence, shown, solicitation};
use super::wires::{Stretch, stretches};
use crate::base::LinkAddr;
use crate::doctor::scene::{Hop, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Confidence, Evidence};
use crate::inventory::kind::Vxlan;
use crate::inventory::{FdbEntry, LinkKind, NeighState};

/// One direction of a tunnel.
pub(super) struct Tunnel<'a> {
    /// The end that sends.
    pub(super) from: &'a WireLink,
    pub(super) own: &'a Vxlan,
    /// The end that should hear it.
    pub(super) to: &'a WireLink,
    pub(super) theirs: &'a Vxlan,
    /// Whom the frames are for, behind the other end.
    pub(super) lladdr: LinkAddr,
    /// Whether that is asked for first, by a frame for all.
    pub(super) asks: bool,
}

impl<'a> Tunnel<'a> {
    /// The entries by which the frames leave: those for the very address, else those for all; a
    /// question leaves by those for all.
    pub(super) fn entries(&self) -> Vec<&'a FdbEntry> {
        let of = |lladdr: &[u8]| -> Vec<&'a FdbEntry> {
            let all = self.from.fdb.iter();
            all.filter(|e| e.lladdr.as_bytes() == lladdr).collect()
        };
        match of(self.lladdr.as_bytes()) {
            exact if !exact.is_empty() && !self.asks => exact,
            _ => of(&[0; 6]),
        }
    }

    /// The tunnel ends that the frames are sent to.
    pub(super) fn ends(&self) -> Vec<IpAddr> {
        let entries = self.entries();
        match entries.is_empty() {
            true => self.own.remote.filter(|addr| !addr.is_unspecified()).into_iter().collect(),
            false => entries.iter().filter_map(|entry| entry.dst).collect(),
        }
    }

    /// Network and port that the frames are sent with.
    pub(super) fn sent_with(&self) -> (Option<u32>, Option<u16>) {
        let entry = self.entries().into_iter().next();
        let vni = entry.and_then(|e| e.vni).or(self.own.vni);
        (vni, entry.and_then(|e| e.dst_port).or(self.own.port))
    }

    pub(super) fn name(&self) -> String {
        shown(&self.from.link.name)
    }
}

/// Asks both directions of the tunnel on each failing stretch.
pub(super) fn check(
    scene: &Scene<'_>,
    right: &str,
    test: impl Fn(&Stretch<'_>, &Tunnel<'_>) -> Option<Draft>,
) -> Answer {
    let (mut hits, mut seen) = (Vec::new(), false);
    for stretch in stretches(scene) {
        let Some(tunnels) = tunnels(&stretch) else { continue };
        seen = true;
        let mut fit = tunnels.iter().filter(|tunnel| !is_misled(&stretch, tunnel));
        let found = fit.find_map(|tunnel| test(&stretch, tunnel));
        hits.extend(found.map(|draft| stretch.hit(draft)));
    }
    Answer::from_hits(hits, || match seen {
        true => Answer::RuledOut(right.to_owned()),
        false => Answer::NotApplicable,
    })
}

/// Both directions of the tunnel that a stretch leads through, if both ends are in sight.
fn tunnels<'a>(stretch: &Stretch<'a>) -> Option<[Tunnel<'a>; 2]> {
    let wire = stretch.wire;
    let (from, own) = wire.way.iter().find_map(vxlan)?;
    let mut beyond = wire.owner.iter().chain(&wire.way);
    let (to, theirs) = beyond.find_map(|step| vxlan(step).filter(|_| step.netns != from.netns))?;
    // One for many networks is told by each packet's route where to go.
    let fixed = |vxlan: &Vxlan| vxlan.collect_metadata != Some(true);
    let there = wire.end().or(wire.owner.first())?.lladdr()?;
    let here = wire.start()?.lladdr()?;
    let by_hand = |state| matches!(state, NeighState::Permanent | NeighState::NoArp);
    let asks = !stretch.hop.entry().is_some_and(|entry| by_hand(entry.state));
    (fixed(own) && fixed(theirs)).then_some([
        Tunnel { from, own, to, theirs, lladdr: there, asks },
        Tunnel { from: to, own: theirs, to: from, theirs: own, lladdr: here, asks: false },
    ])
}

/// Tells whether the frames are for an address set by hand that nobody has: they are lost whatever the tunnel knows.
fn is_misled(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> bool {
    let from = (tunnel.from.netns, Some(tunnel.from.link.ifindex));
    let leaves =
        |hop: &&Hop<'_>| (hop.vantage.netns, hop.egress().map(|link| link.ifindex)) == from;
    let mut hops = stretch.flow.hops.iter().chain(&stretch.flow.back).filter(leaves);
    let entry = hops.find_map(Hop::entry).filter(|entry| entry.state == NeighState::Permanent);
    entry.and_then(|entry| entry.lladdr).is_some_and(|lladdr| lladdr != tunnel.lladdr)
}

fn vxlan(step: &WireLink) -> Option<(&WireLink, &Vxlan)> {
    match &step.link.info {
        Some(LinkKind::Vxlan(vxlan)) => Some((step, vxlan)),
        _ => None,
    }
}

/// Begins a finding: proved if whoever is at the other end was asked for in vain.
pub(super) fn accuse(
    cause: Cause,
    stretch: &Stretch<'_>,
    tunnel: &Tunnel<'_>,
    summary: String,
) -> Draft {
    let draft = stretch.accuse(cause, tunnel.from, summary);
    let asked = stretch.hop.solicited();
    let Some(report) = asked.filter(|r| r.answers.is_empty() && r.requests.len() > 1) else {
        return draft;
    };
    let next = stretch.wire.neighbour;
    let asked = format!("{} for {next} over {}", solicitation(next), tunnel.name());
    let seen = format!("{} sent, none answered", report.requests.len());
    let at = report.requests.first().copied().unwrap_or(stretch.hop.at);
    let proved = draft.confidence(Confidence::Proved);
    match proved.finding.evidence.iter().any(|known| known.seen == seen) {
        true => proved,
        false => proved.evidence(evidence(stretch.hop, at, asked, seen)),
    }
}

/// What the sending end's forwarding table says about the address.
pub(super) fn table(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Evidence {
    let whom = match tunnel.asks {
        true => "all".to_owned(),
        false => tunnel.lladdr.to_string(),
    };
    let asked = format!("forwarding table of {}, {whom}", tunnel.name());
    let ends: Vec<String> = tunnel.ends().iter().map(ToString::to_string).collect();
    let seen = match ends.is_empty() {
        true => "no tunnel end".to_owned(),
        false => format!("tunnel end {}", ends.join(", ")),
    };
    stretch.fact(tunnel.from, asked, seen)
}

/// Network, port and address of the end that should hear it.
pub(super) fn other_end(stretch: &Stretch<'_>, tunnel: &Tunnel<'_>) -> Evidence {
    let theirs = tunnel.theirs;
    let mut words = Vec::new();
    words.extend(theirs.vni.map(|vni| format!("network {vni}")));
    words.extend(theirs.port.map(|port| format!("UDP port {port}")));
    words.extend(theirs.local.map(|local| format!("local {local}")));
    let asked = format!("VXLAN interface {}", shown(&tunnel.to.link.name));
    stretch.fact(tunnel.to, asked, words.join(", "))
}
