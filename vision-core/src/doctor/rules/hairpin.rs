//! Services whose backend answers past the host that translated the question.

use std::net::IpAddr;

use super::serving::each;
use super::text::{Draft, evidence, moved, symptom};
use super::{Answer, Cause};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::stop::{entries, hop_of, walls_of};
use crate::doctor::{Confidence, SubjectKind};
use crate::inventory::LinkRole;

/// Finds backends on the client's own network, or the client itself, that saw its plain address.
pub(super) fn unmasked(scene: &Scene<'_>, cause: Cause) -> Answer {
    each(scene, "no answer goes past the host that translated the question", |flow| {
        if flow.outcome != Outcome::Silent {
            return None;
        }
        let mut all = scene.case.vantages.iter().enumerate().skip(1);
        let (position, vantage, client, backend) = all.find_map(|(position, vantage)| {
            let (client, backend) = plain(scene, flow, vantage)?;
            Some((position, vantage, client, backend))
        })?;
        let target = flow.hops.first()?;
        let resets = moved(target, "Tcp", "OutRsts");
        let itself = client == backend;
        if !(itself && is_hairpin(scene, target)
            || !itself && is_beside(scene, backend) && resets.is_some())
        {
            return None;
        }
        let (place, dst) = (&vantage.name, flow.dst);
        let summary = match itself {
            true => format!(
                "{place}: {dst} leads {client} back to itself without masquerading: it takes no packets from its own address"
            ),
            false => format!(
                "{place}: {dst} leads to {backend} without masquerading, which answers {client} directly: the answers are not translated back"
            ),
        };
        let hop = hop_of(flow, vantage);
        let seen = format!("leads to {backend}, from {client} untranslated, unanswered");
        let confidence = if resets.is_some() { Confidence::Proved } else { Confidence::Likely };
        let draft = Draft::new(cause, &hop, SubjectKind::Namespace, summary)
            .evidence(symptom(flow, target))
            .evidence(evidence(&hop, flow.at, "connection table, the probe", seen))
            .all(resets)
            .confidence(confidence)
            .prose(format!("masquerade what {place} sends back to the network it came from"));
        Some((draft, position))
    })
}

/// Client and backend of a translated connection that goes back by the link it came in by, with its own source.
fn plain(scene: &Scene<'_>, flow: &Flow<'_>, vantage: &Vantage) -> Option<(IpAddr, IpAddr)> {
    let walls = walls_of(vantage)?;
    let entry = entries(walls, flow).find(|entry| {
        let (there, back) = (&entry.original, &entry.reply);
        let plain = back.dst == there.src && scene.target.owns(there.src);
        entry.is_unreplied() && back.src != there.dst && plain
    })?;
    let (client, backend) = (entry.original.src, entry.reply.src);
    let towards = |addr| Hop::new(vantage, addr, flow.at);
    let same = towards(client).egress()?.ifindex == towards(backend).egress()?.ifindex;
    // Rules for IP that bridges call translate what passes the host's own bridge.
    let bridged = towards(backend).egress()?.kind.as_deref() == Some("bridge");
    let seen = bridged && client != backend;
    (same && !seen && !vantage.owns(backend)).then_some((client, backend))
}

/// Tells whether the target reaches an address without a gateway.
fn is_beside(scene: &Scene<'_>, addr: IpAddr) -> bool {
    scene.target.addrs().iter().any(|own| own.prefix().contains(addr))
}

/// Tells whether frames may leave by the bridge port that they came in by, or pass no bridge.
fn is_hairpin(scene: &Scene<'_>, target: &Hop<'_>) -> bool {
    let mut way = scene.wire(target).into_iter().flat_map(|wire| &wire.way);
    way.all(|step| match step.link.role.as_ref() {
        Some(LinkRole::BridgePort(port)) => port.hairpin != Some(false),
        _ => true,
    })
}
