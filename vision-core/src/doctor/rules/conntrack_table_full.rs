use super::serving;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;

const DOCS: &str = "\
The connection table is full: packets of new connections are dropped.

How it shows: new connections hang on a busy host while old ones go on.
How it is proved: the tracker's count of packets dropped for want of room moved with the probes while
the table was at its limit. At the limit alone it is no fault: entries that are not assured make room.
What to do: raise net.netfilter.nf_conntrack_max, or find out who opens so many connections.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ConntrackTableFull, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ConntrackTableFull;

impl Rule for ConntrackTableFull {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        serving::table_full(scene, META.cause)
    }
}
