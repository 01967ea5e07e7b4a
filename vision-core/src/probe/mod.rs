//! Active probes: sans-IO machines and the one driver that moves them.

mod clock;
#[cfg(feature = "dns")]
mod dns;
mod driver;
mod machine;
mod mtu;
mod neigh;
mod path;
mod ping;
mod rate;
mod rounds;
mod scan;
mod spread;
mod sweep;
mod syn;
mod tcp;
mod tls;
mod udp;

use std::net::IpAddr;
use std::time::Instant;

pub use clock::{ClockOutcome, ClockProbe, ClockReport, ClockSession};
#[cfg(all(feature = "dns", feature = "tls"))]
pub use dns::DnsTls;
#[cfg(feature = "dnssec")]
pub use dns::{ChainKey, ChainLink, SetVerdict, TrustAnchor, Validate, Validity, ValidityReport};
#[cfg(feature = "dns")]
pub use dns::{
    Checking, DnsAttempt, DnsBulk, DnsBulkAnswer, DnsBulkReport, DnsBulkSession, DnsCause,
    DnsCompare, DnsComparison, DnsGroup, DnsIgnored, DnsIgnoredReply, DnsMismatch, DnsOutcome,
    DnsQuery, DnsReport, DnsSecured, DnsTimes, DnsTransport, DnsWire, DnssecOk, HostsEntry,
    HostsTable, Letters, Libc, Recursion, Resolution, Resolve, ResolveOutcome, ResolvedBy,
    ResolverConfig, Trace, TraceEnd, TraceReport, TraceResult, TraceStep, TransferEnd,
    TransferReport, TransferSession, Transport, Tried, ZoneCheck, ZoneReport, ZoneServer,
    ZoneTransfer,
};
pub use mtu::{BlackHole, CachedMtu, HopAt, MtuEnd, MtuProbe, MtuReport, MtuStep};
pub use neigh::{NeighAnswer, NeighProbe, NeighReport, NeighSession, OwnAddress};
pub use path::{
    Change, Hop, HopAnswer, HopRtt, MplsLabel, PathEnd, PathProbe, PathReport, PathSession,
    ProbeField, ProbeFlags, Probing, ProbingMethod, ReachedBy, Remark, Responder,
};
pub use ping::{Echo, EchoOutcome, Ping, PingReport, PingSession, PingSummary, RttSummary, Stall};
pub use rate::Rate;
pub use rounds::Asked;
pub use scan::{
    FoundHost, Greet, GreetReport, Greeted, HostReason, HostScan, HostState, HostsProgress,
    HostsReport, PortState, Scan, ScanProgress, ScanReason, ScanReport, ScanSession, ScannedPort,
    SpeaksTls, Technique, service_name,
};
pub use spread::Percentile;
pub use sweep::{
    AddrRange, Sweep, SweepProgress, SweepReport, SweepSession, SweepSummary, SweepVerdict,
    SweptHost,
};
pub use syn::{SynOutcome, SynProbe, SynReport, SynSegment, SynSession};
pub use tcp::{
    ExchangeEnd, IdleOutcome, IdleProbe, IdleReport, Payload, ResetTtl, TcpAttempt, TcpExchange,
    TcpOutcome, TcpProbe, TcpReport, TcpSession, TcpSummary, Until,
};
#[cfg(feature = "tls")]
pub use tls::{Authorities, TlsProbe};
pub use tls::{CertificateFault, TlsCertificate, TlsOutcome, TlsReport};
pub use udp::{UdpOutcome, UdpPayload, UdpProbe, UdpReport};

use crate::base::{Budget, Family, Result, Timestamp};
use crate::netns::Target;
use crate::socket::IcmpFault;

pub use crate::socket::Df;
pub use crate::wire::icmp::describe_icmp;

pub(crate) use ping::is_group;

/// A question that can be put to the network from inside a target.
pub trait Probe {
    /// What the answer looks like.
    type Report;

    /// Asks, and waits for the answer or the end of the budget.
    ///
    /// # Errors
    /// Whatever kept the question from being asked. What the network answered, silence included,
    /// is in the report; a budget that ends early leaves a gap there.
    fn run(&self, target: &Target, budget: &Budget) -> Result<Self::Report>;
}

/// How a probe was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Method {
    /// A raw ICMP socket (`CAP_NET_RAW`).
    Raw,
    /// An ICMP datagram socket (no capability; `net.ipv4.ping_group_range`).
    Datagram,
    /// connect(2) of a TCP socket.
    Connect,
    /// A packet socket on one interface (`CAP_NET_RAW`).
    Packet,
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw socket",
            Self::Datagram => "datagram socket",
            Self::Connect => "connect",
            Self::Packet => "packet socket",
        })
    }
}

/// An ICMP error as data: who sent it and what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct IcmpError {
    /// The host that reported it; the prober's own address when its own kernel gave up.
    pub from: Option<IpAddr>,
    /// Which ICMP the numbers belong to.
    pub family: Family,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// The MTU of the next hop in bytes, where the error carries one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mtu_bytes: Option<u32>,
}

impl IcmpError {
    pub(crate) fn new(family: Family, fault: IcmpFault) -> Self {
        let IcmpFault { from, kind, code, mtu } = fault;
        Self { from, family, kind, code, mtu_bytes: mtu }
    }

    /// Says in a few words what the error means.
    pub fn text(&self) -> &'static str {
        describe_icmp(self.family, self.kind, self.code)
    }

    /// Tells whether a router threw the packet away for want of hops.
    #[cfg(feature = "dns")]
    pub(crate) fn is_time_exceeded(&self) -> bool {
        matches!((self.family, self.kind, self.code), (Family::V4, 11, 0) | (Family::V6, 3, 0))
    }

    /// Tells whether this is "port unreachable", a refusal by the destination itself.
    pub fn is_port_unreachable(&self) -> bool {
        matches!((self.family, self.kind, self.code), (Family::V4, 3, 3) | (Family::V6, 1, 4))
    }
}

/// Ties a machine's clock to the wall clock, so that reports carry both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor {
    at: Instant,
    wall: Timestamp,
}

impl Anchor {
    pub(crate) fn new(at: Instant, wall: Timestamp) -> Self {
        Self { at, wall }
    }

    pub(crate) fn now() -> Self {
        Self::new(driver::now(), Timestamp::now())
    }

    pub(crate) fn wall(&self, at: Instant) -> Timestamp {
        let since = at.saturating_duration_since(self.at).as_nanos();
        let nanos = i64::try_from(since).unwrap_or(i64::MAX);
        Timestamp::from_unix_nanos(self.wall.as_unix_nanos().saturating_add(nanos))
    }
}
