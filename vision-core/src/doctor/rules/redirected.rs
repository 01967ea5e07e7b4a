//! Packets that a rule leads to a port of the namespace itself, as sidecars do.

use super::socket_no_listener::{listeners, reaction};
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

/// Finds such a rule of a flow that was refused.
pub(super) fn nowhere<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<Redirected<'a>> {
    if !matches!(flow.outcome, Outcome::Refused { .. }) {
        return None;
    }
    let mut all = scene.case.vantages.iter().enumerate();
    all.find_map(|(position, vantage)| {
        let rules = met(walls_of(vantage)?, flow);
        let counted = |rule: &&MetRule| rule.moved().map_or(rule.certain, |moved| moved > 0);
        let rule = rules.filter(|rule| rule.redirects()).find(counted)?;
        let port = rule.to.iter().find_map(|to| to.port).or(rule.port)?;
        let protocol = if rule.protocol == 17 { SockProtocol::Udp } else { SockProtocol::Tcp };
        vantage.state()?.sockets.as_ref()?;
        if !listeners(vantage, protocol, port).is_empty() {
            return None;
        }
        let counter = reaction(vantage, protocol, flow);
        Some(Redirected { vantage, position, rule, protocol, port, counter })
    })
}
