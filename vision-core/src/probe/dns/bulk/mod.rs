//! Many questions under way at once: lists of names, and sustained load.

mod careful;
mod flight;
mod machine;
mod random;
mod report;
#[cfg(test)]
mod tests;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::machine::BulkMachine;
use self::random::Random;
pub use self::report::{DnsBulkAnswer, DnsBulkReport, DnsTimes};
use super::DnsQuery;
use super::channel::DnsChannel;
use crate::base::{Budget, Error, EventSource, Pacer, Result};
use crate::netns::Target;
use crate::probe::driver::{self, Session};
use crate::probe::{Anchor, Probe};
use crate::wire::dns::Question;

/// Asks many questions, a few hundred of them at any time.
///
/// Needs no capability. Each server is asked from sixteen ports of the kernel's choice; every
/// query has a random identifier and letters in random case, and only a reply from the server
/// asked, on the right port, that agrees in all of it is believed. What a datagram cannot carry,
/// or a server does not understand, is asked again as [`DnsQuery`] would.
///
/// ```no_run
/// use vision_core::{Budget, EventSource, Selector, Target};
/// use vision_core::probe::{DnsBulk, DnsQuery};
/// use vision_core::wire::dns::{Question, RecordType};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let first: vision_core::wire::dns::Name = "a.example.com".parse()?;
/// let query = DnsQuery::new(first.clone(), RecordType::A)
///     .server("10.96.0.10:53".parse().expect("an address"));
/// let mut bulk = DnsBulk::new(query, vec![Question::new(first, RecordType::A)]).start(&target)?;
/// while let Some(answer) = bulk.recv(&Budget::unbounded())? {
///     println!("{} {:?}", answer.question.name, answer.outcome);
/// }
/// println!("{:.0} answers a second", bulk.finish().rate());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DnsBulk {
    query: DnsQuery,
    questions: Vec<Question>,
    window: usize,
    pacer: Option<Pacer>,
    lasting: Option<Duration>,
}

/// Most questions under way; more than a server's socket holds is lost there.
const MAX_WINDOW: usize = 10_000;

impl DnsBulk {
    /// Takes servers, waits, tries and flags from a query, whose own question is not asked.
    pub fn new(query: DnsQuery, questions: Vec<Question>) -> Self {
        Self { query, questions, window: 256, pacer: None, lasting: None }
    }

    /// Keeps so many questions under way, 256 unless told; from 1 to 10000.
    pub fn window(self, questions: usize) -> Self {
        Self { window: questions.clamp(1, MAX_WINDOW), ..self }
    }

    /// Sends at a pace; as fast as answers come unless told.
    pub fn pacer(self, pacer: Pacer) -> Self {
        Self { pacer: Some(pacer), ..self }
    }

    /// Asks the questions round and round for so long and only counts the answers.
    pub fn lasting(self, time: Duration) -> Self {
        Self { lasting: Some(time), ..self }
    }

    /// Starts asking.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a server or a question, and what keeps sockets from being
    /// opened.
    pub fn start(&self, target: &Target) -> Result<DnsBulkSession> {
        self.query.check()?;
        if self.questions.is_empty() {
            return Err(Error::invalid("names", "none given"));
        }
        let netns = target.open()?;
        let random = Random::kernel()?;
        let mut machine = BulkMachine::new(self.query.clone(), self.questions.clone(), random);
        machine.place = (netns.id(), Anchor::now());
        machine.window = self.window;
        machine.pacer.clone_from(&self.pacer);
        machine.until = self.lasting.map(|time| driver::now() + time);
        machine.deliver = self.lasting.is_none();
        let channel = self.query.channel(netns)?;
        Ok(DnsBulkSession { session: Session::new(machine, channel, target)? })
    }
}

impl Probe for DnsBulk {
    type Report = DnsBulkReport;

    /// Asks everything and counts; for the answers themselves see [`DnsBulk::start`].
    fn run(&self, target: &Target, budget: &Budget) -> Result<DnsBulkReport> {
        self.start(target)?.session.run(budget)
    }
}

/// Many questions under way; yields each answer as it comes, in no order.
pub struct DnsBulkSession {
    session: Session<BulkMachine, DnsChannel>,
}

impl DnsBulkSession {
    /// Stops asking and sums up.
    pub fn finish(self) -> DnsBulkReport {
        self.session.finish()
    }
}

impl EventSource for DnsBulkSession {
    type Event = DnsBulkAnswer;

    fn try_recv(&mut self) -> Result<Option<DnsBulkAnswer>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for DnsBulkSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
