use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule lets only so many connections exist at a time.

How it shows: the first connections work, further ones hang or are refused until one ends.
How it is proved: a rule that counts connections (ct count, connlimit) is on the way, and its counter
moved with the probes.
What to do: raise the number, or find out who keeps the connections open.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallConnectionLimit, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallConnectionLimit;

impl Rule for FirewallConnectionLimit {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::ConnectionLimit)
    }
}
