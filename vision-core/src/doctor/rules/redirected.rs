//! Packets that a rule leads to a port of the namespace itself, as sidecars do.

use std::net::IpAddr;

use super::socket_no_listener::{listeners, reaction};
use super::text::moved;
use crate::doctor::Evidence;
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{met, walls_of};
use crate::doctor::walls::MetRule;
use crate::inventory::SockProtocol;

/// A rule that leads a flow to a port nobody listens on.
pub(super) struct Redirected<'a> {
    pub(super) vantage: &'a Vantage,
    /// How far on the way.
    pub(super) position: usize,
    pub(super) rule: &'a MetRule,
    pub(super) protocol: SockProtocol,
    pub(super) port: u16,
    /// The counter by which the kernel there says that it refused.
    pub(super) counter: Option<Evidence>,
}

/// Finds such a rule of a flow that was refused, or that TPROXY of iptables dropped (net/netfilter/xt_TPROXY.c).
pub(super) fn nowhere<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<Redirected<'a>> {
    let (vantage, position, rule, port) = led(scene, flow)?;
    let protocol = protocol(rule);
    vantage.state()?.sockets.as_ref()?;
    if !listeners(vantage, protocol, port).is_empty() {
        return None;
    }
    let counter = match is_tproxy(rule) {
        true => drops(vantage, flow, rule),
        false => reaction(vantage, protocol, flow),
    };
    Some(Redirected { vantage, position, rule, protocol, port, counter })
}

/// Where a rule redirects a refused flow to: the namespace, and the address and port there.
pub(super) fn end<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<(&'a Vantage, IpAddr, u16)> {
    let (vantage, _, rule, port) = led(scene, flow).filter(|found| !is_tproxy(found.2))?;
    let addr = rule.to.iter().map(|to| to.addr).next().unwrap_or(flow.dst);
    Some((vantage, addr, port))
}

/// The own namespace's counter of refusals, where its rules could not be read and it refused a flow itself: who
/// connects to others sends no resets.
pub(super) fn at_home(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Evidence> {
    let hop = flow.hops.first()?;
    let hidden = walls_of(scene.target).is_none_or(|walls| walls.unread);
    let led = matches!(flow.outcome, Outcome::Refused { icmp: None, .. });
    let away = !flow.dst.is_loopback() && !scene.target.owns(flow.dst) && !hop.is_local();
    moved(hop, "Tcp", "OutRsts").filter(|_| hidden && led && away)
}

type Led<'a> = (&'a Vantage, usize, &'a MetRule, u16);

fn led<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<Led<'a>> {
    let refused = matches!(flow.outcome, Outcome::Refused { .. });
    let mut all = scene.case.vantages.iter().enumerate();
    all.find_map(|(position, vantage)| {
        let rules = met(walls_of(vantage)?, flow);
        let counted = |rule: &&MetRule| rule.moved().map_or(rule.certain, |moved| moved > 0);
        let fits = |rule: &&MetRule| match is_tproxy(rule) {
            true => flow.outcome == Outcome::Silent,
            false => refused && rule.redirects(),
        };
        let rule = rules.filter(fits).find(counted)?;
        let port = match is_tproxy(rule) {
            true => on_port(&rule.text)?,
            false => rule.to.iter().find_map(|to| to.port).or(rule.port)?,
        };
        Some((vantage, position, rule, port))
    })
}

fn protocol(rule: &MetRule) -> SockProtocol {
    if rule.protocol == 17 { SockProtocol::Udp } else { SockProtocol::Tcp }
}

/// That of nft lets packets pass where nobody listens (net/netfilter/nft_tproxy.c).
fn is_tproxy(rule: &MetRule) -> bool {
    rule.has(&["TPROXY"])
}

fn on_port(text: &str) -> Option<u16> {
    let (_, behind) = text.split_once("--on-port ")?;
    behind.split([' ', ']']).next()?.parse().ok()
}

fn drops(vantage: &Vantage, flow: &Flow<'_>, rule: &MetRule) -> Option<Evidence> {
    let moved = rule.moved().filter(|moved| *moved > 0)?;
    Some(Evidence {
        asked: "the rule's counter".to_owned(),
        place: vantage.name.clone(),
        seen: format!("moved by {moved}"),
        at: flow.at,
    })
}
