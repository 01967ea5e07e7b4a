use nix::libc;

use super::content::{Dropped, dropped};
use super::filtered;
use super::text::{Draft, moved, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{StopKind, walls_of};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
A rule of a packet filter drops the packets.

How it shows: TCP connects time out, UDP datagrams vanish; where the rule is in the own OUTPUT hook,
datagrams fail at once with EPERM.
How it is proved: the rule is one that the probed packets meet, at a hook they come through, and its
counter moved with them. A rule without a counter is proved by the namespace's own counters: packets
reached its IP layer and did not leave it. Where neither can be read it is `likely`. A drop rule whose
counter stays still is not to blame. A rule that looks into packets is `likely`: connects pass, and what is
said then is lost. A rule that hands packets to a queue (`NFQUEUE`) drops them where no program reads it.
Where the rules may not be read, EPERM shows that one of the own namespace drops them: `likely`, and which is
not known.
What to do: let the flow pass before the rule, or take the rule away if nothing needs it.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallRuleDrop, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallRuleDrop;

impl Rule for FirewallRuleDrop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let unread = scene.flows.iter().enumerate().filter_map(|(n, flow)| unread(scene, n, flow));
        match (filtered::check(scene, META.cause, StopKind::Drop), unread.collect::<Vec<_>>()) {
            (found @ Answer::Confirmed(_), _) => found,
            (other, mut hits) => {
                hits.extend(dropped(scene, META.cause, Dropped::Content));
                Answer::from_hits(hits, || other)
            }
        }
    }
}

/// The kernel says EPERM of what a rule of the own namespace drops (net/netfilter/core.c, `nf_hook_slow`).
fn unread(scene: &Scene<'_>, n: usize, flow: &Flow<'_>) -> Option<Hit> {
    let Outcome::Local(reason) = flow.outcome else { return None };
    let hop = flow.hops.first()?;
    let hidden = walls_of(scene.target).is_none_or(|walls| walls.unread);
    if reason.errno != libc::EPERM || !hidden {
        return None;
    }
    let (place, dst) = (&hop.vantage.name, flow.dst);
    let summary = format!(
        "{place}: its own packet filter drops what it sends to {dst}; which rule could not be read"
    );
    let draft = Draft::new(META.cause, hop, SubjectKind::Namespace, summary)
        .confidence(Confidence::Likely)
        .evidence(symptom(flow, hop))
        .all(moved(hop, "Ip", "OutDiscards"))
        .prose("look at the rules of its OUTPUT hook with CAP_NET_ADMIN: `vision fw --why`");
    Some(draft.hit(n, 0))
}
