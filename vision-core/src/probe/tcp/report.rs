use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Gap, Reason, Timestamp, Ttl, Untrusted};
use crate::netns::NetnsId;
use crate::probe::{IcmpError, Method, RttSummary};

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
    /// One entry per port and round, in the order asked.
    pub attempts: Vec<TcpAttempt>,
    /// Whether the state waited for came; absent when none was.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub reached: Option<bool>,
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
    /// Which time this port was tried, from 1.
    #[cfg_attr(feature = "serde", serde(default = "first"))]
    pub round: u16,
    /// When the connect was started; absent if it never was.
    pub started_at: Option<Timestamp>,
    /// What became of it.
    pub outcome: TcpOutcome,
    /// What was said over the connection, where that was asked for.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub exchange: Option<TcpExchange>,
}

#[cfg(feature = "serde")]
fn first() -> u16 {
    1
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

/// What was said over one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TcpExchange {
    /// Bytes handed to the kernel.
    pub sent_bytes: usize,
    /// The first bytes that came, at most 4096.
    pub received: Untrusted,
    /// The same in hexadecimal when it is not UTF-8.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub received_hex: Option<String>,
    /// From the connection to the first byte.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "first_byte_ns",
            with = "crate::base::nanos::option",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub first_byte: Option<Duration>,
    /// Whether the bytes expected were among them; absent when none were.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub expected: Option<bool>,
    /// Why nothing more was read.
    pub end: ExchangeEnd,
}

/// Why an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ExchangeEnd {
    /// The bytes expected came.
    Matched,
    /// Something came, and then nothing more for 100 ms.
    Paused,
    /// 4096 bytes came; more may have followed.
    Full,
    /// The peer closed the connection in order.
    Closed,
    /// The connection broke.
    Broken(Reason),
    /// The wait was over.
    TimedOut,
    /// The run was ended meanwhile.
    Cut,
}

/// How often each outcome came, and how long the handshakes took.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TcpSummary {
    /// Connects that were decided.
    pub attempts: usize,
    /// Those that did all that was asked: open, and with the bytes expected if any were.
    pub succeeded: usize,
    /// Completed handshakes.
    pub open: usize,
    /// Refused by a reset or port-unreachable.
    pub refused: usize,
    /// Unreachable, as somebody on the way said.
    pub unreachable: usize,
    /// Without any answer.
    pub timed_out: usize,
    /// Refused by the own kernel.
    pub local_errors: usize,
    /// Times of the completed handshakes; absent without one.
    pub rtt: Option<RttSummary>,
}

impl TcpOutcome {
    /// Tells whether a connection came about.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    fn rtt_ns(&self) -> Option<u64> {
        match self {
            Self::Open { rtt, .. } => u64::try_from(rtt.as_nanos()).ok(),
            _ => None,
        }
    }
}

impl TcpAttempt {
    /// Tells whether a connection came about, and over it the bytes expected if any were.
    pub fn succeeded(&self) -> bool {
        let missed = self.exchange.as_ref().is_some_and(|e| e.expected == Some(false));
        self.outcome.is_open() && !missed
    }
}

impl TcpReport {
    /// Sums the attempts up; those still open do not count.
    pub fn summary(&self) -> TcpSummary {
        let count = |is: fn(&TcpOutcome) -> bool| {
            self.attempts.iter().filter(|attempt| is(&attempt.outcome)).count()
        };
        let rtts: Vec<u64> = self.attempts.iter().filter_map(|a| a.outcome.rtt_ns()).collect();
        TcpSummary {
            attempts: count(|o| *o != TcpOutcome::Pending),
            succeeded: self.attempts.iter().filter(|a| a.succeeded()).count(),
            open: count(TcpOutcome::is_open),
            refused: count(|o| matches!(o, TcpOutcome::Refused { .. })),
            unreachable: count(|o| matches!(o, TcpOutcome::Unreachable { .. })),
            timed_out: count(|o| *o == TcpOutcome::TimedOut),
            local_errors: count(|o| matches!(o, TcpOutcome::LocalError { .. })),
            rtt: RttSummary::of(&rtts),
        }
    }
}
