//! One question put to several servers at once.

use std::net::SocketAddr;
use std::time::Duration;

use super::DnsQuery;
use super::plan::{Asked, Plan};
use super::report::{DnsOutcome, DnsReport};
use super::schedule::Verdict;
use crate::base::{Budget, Error, Gap, Result};
use crate::netns::{NetnsId, Target};
use crate::probe::Probe;
use crate::wire::dns::{Message, Question, Rcode};

/// Asks every server of a query for itself, all at once, and says who agrees with whom.
///
/// Needs no capability. Two answers agree when their results and the data of their answer
/// sections do; order, TTLs and the letters of names do not count.
///
/// ```no_run
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{DnsCompare, DnsQuery, Probe};
/// use vision_core::wire::dns::RecordType;
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let query = DnsQuery::new("db.svc.cluster.local".parse()?, RecordType::A)
///     .server("10.96.0.10:53".parse().expect("an address"))
///     .server("169.254.20.10:53".parse().expect("an address"));
/// let compared = DnsCompare::new(query).run(&target, &Budget::unbounded())?;
/// println!("{} different answers", compared.groups.len());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DnsCompare {
    query: DnsQuery,
}

/// What several servers said to the same question.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsComparison {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// What was asked.
    pub question: Question,
    /// One report for each server, in the order they were given.
    pub reports: Vec<DnsReport>,
    /// Servers that said the same, the largest group first; those without an answer are in none.
    pub groups: Vec<DnsGroup>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// Servers that said the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsGroup {
    /// The servers.
    pub servers: Vec<SocketAddr>,
    /// Their result.
    pub rcode: Rcode,
    /// The data of their answers, as `TYPE data`, sorted.
    pub answers: Vec<String>,
}

impl DnsCompare {
    /// Takes the question and the servers from a query.
    pub fn new(query: DnsQuery) -> Self {
        Self { query }
    }
}

impl DnsComparison {
    /// Tells whether every server answered and all said the same.
    pub fn agrees(&self) -> bool {
        let answered: usize = self.groups.iter().map(|group| group.servers.len()).sum();
        self.groups.len() == 1 && answered == self.reports.len()
    }

    /// Returns the answer of one server and how long it took.
    pub fn answer_of(&self, server: SocketAddr) -> Option<(&Message, Duration)> {
        let attempts = self.reports.iter().filter_map(DnsReport::decisive);
        let attempt = attempts.into_iter().find(|attempt| attempt.server == server)?;
        match &attempt.outcome {
            DnsOutcome::Answer { message, rtt, .. } => Some((message, *rtt)),
            _ => None,
        }
    }
}

impl Probe for DnsCompare {
    type Report = DnsComparison;

    fn run(&self, target: &Target, budget: &Budget) -> Result<DnsComparison> {
        if self.query.servers.len() < 2 {
            return Err(Error::invalid("servers", "a comparison needs two or more"));
        }
        self.query.check()?;
        let plan = Compare { query: self.query.clone(), reports: None };
        self.query.carry_out(plan, target, budget)
    }
}

/// One round: the same question to everybody.
struct Compare {
    query: DnsQuery,
    reports: Option<Vec<DnsReport>>,
}

impl Plan for Compare {
    type Report = DnsComparison;

    fn next(&mut self, answered: Vec<DnsReport>) -> Vec<Asked> {
        if self.reports.is_some() || !answered.is_empty() {
            self.reports = Some(answered);
            return Vec::new();
        }
        let servers = self.query.servers.iter();
        let asked = |server: &SocketAddr| Asked {
            ask: self.query.ask(),
            policy: self.query.policy_for(&[*server], Verdict::Any),
        };
        servers.map(asked).collect()
    }

    fn finish(self, netns: NetnsId, gaps: Vec<Gap>) -> DnsComparison {
        let reports = self.reports.unwrap_or_default();
        let groups = group(&reports);
        DnsComparison { netns, question: self.query.question, reports, groups, gaps }
    }
}

fn group(reports: &[DnsReport]) -> Vec<DnsGroup> {
    let mut groups: Vec<DnsGroup> = Vec::new();
    for attempt in reports.iter().filter_map(DnsReport::decisive) {
        let Some(message) = attempt.answer() else {
            continue;
        };
        let (rcode, answers) = (message.header.rcode, data(message));
        match groups.iter_mut().find(|g| g.rcode == rcode && g.answers == answers) {
            Some(group) => group.servers.push(attempt.server),
            None => groups.push(DnsGroup { servers: vec![attempt.server], rcode, answers }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.servers.len()));
    groups
}

/// The data of the answers, without owners, as those repeat the letters of the question.
fn data(message: &Message) -> Vec<String> {
    let lines = message.answers.iter().map(|r| format!("{} {}", r.rtype, r.data));
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines.dedup();
    lines
}
