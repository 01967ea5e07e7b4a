//! Neighbour solicitation: ARP for IPv4, neighbour discovery for IPv6.

mod channel;
mod machine;
mod report;
mod station;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::NeighChannel;
pub(crate) use self::channel::{open_icmpv6, open_packet};
use self::machine::NeighMachine;
pub use self::report::{NeighAnswer, NeighReport, OwnAddress};
pub(crate) use self::station::{Station, find as find_station};
use super::driver::Session;
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Result};
use crate::netns::Target;

/// Asks a link who holds an address, past the kernel's neighbour table
/// (RFC 826 for IPv4, RFC 4861 §7.2.2 for IPv6).
///
/// Every answer is kept: two link-layer addresses mean that two machines claim the address.
/// Needs `CAP_NET_RAW`; Ethernet links only.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{NeighProbe, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let gateway = "10.0.0.1".parse().expect("address");
/// let report = NeighProbe::new(gateway, "eth0").run(&target, &Budget::within(Duration::from_secs(3)))?;
/// for answer in &report.answers {
///     println!("{gateway} is at {}", answer.lladdr);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct NeighProbe {
    to: IpAddr,
    interface: String,
    source: Option<IpAddr>,
    count: u16,
    interval: Duration,
    wait: Duration,
    linger: Option<Duration>,
    purpose: Purpose,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Holder,
    Duplicates,
}

/// The shortest interval between two broadcasts that is still polite.
const FLOOR: Duration = Duration::from_millis(200);

impl NeighProbe {
    /// Asks on an interface for `to`, three times, once a second.
    pub fn new(to: IpAddr, interface: impl Into<String>) -> Self {
        Self {
            to,
            interface: interface.into(),
            source: None,
            count: 3,
            interval: Duration::from_secs(1),
            wait: Duration::from_secs(1),
            linger: None,
            purpose: Purpose::Holder,
        }
    }

    /// Sends this many requests.
    pub fn count(self, count: u16) -> Self {
        Self { count, ..self }
    }

    /// Leaves this much time between two requests; at least 200 ms.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Waits this long after the last request.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Stops this long after the first answer, so that a second holder can still be heard.
    pub fn stop_after_answer(self, linger: Duration) -> Self {
        Self { linger: Some(linger), ..self }
    }

    /// Asks on behalf of this address instead of the interface's own.
    pub fn source(self, source: IpAddr) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Searches for anybody else who has the address, as a host does before it takes one: asks on
    /// behalf of nobody (RFC 5227 §2.1.1, RFC 4862 §5.4.2) and takes every claim for an answer.
    ///
    /// The interface may have the address itself; [`NeighReport::is_duplicate`] gives the verdict.
    /// A host that is just running its own IPv6 duplicate detection for the address gives it up.
    pub fn duplicates(self) -> Self {
        Self { purpose: Purpose::Duplicates, ..self }
    }

    /// Starts asking and hands over a stream of answers.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a missing interface, [`Error::Invalid`] when the interface does no
    /// neighbour resolution or an IPv6 address has no source there, [`Error::Permission`] naming
    /// `CAP_NET_RAW`.
    pub fn start(&self, target: &Target) -> Result<NeighSession> {
        if self.interval < FLOOR {
            let why = format!("{:?} is below the polite floor of 200ms", self.interval);
            return Err(Error::invalid("interval", why));
        }
        let station = station::find(target, self)?;
        let netns = target.open()?;
        let channel = netns.run(|| NeighChannel::open(self.to, &station))??;
        let machine = NeighMachine::new(self, station, netns.id(), Anchor::now());
        Ok(NeighSession { session: Session::new(machine, channel, target)? })
    }
}

impl Probe for NeighProbe {
    type Report = NeighReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<NeighReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A neighbour probe in progress; yields every answer.
pub struct NeighSession {
    session: Session<NeighMachine, NeighChannel>,
}

impl NeighSession {
    /// Stops asking and sums up.
    pub fn finish(self) -> NeighReport {
        self.session.finish()
    }
}

impl EventSource for NeighSession {
    type Event = NeighAnswer;

    fn try_recv(&mut self) -> Result<Option<NeighAnswer>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for NeighSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
