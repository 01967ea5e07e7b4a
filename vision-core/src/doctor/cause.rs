use std::fmt;
use std::str::FromStr;

use super::Class;
use crate::base::{Error, Result};

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $slug:literal;)+) => {
        /// A cause by its permanent slug, such as `neigh.gateway-no-answer`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Cause { $($(#[$doc])* $variant,)+ }

        impl Cause {
            /// All causes this version knows, from the wire up.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the permanent slug.
            pub fn slug(self) -> &'static str {
                match self { $(Self::$variant => $slug,)+ }
            }
        }
    };
}

causes! {
    /// There is no interface besides the loopback.
    LinkMissing = "link.missing";
    /// The interface is administratively down.
    LinkDown = "link.down";
    /// Packets arrive with a wrong checksum.
    LinkBadChecksum = "link.bad-checksum";
    /// The interface has no carrier: the other end is down or gone.
    LinkPeerDown = "link.peer-down";
    /// The loopback interface is down.
    LinkLoopbackDown = "link.loopback-down";
    /// The bridge on the way is down.
    BridgeDown = "bridge.down";
    /// The other end of the container's interface is in no bridge.
    BridgePortDetached = "bridge.port-detached";
    /// The bridge port does not pass packets yet, or any more.
    BridgePortNotForwarding = "bridge.port-not-forwarding";
    /// Both bridge ports are isolated from each other.
    BridgePortIsolated = "bridge.port-isolated";
    /// A bridge port does not send back what its own container asks of itself by a service.
    BridgeHairpinOff = "bridge.hairpin-off";
    /// The bridge sends frames for the neighbour to another port.
    BridgeWrongFdb = "bridge.wrong-fdb";
    /// The interface has no address of the family.
    AddrNone = "addr.none";
    /// Two machines on the link claim one address.
    AddrDuplicate = "addr.duplicate";
    /// The only IPv6 address is still being checked for duplicates.
    AddrTentative = "addr.tentative";
    /// No route leads to the destination.
    RouteNone = "route.none";
    /// A route refuses the packets and says so.
    RouteUnreachable = "route.unreachable";
    /// A route discards the packets silently.
    RouteBlackhole = "route.blackhole";
    /// The route that decides belongs to a link that does not have the destination.
    RouteOverlap = "route.overlap";
    /// The gateway is a machine that does not forward and has no way on.
    RouteGatewayNotRouter = "route.gateway-not-router";
    /// The router on the way does not forward.
    RouteForwardingOff = "route.forwarding-off";
    /// The reverse path filter drops packets that come by another way than answers would leave.
    RouteRpFilter = "route.rp-filter";
    /// Packets go round between routers.
    RouteLoop = "route.loop";
    /// Packets leave with a source address that nobody can answer to.
    RouteBadSource = "route.bad-source";
    /// No route leads back to the container.
    RouteReturnMissing = "route.return-missing";
    /// The two ends of a veth pair have different MTUs.
    MtuVethMismatch = "mtu.veth-mismatch";
    /// A bridge port on the way takes less than the sender's link.
    MtuBridgeTooSmall = "mtu.bridge-too-small";
    /// A tunnel takes packets that do not fit the network below with its headers before them.
    MtuOverlayOverhead = "mtu.overlay-overhead";
    /// The kernel remembers a smaller MTU than the path has by now.
    MtuStaleException = "mtu.stale-exception";
    /// Large packets vanish on the way, and nobody says so.
    MtuBlackHole = "mtu.black-hole";
    /// A policy rule sends the packets another way than the main table.
    RouteRuleDiverts = "route.rule-diverts";
    /// The preferred default route leads to a dead gateway, another would work.
    RouteDeadDefaultPreferred = "route.dead-default-preferred";
    /// An interface's prefix covers hosts that are not on its link.
    RoutePrefixTooWide = "route.prefix-too-wide";
    /// One next hop of a multipath route does not answer.
    RouteMultipathDeadHop = "route.multipath-dead-hop";
    /// Packets leave with a time to live too small for the way.
    RouteTtlTooSmall = "route.ttl-too-small";
    /// The host routes to the container and does not answer ARP for its gateway.
    NeighProxyArpOff = "neigh.proxy-arp-off";
    /// The neighbour is there and does not answer ARP for its address.
    NeighAnswerFiltered = "neigh.answer-filtered";
    /// The neighbour takes no ARP from this address: its reverse path filter says no.
    NeighSenderRejected = "neigh.sender-rejected";
    /// Two machines on one segment have the same link-layer address.
    NeighDuplicateMac = "neigh.duplicate-mac";
    /// A neighbour entry set by hand has the wrong link-layer address.
    NeighWrongStatic = "neigh.wrong-static";
    /// The neighbour table has an address the neighbour no longer has.
    NeighStaleMac = "neigh.stale-mac";
    /// An Ethernet link does not resolve neighbours.
    NeighArpOff = "neigh.arp-off";
    /// The gateway does not answer on the link.
    NeighGatewayNoAnswer = "neigh.gateway-no-answer";
    /// Too little may wait for a neighbour's address: the first packets are dropped.
    NeighQueueFull = "neigh.queue-full";
    /// The machine's neighbour table is full.
    NeighTableFull = "neigh.table-full";
    /// A neighbour on the own link does not answer.
    NeighNoAnswer = "neigh.no-answer";
    /// A rule of a packet filter drops the packets.
    FirewallRuleDrop = "firewall.rule-drop";
    /// A chain drops what no rule accepts.
    FirewallPolicyDrop = "firewall.policy-drop";
    /// A rule of a packet filter refuses the packets and says so.
    FirewallReject = "firewall.reject";
    /// A rule drops packets that connection tracking cannot place.
    FirewallCtInvalid = "firewall.ct-invalid";
    /// A rule lets only so many packets pass in a time.
    FirewallRateLimit = "firewall.rate-limit";
    /// A rule lets only so many connections exist.
    FirewallConnectionLimit = "firewall.connection-limit";
    /// A rule drops packets whose source it takes for forged.
    FirewallAntispoof = "firewall.antispoof";
    /// Rules of the legacy iptables drop the packets.
    FirewallLegacyDrop = "firewall.legacy-drop";
    /// A rule drops fragments.
    FirewallFragmentDrop = "firewall.fragment-drop";
    /// A filter beyond this machine drops the packets, as far as can be told from here.
    FirewallRemote = "firewall.remote";
    /// The connection table is full.
    ConntrackTableFull = "conntrack.table-full";
    /// A connection entry leads UDP packets where no rule leads any more.
    ConntrackStaleNat = "conntrack.stale-nat";
    /// Connection tracking forgets connections that are only idle.
    ConntrackTimeoutTooShort = "conntrack.timeout-too-short";
    /// No source port is left to translate another connection to.
    NatPortExhaustion = "nat.port-exhaustion";
    /// A private source leaves for a network that has no way back to it.
    NatMasqueradeMissing = "nat.masquerade-missing";
    /// A service address has no rule for the port.
    ServiceNoRule = "service.no-rule";
    /// Nobody serves the service.
    ServiceNoEndpoints = "service.no-endpoints";
    /// Answers of a backend on the client's own bridge pass the translation by.
    ServiceBridgeNfOff = "service.bridge-nf-off";
    /// One that the service leads to is dead.
    ServiceDeadEndpoint = "service.dead-endpoint";
    /// What the published port leads to is nobody's address.
    ServiceStaleTarget = "service.stale-target";
    /// The overlay sends frames for the neighbour to the wrong tunnel end.
    OverlayWrongVtep = "overlay.wrong-vtep";
    /// The overlay knows no tunnel end for the neighbour.
    OverlayNoFdb = "overlay.no-fdb";
    /// The two ends of the tunnel have different network numbers.
    OverlayVniMismatch = "overlay.vni-mismatch";
    /// The tunnel's packets do not reach the other end's port.
    OverlayPortClosed = "overlay.port-closed";
    /// The nameserver's host is there, the nameserver is silent.
    DnsServerSilent = "dns.server-silent";
    /// The name does not exist.
    DnsNxdomain = "dns.nxdomain";
    /// resolv.conf names no nameserver.
    DnsNoNameserver = "dns.no-nameserver";
    /// No rule leads queries to the resolver that Docker runs in the container.
    DnsDockerRedirectMissing = "dns.docker-redirect-missing";
    /// A search domain is answered with an error, which leaves names undecided.
    DnsSearchDomainBroken = "dns.search-domain-broken";
    /// An answer needs TCP, and TCP to the nameserver is blocked.
    DnsTcpBlocked = "dns.tcp-blocked";
    /// The nameserver is a loopback address where nobody listens.
    DnsLoopbackNameserver = "dns.loopback-nameserver";
    /// Nothing listens on the nameserver's port.
    DnsPortClosed = "dns.port-closed";
    /// The nameserver failed to find out.
    DnsServfail = "dns.servfail";
    /// The nameserver does not serve this client or name.
    DnsRefused = "dns.refused";
    /// The first nameserver is silent, a later one answers.
    DnsFirstServerDead = "dns.first-server-dead";
    /// A nameserver takes long to answer.
    DnsSlow = "dns.slow";
    /// Replies come from another address than the one asked.
    DnsReplyWrongSource = "dns.reply-wrong-source";
    /// A name was found after many that do not exist.
    DnsSearchAmplification = "dns.search-amplification";
    /// Nobody listens on the port.
    SocketNoListener = "socket.no-listener";
    /// The service listens on the loopback only.
    SocketLoopbackOnly = "socket.loopback-only";
    /// The service listens on one IP version only.
    SocketFamilyOnly = "socket.family-only";
    /// The service listens and does not accept.
    SocketAcceptQueueFull = "socket.accept-queue-full";
    /// The service does not read what its client has sent.
    SocketNotReading = "socket.not-reading";
    /// The service's process has no descriptor left to accept with.
    SocketFdLimit = "socket.fd-limit";
    /// No local port is left for another connection to the destination.
    SocketPortsExhausted = "socket.ports-exhausted";
    /// Closed connections hold the service's port: who binds it without `SO_REUSEADDR` cannot.
    SocketPortInTimeWait = "socket.port-in-time-wait";
    /// The service's receive buffer is full and datagrams are dropped.
    SocketReceiveBufferFull = "socket.receive-buffer-full";
    /// A share of the packets is lost on a way that otherwise works.
    LossPath = "loss.path";
    /// Packets wait in a queue that is full.
    LatencyQueue = "latency.queue";
    /// Packets take long, always as long, and most of it at one place of the way.
    LatencyHop = "latency.hop";
    /// Processes wait for processor time that their control group has used up.
    LatencyCpuThrottled = "latency.cpu-throttled";
    /// A connect needed a second SYN, and so a second or more.
    LatencySynRetry = "latency.syn-retry";
    /// IPv6 is switched off.
    Ipv6Disabled = "ipv6.disabled";
    /// The default route that router advertisements bring is gone.
    Ipv6NoRouter = "ipv6.no-router";
    /// The certificate's time is over, or has not come, by the clock of this host.
    TlsExpired = "tls.expired";
    /// The certificate is for other names.
    TlsNameMismatch = "tls.name-mismatch";
    /// Nobody who is trusted has signed the certificate.
    TlsUntrusted = "tls.untrusted";
    /// What answers does not speak TLS.
    TlsNotTls = "tls.not-tls";
    /// The service takes the beginning of a TLS handshake and says nothing.
    TlsSilent = "tls.silent";
    /// The proxy that a process is told to use takes no connections.
    HttpProxyDead = "http.proxy-dead";
    /// The network is quick and the service slow.
    AppSlow = "app.slow";
}

