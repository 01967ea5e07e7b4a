use std::net::IpAddr;
use std::time::Duration;

use crate::base::{Gap, Reason, Ttl};
use crate::netns::NetnsId;
use crate::probe::rounds::{Asked, Outcome, Rounded};
use crate::probe::{IcmpError, RttSummary};

/// What answered the SYNs to one port.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SynReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// Whom it asked.
    pub to: IpAddr,
    /// Which port.
    pub port: u16,
    /// Every request, in order.
    pub asked: Vec<Asked<SynOutcome>>,
    /// Segments from that port that answer no open request.
    pub ignored: u32,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// The segment that answered a SYN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SynSegment {
    /// Round-trip time on the monotonic clock.
    #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
    pub rtt: Duration,
    /// Its flags by their first letters in hping's order, `SA` or `RA`.
    pub flags: String,
    /// Bytes it offers to take, before any scaling.
    pub window: u16,
    /// Time to live or hop limit on arrival.
    pub ttl: Option<Ttl>,
    /// The identification of its IPv4 header.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub ip_id: Option<u16>,
    /// Whether its IPv4 header forbids fragmentation.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub df: Option<bool>,
}

/// What became of one SYN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SynOutcome {
    /// Somebody listens: a SYN came back with the acknowledgement.
    SynAck(SynSegment),
    /// Nobody listens, or a filter says so: a reset came back.
    Reset(SynSegment),
    /// A host on the way, or the destination, said that it cannot be delivered; no answer of the
    /// port's.
    Unreachable(IcmpError),
    /// Nothing came within the wait.
    NoAnswer,
    /// The kernel refused to send it.
    LocalError(Reason),
    /// Still open when the run was ended.
    Pending,
}

impl Outcome for SynOutcome {
    const SILENCE: Self = Self::NoAnswer;
    const PENDING: Self = Self::Pending;
}

impl SynReport {
    pub(super) fn new(netns: NetnsId, to: IpAddr, port: u16, rounded: Rounded<SynOutcome>) -> Self {
        let Rounded { asked, ignored, gaps } = rounded;
        Self { netns, to, port, asked, ignored, gaps }
    }

    /// Counts the requests that a listener accepted.
    pub fn accepted(&self) -> usize {
        let accepted = |asked: &&Asked<_>| matches!(asked.outcome, SynOutcome::SynAck(_));
        self.asked.iter().filter(accepted).count()
    }

    /// Counts the requests that the port answered, with a SYN or with a reset; an ICMP error is
    /// no answer of the port's.
    pub fn answered(&self) -> usize {
        self.segments().count()
    }

    /// Sums the round-trip times up; absent without an answer.
    pub fn rtt(&self) -> Option<RttSummary> {
        let times = self.segments().filter_map(|one| u64::try_from(one.rtt.as_nanos()).ok());
        RttSummary::of(&times.collect::<Vec<_>>())
    }

    fn segments(&self) -> impl Iterator<Item = &SynSegment> {
        self.asked.iter().filter_map(|asked| match &asked.outcome {
            SynOutcome::SynAck(segment) | SynOutcome::Reset(segment) => Some(segment),
            _ => None,
        })
    }
}
