//! A whole zone, as a secondary server gets it.

mod machine;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::machine::TransferMachine;
use super::DnsQuery;
use super::channel::DnsChannel;
use super::nonce::Nonces;
use super::report::DnsOutcome;
use crate::base::{Budget, Error, EventSource, Gap, Result};
use crate::netns::{NetnsId, Target};
use crate::probe::driver::Session;
use crate::probe::{Anchor, Probe};
use crate::wire::dns::{Name, Rcode, Record, RecordType};

/// Fetches a zone over TCP (RFC 5936), message by message.
///
/// Needs no capability, but a server that allows it. The wait of the query is the longest that
/// one message may take, however its bytes drip in; the first server alone is asked.
///
/// ```no_run
/// use vision_core::{Budget, EventSource, Selector, Target};
/// use vision_core::probe::{DnsQuery, ZoneTransfer};
/// use vision_core::wire::dns::RecordType;
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let query = DnsQuery::new("example.com".parse()?, RecordType::Axfr)
///     .server("192.0.2.1:53".parse().expect("an address"));
/// let mut transfer = ZoneTransfer::new(query).start(&target)?;
/// while let Some(records) = transfer.recv(&Budget::unbounded())? {
///     records.iter().for_each(|record| println!("{record}"));
/// }
/// println!("{:?}", transfer.finish().end);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZoneTransfer {
    query: DnsQuery,
}

/// What became of a transfer; the records were handed out on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TransferReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// The zone.
    pub zone: Name,
    /// The server.
    pub server: SocketAddr,
    /// The version of the zone, as its first record says.
    pub serial: Option<u32>,
    /// Messages that came.
    pub messages: u64,
    /// Records that came; the start of authority is there twice.
    pub records: u64,
    /// Bytes that came, lengths of messages included.
    pub received_bytes: u64,
    /// How long the TCP handshake took.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "connect_ns",
            with = "crate::base::nanos::option",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub connect: Option<Duration>,
    /// From the query to the end.
    #[cfg_attr(feature = "serde", serde(rename = "elapsed_ns", with = "crate::base::nanos"))]
    pub elapsed: Duration,
    /// How it ended.
    pub end: TransferEnd,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// How a transfer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum TransferEnd {
    /// With the start of authority once more, as it should.
    Complete,
    /// The server says no.
    Refused {
        /// Its result.
        rcode: Rcode,
    },
    /// What came is no transfer of this zone.
    Malformed {
        /// What is wrong with it.
        why: String,
    },
    /// The connection failed or was too slow.
    Failed {
        /// How.
        outcome: DnsOutcome,
    },
    /// The run ended first.
    Unfinished,
}

impl ZoneTransfer {
    /// Takes the zone, the server, the wait and the flags from a query.
    pub fn new(query: DnsQuery) -> Self {
        Self { query: query.asking(RecordType::Axfr) }
    }

    /// Starts the transfer.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a server, and what keeps the socket from being opened.
    pub fn start(&self, target: &Target) -> Result<TransferSession> {
        self.query.check()?;
        let server = self.query.servers.first().copied();
        let server = server.ok_or_else(|| Error::invalid("server", "none given"))?;
        let netns = target.open()?;
        let nonces = Nonces::draw(1)?;
        let place = (netns.id(), Anchor::now());
        let machine =
            TransferMachine::new(self.query.ask(), (server, self.query.timeout), nonces, place)?;
        let channel = self.query.channel(netns)?;
        Ok(TransferSession { session: Session::new(machine, channel, target)? })
    }
}

impl Probe for ZoneTransfer {
    type Report = TransferReport;

    /// Fetches and counts; for the records themselves see [`ZoneTransfer::start`].
    fn run(&self, target: &Target, budget: &Budget) -> Result<TransferReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A transfer under way; yields the records of each message.
pub struct TransferSession {
    session: Session<TransferMachine, DnsChannel>,
}

impl TransferSession {
    /// Stops and sums up.
    pub fn finish(self) -> TransferReport {
        self.session.finish()
    }
}

impl EventSource for TransferSession {
    type Event = Vec<Record>;

    fn try_recv(&mut self) -> Result<Option<Vec<Record>>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for TransferSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
