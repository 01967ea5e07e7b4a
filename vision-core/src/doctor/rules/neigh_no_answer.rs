use std::net::IpAddr;

use super::text::{Draft, evidence, shown, solicitation, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind, Unchecked};
use crate::inventory::{Link, NeighState, Sections};

const DOCS: &str = "\
A destination on the own link does not answer ARP or neighbour solicitation: no machine with that
address is there, or it cannot be heard.

How it shows: connections fail with EHOSTUNREACH after three seconds; the entry is INCOMPLETE or
FAILED, while other neighbours on the link resolve.
How sure it is: without a look at the bridge's forwarding table a filter on the way cannot be
told from an absent machine, so the finding is `likely`.
What to do: check the address and whether its owner runs and is attached to the same network.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighNoAnswer, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighNoAnswer;

impl Rule for NeighNoAnswer {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        silent_next_hops(
            scene,
            META.cause,
            |flow, hop| !hop.via_gateway() && flow.purpose != Purpose::Gateway,
            |hop, next, link| {
                let name = shown(&link.name);
                let summary = format!("{}: {next} does not answer on {name}", hop.vantage.name);
                unanswered(META.cause, hop, next, link, summary)
                    .confidence(Confidence::Likely)
                    .prose(format!(
                        "check that {next} exists and is attached to the network of {name}"
                    ))
            },
        )
    }
}

/// Finds next hops that were asked for and stayed silent, on links that could have answered.
pub(super) fn silent_next_hops(
    scene: &Scene<'_>,
    cause: Cause,
    applies: impl Fn(&Flow<'_>, &Hop<'_>) -> bool,
    draft: impl Fn(&Hop<'_>, IpAddr, &Link) -> Draft,
) -> Answer {
    let (mut hits, mut answered, mut unasked) = (Vec::new(), None, None);
    for (n, flow, position, hop) in scene.failing_hops() {
        let (Some(link), Some(next)) = (hop.egress(), hop.next_hop()) else {
            continue;
        };
        if !applies(flow, hop) || !link.has_carrier() || link.is_noarp() {
            continue;
        }
        match silence(flow, hop) {
            Silence::Heard => answered = Some(next),
            Silence::NotAsked => unasked = Some(next),
            Silence::Silent => {
                let symptom = flow.hops.first().map(|target| symptom(flow, target));
                let mut draft = draft(hop, next, link);
                draft.finding.evidence.splice(0..0, symptom);
                hits.push(draft.hit(n, position));
            }
        }
    }
    Answer::from_hits(hits, || match (answered, unasked) {
        (Some(next), _) => Answer::RuledOut(format!("{next} answers")),
        (None, Some(next)) => Answer::CouldNotCheck(Unchecked {
            what: cause.slug().to_owned(),
            why: format!("{next} could not be asked for on its link"),
            needs: Some(crate::base::Capability::NetRaw),
        }),
        (None, None) => Answer::NotApplicable,
    })
}

/// Tells whether the next hop was asked for, by us or by the kernel, and stayed silent.
pub(super) fn is_silent(flow: &Flow<'_>, hop: &Hop<'_>) -> bool {
    matches!(silence(flow, hop), Silence::Silent)
}

enum Silence {
    Silent,
    Heard,
    NotAsked,
}

/// What is known about the next hop: the live answer first, else what the kernel made of its own.
fn silence(flow: &Flow<'_>, hop: &Hop<'_>) -> Silence {
    let set = |state| matches!(state, NeighState::Permanent | NeighState::NoArp);
    let tunnel = hop.egress().is_some_and(|link| link.kind.as_deref() == Some("vxlan"));
    match hop.solicited() {
        Some(report) if !report.answers.is_empty() => Silence::Heard,
        // Where the neighbours are set by hand, a tunnel need not carry broadcasts.
        _ if tunnel && hop.entry().is_some_and(|entry| set(entry.state)) => Silence::NotAsked,
        Some(report) if report.requests.len() >= 2 => Silence::Silent,
        _ => match hop.entry().map(|entry| entry.state) {
            Some(NeighState::Reachable | NeighState::Permanent | NeighState::NoArp) => {
                Silence::Heard
            }
            // One that failed and is asked for once more is incomplete again.
            Some(NeighState::Failed | NeighState::Incomplete) if gave_up(flow, hop) => {
                Silence::Silent
            }
            _ => Silence::NotAsked,
        },
    }
}

/// Tells whether the own kernel reported that it could not resolve the next hop.
fn gave_up(flow: &Flow<'_>, hop: &Hop<'_>) -> bool {
    matches!(flow.outcome, Outcome::Unreachable(icmp) if icmp.from.is_some_and(|a| hop.vantage.owns(a)))
}

/// The facts about a next hop that stayed silent.
pub(super) fn unanswered(
    cause: Cause,
    hop: &Hop<'_>,
    next: IpAddr,
    link: &Link,
    summary: String,
) -> Draft {
    let entry = hop.entry();
    let believed = entry.and_then(|entry| entry.lladdr);
    let kind = SubjectKind::Neighbour {
        address: next,
        link: link.name.clone(),
        believed,
        answered: Vec::new(),
    };
    let state = match entry {
        None => "no entry".to_owned(),
        Some(entry) => match believed {
            Some(lladdr) => format!("{lladdr} {}", entry.state),
            None => entry.state.to_string(),
        },
    };
    let name = shown(&link.name);
    let draft = Draft::new(cause, hop, kind, summary).evidence(evidence(
        hop,
        hop.at,
        format!("neighbour table, {next}"),
        state,
    ));
    match hop.solicited() {
        None => draft,
        Some(report) => {
            let at = report.requests.first().copied().unwrap_or(hop.at);
            let asked = format!("{} for {next} on {name}", solicitation(next));
            let seen = format!("{} sent, none answered", report.requests.len());
            draft.evidence(evidence(hop, at, asked, seen))
        }
    }
}
