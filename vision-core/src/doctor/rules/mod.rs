//! One file per cause: what it is, how it shows, how it is told from its neighbours. Pure.

mod addr_duplicate;
mod addr_none;
mod addr_tentative;
mod app_slow;
mod bridge_down;
mod bridge_hairpin_off;
mod bridge_port_detached;
mod bridge_port_isolated;
mod bridge_port_not_forwarding;
mod bridge_wrong_fdb;
mod conntrack_stale_nat;
mod conntrack_table_full;
mod conntrack_timeout_too_short;
mod content;
mod dns;
mod dns_docker_redirect_missing;
mod dns_first_server_dead;
mod dns_loopback_nameserver;
mod dns_no_nameserver;
mod dns_nxdomain;
mod dns_port_closed;
mod dns_refused;
mod dns_reply_wrong_source;
mod dns_search_amplification;
mod dns_search_domain_broken;
mod dns_server_silent;
mod dns_servfail;
mod dns_slow;
mod dns_tcp_blocked;
mod filtered;
mod firewall_antispoof;
mod firewall_connection_limit;
mod firewall_ct_invalid;
mod firewall_fragment_drop;
mod firewall_legacy_drop;
mod firewall_policy_drop;
mod firewall_rate_limit;
mod firewall_reject;
mod firewall_remote;
mod firewall_rule_drop;
mod hairpin;
mod http_proxy_dead;
mod ipv6_disabled;
mod ipv6_no_router;
mod latency_cpu_throttled;
mod latency_hop;
mod latency_queue;
mod latency_syn_retry;
mod link_bad_checksum;
mod link_down;
mod link_loopback_down;
mod link_missing;
mod link_peer_down;
mod loss_path;
mod mtu_black_hole;
mod mtu_bridge_too_small;
mod mtu_overlay_overhead;
mod mtu_stale_exception;
mod mtu_veth_mismatch;
mod narrow;
mod nat_masquerade_missing;
mod nat_port_exhaustion;
mod neigh_answer_filtered;
mod neigh_arp_off;
mod neigh_duplicate_mac;
mod neigh_gateway_no_answer;
mod neigh_no_answer;
mod neigh_proxy_arp_off;
mod neigh_queue_full;
mod neigh_sender_rejected;
mod neigh_stale_mac;
mod neigh_table_full;
mod neigh_wrong_static;
mod overlay;
mod overlay_no_fdb;
mod overlay_port_closed;
mod overlay_vni_mismatch;
mod overlay_wrong_vtep;
mod redirected;
mod refusing;
mod route_bad_source;
mod route_blackhole;
mod route_dead_default_preferred;
mod route_forwarding_off;
mod route_gateway_not_router;
mod route_loop;
mod route_multipath_dead_hop;
mod route_none;
mod route_overlap;
mod route_prefix_too_wide;
mod route_return_missing;
mod route_rp_filter;
mod route_rule_diverts;
mod route_ttl_too_small;
mod route_unreachable;
mod service_bridge_nf_off;
mod service_dead_endpoint;
mod service_no_endpoints;
mod service_no_rule;
mod service_stale_target;
mod serving;
mod socket_accept_queue_full;
mod socket_family_only;
mod socket_fd_limit;
mod socket_loopback_only;
mod socket_no_listener;
mod socket_not_reading;
mod socket_port_in_time_wait;
mod socket_ports_exhausted;
mod socket_receive_buffer_full;
mod text;
mod tls;
mod tls_expired;
mod tls_name_mismatch;
mod tls_not_tls;
mod tls_silent;
mod tls_untrusted;
mod told;
mod way;
mod wires;

pub(super) use self::socket_not_reading::stalled;
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
    /// Explains the flow better than anything else found on its way.
    pub(super) overrides: bool,
    pub(super) finding: Finding,
}

