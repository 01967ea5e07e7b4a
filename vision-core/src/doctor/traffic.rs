//! Sockets that have to do with the question: plain data of a round.

use std::net::IpAddr;
use std::time::Duration;

use crate::base::Untrusted;
use crate::inventory::Sock;

/// The sockets of one namespace that belong to the service asked about, after the probes.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default))]
#[non_exhaustive]
pub struct Traffic {
    /// How many sockets lead to each destination that was asked for.
    pub crowds: Vec<Crowd>,
    /// Connections to the service with data that was not acknowledged, the most first.
    pub unsent: Vec<Sock>,
    /// UDP sockets of the target that may have sent to the service: connected to it, or to nobody.
    pub senders: Vec<Sock>,
    /// Sockets of the service with data that was not read, and of UDP all, the most first.
    pub unread: Vec<Sock>,
    /// The service's listeners.
    pub listeners: Vec<Sock>,
    /// The processes that hold listeners at which connections wait.
    pub holders: Vec<Holder>,
    /// What is left of closed connections to the service's port, where nobody listens on it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub lingering: Option<Lingering>,
}

/// Closed connections that hold their local port for a while (`TIME-WAIT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Lingering {
    /// How many there are.
    pub sockets: u32,
    /// How long the last of them still stays.
    #[cfg_attr(feature = "serde", serde(rename = "longest_ns", with = "crate::base::nanos"))]
    pub longest: Duration,
}

/// A control group that used up the processor time it may have, during a round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Throttled {
    /// Its path below the root of the hierarchy.
    pub group: Untrusted,
    /// Whether a process that accepts for the service asked about is in it; none if that could not be told.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub serves: Option<bool>,
    /// Such a process, or another of the namespace in it.
    pub pid: u32,
    /// What the process calls itself.
    pub comm: Untrusted,
    /// How long its processes may run in each period.
    #[cfg_attr(feature = "serde", serde(rename = "quota_ns", with = "crate::base::nanos"))]
    pub quota: Duration,
    /// The period.
    #[cfg_attr(feature = "serde", serde(rename = "period_ns", with = "crate::base::nanos"))]
    pub period: Duration,
    /// Periods of the round in which something ran.
    pub periods: u64,
    /// Of them, those in which the time was used up.
    pub throttled: u64,
    /// How long processes waited.
    #[cfg_attr(feature = "serde", serde(rename = "waited_ns", with = "crate::base::nanos"))]
    pub waited: Duration,
}

/// The sockets that lead to one destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Crowd {
    /// The destination.
    pub addr: IpAddr,
    /// Its TCP port.
    pub port: u16,
    /// Local ports in use towards it, those in `TIME-WAIT` included.
    pub ports: u32,
    /// Of them, in `TIME-WAIT`.
    pub time_wait: u32,
}

/// A process that holds a listener, and its file descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Holder {
    /// The listener's inode.
    pub inode: u32,
    /// Process number.
    pub pid: u32,
    /// What the process calls itself.
    pub comm: Untrusted,
    /// Descriptors it has open with numbers below the limit.
    pub open: u32,
    /// Descriptors it may have open (`RLIMIT_NOFILE`, soft).
    pub limit: u32,
}
