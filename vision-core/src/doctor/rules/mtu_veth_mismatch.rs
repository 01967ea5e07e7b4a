use super::text::{Draft, evidence, link_subject, shown};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::{FullSizeRecord, Vantage};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Confidence, Evidence, Risk, Severity};
use crate::inventory::{Link, Sections};
use crate::probe::EchoOutcome;

const DOCS: &str = "\
The two ends of a veth pair have different MTUs. The larger end sends packets that the smaller one
does not take; they are dropped between the two, and no router is there to send an ICMP error.

How it shows: connections open, small requests work, large transfers in one direction hang.
How it is proved: two echo requests of the sender's MTU stay unanswered while small ones are answered, a
veth pair on the way has a smaller far end, and the drop counters of its ends move with them.
A container with a smaller MTU on both of its ends is healthy.
What to do: give both ends the same MTU.";

static META: RuleMeta =
    RuleMeta { cause: Cause::MtuVethMismatch, needs: Sections::LINKS, docs: DOCS };

pub(super) struct MtuVethMismatch;

impl Rule for MtuVethMismatch {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        where_swallowed(scene, mismatch)
    }
}

/// What is found where large packets vanish; ruled out where they pass.
pub(super) fn where_swallowed(
    scene: &Scene<'_>,
    find: impl Fn(&Scene<'_>, &Flow<'_>, &FullSizeRecord) -> Option<Draft>,
) -> Answer {
    let (mut hits, mut passed) = (Vec::new(), None);
    for (n, flow, record) in full_sized(scene) {
        match record.is_swallowed() {
            true => hits.extend(find(scene, flow, record).map(|draft| draft.hit(n, 0))),
            false => passed = Some(record.size_bytes),
        }
    }
    Answer::from_hits(hits, || match passed {
        Some(size) => {
            Answer::RuledOut(format!("packets of {size} bytes pass, or somebody says why not"))
        }
        None => Answer::NotApplicable,
    })
}

/// The destinations that were sent large packets.
pub(super) fn full_sized<'a>(
    scene: &'a Scene<'a>,
) -> impl Iterator<Item = (usize, &'a Flow<'a>, &'a FullSizeRecord)> {
    let flows = scene.flows.iter().enumerate();
    flows.filter_map(|(n, flow)| Some((n, flow, scene.target.full_size(flow.dst)?)))
}

/// The evidence that large packets vanish and small ones do not.
pub(super) fn swallowed(target: &Hop<'_>, record: &FullSizeRecord) -> [Evidence; 2] {
    let asked = |what: &str| format!("2 {what} echo requests to {}", record.to);
    let first = record.large.echoes.first();
    let at = first.map_or(target.at, |echo| echo.sent_at);
    let large = match first.map(|echo| &echo.outcome) {
        Some(EchoOutcome::LocalError { reason, .. }) => format!("dropped at once: {reason}"),
        _ => "no answer".to_owned(),
    };
    let small = record.small.as_ref().map_or(0, |small| small.summary().received);
    [
        evidence(target, at, asked(&format!("{}-byte", record.size_bytes)), large),
        evidence(target, at, asked("small"), format!("{small} answered")),
    ]
}

/// A veth pair on the way of the packets, or of the answers, whose far end is smaller.
fn pair<'a>(scene: &Scene<'a>, flow: &Flow<'a>, size: u32) -> Option<(&'a WireLink, &'a WireLink)> {
    let hops = flow.hops.iter().chain(&flow.back);
    hops.filter_map(|hop| scene.wire(hop)).find_map(|wire| {
        wire.way.windows(2).find_map(|two| match two {
            [from, to] if from.is_veth() && to.is_veth() => {
                let (larger, smaller) = (from.link.mtu_bytes?, to.link.mtu_bytes?);
                (smaller < larger && smaller < size).then_some((from, to))
            }
            _ => None,
        })
    })
}

fn mismatch(scene: &Scene<'_>, flow: &Flow<'_>, record: &FullSizeRecord) -> Option<Draft> {
    let target = flow.hops.first()?;
    let (from, to) = pair(scene, flow, record.size_bytes)?;
    let called = |step: &WireLink| format!("{} of {}", shown(&step.link.name), step.place);
    let (larger, smaller) = (from.link.mtu_bytes?, to.link.mtu_bytes?);
    let summary = format!(
        "{} has an MTU of {larger}, its other end {} of {smaller}: larger packets are dropped between them",
        called(from),
        called(to)
    );
    let mut draft = Draft::new(META.cause, target, link_subject(&to.link), summary);
    draft.finding.subject.netns = Some(to.netns);
    draft.finding.subject.place.clone_from(&to.place);
    draft.finding.severity = Severity::Warning;
    draft = draft.all(swallowed(target, record));
    for step in [from, to] {
        let mtu = step.link.mtu_bytes.unwrap_or(0).to_string();
        let mut fact =
            evidence(target, target.at, format!("MTU of {}", shown(&step.link.name)), mtu);
        fact.place.clone_from(&step.place);
        draft = draft.evidence(fact);
    }
    draft = match dropped(scene, target, [from, to]) {
        Some(counter) => draft.evidence(counter),
        None => draft.confidence(Confidence::Likely),
    };
    let name = shown(&to.link.name);
    Some(draft.command(format!("ip link set {name} mtu {larger}"), Risk::Disruptive))
}

/// The drop counter of either end, if it moved while large packets were sent.
fn dropped(scene: &Scene<'_>, target: &Hop<'_>, ends: [&WireLink; 2]) -> Option<Evidence> {
    ends.into_iter().enumerate().find_map(|(n, step)| {
        let vantage = scene.case.vantages.iter().find(|v| v.netns == step.netns)?;
        let count = |link: &Link| {
            let stats = link.stats.as_ref()?;
            Some(if n == 0 { stats.tx_dropped } else { stats.rx_dropped })
        };
        let by = link_moved(vantage, step.link.ifindex, count).filter(|by| *by > 0)?;
        let (end, name) = (if n == 0 { "tx" } else { "rx" }, shown(&step.link.name));
        let asked = format!("{end} dropped of {name}");
        let mut fact = evidence(target, target.at, asked, format!("moved by {by}"));
        fact.place.clone_from(&step.place);
        Some(fact)
    })
}

/// By how much a counter of a link moved in the round in which it moved most.
pub(super) fn link_moved(
    vantage: &Vantage,
    ifindex: u32,
    count: impl Fn(&Link) -> Option<u64>,
) -> Option<u64> {
    let of = |links: Option<&crate::inventory::Dump<Link>>| {
        links?.items.iter().find(|link| link.ifindex == ifindex).and_then(&count)
    };
    let moves = vantage.rounds.iter().filter_map(|round| {
        let (before, after) =
            (of(round.before.links.as_ref())?, of(round.after.as_ref()?.links.as_ref())?);
        Some(after.saturating_sub(before))
    });
    moves.max()
}
