use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule of a packet filter drops the packets.

How it shows: TCP connects time out, UDP datagrams vanish; where the rule is in the own OUTPUT hook,
datagrams fail at once with EPERM.
How it is proved: the rule is one that the probed packets meet, at a hook they come through, and its
counter moved with them. A rule without a counter is proved by the namespace's own counters: packets
reached its IP layer and did not leave it. Where neither can be read it is `likely`. A drop rule whose
counter stays still is not to blame.
What to do: let the flow pass before the rule, or take the rule away if nothing needs it.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallRuleDrop, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallRuleDrop;

impl Rule for FirewallRuleDrop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::Drop)
    }
}
