use super::text::{Draft, moved, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::stop::kinds;
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Packets arrive with a wrong checksum, and the kernel of the receiver throws them away.

How it shows: ping works, connections time out; at the receiver, tcpdump shows the packets and the socket
gets none.
Why it happens: a checksum left to the network card by transmit offload that nobody on the way fills in, as
over some tunnels and virtual machines; or something on the way rewrites packets and not their checksum.
How it is proved: the receiver's counter of wrong checksums (Tcp or Udp InCsumErrors) moves with the probes.
What to do: switch transmit offload off where the packets come from (ethtool -K IFACE tx off), and mend what
leaves the checksum open.";

static META: RuleMeta =
    RuleMeta { cause: Cause::LinkBadChecksum, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct LinkBadChecksum;

impl Rule for LinkBadChecksum {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let silent = |flow: &Flow<'_>| flow.outcome == Outcome::Silent;
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, flow)| silent(flow)) {
            let (Some(target), Some(counter)) = (flow.hops.first(), counter(flow)) else {
                continue;
            };
            // The destination gets the packets, the target its answers.
            let ends =
                [flow.back.first().filter(|hop| hop.vantage.owns(end_of(flow))), Some(target)];
            for receiver in ends.into_iter().flatten() {
                let Some(seen) = moved(receiver, counter, "InCsumErrors") else { continue };
                let draft = finding(flow, target, receiver).evidence(seen);
                hits.push(Hit { overrides: true, ..draft.hit(n, flow.hops.len()) });
            }
        }
        Answer::from_hits(hits, || match scene.failing().any(|flow| counter(flow).is_some()) {
            true => Answer::RuledOut("nobody in sight counted wrong checksums".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// Where the flow's packets end, behind all translations.
fn end_of(flow: &Flow<'_>) -> std::net::IpAddr {
    flow.hops.last().map_or(flow.dst, |hop| hop.towards)
}

/// The group of counters of the flow's protocol.
fn counter(flow: &Flow<'_>) -> Option<&'static str> {
    if !matches!(flow.purpose, Purpose::Destination(_) | Purpose::Nameserver) {
        return None;
    }
    kinds(flow).into_iter().find_map(|(protocol, _)| match (protocol, flow.dst.is_ipv6()) {
        (6, _) => Some("Tcp"),
        (17, false) => Some("Udp"),
        (17, true) => Some("Udp6"),
        _ => None,
    })
}

fn finding(flow: &Flow<'_>, target: &Hop<'_>, receiver: &Hop<'_>) -> Draft {
    let (place, own) = (&receiver.vantage.name, receiver.vantage.netns == target.vantage.netns);
    let what = if own { "answers of" } else { "packets to" };
    let summary =
        format!("{place}: {what} {} arrive with a wrong checksum and are thrown away", flow.dst);
    Draft::new(META.cause, receiver, SubjectKind::Namespace, summary)
        .evidence(symptom(flow, target))
        .prose("switch transmit offload off where they come from: ethtool -K IFACE tx off")
}
