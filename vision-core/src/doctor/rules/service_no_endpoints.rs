use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
Nobody serves the service: the service proxy refuses connections to its address.

How it shows: connects to the service address are refused at once, also from the node itself.
How it is proved: the proxy's reject rule for the service is on the way (kube-proxy writes `has no
endpoints` beside it), and its counter moved with the probes.
What to do: start what serves it; correct the selector or the readiness of the pods.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceNoEndpoints, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceNoEndpoints;

impl Rule for ServiceNoEndpoints {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        filtered::check(scene, META.cause, StopKind::NoEndpoints)
    }
}