impl Cause {
    /// Returns the area the cause belongs to, the first part of its slug.
    pub fn class(self) -> Class {
        let area = self.slug().split('.').next().unwrap_or_default();
        let found = Class::ALL.into_iter().find(|class| class.name() == area);
        found.expect("every slug begins with an area; a test goes through all of them")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.slug())
    }
}

impl FromStr for Cause {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|cause| cause.slug() == text).copied();
        found.ok_or_else(|| {
            let near = Self::ALL.iter().filter(|c| shares_a_word(c.slug(), text));
            let near: Vec<_> = near.map(|c| c.slug()).collect();
            match near.is_empty() {
                true => Error::NotFound(format!("cause `{text}`")),
                false => Error::NotFound(format!("cause `{text}` (near: {})", near.join(", "))),
            }
        })
    }
}

fn shares_a_word(slug: &str, text: &str) -> bool {
    let words = |text: &str| {
        text.split(['.', '-', '_', ' ']).filter(|w| w.len() > 2).map(str::to_lowercase).collect()
    };
    let (slug, text): (Vec<String>, Vec<String>) = (words(slug), words(text));
    text.iter().any(|word| slug.contains(word))
}

#[cfg(feature = "serde")]
impl serde::Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Cause {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_parse_back_and_unknown_ones_get_a_hint() {
        for cause in Cause::ALL {
            assert_eq!(cause.slug().parse::<Cause>().ok(), Some(*cause));
            assert!(cause.slug().starts_with(cause.class().name()));
        }
        let error = "gateway".parse::<Cause>().expect_err("no slug").to_string();
        assert!(error.contains("neigh.gateway-no-answer"), "{error}");
    }
}
