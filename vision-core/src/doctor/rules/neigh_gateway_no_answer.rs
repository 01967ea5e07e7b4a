use super::neigh_no_answer::{silent_next_hops, unanswered};
use super::text::shown;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
The gateway does not answer ARP or neighbour solicitation, so nothing beyond the own link can be
reached.

How it shows: connections fail with EHOSTUNREACH after three seconds, or time out; the gateway's
entry is INCOMPLETE or FAILED. Peers on the same link may still answer.
How it is proved: the gateway is asked live on a link that has a carrier, and stays silent.
Why it happens: the gateway is down or has moved, the default route names an address nobody has,
or the container sits on the wrong bridge or VLAN.
What to do: check that the gateway address is right and that its owner is up on this link.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighGatewayNoAnswer, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighGatewayNoAnswer;

impl Rule for NeighGatewayNoAnswer {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        silent_next_hops(
            scene,
            META.cause,
            |flow, hop| hop.via_gateway() || flow.purpose == crate::doctor::scene::Purpose::Gateway,
            |hop, next, link| {
                let summary = format!(
                    "{}: the gateway {next} does not answer on {}",
                    hop.vantage.name,
                    shown(&link.name)
                );
                let fix = format!(
                    "check that {next} is the right gateway and that it is up on this link"
                );
                unanswered(META.cause, hop, next, link, summary).prose(fix)
            },
        )
    }
}
