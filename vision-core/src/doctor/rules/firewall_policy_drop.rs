use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A base chain drops what none of its rules accepts.

How it shows: as a rule that drops, but for everything at once: often all forwarding, after another
program has set the policy of the FORWARD chain.
How it is proved: the packets meet no rule of the chain that decides, its policy is drop, and its
counter moved, or packets reached the hook and did not leave the namespace.
What to do: add a rule that accepts the flow.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallPolicyDrop, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallPolicyDrop;

impl Rule for FirewallPolicyDrop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::Policy)
    }
}
