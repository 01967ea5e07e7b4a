use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Gap, Reason, Timestamp, Ttl};
use crate::netns::NetnsId;
use crate::probe::{IcmpError, Method};

/// What TCP connects found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TcpReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: IpAddr,
    /// How it asked.
    pub method: Method,
    /// One entry per port, in the order asked.
    pub attempts: Vec<TcpAttempt>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One connect and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TcpAttempt {
    /// The destination port.
    pub port: u16,
    /// When the connect was started; absent if it never was.
    pub started_at: Option<Timestamp>,
    /// What became of it.
    pub outcome: TcpOutcome,
}

/// What became of one connect.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TcpOutcome {
    /// The handshake was completed.
    Open {
        /// From the first SYN to the connection.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// The address and port connected from.
        local: Option<SocketAddr>,
    },
    /// Somebody said no: a reset, or a port-unreachable whose sender is named.
    Refused {
        /// From the SYN to the refusal.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// The ICMP error, if it was no reset.
        icmp: Option<IcmpError>,
        /// Time to live of the reset on arrival, where it could be seen.
        ttl: Option<Ttl>,
    },
    /// A host on the way, or the own kernel, said that the destination cannot be reached.
    Unreachable {
        /// From the SYN to the error.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// Who said so, and what.
        icmp: IcmpError,
    },
    /// Nothing came back within the wait.
    TimedOut,
    /// The kernel refused by itself, without any ICMP error.
    LocalError {
        /// Why.
        reason: Reason,
        /// How long it took.
        #[cfg_attr(feature = "serde", serde(rename = "after_ns", with = "crate::base::nanos"))]
        after: Duration,
    },
    /// Still open, or not yet begun, when the run was ended.
    Pending,
}

impl TcpOutcome {
    /// Tells whether a connection came about.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}
