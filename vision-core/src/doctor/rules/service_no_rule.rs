use super::serving;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
A service address has no rule for the port: the packets follow the ordinary routes.

How it shows: connects to the address time out or are answered by a stranger, while other ports of the
same address work.
How it is told: rules translate other ports of the address, none this one, and nobody in sight holds
the address itself. It is always `likely`: nothing counts what is not there.
What to do: ask for the service's own port, or add the port to the service.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceNoRule, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceNoRule;

impl Rule for ServiceNoRule {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        serving::no_rule(scene, META.cause)
    }
}
