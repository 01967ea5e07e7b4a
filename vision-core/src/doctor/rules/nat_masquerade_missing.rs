use super::{Answer, Rule, RuleMeta};
use super::{hairpin, serving};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
Packets leave with a private source that the far side has no way back to.

How it shows: connects to the outside time out; the server sees the SYNs.
How it is told: the last host in sight translates sources of other networks, has passed the packets on,
and translated this one not: its connection table shows the connection untranslated and unanswered, or
the destination has no route back. One that translates nobody is blamed only where the destination can be
seen to lack the route, and either is no private address or next to the host whose bridge has the source.
It is `proved` where the destination can be seen to lack the route. Where a host leads a service to a backend on
the client's own network, or to the client itself, with the client's plain source, the answers pass it by: the
client's kernel refuses them with resets, which proves it.
What to do: add the network to the rule that masquerades, or give the destination a route back.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NatMasqueradeMissing, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct NatMasqueradeMissing;

impl Rule for NatMasqueradeMissing {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        match serving::unmasked(scene, META.cause) {
            found @ Answer::Confirmed(_) => found,
            other => match hairpin::unmasked(scene, META.cause) {
                found @ Answer::Confirmed(_) => found,
                _ => other,
            },
        }
    }
}
