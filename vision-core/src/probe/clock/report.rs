use std::net::Ipv4Addr;
use std::time::Duration;

use crate::base::{Gap, Reason};
use crate::netns::NetnsId;
use crate::probe::IcmpError;
use crate::probe::rounds::{Asked, Outcome, Rounded};

/// How far a host's clock is from ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ClockReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: Ipv4Addr,
    /// Every request, in order.
    pub asked: Vec<Asked<ClockOutcome>>,
    /// Replies that belong to no open request.
    pub ignored: u32,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// What became of one timestamp request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ClockOutcome {
    /// The host told its time.
    Told {
        /// Round-trip time on the monotonic clock.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// Our time when it was sent, in milliseconds since midnight UTC.
        originate_ms: u32,
        /// The host's time when it came.
        receive_ms: u32,
        /// The host's time when the reply left.
        transmit_ms: u32,
        /// By how much the host's clock is ahead of ours in milliseconds; below zero it is behind.
        offset_ms: i32,
    },
    /// The host answered with a time that is not in milliseconds since midnight UTC, and says so.
    NonStandard {
        /// Round-trip time on the monotonic clock.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// What it sent as its time on arrival, without the bit that says so.
        receive: u32,
        /// What it sent as its time on leaving, without the bit that says so.
        transmit: u32,
    },
    /// A host on the way said that it cannot be delivered.
    Unreachable(IcmpError),
    /// Nothing came within the wait: lost, filtered, or a host that answers no timestamp requests.
    NoAnswer,
    /// The kernel refused to send it.
    LocalError(Reason),
    /// Still open when the run was ended.
    Pending,
}

impl Outcome for ClockOutcome {
    const SILENCE: Self = Self::NoAnswer;
    const PENDING: Self = Self::Pending;
}

impl ClockReport {
    pub(super) fn new(netns: NetnsId, to: Ipv4Addr, rounded: Rounded<ClockOutcome>) -> Self {
        let Rounded { asked, ignored, gaps } = rounded;
        Self { netns, to, asked, ignored, gaps }
    }

    /// Gives the answer that took the shortest time, which is the most precise: its round-trip
    /// time, and the offset in milliseconds.
    pub fn best(&self) -> Option<(Duration, i32)> {
        let told = self.asked.iter().filter_map(|asked| match asked.outcome {
            ClockOutcome::Told { rtt, offset_ms, .. } => Some((rtt, offset_ms)),
            _ => None,
        });
        told.min_by_key(|(rtt, _)| *rtt)
    }

    /// Gives the offset of the host's clock in milliseconds by [`ClockReport::best`].
    pub fn offset_ms(&self) -> Option<i32> {
        self.best().map(|(_, offset)| offset)
    }
}