/// The flow of a finding that comes before every flow: without a name there is nobody to send to.
pub(super) const SAID_FIRST: usize = usize::MAX;
/// The flow of a finding that breaks nothing that was asked.
pub(super) const SAID_LAST: usize = usize::MAX - 1;

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
    &link_loopback_down::LinkLoopbackDown,
    &link_down::LinkDown,
    &link_peer_down::LinkPeerDown,
    &link_bad_checksum::LinkBadChecksum,
    &bridge_down::BridgeDown,
    &bridge_port_detached::BridgePortDetached,
    &bridge_port_not_forwarding::BridgePortNotForwarding,
    &bridge_port_isolated::BridgePortIsolated,
    &neigh_duplicate_mac::NeighDuplicateMac,
    &bridge_wrong_fdb::BridgeWrongFdb,
    &ipv6_disabled::Ipv6Disabled,
    &addr_none::AddrNone,
    &addr_tentative::AddrTentative,
    &addr_duplicate::AddrDuplicate,
    &ipv6_no_router::Ipv6NoRouter,
    &route_blackhole::RouteBlackhole,
    &route_unreachable::RouteUnreachable,
    &route_none::RouteNone,
    &route_rule_diverts::RouteRuleDiverts,
    &route_dead_default_preferred::RouteDeadDefaultPreferred,
    &route_multipath_dead_hop::RouteMultipathDeadHop,
    &route_prefix_too_wide::RoutePrefixTooWide,
    &route_overlap::RouteOverlap,
    &route_ttl_too_small::RouteTtlTooSmall,
    &route_gateway_not_router::RouteGatewayNotRouter,
    &route_forwarding_off::RouteForwardingOff,
    &route_rp_filter::RouteRpFilter,
    &route_loop::RouteLoop,
    &route_bad_source::RouteBadSource,
    &route_return_missing::RouteReturnMissing,
    &overlay_no_fdb::OverlayNoFdb,
    &overlay_wrong_vtep::OverlayWrongVtep,
    &overlay_vni_mismatch::OverlayVniMismatch,
    &overlay_port_closed::OverlayPortClosed,
    &neigh_arp_off::NeighArpOff,
    &neigh_wrong_static::NeighWrongStatic,
    &neigh_stale_mac::NeighStaleMac,
    &neigh_table_full::NeighTableFull,
    &neigh_queue_full::NeighQueueFull,
    &neigh_proxy_arp_off::NeighProxyArpOff,
    &neigh_answer_filtered::NeighAnswerFiltered,
    &neigh_sender_rejected::NeighSenderRejected,
    &neigh_gateway_no_answer::NeighGatewayNoAnswer,
    &neigh_no_answer::NeighNoAnswer,
    &conntrack_table_full::ConntrackTableFull,
    &conntrack_stale_nat::ConntrackStaleNat,
    &conntrack_timeout_too_short::ConntrackTimeoutTooShort,
    &nat_port_exhaustion::NatPortExhaustion,
    &service_no_endpoints::ServiceNoEndpoints,
    &service_stale_target::ServiceStaleTarget,
    &bridge_hairpin_off::BridgeHairpinOff,
    &service_bridge_nf_off::ServiceBridgeNfOff,
    &service_dead_endpoint::ServiceDeadEndpoint,
    &service_no_rule::ServiceNoRule,
    &firewall_ct_invalid::FirewallCtInvalid,
    &firewall_rate_limit::FirewallRateLimit,
    &firewall_connection_limit::FirewallConnectionLimit,
    &firewall_antispoof::FirewallAntispoof,
    &firewall_reject::FirewallReject,
    &firewall_rule_drop::FirewallRuleDrop,
    &firewall_policy_drop::FirewallPolicyDrop,
    &firewall_fragment_drop::FirewallFragmentDrop,
    &firewall_legacy_drop::FirewallLegacyDrop,
    &nat_masquerade_missing::NatMasqueradeMissing,
    &mtu_veth_mismatch::MtuVethMismatch,
    &mtu_bridge_too_small::MtuBridgeTooSmall,
    &mtu_overlay_overhead::MtuOverlayOverhead,
    &mtu_stale_exception::MtuStaleException,
    &mtu_black_hole::MtuBlackHole,
    &dns_no_nameserver::DnsNoNameserver,
    &dns_docker_redirect_missing::DnsDockerRedirectMissing,
    &dns_loopback_nameserver::DnsLoopbackNameserver,
    &dns_port_closed::DnsPortClosed,
    &dns_reply_wrong_source::DnsReplyWrongSource,
    &dns_first_server_dead::DnsFirstServerDead,
    &dns_server_silent::DnsServerSilent,
    &dns_tcp_blocked::DnsTcpBlocked,
    &dns_servfail::DnsServfail,
    &dns_refused::DnsRefused,
    &dns_search_domain_broken::DnsSearchDomainBroken,
    &dns_nxdomain::DnsNxdomain,
    &dns_slow::DnsSlow,
    &dns_search_amplification::DnsSearchAmplification,
    &socket_loopback_only::SocketLoopbackOnly,
    &socket_family_only::SocketFamilyOnly,
    &socket_no_listener::SocketNoListener,
    &socket_fd_limit::SocketFdLimit,
    &socket_accept_queue_full::SocketAcceptQueueFull,
    &socket_port_in_time_wait::SocketPortInTimeWait,
    &socket_ports_exhausted::SocketPortsExhausted,
    &socket_not_reading::SocketNotReading,
    &socket_receive_buffer_full::SocketReceiveBufferFull,
    &latency_queue::LatencyQueue,
    &loss_path::LossPath,
    &latency_hop::LatencyHop,
    &latency_cpu_throttled::LatencyCpuThrottled,
    &latency_syn_retry::LatencySynRetry,
    &firewall_remote::FirewallRemote,
    &tls_not_tls::TlsNotTls,
    &tls_silent::TlsSilent,
    &tls_expired::TlsExpired,
    &tls_name_mismatch::TlsNameMismatch,
    &tls_untrusted::TlsUntrusted,
    &app_slow::AppSlow,
    &http_proxy_dead::HttpProxyDead,
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
