use std::time::Duration;

use super::loss_path::LAST;
use super::text::{Draft, evidence, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::greeting::{Wait, lost_nothing, millis, wait_of};
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::traffic::Throttled;
use crate::doctor::{Cause, Confidence, Evidence, Severity, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Processes stand still until their control group may use the processor again.

How it shows: answers take a tenth of a second and more now and then, or always, and no packet is lost.
How it is proved: a request of the probe had to wait for its first byte, nothing had to be sent again, and meanwhile a
control group of the process that accepts (cpu.stat: nr_throttled) kept it waiting for a good part of that time. Where
its sockets are out of sight it is `likely`.
Where no answer was late, or it is the one who asks that had to wait, it is a note: the kernel answers pings and
connects for the service, and the doctor is not in the group.
Why it happens: a CPU limit (`limits.cpu` of a pod, `--cpus`, CPUQuota=) below what is needed at once.
What to do: raise or drop the limit; look at nr_throttled against nr_periods of cpu.stat.";

static META: RuleMeta =
    RuleMeta { cause: Cause::LatencyCpuThrottled, needs: Sections::NONE, docs: DOCS };

pub(super) struct LatencyCpuThrottled;

impl Rule for LatencyCpuThrottled {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate() {
            let asked = matches!(flow.purpose, Purpose::Destination(_));
            let owner = scene.owner(flow.dst).filter(|_| asked);
            // Others in the service's namespace may wait as long as they like.
            let serving = |held: &&Throttled| held.serves != Some(false);
            let own = owner.and_then(|owner| Some((owner, worst(owner, serving)?)));
            if let Some((vantage, held)) = own {
                let late = wait_of(scene, flow).filter(|wait| explains(held, flow, wait));
                let found = finding(scene, flow, (vantage, held), late.as_ref());
                let mut hit = found.hit(n, if late.is_some() { flow.hops.len() } else { LAST });
                hit.overrides = late.is_some();
                hits.push(hit);
            } else if let (0, Some(held)) = (n, worst(scene.target, |_| true)) {
                hits.push(finding(scene, flow, (scene.target, held), None).hit(n, LAST));
            }
        }
        // Of groups that are out of sight nothing is said.
        Answer::from_hits(hits, || Answer::NotApplicable)
    }
}

/// Of some groups of a namespace, the one that waited longest.
fn worst(vantage: &Vantage, of: impl Fn(&&Throttled) -> bool) -> Option<&Throttled> {
    let all = vantage.rounds.iter().flat_map(|round| &round.throttled);
    all.filter(of).max_by_key(|held| held.waited)
}

/// Tells whether an answer was late and its service stood still for a good part of that time.
fn explains(held: &Throttled, flow: &Flow<'_>, wait: &Wait) -> bool {
    let long = |first: Duration| held.waited * 2 >= first.saturating_sub(wait.connect);
    flow.outcome == Outcome::Works && wait.is_late() && wait.first_byte.is_some_and(long)
}

fn counted(flow: &Flow<'_>, vantage: &Vantage, held: &Throttled) -> Evidence {
    let (used, of, waited) = (held.throttled, held.periods, millis(held.waited));
    Evidence {
        asked: format!("cpu.stat of {}", shown(&held.group)),
        place: vantage.name.clone(),
        seen: format!("used up in {used} of {of} periods; waited {waited}"),
        at: flow.at,
    }
}

fn finding(
    scene: &Scene<'_>,
    flow: &Flow<'_>,
    (vantage, held): (&Vantage, &Throttled),
    late: Option<&Wait>,
) -> Draft {
    let (here, place) = (&flow.hops[0], &vantage.name);
    let process = format!("{} (pid {})", shown(&held.comm), held.pid);
    let limit = format!("{} of every {}", millis(held.quota), millis(held.period));
    let summary = match late.and_then(|wait| Some((wait.port, wait.first_byte?))) {
        Some((port, first)) => format!(
            "{place}: {process} may run for {limit} and stood still: port {port} took {} to answer",
            millis(first)
        ),
        None => format!("{place}: {process} may run for {limit} and stood still meanwhile"),
    };
    let kind = SubjectKind::Process { pid: held.pid, comm: held.comm.clone() };
    let mut draft = Draft::new(META.cause, here, kind, summary);
    draft.finding.subject.netns = Some(vantage.netns);
    draft.finding.subject.place.clone_from(place);
    match late {
        Some(wait) => {
            let sure = held.serves == Some(true) && lost_nothing(scene, flow);
            draft = draft
                .confidence(if sure { Confidence::Proved } else { Confidence::Likely })
                .evidence(symptom(flow, here))
                .evidence(evidence(here, wait.at, wait.asked, wait.text()));
            draft.finding.severity = Severity::Warning;
        }
        None => {
            draft = draft.confidence(Confidence::Likely);
            draft.finding.severity = Severity::Note;
        }
    }
    let more = "give it more processor time (`limits.cpu`, `--cpus`, CPUQuota=)";
    draft
        .evidence(counted(flow, vantage, held))
        .prose(format!("{more}, or find what {process} uses it for"))
}
