use std::net::IpAddr;

use crate::base::{Gap, LinkAddr, Reason};
use crate::netns::NetnsId;
use crate::probe::spread::{RttHistogram, jitter_ns};
use crate::probe::{IcmpError, Method, Percentile, RttSummary, Stall};

/// What a sweep found.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SweepReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Through which kinds of socket, one per family.
    pub methods: Vec<Method>,
    /// Payload bytes of each request.
    pub size_bytes: usize,
    /// One entry per target, in the order given.
    pub hosts: Vec<SweptHost>,
    /// Packets that looked like replies and were not ours: wrong sender or wrong payload.
    pub ignored: u64,
    /// When this process was kept from looking, which counts against nobody.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub stalls: Vec<Stall>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One target of a sweep and what became of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SweptHost {
    /// Whom it asked.
    pub to: IpAddr,
    /// What it came to.
    pub verdict: SweepVerdict,
    /// Requests handed to the kernel.
    pub sent: u16,
    /// Requests answered in time.
    pub received: u16,
    /// Requests whose wait was over, or that failed, without an answer in time.
    pub lost: u16,
    /// Replies that came again, or after their wait.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    pub duplicates: u16,
    /// Round-trip times in nanoseconds, one per request in the order sent; `None` without a reply.
    pub rtts_ns: Vec<Option<u64>>,
    /// Its link-layer address, where it was asked for that.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub lladdr: Option<LinkAddr>,
}

#[cfg(feature = "serde")]
fn is_zero(count: &u16) -> bool {
    *count == 0
}

/// Whether a target is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SweepVerdict {
    /// It answered at least once.
    Alive,
    /// Nothing came back.
    Silent,
    /// A host on the way, or the own kernel, said that it cannot be reached.
    Unreachable(IcmpError),
    /// The kernel refused to send.
    LocalError(Reason),
    /// The run ended before it was decided.
    Undecided,
}

/// The figures of a sweep over all its targets.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SweepSummary {
    /// Targets.
    pub hosts: usize,
    /// Targets that answered.
    pub alive: usize,
    /// Targets that were not decided.
    pub undecided: usize,
    /// Requests handed to the kernel.
    pub sent: u64,
    /// Requests answered in time.
    pub received: u64,
    /// Requests without an answer, in per cent of those decided.
    pub loss_percent: f64,
    /// Round-trip times; absent without a reply.
    pub rtt: Option<RttSummary>,
    /// The mean difference between one round-trip time of a target and its next, in nanoseconds.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub jitter_ns: Option<u64>,
}

impl SweptHost {
    /// Lists the round-trip times of the answered requests in nanoseconds.
    pub fn answered_ns(&self) -> impl Iterator<Item = u64> + '_ {
        self.rtts_ns.iter().copied().flatten()
    }

    /// Sums the round-trip times up; nothing without a reply.
    pub fn rtt(&self) -> Option<RttSummary> {
        RttSummary::of(&self.answered_ns().collect::<Vec<_>>())
    }

    /// Gives the share of requests without an answer, in per cent of those decided.
    pub fn loss_percent(&self) -> f64 {
        loss_percent(self.received.into(), self.lost.into())
    }

    /// Gives the mean difference between one round-trip time and the next, in nanoseconds.
    pub fn jitter_ns(&self) -> Option<u64> {
        jitter_ns([self.answered_ns()])
    }
}

impl SweepReport {
    /// Sums the targets up.
    pub fn summary(&self) -> SweepSummary {
        let all: Vec<u64> = self.hosts.iter().flat_map(SweptHost::answered_ns).collect();
        let verdicts = |wanted| self.hosts.iter().filter(|h| h.verdict == wanted).count();
        let received = self.hosts.iter().map(|h| u64::from(h.received)).sum();
        let lost = self.hosts.iter().map(|h| u64::from(h.lost)).sum();
        SweepSummary {
            hosts: self.hosts.len(),
            alive: verdicts(SweepVerdict::Alive),
            undecided: verdicts(SweepVerdict::Undecided),
            sent: self.hosts.iter().map(|h| u64::from(h.sent)).sum(),
            received,
            loss_percent: loss_percent(received, lost),
            rtt: RttSummary::of(&all),
            jitter_ns: jitter_ns(self.hosts.iter().map(SweptHost::answered_ns)),
        }
    }

    /// Gives the round-trip times that shares of all answers stay under, `50.0` for the median;
    /// shares outside of 0 to 100 count as the nearer of these.
    pub fn percentiles(&self, percents: &[f64]) -> Vec<Percentile> {
        let all = self.hosts.iter().flat_map(SweptHost::answered_ns);
        RttHistogram::of(all).percentiles(percents)
    }
}

fn loss_percent(received: u64, lost: u64) -> f64 {
    match received + lost {
        0 => 0.0,
        decided => 100.0 * lost as f64 / decided as f64,
    }
}
