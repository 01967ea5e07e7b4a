use super::content::{Dropped, dropped};
use super::filtered;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::doctor::stop::StopKind;
use crate::inventory::Sections;

const DOCS: &str = "\
A rule drops packets that connection tracking cannot place (ct state invalid).

How it shows: connections hang although rules accept the port: answers that take another way than the
packets, connections older than the table, checksums that are wrong where they are looked at. Or connects work
and nothing that is said then is answered.
How it is proved: the tracker's count of invalid packets moved together with the rule's counter.
What to do: let both ways of a connection pass the same filter, or exempt the flow from tracking.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallCtInvalid, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallCtInvalid;

impl Rule for FirewallCtInvalid {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        match filtered::check(scene, META.cause, StopKind::Invalid) {
            found @ Answer::Confirmed(_) => found,
            // A tracker that sees one way of a connect only drops what follows it.
            other => Answer::from_hits(dropped(scene, META.cause, Dropped::Strays), || other),
        }
    }
}
