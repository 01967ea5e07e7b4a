use std::time::Duration;

use super::text::{Draft, evidence, link_subject, shown};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::millis;
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::stop::is_lossy;
use crate::doctor::train::{QueueRecord, SLOW};
use crate::doctor::{Cause, Confidence, Severity};
use crate::inventory::qdisc::QdiscOptions;
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
Packets wait in a queue of a link that is sent more than it takes.

How it shows: answers take milliseconds while the link is idle and a good part of a second while something
large is transferred; with a full queue some are lost as well.
How it is proved: the link is on the way, packets stood in its queue after the probes, and the time they need at
the queue's rate is a good part of the round trip. Of a queue without a rate of its own it is `likely`, and only if it
dropped some meanwhile: on a busy host a few packets always wait.
Why it happens: a shaper or a slow link with a long queue and one flow that fills it.
What to do: find who fills it (`vision sock -t --info`), or put fq_codel or cake there, which keep queues short.";

static META: RuleMeta = RuleMeta { cause: Cause::LatencyQueue, needs: Sections::LINKS, docs: DOCS };

pub(super) struct LatencyQueue;

impl Rule for LatencyQueue {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut quickest) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate() {
            match congested(scene, flow) {
                Some((at, waiting)) => hits.push(finding(scene, flow, &waiting).hit(n, at)),
                None => quickest = quickest.or_else(|| median(scene, flow)),
            }
        }
        Answer::from_hits(hits, || match quickest {
            Some(time) => Answer::RuledOut(format!(
                "paced echo requests took {} in the median and no queue on the way held packets",
                millis(time)
            )),
            None => Answer::NotApplicable,
        })
    }
}

/// A queue on the way in which packets wait.
pub(super) struct Waiting<'a> {
    hop: &'a Hop<'a>,
    link: &'a Link,
    record: &'a QueueRecord,
}

fn median(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Duration> {
    let asked = matches!(flow.purpose, Purpose::Destination(_));
    let train = scene.target.train(flow.dst).filter(|_| asked)?;
    train.times().map(|[_, median, _]| median)
}

/// The queues of the links that a flow's packets and their answers leave by, with their place on the way.
pub(super) fn queues<'a>(
    flow: &'a Flow<'a>,
) -> impl Iterator<Item = (usize, &'a Hop<'a>, &'a Link, &'a QueueRecord)> {
    let hops = flow.hops.iter().chain(&flow.back).enumerate();
    hops.filter_map(|(at, hop)| Some((at, hop, hop.egress()?))).flat_map(|(at, hop, link)| {
        let all = hop.vantage.rounds.iter().rev().flat_map(|round| &round.queues);
        let own = all.filter(|record| record.after.ifindex == link.ifindex);
        own.map(move |record| (at, hop, link, record))
    })
}

/// Finds where a flow's packets wait, if they take long.
pub(super) fn congested<'a>(scene: &Scene<'_>, flow: &'a Flow<'a>) -> Option<(usize, Waiting<'a>)> {
    let median = median(scene, flow).filter(|median| *median >= SLOW)?;
    // What waits there for a moment only is not why a far host answers late.
    let holds = |record: &QueueRecord| match drain(record) {
        Some(time) => time * 4 >= median,
        None => record.drops() > 0,
    };
    queues(flow)
        .find(|(.., record)| record.after.stats.backlog_packets > 1 && holds(record))
        .map(|(at, hop, link, record)| (at, Waiting { hop, link, record }))
}

/// How long what waits needs to leave, where the queue has a rate.
fn drain(record: &QueueRecord) -> Option<Duration> {
    let bytes = u64::from(record.after.stats.backlog_bytes);
    let rate = match &record.after.options {
        Some(QdiscOptions::Tbf(tbf)) => tbf.rate_bytes_per_s.unwrap_or(0),
        _ => return None,
    };
    (rate > 0).then(|| Duration::from_micros(bytes.saturating_mul(1_000_000) / rate))
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, waiting: &Waiting<'_>) -> Draft {
    let Waiting { hop, link, record } = waiting;
    let (name, place, stats) = (shown(&link.name), &hop.vantage.name, &record.after.stats);
    let [least, median, most] =
        scene.target.train(flow.dst).and_then(|it| it.times()).unwrap_or_default();
    let summary = format!(
        "{place}: packets to {} wait in the queue of {name}: answers take {}",
        flow.dst,
        millis(median)
    );
    let time = drain(record);
    let confidence = match time {
        Some(time) if time <= median * 4 => Confidence::Proved,
        _ => Confidence::Likely,
    };
    let target = flow.hops.first().unwrap_or(hop);
    let mut draft = Draft::new(META.cause, hop, link_subject(link), summary)
        .confidence(confidence)
        .evidence(evidence(
            target,
            flow.at,
            format!("paced echo requests to {}", flow.dst),
            format!(
                "answered in {}, {}, {} (least, median, most)",
                millis(least),
                millis(median),
                millis(most)
            ),
        ));
    if is_lossy(scene, flow) {
        let lost = scene.target.train(flow.dst).map(|it| it.echo_tally().text());
        let asked = format!("paced echo requests to {}", flow.dst);
        draft = draft.all(lost.map(|lost| evidence(target, flow.at, asked, lost)));
    }
    let waits = format!("{} packets, {} bytes", stats.backlog_packets, stats.backlog_bytes);
    let asked = format!("queue of {name} ({}): waiting", record.after.kind);
    draft = draft.evidence(evidence(hop, flow.at, asked, waits));
    if let Some(time) = time {
        let asked = format!("queue of {name}: time to empty at its rate");
        draft = draft.evidence(evidence(hop, flow.at, asked, millis(time)));
    }
    if record.drops() > 0 {
        let seen = format!("moved by {}", record.drops());
        draft = draft.evidence(evidence(hop, flow.at, format!("queue of {name}: drops"), seen));
    }
    if flow.outcome == Outcome::Works {
        draft.finding.severity = Severity::Warning;
    }
    draft.prose(format!(
        "find who fills the queue of {name} (`vision sock -t --info`), or keep it short with fq_codel"
    ))
}
