use super::serving;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
A published port or a service leads to an address that nobody has.

How it shows: connects to the published port time out; the container behind it was made anew and has
another address.
How it is proved: a rule translates the address asked for, its only target is no container's address,
and nobody answers for it on the link. It is likely where routers further on send the packets round, or say
that nobody is there, and no namespace in sight has the address.
What to do: renew the rule: restart what wrote it, or publish the port again.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceStaleTarget, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceStaleTarget;

impl Rule for ServiceStaleTarget {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        serving::stale(scene, META.cause)
    }
}
