use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::report::{DnsIgnored, DnsOutcome, DnsReport, DnsTransport};
use crate::base::Gap;
use crate::netns::NetnsId;
use crate::probe::spread::{RttHistogram, nanos};
use crate::wire::dns::{Question, Rcode};

/// One question of many, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsBulkAnswer {
    /// Its place in the list.
    pub index: usize,
    /// What was asked.
    pub question: Question,
    /// The server asked last.
    pub server: Option<SocketAddr>,
    /// How often it was asked.
    pub tries: u8,
    /// What became of it in the end.
    pub outcome: DnsOutcome,
}

/// What became of many questions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsBulkReport {
    /// The namespace they were asked in.
    pub netns: NetnsId,
    /// Questions begun.
    pub asked: u64,
    /// Questions answered, with whatever result.
    pub answered: u64,
    /// Questions that nobody answered.
    pub unanswered: u64,
    /// Questions under way when the run ended.
    pub unfinished: u64,
    /// Datagrams sent, repetitions included.
    pub datagrams: u64,
    /// Datagrams that repeated a question.
    pub retries: u64,
    /// Questions that took a connection.
    pub over_tcp: u64,
    /// How often each result came.
    pub rcodes: Vec<(Rcode, u64)>,
    /// Replies that were not believed; late ones count as `wrong_id`.
    pub ignored: DnsIgnored,
    /// From the first query to the last answer.
    #[cfg_attr(feature = "serde", serde(rename = "elapsed_ns", with = "crate::base::nanos"))]
    pub elapsed: Duration,
    /// How long answers took; up to a tenth of a millisecond of it is the gathering of replies.
    pub times: Option<DnsTimes>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// How long answers took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsTimes {
    /// The shortest.
    #[cfg_attr(feature = "serde", serde(rename = "min_ns", with = "crate::base::nanos"))]
    pub min: Duration,
    /// Half took no longer.
    #[cfg_attr(feature = "serde", serde(rename = "p50_ns", with = "crate::base::nanos"))]
    pub p50: Duration,
    /// 95 of 100 took no longer.
    #[cfg_attr(feature = "serde", serde(rename = "p95_ns", with = "crate::base::nanos"))]
    pub p95: Duration,
    /// 99 of 100 took no longer.
    #[cfg_attr(feature = "serde", serde(rename = "p99_ns", with = "crate::base::nanos"))]
    pub p99: Duration,
    /// The longest.
    #[cfg_attr(feature = "serde", serde(rename = "max_ns", with = "crate::base::nanos"))]
    pub max: Duration,
}

impl DnsBulkReport {
    /// Returns the answers per second.
    pub fn rate(&self) -> f64 {
        match self.elapsed.as_secs_f64() {
            0.0 => 0.0,
            seconds => self.answered as f64 / seconds,
        }
    }
}

/// What is counted while under way.
pub(super) struct Tally {
    pub(super) asked: u64,
    pub(super) datagrams: u64,
    pub(super) retries: u64,
    pub(super) ignored: DnsIgnored,
    answered: u64,
    unanswered: u64,
    over_tcp: u64,
    rcodes: Vec<(Rcode, u64)>,
    times: RttHistogram,
    begun: Option<Instant>,
    ended: Option<Instant>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            asked: 0,
            datagrams: 0,
            retries: 0,
            ignored: DnsIgnored::default(),
            answered: 0,
            unanswered: 0,
            over_tcp: 0,
            rcodes: Vec::new(),
            times: RttHistogram::new(),
            begun: None,
            ended: None,
        }
    }
}

impl Tally {
    pub(super) fn begin(&mut self, now: Instant) {
        self.begun.get_or_insert(now);
    }

    pub(super) fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    pub(super) fn answer(&mut self, rcode: u16, rtt: Duration) {
        self.answered += 1;
        let rcode = Rcode::from_raw(rcode);
        match self.rcodes.iter_mut().find(|(known, _)| *known == rcode) {
            Some((_, count)) => *count += 1,
            None => self.rcodes.push((rcode, 1)),
        }
        self.times.record(nanos(rtt));
    }

    pub(super) fn conclude(&mut self, outcome: &DnsOutcome) {
        match outcome {
            DnsOutcome::Answer { message, rtt, .. } => {
                self.answer(message.header.rcode.raw(), *rtt);
            }
            _ => self.unanswered += 1,
        }
    }

    pub(super) fn over_tcp(&mut self, report: &DnsReport) {
        let over_tcp = report.attempts.iter().any(|a| a.transport != DnsTransport::Udp);
        self.over_tcp += u64::from(over_tcp);
    }

    pub(super) fn into_report(
        mut self,
        netns: NetnsId,
        unfinished: u64,
        gaps: Vec<Gap>,
    ) -> DnsBulkReport {
        let at = |percent| self.times.at(percent);
        let times = (!self.times.is_empty()).then(|| DnsTimes {
            min: at(0.0),
            p50: at(50.0),
            p95: at(95.0),
            p99: at(99.0),
            max: at(100.0),
        });
        let elapsed = self.ended.zip(self.begun).map(|(end, begin)| end - begin);
        self.rcodes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        DnsBulkReport {
            netns,
            asked: self.asked,
            answered: self.answered,
            unanswered: self.unanswered,
            unfinished,
            datagrams: self.datagrams,
            retries: self.retries,
            over_tcp: self.over_tcp,
            rcodes: self.rcodes,
            ignored: self.ignored,
            elapsed: elapsed.unwrap_or_default(),
            times,
            gaps,
        }
    }
}
