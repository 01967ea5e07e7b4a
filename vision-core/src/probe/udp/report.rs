use std::net::SocketAddr;
use std::time::Duration;

use crate::base::{Gap, Reason, Timestamp, Untrusted};
use crate::netns::NetnsId;
use crate::probe::IcmpError;

/// What a UDP probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UdpReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: SocketAddr,
    /// When each datagram was sent.
    pub sent: Vec<Timestamp>,
    /// What became of them.
    pub outcome: UdpOutcome,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// What became of a UDP probe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum UdpOutcome {
    /// The port answered.
    Reply {
        /// Time since the latest datagram.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// The first 512 bytes of the answer.
        bytes: Untrusted,
        /// The same in hexadecimal when it is not UTF-8.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        bytes_hex: Option<String>,
        /// Length of the answer in bytes.
        length_bytes: usize,
    },
    /// Port unreachable: nobody listens there, or a filter says so.
    Closed {
        /// Who said so.
        icmp: IcmpError,
        /// Time since the latest datagram.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
    },
    /// A host on the way, or the own kernel, said that the destination cannot be reached.
    Unreachable {
        /// Who said so, and what.
        icmp: IcmpError,
        /// Time since the latest datagram.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
    },
    /// Nothing came back: open without an answer, filtered or lost.
    Silent,
    /// The kernel refused to send.
    LocalError {
        /// Why.
        reason: Reason,
    },
}
