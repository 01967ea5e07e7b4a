use super::loss_path::is_full;
use super::mtu_veth_mismatch::{full_sized, swallowed};
use super::text::{Draft, evidence, link_subject, moved, shown};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::SmallSegments;
use crate::doctor::case::FullSizeRecord;
use crate::doctor::greeting::{millis, small_only};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Confidence, Severity, SubjectKind};
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
Packets as large as the first link takes vanish further on, and the ICMP error that should say so does
not arrive: path MTU discovery cannot work.

How it shows: connections open and small requests work, large transfers hang after the first bytes.
How it is proved: two large echo requests that may not be fragmented stay unanswered while small ones are
answered, a router on the way has a narrower link, and it counts packets that it could not fragment.
Or a service that was asked something answers over a connection with small segments and never over
others, while a router on the way back has such a link and counts.
Where the router is out of sight it is `likely`: a filter may drop large echo requests only.
What to do: let ICMP `fragmentation needed` and `packet too big` pass, or lower the MTU, or clamp the MSS.";

static META: RuleMeta = RuleMeta { cause: Cause::MtuBlackHole, needs: Sections::LINKS, docs: DOCS };

pub(super) struct MtuBlackHole;

impl Rule for MtuBlackHole {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut passed) = (Vec::new(), None);
        for (n, flow, record) in full_sized(scene) {
            match record.is_swallowed() {
                // Whatever its size, a packet may find no room in a queue.
                true if is_full(scene, flow) => {}
                true => hits.extend(finding(flow, record).map(|(at, draft)| draft.hit(n, at))),
                false => passed = Some(record.size_bytes),
            }
        }
        for (n, flow) in scene.flows.iter().enumerate() {
            let swallowed =
                scene.target.full_size(flow.dst).is_some_and(FullSizeRecord::is_swallowed);
            if let (false, Some(small)) = (swallowed, small_only(scene, flow)) {
                hits.extend(on_the_way_back(flow, small).map(|(at, draft)| draft.hit(n, at)));
            }
        }
        Answer::from_hits(hits, || match passed {
            Some(size) => {
                Answer::RuledOut(format!("packets of {size} bytes pass, or somebody says why not"))
            }
            None => Answer::NotApplicable,
        })
    }
}

/// The first router on the way, there or back, whose link is narrower than the packets.
fn narrow<'a>(flow: &'a Flow<'a>, size: u32) -> Option<(usize, &'a Hop<'a>, &'a Link)> {
    narrow_of(flow.hops.iter().skip(1).chain(flow.back.iter().skip(1)), size)
}

fn narrow_of<'a>(
    hops: impl Iterator<Item = &'a Hop<'a>>,
    size: u32,
) -> Option<(usize, &'a Hop<'a>, &'a Link)> {
    hops.enumerate().filter(|(_, hop)| !hop.is_local()).find_map(|(n, hop)| {
        let link = hop.egress().filter(|link| link.mtu_bytes.is_some_and(|mtu| mtu < size))?;
        Some((n + 1, hop, link))
    })
}

fn finding(flow: &Flow<'_>, record: &FullSizeRecord) -> Option<(usize, Draft)> {
    let (target, size) = (flow.hops.first()?, record.size_bytes);
    let Some((position, hop, link)) = narrow(flow, size) else {
        let summary =
            format!("packets of {size} bytes to {} vanish on the way without a word", flow.dst);
        let kind = SubjectKind::Route { destination: flow.dst, route: None };
        let mut draft = Draft::new(META.cause, target, kind, summary)
            .confidence(Confidence::Likely)
            .all(swallowed(target, record));
        draft.finding.severity = Severity::Warning;
        // Behind the first link; no namespace in particular.
        draft.finding.subject.netns = None;
        return Some((
            1,
            draft.prose(
                "find the narrow link with `vision path --mtu`, and let its ICMP errors pass",
            ),
        ));
    };
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let mtu = link.mtu_bytes.unwrap_or(0);
    let summary = format!(
        "{place}: {name} takes {mtu} bytes, and packets of {size} vanish there without a word to the sender"
    );
    let mut draft = Draft::new(META.cause, hop, link_subject(link), summary)
        .all(swallowed(target, record))
        .evidence(evidence(hop, hop.at, format!("MTU of {name}"), mtu.to_string()));
    draft.finding.severity = Severity::Warning;
    Some((
        position,
        counted(draft, hop).prose(format!(
            "let ICMP errors out of {place}, or give the sender's route an MTU of {mtu}"
        )),
    ))
}

/// Answers that come in small segments only: this end's packets pass, and theirs do not.
fn on_the_way_back(
    flow: &Flow<'_>,
    (small, silent): (&SmallSegments, usize),
) -> Option<(usize, Draft)> {
    let target = flow.hops.first()?;
    let size = target.egress().and_then(|link| link.mtu_bytes);
    let times = if silent == 1 { "once".to_owned() } else { format!("{silent} times") };
    let (segment, dst) = (small.segment_bytes, flow.dst);
    let facts = [
        evidence(
            target,
            small.at,
            format!("the same request with segments as the link takes them, {times}"),
            "no answer",
        ),
        evidence(
            target,
            small.at,
            format!("with segments of at most {segment} bytes"),
            small
                .first_byte
                .map_or_else(String::new, |it| format!("answered after {}", millis(it))),
        ),
    ];
    let narrow = size.and_then(|size| narrow_of(flow.back.iter().skip(1), size));
    let Some((position, hop, link)) = narrow else {
        let summary = format!(
            "{}: large packets from {dst} vanish on the way back: it is heard in segments of {segment} bytes only",
            target.vantage.name
        );
        let kind = SubjectKind::Route { destination: dst, route: None };
        let draft = Draft::new(META.cause, target, kind, summary);
        let mut draft = draft.confidence(Confidence::Likely).all(facts);
        // Beyond the first link; no namespace in particular.
        draft.finding.subject.netns = None;
        draft.finding.severity = Severity::Warning;
        let advice = format!(
            "let ICMP errors reach {dst}, or have {}'s route to it ask for less with `advmss`",
            target.vantage.name
        );
        return Some((1, draft.prose(advice)));
    };
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let mtu = link.mtu_bytes.unwrap_or(0);
    let summary = format!(
        "{place}: {name} takes {mtu} bytes, and larger packets from {dst} vanish there without a word to it"
    );
    let draft = Draft::new(META.cause, hop, link_subject(link), summary).all(facts);
    let draft = draft.evidence(evidence(hop, hop.at, format!("MTU of {name}"), mtu.to_string()));
    let mut draft = counted(draft, hop);
    draft.finding.severity = Severity::Warning;
    Some((
        flow.hops.len() + position,
        draft.prose(format!(
            "let ICMP errors out of {place}, or give {dst}'s route back an MTU of {mtu}"
        )),
    ))
}

/// With the counter of packets that a router could not pass on for their size; without it, it is but likely.
fn counted(draft: Draft, hop: &Hop<'_>) -> Draft {
    let group = match hop.family() {
        Family::V4 => ("Ip", "FragFails"),
        Family::V6 => ("Ip6", "InTooBigErrors"),
    };
    match moved(hop, group.0, group.1) {
        Some(counter) => draft.evidence(counter),
        None => draft.confidence(Confidence::Likely),
    }
}
