use std::net::IpAddr;

use super::filtered::subject;
use super::serving::{each, owner, served};
use super::text::{Draft, evidence, look_up, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::stop::{hop_of, kinds, stops, walls_of};
use crate::doctor::walls::{MetRule, common_bits};
use crate::doctor::{Cause, Confidence};
use crate::inventory::{RouteKind, Sections};

const DOCS: &str = "\
A service address has no rule: the packets follow the ordinary routes.

How it shows: connects to the address time out, are refused by a router, or are answered by a stranger, while
other ports of the same address, or other services, work.
How it is told: rules translate other ports of the address, or other addresses of the same network that nobody
has, and none this one; nobody in sight holds the address itself, and no route but the default leads to it. It is
always `likely`: nothing counts what is not there.
What to do: ask for the service's own port, or find out why its rules were not written: does the service exist,
does it have this address, does the program that writes the rules run on this node?";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceNoRule, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceNoRule;

impl Rule for ServiceNoRule {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        each(
            scene,
            "no rule leads other ports of the address elsewhere, nor its neighbours",
            |flow| {
                if served(scene, flow).is_some() || owner(scene, flow.dst).is_some() {
                    return None;
                }
                missing(scene, flow)
            },
        )
    }
}

fn missing(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<(Draft, usize)> {
    let mut all = scene.case.vantages.iter().enumerate();
    let (position, vantage, rule) = all.find_map(|(position, vantage)| {
        let beside = &walls_of(vantage)?.beside;
        let same = beside.iter().find(|rule| rule.dst == flow.dst);
        let rule = same.or_else(|| neighbour(scene, flow, (position, beside)))?;
        Some((position, vantage, rule))
    })?;
    let hop = hop_of(flow, vantage);
    let (_, port) = kinds(flow).into_iter().next()?;
    let port = port.unwrap_or_default();
    let (place, dst) = (&vantage.name, flow.dst);
    let (summary, prose) = match rule.dst == flow.dst {
        true => (
            format!("{place}: the service address {dst} has no rule for port {port}"),
            "ask for a port that the service has, or add the port to the service".to_owned(),
        ),
        false => (
            format!(
                "{place}: no rule leads {dst} anywhere, as others do for services beside it ({})",
                rule.dst
            ),
            format!(
                "see whether a service has the address {dst} and port {port}, and whether what writes the rules has written them here"
            ),
        ),
    };
    let mut draft = Draft::new(Cause::ServiceNoRule, &hop, subject(rule), summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    let draft = draft
        .evidence(evidence(&hop, flow.at, format!("rules for {}", rule.dst), rule.text.clone()))
        .evidence(look_up(&hop))
        .confidence(Confidence::Likely)
        .prose(prose);
    Some((draft, position))
}

/// A service whose address is of the same network, by its bits: clusters use a /12 to /24, and in IPv6 a /108 to
/// /112. Who has a route of its own to the address means a host, and a rule that stopped the packets before
/// they left is a reason.
fn neighbour<'a>(
    scene: &Scene<'_>,
    flow: &Flow<'_>,
    (position, beside): (usize, &'a [MetRule]),
) -> Option<&'a MetRule> {
    let alike = |addr: IpAddr| common_bits(addr, flow.dst) >= if addr.is_ipv4() { 16 } else { 108 };
    let held = |addr: IpAddr| {
        let found = scene.case.search.as_ref().is_some_and(|search| search.held.contains(&addr));
        found || owner(scene, addr).is_some()
    };
    let rule = beside.iter().find(|rule| alike(rule.dst) && !held(rule.dst))?;
    let known = scene.case.vantages.iter().filter_map(|vantage| vantage.state()?.routes.as_ref());
    let leads = |route: &crate::inventory::Route| {
        let nowhere = [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit];
        !route.is_default() && route.dst.contains(flow.dst) && !nowhere.contains(&route.kind)
    };
    let routed = known.flat_map(|dump| &dump.items).any(leads);
    let stopped = stops(scene, flow).iter().any(|stop| stop.position <= position);
    (!routed && !held(flow.dst) && !stopped).then_some(rule)
}
