use std::net::IpAddr;
use std::time::Duration;

use super::change::Change;
use super::explain::{Remark, remarks};
use super::{Probing, ProbingMethod};
use crate::base::{Gap, Reason, Timestamp, Ttl};
use crate::netns::NetnsId;
use crate::probe::IcmpError;
use crate::wire::quote::MplsLabel;

/// What lies on the way to a destination.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PathReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// The address the probes left from.
    pub from: IpAddr,
    /// Whom they were for.
    pub to: IpAddr,
    /// What was sent.
    pub probing: Probing,
    /// Through which kind of socket.
    pub method: ProbingMethod,
    /// Length of each IP packet.
    pub size_bytes: u16,
    /// How many flows took turns.
    pub flows: u16,
    /// Rounds begun.
    pub rounds: u32,
    /// How the path ends.
    pub end: PathEnd,
    /// One entry per time to live, from the first probed to the last that answered.
    pub hops: Vec<Hop>,
    /// What the figures mean, in order of the hops.
    pub remarks: Vec<Remark>,
    /// Answers that came again.
    pub duplicates: u32,
    /// Answers that came after the wait and count as lost.
    pub late: u32,
    /// Messages that looked like answers and were none.
    pub ignored: u32,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// How a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PathEnd {
    /// The destination answered.
    Reached {
        /// How many hops away it is.
        hops: u8,
        /// By what it was known.
        by: ReachedBy,
    },
    /// Somebody says that it goes no further.
    Refused {
        /// After how many hops.
        hops: u8,
        /// Who says so, and what.
        error: IcmpError,
    },
    /// The own kernel sends nothing there.
    NotSent {
        /// Why.
        reason: Reason,
        /// The MTU in bytes that the probes exceeded.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        mtu_bytes: Option<u32>,
    },
    /// Nobody answers any more.
    Silent {
        /// The last hop that did; zero for none.
        after: u8,
    },
    /// The run was ended, or the hops allowed were not enough to tell.
    Open,
}

/// By what the destination was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ReachedBy {
    /// An echo reply.
    EchoReply,
    /// ICMP port unreachable: it is there, and nobody has the UDP port.
    PortUnreachable,
    /// A SYN-ACK: the TCP port is open.
    Open {
        /// The segment size it offers in bytes.
        mss_bytes: Option<u16>,
    },
    /// A reset: the TCP port is closed.
    Closed,
    /// A datagram.
    Datagram,
    /// Another ICMP error, sent by the destination itself.
    Refusal(IcmpError),
}

/// One hop.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Hop {
    /// How many hops away.
    pub ttl: u8,
    /// Probes that were to end here.
    pub sent: u32,
    /// Those answered in time.
    pub received: u32,
    /// Those not answered; the rest are still open.
    pub lost: u32,
    /// The lost in per cent of those decided.
    pub loss_percent: f64,
    /// Times of the answers; absent without any.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub rtt: Option<HopRtt>,
    /// Who answered, most answers first. Several mean that packets take several ways.
    pub responders: Vec<Responder>,
    /// The first sixteen probes one by one.
    pub answers: Vec<HopAnswer>,
}

/// One address that answered at a hop.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Responder {
    /// Its address.
    pub addr: IpAddr,
    /// How many answers.
    pub received: u32,
    /// The flows whose probes came by here.
    pub flows: Vec<u16>,
    /// Time to live of its last answer on arrival.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub reply_ttl: Option<Ttl>,
    /// Hops its answer seems to have taken, taking it for sent with 64, 128 or 255.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub hops_back: Option<u8>,
    /// Time to live the probe had left when it was quoted; 1 unless tunnels hide hops.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub quoted_ttl: Option<Ttl>,
    /// What was different in the quoted probe.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub changed: Vec<Change>,
    /// The MPLS labels it says the probe bore (RFC 4950).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub labels: Vec<MplsLabel>,
    /// An error that is not "time exceeded".
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub error: Option<IcmpError>,
}

/// What became of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HopAnswer {
    /// The hop it was for.
    pub ttl: u8,
    /// Which round, from zero.
    pub round: u32,
    /// Which flow, from zero.
    pub flow: u16,
    /// When it was handed to the kernel.
    pub sent_at: Timestamp,
    /// Who answered; `None` for nobody.
    pub from: Option<IpAddr>,
    /// How long that took.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "rtt_ns",
            with = "crate::base::nanos::option",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub rtt: Option<Duration>,
}

/// Round-trip times of one hop in nanoseconds, as mtr counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HopRtt {
    /// The latest.
    pub last_ns: u64,
    /// The shortest.
    pub best_ns: u64,
    /// The mean.
    pub avg_ns: u64,
    /// The longest.
    pub worst_ns: u64,
    /// The standard deviation of the sample.
    pub stdev_ns: u64,
    /// The mean difference between one answer and the next.
    pub jitter_ns: u64,
}

impl PathReport {
    /// Tells whether the destination answered.
    pub fn is_reached(&self) -> bool {
        matches!(self.end, PathEnd::Reached { .. })
    }

    /// Says which hop has an address.
    pub fn hop_of(&self, addr: IpAddr) -> Option<u8> {
        let has = |hop: &&Hop| hop.responders.iter().any(|r| r.addr == addr);
        self.hops.iter().find(has).map(|hop| hop.ttl)
    }

    pub(super) fn explained(mut self) -> Self {
        self.remarks = remarks(&self);
        self
    }
}

/// Times as they come, in constant memory (Welford's method).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Times {
    count: u32,
    last: f64,
    best: f64,
    worst: f64,
    mean: f64,
    squares: f64,
    steps: f64,
}

impl Times {
    pub(super) fn add(&mut self, rtt: Duration) {
        let ns = rtt.as_nanos() as f64;
        self.steps += if self.count > 0 { (ns - self.last).abs() } else { 0.0 };
        self.best = if self.count > 0 { self.best.min(ns) } else { ns };
        self.worst = self.worst.max(ns);
        self.last = ns;
        self.count += 1;
        let off = ns - self.mean;
        self.mean += off / f64::from(self.count);
        self.squares += off * (ns - self.mean);
    }

    pub(super) fn figures(&self) -> Option<HopRtt> {
        let count = f64::from(self.count);
        let ns = |value: f64| value.round() as u64;
        let between = |sum: f64| if self.count > 1 { sum / (count - 1.0) } else { 0.0 };
        (self.count > 0).then(|| HopRtt {
            last_ns: ns(self.last),
            best_ns: ns(self.best),
            avg_ns: ns(self.mean),
            worst_ns: ns(self.worst),
            stdev_ns: ns(between(self.squares).sqrt()),
            jitter_ns: ns(between(self.steps)),
        })
    }
}
