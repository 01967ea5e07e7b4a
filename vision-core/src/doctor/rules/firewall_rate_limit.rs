use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule lets only so many packets pass in a time and the rest is dropped.

How it shows: some connects work, others take 1, 3 or 7 seconds or fail: each lost SYN is sent again.
How it is proved: a rule with a limit is on the way, and the counter behind the limit moved with the
probes.
What to do: raise the limit, or limit by source instead of all together.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallRateLimit, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallRateLimit;

impl Rule for FirewallRateLimit {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::RateLimit)
    }
}
