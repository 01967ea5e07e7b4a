//! Packets one after the other at a steady pace, to see how many are lost: plain data, and what it means. Pure.

use std::net::IpAddr;
use std::time::Duration;

use nix::libc;

use crate::inventory::{Qdisc, TcStats};
use crate::probe::{EchoOutcome, PingReport, TcpOutcome, TcpReport};

/// Packets to something that answers, one every few milliseconds.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TrainRecord {
    /// Who was asked.
    pub to: IpAddr,
    /// Echo requests, where they may be sent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub echoes: Option<PingReport>,
    /// Connects to the port asked about, where echo requests were lost or are not answered.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub connects: Vec<TcpReport>,
    /// Echo requests to the routers on the way, the nearest first, where packets were lost or took long.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub routers: Vec<PingReport>,
}

/// The queue of a link before and after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct QueueRecord {
    /// What had passed before the probes.
    pub before: TcStats,
    /// The queueing discipline, as it stood after them.
    pub after: Qdisc,
}

impl QueueRecord {
    /// Pairs two listings of a namespace's queues; what neither dropped nor holds packets is left out.
    pub(super) fn of(before: &[Qdisc], after: Vec<Qdisc>) -> Vec<Self> {
        let pair = |after: Qdisc| {
            let old = before.iter().find(|old| {
                (old.ifindex, old.handle, old.parent) == (after.ifindex, after.handle, after.parent)
            })?;
            let record = Self { before: old.stats, after };
            (record.drops() > 0 || record.after.stats.backlog_packets > 0).then_some(record)
        };
        after.into_iter().filter_map(pair).collect()
    }

    /// Packets dropped during the round; the kernel's counter wraps.
    pub(super) fn drops(&self) -> u32 {
        self.after.stats.drops.wrapping_sub(self.before.drops)
    }
}

/// What was sent and what of it was lost for certain: nothing came of it, not even late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) sent: usize,
    pub(super) answered: usize,
    pub(super) lost: usize,
}

impl Tally {
    /// Of echo requests.
    pub(super) fn of_echoes(report: &PingReport) -> Self {
        // A filter of the own namespace, and the other end of a veth pair, make the sender's kernel say so.
        let dropped = [libc::EPERM, libc::ENOBUFS];
        let lost = |outcome: &EchoOutcome| match outcome {
            EchoOutcome::Lost { late } => late.is_none(),
            EchoOutcome::LocalError { reason, .. } => dropped.contains(&reason.errno),
            _ => false,
        };
        Self {
            sent: report.echoes.len(),
            answered: report.summary().received,
            lost: report.echoes.iter().filter(|echo| lost(&echo.outcome)).count(),
        }
    }

    /// Of connects; a refusal is an answer as well.
    pub(super) fn of_connects(reports: &[TcpReport]) -> Self {
        let all = || reports.iter().flat_map(|report| &report.attempts);
        let answered = |outcome: &TcpOutcome| {
            matches!(outcome, TcpOutcome::Open { .. } | TcpOutcome::Refused { .. })
        };
        Self {
            sent: all().count(),
            answered: all().filter(|attempt| answered(&attempt.outcome)).count(),
            lost: all().filter(|attempt| attempt.outcome == TcpOutcome::TimedOut).count(),
        }
    }

    /// Lost packets in words.
    pub(super) fn text(self) -> String {
        format!("{} of {} lost", self.lost, self.sent)
    }
}

/// As few lost packets may have any reason.
pub(super) const FEW: usize = 3;
/// An answer that took as long may have waited somewhere.
pub(super) const SLOW: Duration = Duration::from_millis(20);
/// Answers that always take longer may be worth a look at where on the way.
const FAR: Duration = Duration::from_millis(30);
/// What a single large packet in front of another makes of the time an answer takes, on a slow link.
const SWAY: Duration = Duration::from_millis(5);
/// A connect that took as long had its first SYN lost (RFC 6298 §2: one second).
pub(super) const RETRIED: Duration = Duration::from_millis(950);
/// As many lost connects cannot be chance where echo requests show nothing.
const SURE: usize = 2;

/// Tells whether a connect came about, or was refused, only when its SYN was sent again.
pub(super) fn was_retried(outcome: &TcpOutcome) -> bool {
    match outcome {
        TcpOutcome::Open { rtt, .. } | TcpOutcome::Refused { rtt, .. } => *rtt >= RETRIED,
        _ => false,
    }
}

/// The quickest answer, the median and the slowest.
pub(super) fn times(report: &PingReport) -> Option<[Duration; 3]> {
    let reply = |outcome: &EchoOutcome| match outcome {
        EchoOutcome::Reply { rtt, .. } => Some(*rtt),
        _ => None,
    };
    let mut times: Vec<Duration> =
        report.echoes.iter().filter_map(|echo| reply(&echo.outcome)).collect();
    times.sort_unstable();
    Some([*times.first()?, times[times.len() / 2], *times.last()?])
}

impl TrainRecord {
    pub(super) fn echo_tally(&self) -> Tally {
        self.echoes.as_ref().map(Tally::of_echoes).unwrap_or_default()
    }

    pub(super) fn connect_tally(&self) -> Tally {
        Tally::of_connects(&self.connects)
    }

    /// Tells whether packets of the kind asked about are lost, and others pass.
    ///
    /// Echo requests alone do not show it where connects pass: many hosts limit their answers to them.
    pub(super) fn is_lossy(&self) -> bool {
        let (echoes, connects) = (self.echo_tally(), self.connect_tally());
        let lost = echoes.lost >= FEW && echoes.answered > 0;
        match (connects.answered, lost) {
            (0, _) => lost && !self.is_limited(),
            (_, true) => connects.lost > 0,
            (_, false) => echoes.answered == 0 && connects.lost >= SURE,
        }
    }

    /// Tells whether answers to echo requests look rationed, not lost: at this pace few pass a limit.
    fn is_limited(&self) -> bool {
        let Tally { sent, answered, .. } = self.echo_tally();
        2 * answered < sent
    }

    /// How long answers took: the quickest, the median and the slowest; none where there were none.
    pub(super) fn times(&self) -> Option<[Duration; 3]> {
        times(self.echoes.as_ref()?)
    }

    /// How long answers took if they all took long, and most about as long: no queue that fills and empties.
    pub(super) fn far(&self) -> Option<Duration> {
        let [least, median, _] = self.times()?;
        (least >= FAR && median - least <= least / 4).then_some(least)
    }

    /// Tells whether answers took long, and not all as long or some did not come: there may be a queue on the way.
    pub(super) fn is_swaying(&self) -> bool {
        let lost = self.echo_tally().lost >= FEW;
        let sways =
            |[least, median, most]: [Duration; 3]| median >= SLOW && (most - least >= SWAY || lost);
        self.times().is_some_and(sways)
    }
}
