use std::net::IpAddr;
use std::time::Duration;

use super::latency_queue::congested;
use super::loss_path::{LAST, called, routers};
use super::serving::is_private;
use super::text::{Draft, evidence};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::greeting::millis;
use crate::doctor::scene::{Flow, Hop, Purpose, Scene};
use crate::doctor::train::{TrainRecord, times};
use crate::doctor::{Cause, Confidence, Severity, SubjectKind, Unchecked};
use crate::inventory::Sections;

const DOCS: &str = "\
Every packet takes long, all about as long, and most of that time is spent at one place of the way.

How it shows: connects, answers and names take a tenth of a second and more, at any time of the day.
How it is proved: paced echo requests to the routers on the way take little up to one of them and long from the next
one on, as far as the destination. If only the destination itself is late, nothing behind it confirms the place: `likely`.
Where no router answers, the whole way is in between, and nothing is said of any place.
Which times are long: 90 ms to a private address. Less, or the same to a public address, is a note: it may be the distance.
Why it happens: a tunnel by way of another site, a satellite or radio link, a host that passes packets on in a program.
What to do: find what is between the two that are named, and compare with the way the packets should take.";

static META: RuleMeta = RuleMeta { cause: Cause::LatencyHop, needs: Sections::NONE, docs: DOCS };

/// No way within a site is as long: it is nine thousand kilometres of fibre.
const LONG: Duration = Duration::from_millis(90);

pub(super) struct LatencyHop;

impl Rule for LatencyHop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen, mut blind) = (Vec::new(), None, None);
        for (n, flow) in scene.flows.iter().enumerate() {
            let asked = matches!(flow.purpose, Purpose::Destination(_));
            let Some(train) = scene.target.train(flow.dst).filter(|_| asked) else { continue };
            let Some([least, ..]) = train.times() else { continue };
            // What waits in a queue, or is lost on the way, is another matter.
            let other = train.is_lossy() || congested(scene, flow).is_some();
            if train.far().is_none() || other {
                seen = seen.or(Some(least));
                continue;
            }
            let marks = marks(scene, flow, least);
            if marks.len() == 1 && flow.hops.first().is_some_and(Hop::via_gateway) {
                blind = blind.or(Some(flow.dst));
                continue;
            }
            match step(marks, least) {
                Some(step) => hits.push(finding(scene, flow, train, &step).hit(n, LAST)),
                None => seen = seen.or(Some(least)),
            }
        }
        Answer::from_hits(hits, || match (seen, blind) {
            (_, Some(dst)) => Answer::CouldNotCheck(Unchecked {
                what: META.cause.slug().to_owned(),
                why: format!("no router on the way to {dst} answers echo requests"),
                needs: None,
            }),
            (Some(least), None) => Answer::RuledOut(format!(
                "the quickest echo reply took {}, and no place of the way most of it",
                millis(least)
            )),
            (None, None) => Answer::NotApplicable,
        })
    }
}

/// Where on the way time is spent.
struct Step {
    /// Who answers quickly still; none where that is the target itself.
    before: Option<(IpAddr, Duration)>,
    /// Who answers late, as does all behind it.
    after: (IpAddr, Duration),
    /// Everyone that was asked, the nearest first.
    marks: Vec<(IpAddr, Duration)>,
}

impl Step {
    fn gain(&self) -> Duration {
        let before = self.before.map_or(Duration::ZERO, |(_, time)| time);
        self.after.1.saturating_sub(before)
    }
}

/// Who answers on the way, and how quickly, the nearest first; the destination, in `total`, is the last.
fn marks(scene: &Scene<'_>, flow: &Flow<'_>, total: Duration) -> Vec<(IpAddr, Duration)> {
    let mut marks: Vec<_> = routers(scene, flow)
        .iter()
        .filter_map(|report| Some((report.to, times(report)?[0])))
        .collect();
    marks.push((flow.dst, total));
    marks
}

/// Finds where most of the time to a destination is spent at once, if that is anywhere.
fn step(marks: Vec<(IpAddr, Duration)>, total: Duration) -> Option<Step> {
    // A router may be slow for itself and quick for others: the last quick one counts.
    let quick = marks.iter().rposition(|(_, time)| *time * 2 < total);
    let before = quick.and_then(|at| marks.get(at)).copied();
    let after = *marks.get(quick.map_or(0, |at| at + 1))?;
    Some(Step { before, after, marks }).filter(|step| step.gain() * 5 >= total * 3)
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, train: &TrainRecord, step: &Step) -> Draft {
    let target = &flow.hops[0];
    let Step { before, after, marks } = step;
    let from = before.map_or(target.vantage.name.clone(), |(addr, _)| called(scene, addr));
    let to = called(scene, after.0);
    let [least, median, most] = train.times().unwrap_or_default();
    let share = match step.gain() {
        gain if gain * 10 >= least * 9 => "all".to_owned(),
        gain => millis(gain),
    };
    let summary = format!(
        "an answer of {} takes {}: {share} of it between {from} and {to}",
        flow.dst,
        millis(least)
    );
    let kind = SubjectKind::Route { destination: flow.dst, route: None };
    let mut draft = Draft::new(META.cause, target, kind, summary);
    if after.0 == flow.dst {
        draft = draft.confidence(Confidence::Likely);
    }
    draft.finding.severity = match least >= LONG && is_private(flow.dst) {
        true => Severity::Warning,
        false => Severity::Note,
    };
    draft.finding.subject.netns = None;
    draft.finding.subject.place = format!("between {from} and {to}");
    let asked = format!("paced echo requests to {}", flow.dst);
    let answered = format!(
        "answered in {}, {}, {} (least, median, most)",
        millis(least),
        millis(median),
        millis(most)
    );
    draft = draft.evidence(evidence(target, flow.at, asked, answered));
    let routers = marks.iter().filter(|(addr, _)| *addr != flow.dst);
    draft = draft.all(routers.map(|(addr, time)| {
        let asked = format!("paced echo requests to router {addr}");
        evidence(target, flow.at, asked, format!("answered in {} (least)", millis(*time)))
    }));
    draft.prose(format!(
        "look at what is between {from} and {to} (`vision path {}` goes there): a tunnel, a detour, a slow link",
        flow.dst
    ))
}
