use super::text::{Draft, evidence, list, outcome, question, shown, solicitation};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk, SubjectKind};
use crate::inventory::{NeighState, Sections};

const DOCS: &str = "\
The neighbour table has a link-layer address, learnt earlier, that no longer belongs to the
neighbour: frames go to a machine that discards them, or to nobody.

How it shows: connections time out for minutes after a failover or after a container was replaced
under the same address, then mend by themselves; the entry looks REACHABLE or STALE.
How it is proved: packets sent by the table stay unanswered, the neighbour, asked live, answers from
another address, and once that answer has renewed the entry the same probe works.
What to do: flush the entry; the machine that took the address over should announce itself.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighStaleMac, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighStaleMac;

impl Rule for NeighStaleMac {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut right) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate() {
            let Some(hop) = flow.hops.first() else { continue };
            match finding(flow, hop).filter(|_| flow.mended) {
                Some(draft) => hits.push(draft.hit(n, 0)),
                None => right = right.or(hop.next_hop().filter(|_| hop.solicited().is_some())),
            }
        }
        Answer::from_hits(hits, || match right {
            Some(next) => Answer::RuledOut(format!("the table agrees with {next}'s own answer")),
            None => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (link, next) = (hop.egress()?, hop.next_hop()?);
    let entry = hop.believed().filter(|entry| entry.state != NeighState::Permanent)?;
    let believed = entry.lladdr?;
    let report = hop.solicited()?;
    let answered = report.holders();
    if answered.is_empty() || answered.contains(&believed) {
        return None;
    }
    let (name, place, real) = (shown(&link.name), &hop.vantage.name, list(&answered));
    let summary = format!("{place} sends to {believed} for {next}, but {next} is now at {real}");
    let kind = SubjectKind::Neighbour {
        address: next,
        link: link.name.clone(),
        believed: Some(believed),
        answered,
    };
    let at = report.requests.first().copied().unwrap_or(hop.at);
    let asked = format!("{} for {next} on {name}", solicitation(next));
    let table = format!("{believed} {}", entry.state);
    let renewed = format!("{} with the entry renewed", question(flow));
    Some(
        Draft::new(META.cause, hop, kind, summary)
            .evidence(evidence(hop, hop.at, question(flow), "no answer"))
            .evidence(evidence(hop, hop.at, format!("neighbour table, {next}"), table))
            .evidence(evidence(hop, at, asked, format!("answered from {real}")))
            .evidence(evidence(hop, flow.at, renewed, outcome(flow)))
            .command(format!("ip neigh flush {next} dev {name}"), Risk::Safe),
    )
}
