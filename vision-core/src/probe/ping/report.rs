use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Gap, Reason, Timestamp, Ttl};
use crate::netns::NetnsId;
use crate::probe::spread::{RttHistogram, jitter_ns};
use crate::probe::{IcmpError, Method, Percentile};

/// What a ping found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PingReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: IpAddr,
    /// Through which kind of socket.
    pub method: Method,
    /// Payload bytes of each request.
    pub size_bytes: usize,
    /// One entry per request, in order of sequence number.
    pub echoes: Vec<Echo>,
    /// Replies that came again for a request already answered.
    pub duplicates: u32,
    /// Packets that looked like replies and were not ours: wrong sender or wrong payload.
    pub ignored: u32,
    /// When this process was kept from looking, which counts against nobody.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub stalls: Vec<Stall>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Echo {
    /// Sequence number, from 1.
    pub seq: u16,
    /// When the request was handed to the kernel.
    pub sent_at: Timestamp,
    /// What became of it.
    pub outcome: EchoOutcome,
}

/// What became of one echo request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EchoOutcome {
    /// The destination answered.
    Reply {
        /// Who answered.
        from: IpAddr,
        /// Round-trip time on the monotonic clock.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// Time to live of the reply on arrival.
        ttl: Option<Ttl>,
    },
    /// A host on the way, or the own kernel, said that it cannot be delivered.
    Unreachable(IcmpError),
    /// Nothing came within the wait.
    Lost {
        /// How late a reply came that arrived after it was given up.
        #[cfg_attr(
            feature = "serde",
            serde(
                default,
                rename = "late_ns",
                with = "crate::base::nanos::option",
                skip_serializing_if = "Option::is_none"
            )
        )]
        late: Option<Duration>,
    },
    /// Nothing came within the wait, during which this process was stopped: no loss of the
    /// network's.
    Stalled {
        /// How long after the request a reply was found.
        #[cfg_attr(
            feature = "serde",
            serde(
                default,
                rename = "late_ns",
                with = "crate::base::nanos::option",
                skip_serializing_if = "Option::is_none"
            )
        )]
        late: Option<Duration>,
    },
    /// The kernel refused to send it.
    LocalError {
        /// Why.
        reason: Reason,
        /// The MTU in bytes that the request exceeded.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        mtu_bytes: Option<u32>,
    },
    /// Still open when the run was ended.
    Pending,
}

/// A time in which the process, or the whole machine, did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Stall {
    /// When it should have been awake again.
    pub at: Timestamp,
    /// How much later it was.
    #[cfg_attr(feature = "serde", serde(rename = "lasted_ns", with = "crate::base::nanos"))]
    pub lasted: Duration,
}

/// The figures under a ping's list of replies.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PingSummary {
    /// Requests handed to the kernel.
    pub sent: usize,
    /// Requests answered in time.
    pub received: usize,
    /// Requests without an answer, in per cent of those decided.
    pub loss_percent: f64,
    /// Round-trip times; absent without a reply.
    pub rtt: Option<RttSummary>,
}

/// Minimum, mean, maximum and mean deviation of round-trip times in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RttSummary {
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub avg_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// The standard deviation, which ping calls mdev.
    pub mdev_ns: u64,
}

impl PingReport {
    /// Sums the echoes up; requests still open, or overtaken by a stall, count as neither
    /// answered nor lost.
    pub fn summary(&self) -> PingSummary {
        let decided = self.echoes.iter().filter(|e| e.outcome.is_decided()).count();
        let rtts: Vec<u64> = self.echoes.iter().filter_map(Echo::rtt_ns).collect();
        let lost = decided - rtts.len();
        let loss_percent = match decided {
            0 => 0.0,
            _ => 100.0 * lost as f64 / decided as f64,
        };
        let sent = self.echoes.len();
        PingSummary { sent, received: rtts.len(), loss_percent, rtt: RttSummary::of(&rtts) }
    }
}

impl PingReport {
    /// Gives the round-trip times that shares of all answers stay under, `50.0` for the median;
    /// shares outside of 0 to 100 count as the nearer of these.
    pub fn percentiles(&self, percents: &[f64]) -> Vec<Percentile> {
        RttHistogram::of(self.echoes.iter().filter_map(Echo::rtt_ns)).percentiles(percents)
    }

    /// Gives the mean difference between one round-trip time and the next, in nanoseconds.
    pub fn jitter_ns(&self) -> Option<u64> {
        jitter_ns([self.echoes.iter().filter_map(Echo::rtt_ns)])
    }
}

impl EchoOutcome {
    fn is_decided(&self) -> bool {
        !matches!(self, Self::Pending | Self::Stalled { .. })
    }
}

impl Echo {
    /// Returns the round-trip time of an answered request in nanoseconds.
    pub fn rtt_ns(&self) -> Option<u64> {
        match self.outcome {
            EchoOutcome::Reply { rtt, .. } => u64::try_from(rtt.as_nanos()).ok(),
            _ => None,
        }
    }
}

impl RttSummary {
    pub(crate) fn of(rtts: &[u64]) -> Option<Self> {
        let (min, max) = (*rtts.iter().min()?, *rtts.iter().max()?);
        let count = rtts.len() as f64;
        let mean = rtts.iter().map(|r| *r as f64).sum::<f64>() / count;
        let variance = rtts.iter().map(|r| (*r as f64 - mean).powi(2)).sum::<f64>() / count;
        Some(Self {
            min_ns: min,
            avg_ns: mean.round() as u64,
            max_ns: max,
            mdev_ns: variance.sqrt().round() as u64,
        })
    }
}
