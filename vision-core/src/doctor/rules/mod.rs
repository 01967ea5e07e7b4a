//! One file per cause: what it is, how it shows, how it is told from its neighbours. Pure.

mod addr_none;
mod dns_nxdomain;
mod dns_server_silent;
mod link_down;
mod link_missing;
mod link_peer_down;
mod neigh_gateway_no_answer;
mod neigh_no_answer;
mod neigh_wrong_static;
mod route_blackhole;
mod route_none;
mod socket_no_listener;
mod text;

pub(super) use self::text::{outcome, question};
use super::scene::Scene;
use super::{Cause, Finding, Unchecked};
use crate::inventory::Sections;

/// What the engine knows of a rule without running it.
pub(super) struct RuleMeta {
    pub(super) cause: Cause,
    /// Tables the rule reads; without them it could not check.
    pub(super) needs: Sections,
    /// What `vision explain` prints.
    pub(super) docs: &'static str,
}

/// A hypothesis and how to test it against the evidence.
pub(super) trait Rule: Sync {
    fn meta(&self) -> &'static RuleMeta;
    fn check(&self, scene: &Scene<'_>) -> Answer;
}

/// What a rule says; silence is not among the answers.
pub(super) enum Answer {
    /// It is so, here.
    Confirmed(Vec<Hit>),
    /// It is not so, because.
    RuledOut(String),
    /// It could not be told, because.
    CouldNotCheck(Unchecked),
    /// The question does not arise.
    NotApplicable,
}

/// A finding and the place of its object on the way of a flow.
pub(super) struct Hit {
    /// Which flow of the scene.
    pub(super) flow: usize,
    /// How far from the target; the way back counts on from the destination.
    pub(super) hop: usize,
    pub(super) finding: Finding,
}

impl Answer {
    /// Confirmed if there are hits, else ruled out with what was seen instead.
    fn from_hits(hits: Vec<Hit>, otherwise: impl FnOnce() -> Self) -> Self {
        match hits.is_empty() {
            true => otherwise(),
            false => Self::Confirmed(hits),
        }
    }
}

/// All rules, in the order in which a packet meets what they are about.
pub(super) const ALL: &[&dyn Rule] = &[
    &link_missing::LinkMissing,
    &link_down::LinkDown,
    &link_peer_down::LinkPeerDown,
    &addr_none::AddrNone,
    &route_blackhole::RouteBlackhole,
    &route_none::RouteNone,
    &neigh_wrong_static::NeighWrongStatic,
    &neigh_gateway_no_answer::NeighGatewayNoAnswer,
    &neigh_no_answer::NeighNoAnswer,
    &dns_server_silent::DnsServerSilent,
    &dns_nxdomain::DnsNxdomain,
    &socket_no_listener::SocketNoListener,
];

/// Returns what is known about a cause: what it is, how it shows, how it is told, what to do.
pub fn explain(cause: Cause) -> &'static str {
    let rule = ALL.iter().find(|rule| rule.meta().cause == cause);
    rule.map_or("", |rule| rule.meta().docs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_exactly_one_rule_in_its_own_area() {
        for cause in Cause::ALL {
            let metas: Vec<_> =
                ALL.iter().map(|r| r.meta()).filter(|m| m.cause == *cause).collect();
            assert_eq!(metas.len(), 1, "{cause}");
            assert!(explain(*cause).contains("What to do:"), "{cause}");
        }
    }
}
