//! The way from the root to an answer, one delegation after the other.

mod plan;
mod roots;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use self::plan::Walk;
use super::report::DnsReport;
use super::{DnsQuery, Recursion};
use crate::base::{Budget, Family, Gap, Result};
use crate::netns::{NetnsId, Target};
use crate::probe::Probe;
use crate::wire::dns::{Name, Question};

/// Follows the delegations from the root to the servers that have an answer, as `dig +trace` does.
///
/// Needs no capability and no resolver: addresses of servers that a referral does not give are
/// looked for from the root as well. A server that fails, refuses or refers elsewhere is noted and
/// the next one of its zone asked.
///
/// ```no_run
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{DnsQuery, Probe, Trace};
/// use vision_core::wire::dns::RecordType;
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let query = DnsQuery::new("www.example.com".parse()?, RecordType::A);
/// let report = Trace::new(query).run(&target, &Budget::unbounded())?;
/// for step in &report.steps {
///     println!("{} {:?}", step.zone, step.result);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Trace {
    query: DnsQuery,
    roots: Vec<SocketAddr>,
    family: Option<Family>,
    port: u16,
}

/// The way from the root to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TraceReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// What was asked.
    pub question: Question,
    /// Every server asked, in order.
    pub steps: Vec<TraceStep>,
    /// How it ended.
    pub end: TraceEnd,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One server asked on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TraceStep {
    /// The zone the server was asked for.
    pub zone: Name,
    /// The server's name, if its zone told one.
    pub server_name: Option<Name>,
    /// Zero on the way to the answer, more when looking for the address of a server.
    pub depth: u8,
    /// What was asked and said.
    pub report: DnsReport,
    /// What it means for the way.
    pub result: TraceResult,
}

/// What one server's answer means for the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TraceResult {
    /// Others are responsible for a part of the zone.
    Referral {
        /// The part.
        zone: Name,
        /// Its servers.
        servers: Vec<Name>,
        /// How many addresses came along.
        addresses: usize,
        /// Whether a delegation signer came along (needs the DO bit).
        signed: bool,
    },
    /// The answer.
    Answer,
    /// The name exists, without records of the type.
    NoData,
    /// The name does not exist.
    NoSuchName,
    /// The server does not serve the zone: it refers elsewhere or knows nothing.
    Lame,
    /// No usable answer: silence, refusal, failure.
    Failed,
}

/// How a trace ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TraceEnd {
    /// With an answer.
    Answered,
    /// The name exists, without records of the type.
    NoData,
    /// The name does not exist.
    NoSuchName,
    /// No server of a zone gave a usable answer.
    DeadEnd {
        /// The zone.
        zone: Name,
    },
    /// Too many servers were asked.
    TooLong,
    /// The run ended first.
    Unfinished,
}

impl Trace {
    /// Starts at the thirteen root servers; servers of the query itself are not asked.
    pub fn new(query: DnsQuery) -> Self {
        Self { query, roots: Vec::new(), family: None, port: 53 }
    }

    /// Starts at this server instead; several are tried in turn.
    pub fn root(mut self, server: SocketAddr) -> Self {
        self.roots.push(server);
        self
    }

    /// Asks servers of one family only.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Asks servers that referrals name at this port instead of 53.
    pub fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    fn walk(&self) -> Walk {
        let roots = match self.roots.as_slice() {
            [] => roots::all(self.port),
            given => given.iter().map(|server| (None, *server)).collect(),
        };
        let query = self.query.clone().recursion(Recursion::Unwanted);
        Walk::new(query, roots, self.family, self.port)
    }
}

impl TraceReport {
    /// Returns the step that decided.
    pub fn last(&self) -> Option<&TraceStep> {
        self.steps.iter().rfind(|step| step.depth == 0)
    }
}

impl Probe for Trace {
    type Report = TraceReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<TraceReport> {
        self.query.carry_out(self.walk(), target, budget)
    }
}
