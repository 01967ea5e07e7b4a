use super::filtered;
use super::{Answer, Rule, RuleMeta, told};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule of a packet filter refuses the packets and says so.

How it shows: connects fail at once, with ECONNREFUSED for a TCP reset or a port-unreachable, with
EHOSTUNREACH for the other ICMP codes.
How it is told from its neighbours: a missing listener refuses as well; here the rule's counter moved
with the probes, the ICMP error comes from the filtering host, and the destination's own count of
resets stays still.
What to do: let the flow pass before the rule, or take the rule away if nothing needs it.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallReject, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallReject;

impl Rule for FirewallReject {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        match filtered::check(scene, META.cause, StopKind::Reject) {
            Answer::Confirmed(hits) => Answer::Confirmed(hits),
            otherwise => {
                let failing = scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed());
                let told = failing.filter_map(|(n, flow)| {
                    let draft = told::refused(scene, flow, META.cause)?;
                    Some(draft.hit(n, flow.hops.len()))
                });
                Answer::from_hits(told.collect(), || otherwise)
            }
        }
    }
}
