use super::text::{Draft, evidence, moved, shown, symptom};
use super::way::{Entry, entries};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Confidence, Risk, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
The node does not forward: packets that are not for itself end there.

How it shows: the container reaches the node and nothing beyond it; connections time out.
Why it happens: net.ipv4.ip_forward or net.ipv6.conf.all.forwarding is 0, often after a tool rewrote the
settings; one interface may have its own forwarding off.
How it is proved: the setting of the node on the way is off, for the link by which the packets come
in, and its InAddrErrors moves with the probes.
What to do: switch forwarding on, and keep it in /etc/sysctl.d.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteForwardingOff, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteForwardingOff;

impl Rule for RouteForwardingOff {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        off(scene, META.cause, |entry| !entry.turns_back(), finding)
    }
}

/// Finds namespaces on the way that would have to forward and do not.
pub(super) fn off(
    scene: &Scene<'_>,
    cause: Cause,
    applies: impl Fn(&Entry<'_>) -> bool,
    draft: impl Fn(&Flow<'_>, &Entry<'_>, &str) -> Draft,
) -> Answer {
    let (mut hits, mut on) = (Vec::new(), false);
    for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
        for entry in entries(scene, flow).iter().filter(|entry| entry.is_transit(flow)) {
            match entry.forwarding_off() {
                Some(key) if applies(entry) => {
                    let draft = draft(flow, entry, &key);
                    let draft = draft.all(flow.hops.first().map(|target| symptom(flow, target)));
                    let set = evidence(entry.hop, entry.hop.at, key, "0");
                    hits.push(reacted(draft.evidence(set), entry).hit(n, entry.position));
                }
                Some(_) => {}
                None => on = true,
            }
        }
    }
    Answer::from_hits(hits, || match on {
        true => Answer::RuledOut(match cause {
            Cause::RouteGatewayNotRouter => "the gateways on the way forward".to_owned(),
            _ => "the routers on the way forward".to_owned(),
        }),
        false => Answer::NotApplicable,
    })
}

/// The kernel counts what it did not forward as wrongly addressed.
fn reacted(draft: Draft, entry: &Entry<'_>) -> Draft {
    let group = match entry.hop.family() {
        Family::V4 => "Ip",
        Family::V6 => "Ip6",
    };
    match moved(entry.hop, group, "InAddrErrors") {
        Some(counter) => draft.evidence(counter),
        None => draft.confidence(Confidence::Likely),
    }
}

fn finding(_: &Flow<'_>, entry: &Entry<'_>, key: &str) -> Draft {
    let (place, name) = (&entry.hop.vantage.name, shown(&entry.ingress.name));
    let summary = format!(
        "{place} does not forward: {key} is 0, so packets for {} that come in by {name} end there",
        entry.hop.towards
    );
    Draft::new(META.cause, entry.hop, SubjectKind::Namespace, summary)
        .command(format!("sysctl -w {key}=1"), Risk::Disruptive)
}
