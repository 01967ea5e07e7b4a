use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule drops packets whose source it takes for forged: the way back to it leads elsewhere.

How it shows: loss in one direction only, as with rp_filter, though rp_filter is off.
How it is proved: the rule asks the routing table about the source (fib, rpfilter), and its counter
moved with the probes.
What to do: give the host a route back to the source by the link it comes in by, or exempt it.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallAntispoof, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallAntispoof;

impl Rule for FirewallAntispoof {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::AntiSpoof)
    }
}
