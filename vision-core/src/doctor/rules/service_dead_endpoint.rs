use super::serving;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
One of the addresses that a service leads to does not answer, or refuses.

How it shows: one connect in n fails, or all when all are dead.
How it is proved: a rule translates the address asked for; the connection table shows which endpoint
the probe was given, and that endpoint is silent on the link or has no listener. It is `likely` where
packets to one of several endpoints find no way and nobody in sight has its address.
How it is told from its neighbours: a published port with one target in sight has that target's own cause.
What to do: take the endpoint out of the service or bring it back.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceDeadEndpoint, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceDeadEndpoint;

impl Rule for ServiceDeadEndpoint {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        serving::dead(scene, META.cause)
    }
}
