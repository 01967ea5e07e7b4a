use super::text::{Draft, evidence, list, shown, solicitation, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::LinkAddr;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk, SubjectKind, WireLink};
use crate::inventory::{Link, NeighState, Neighbour, Sections};

const DOCS: &str = "\
A neighbour entry that was set by hand (PERMANENT) has a link-layer address that the neighbour
does not have, so frames go to nobody or to the wrong machine.

How it shows: connections time out although the neighbour table looks fine.
How it is proved: the neighbour is asked live, past the table, and answers from another address.
Why it happens: the entry outlived the machine it was made for, or was mistyped.
What to do: delete the entry; the kernel then asks by itself.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighWrongStatic, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighWrongStatic;

impl Rule for NeighWrongStatic {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let mut right = None;
        for (n, flow, position, hop) in scene.failing_hops() {
            let unseen =
                || past_the_peer(scene, flow, hop).or_else(|| past_the_tunnel(scene, flow, hop));
            match finding(flow, hop).or_else(unseen) {
                Some(draft) => hits.push(draft.hit(n, position)),
                None => right = right.or(hop.next_hop().filter(|_| hop.solicited().is_some())),
            }
        }
        Answer::from_hits(hits, || match right {
            Some(next) => Answer::RuledOut(format!("no entry set by hand for {next} is wrong")),
            None => Answer::NotApplicable,
        })
    }
}

/// Nobody answers for the neighbour, and the only one who hears the link has another address than the entry.
fn past_the_peer(scene: &Scene<'_>, flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (link, next) = (hop.egress()?, hop.next_hop()?);
    let entry = hop.entry().filter(|entry| entry.state == NeighState::Permanent)?;
    let (believed, wire) = (entry.lladdr?, scene.wire(hop)?);
    let [own, peer] = wire.way.as_slice() else { return None };
    let alone = link.kind.as_deref() == Some("veth") && own.link.ifindex == link.ifindex;
    let real = peer.link.address.filter(|real| *real != believed)?;
    if !alone || peer.link.master_ifindex.is_some() || !hop.solicited()?.answers.is_empty() {
        return None;
    }
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let summary = format!(
        "{place} sends to {believed} for {next}, set by hand, but the other end of {name} is {real}"
    );
    Some(unheard(flow, hop, (link, entry), (peer, real), summary))
}

/// The other end of a tunnel has another address than the entry, as after it was made again.
fn past_the_tunnel(scene: &Scene<'_>, flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (link, next) = (hop.egress()?, hop.next_hop()?);
    let entry = hop.entry().filter(|entry| entry.state == NeighState::Permanent)?;
    let (believed, wire) = (entry.lladdr?, scene.wire(hop)?);
    let end = wire.end().or(wire.owner.first()).filter(|end| end.is_tunnel())?;
    let real = end.link.address.filter(|real| *real != believed)?;
    let tunnel = wire.start().is_some_and(|start| start.is_tunnel());
    if !tunnel || !hop.solicited().is_none_or(|report| report.answers.is_empty()) {
        return None;
    }
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let (other, there) = (shown(&end.link.name), &end.place);
    let summary = format!(
        "{place} sends to {believed} for {next} over {name}, set by hand, but {other} of {there} is {real}"
    );
    Some(unheard(flow, hop, (link, entry), (end, real), summary))
}

/// What is said where the tables tell, and no answer.
fn unheard(
    flow: &Flow<'_>,
    hop: &Hop<'_>,
    (link, entry): (&Link, &Neighbour),
    (other, real): (&WireLink, LinkAddr),
    summary: String,
) -> Draft {
    let (name, next) = (shown(&link.name), entry.dst);
    let believed = entry.lladdr.map_or_else(String::new, |believed| believed.to_string());
    let kind = SubjectKind::Neighbour {
        address: next,
        link: link.name.clone(),
        believed: entry.lladdr,
        answered: vec![real],
    };
    let table = format!("{believed} {}", entry.state);
    let asked = format!("link-layer address of {}", shown(&other.link.name));
    Draft::new(META.cause, hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(hop, hop.at, format!("neighbour table, {next}"), table))
        .evidence(evidence(hop, hop.at, asked, real.to_string()))
        .command(format!("ip neigh replace {next} lladdr {real} dev {name}"), Risk::Safe)
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (link, next) = (hop.egress()?, hop.next_hop()?);
    let entry = hop.entry().filter(|entry| entry.state == NeighState::Permanent)?;
    let believed = entry.lladdr?;
    let report = hop.solicited()?;
    let answered = report.holders();
    if answered.is_empty() || answered.contains(&believed) {
        return None;
    }
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let real = list(&answered);
    let summary =
        format!("{place} sends to {believed} for {next}, set by hand, but {next} is at {real}");
    let kind = SubjectKind::Neighbour {
        address: next,
        link: link.name.clone(),
        believed: Some(believed),
        answered,
    };
    let at = report.requests.first().copied().unwrap_or(hop.at);
    let asked = format!("{} for {next} on {name}", solicitation(next));
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    let table = format!("{believed} {}", entry.state);
    Some(
        draft
            .evidence(evidence(hop, hop.at, format!("neighbour table, {next}"), table))
            .evidence(evidence(hop, at, asked, format!("answered from {real}")))
            .command(format!("ip neigh del {next} dev {name}"), Risk::Safe),
    )
}
