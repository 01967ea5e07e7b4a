use std::net::IpAddr;

use crate::base::{Gap, Reason};
use crate::netns::NetnsId;
use crate::probe::IcmpError;

/// What a port scan found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScanReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whose ports.
    pub to: IpAddr,
    /// By which means.
    pub technique: Technique,
    /// One entry per port, in the order given.
    pub ports: Vec<ScannedPort>,
    /// Probes handed to the kernel, repetitions included.
    pub sent: u64,
    /// Probes sent because an earlier one stayed without an answer.
    pub repeated: u64,
    /// Packets that looked like answers and were not.
    pub ignored: u64,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// By which means ports are scanned.
// closed: a connection, half of one, or a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Technique {
    /// connect(2), which needs no capability; connections are reset at once.
    Connect,
    /// A SYN whose answer is not followed up; needs `CAP_NET_RAW`.
    HalfOpen,
    /// A datagram with what the port's usual service understands.
    Udp,
}

/// One port.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScannedPort {
    /// Its number.
    pub port: u16,
    /// What it is.
    pub state: PortState,
    /// What tells so.
    pub reason: ScanReason,
    /// How often it was asked.
    pub attempts: u8,
    /// Time between the probe and its answer, in nanoseconds.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rtt_ns: Option<u64>,
}

/// What a port is, in nmap's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PortState {
    /// Somebody listens.
    Open,
    /// The host says that nobody does.
    Closed,
    /// Something keeps the probes or the answers back.
    Filtered,
    /// UDP: somebody listens and does not answer, or something keeps packets back.
    #[cfg_attr(feature = "serde", serde(rename = "open|filtered"))]
    OpenOrFiltered,
    /// The run ended before it was decided, or the kernel would not send.
    Undecided,
}

impl PortState {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Filtered => "filtered",
            Self::OpenOrFiltered => "open|filtered",
            Self::Undecided => "undecided",
        }
    }
}

/// What tells the state of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ScanReason {
    /// The host took the connection, or showed that it had taken an earlier attempt.
    SynAck,
    /// The host, or somebody in its name, sent a reset.
    Reset,
    /// A datagram came back from the port.
    Reply,
    /// Nothing came back.
    NoResponse,
    /// Somebody said that it cannot be delivered.
    Icmp(IcmpError),
    /// The own kernel would not send.
    Local(Reason),
    /// The run ended.
    Unfinished,
}

impl ScanReason {
    /// Returns a word for the class of reason, nmap's where it has one.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SynAck => "syn-ack",
            Self::Reset => "reset",
            Self::Reply => "udp-response",
            Self::NoResponse => "no-response",
            Self::Icmp(icmp) => icmp.text(),
            Self::Local(_) => "not-sent",
            Self::Unfinished => "not-asked",
        }
    }
}

impl ScanReport {
    /// Lists the ports in one state.
    pub fn in_state(&self, state: PortState) -> impl Iterator<Item = &ScannedPort> {
        self.ports.iter().filter(move |port| port.state == state)
    }
}
