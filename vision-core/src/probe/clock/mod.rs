//! ICMP timestamps: how far a host's clock is from ours.

mod channel;
mod report;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::ClockChannel;
pub use self::report::{ClockOutcome, ClockReport};
use super::driver::Session;
use super::rounds::{Asked, Rhythm, Rounds};
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Result, Ttl, fill_random};
use crate::netns::{NetnsId, Target};
use crate::socket::Options;

/// Timestamp requests to one IPv4 host (RFC 792), which tell the offset of its clock within a
/// millisecond or so; needs `CAP_NET_RAW`, for a datagram socket sends echo requests only.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{ClockProbe, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let probe = ClockProbe::new("127.0.0.1".parse().expect("address")).count(3);
/// let report = probe.run(&target, &Budget::within(Duration::from_secs(5)))?;
/// assert_eq!(report.offset_ms(), Some(0));
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClockProbe {
    to: Ipv4Addr,
    rhythm: Rhythm,
    options: Options,
}

/// The shortest interval to one address that is still polite.
const FLOOR: Duration = Duration::from_millis(10);

impl ClockProbe {
    /// Asks `to` five times, five times a second, waiting a second for each reply.
    pub fn new(to: Ipv4Addr) -> Self {
        let (interval, wait) = (Duration::from_millis(200), Duration::from_secs(1));
        let rhythm = Rhythm { count: Some(5), interval, wait };
        Self { to, rhythm, options: Options::default() }
    }

    /// Sends this many requests.
    pub fn count(mut self, count: u16) -> Self {
        self.rhythm.count = Some(count);
        self
    }

    /// Leaves this much time between two requests, at least 10 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.rhythm.interval = interval;
        self
    }

    /// Waits this long for a reply.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.rhythm.wait = wait;
        self
    }

    /// Sets the time to live of the requests.
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sends through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Sends from this address.
    pub fn source(mut self, source: Ipv4Addr) -> Self {
        self.options.source = Some(SocketAddr::new(IpAddr::V4(source), 0));
        self
    }

    /// Starts sending and hands over a stream of what becomes of each request.
    ///
    /// # Errors
    /// [`Error::Permission`] naming `CAP_NET_RAW`, [`Error::NotFound`] for a missing interface or
    /// source address, [`Error::Invalid`] for an interval below the floor or a group of hosts.
    pub fn start(&self, target: &Target) -> Result<ClockSession> {
        if self.rhythm.interval < FLOOR {
            let why = format!("{:?} is below the polite floor of {FLOOR:?}", self.rhythm.interval);
            return Err(Error::invalid("interval", why));
        }
        if super::is_group(self.to.into()) {
            return Err(Error::invalid("address", format!("{} is no single host", self.to)));
        }
        let netns = target.open()?;
        let mut id = [0; 2];
        fill_random(&mut id)?;
        let id = u16::from_be_bytes(id);
        let channel = netns.run(|| ClockChannel::open(self.to, id, &self.options))??;
        let machine = Rounds::new(self.rhythm, Anchor::now());
        let session = Session::new(machine, channel, target)?;
        Ok(ClockSession { session, netns: netns.id(), to: self.to })
    }
}

impl Probe for ClockProbe {
    type Report = ClockReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<ClockReport> {
        let ClockSession { session, netns, to } = self.start(target)?;
        Ok(ClockReport::new(netns, to, session.run(budget)?))
    }
}

/// A comparison of clocks in progress; yields each request once it is answered or given up.
pub struct ClockSession {
    session: Session<Rounds<ClockOutcome>, ClockChannel>,
    netns: NetnsId,
    to: Ipv4Addr,
}

impl ClockSession {
    /// Stops sending and sums up.
    pub fn finish(self) -> ClockReport {
        ClockReport::new(self.netns, self.to, self.session.finish())
    }
}

impl EventSource for ClockSession {
    type Event = Asked<ClockOutcome>;

    fn try_recv(&mut self) -> Result<Option<Self::Event>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for ClockSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
