//! A SYN and what answers it, without a connection.

mod channel;
mod report;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::SynChannel;
pub use self::report::{SynOutcome, SynReport, SynSegment};
use super::driver::Session;
use super::rounds::{Asked, Rhythm, Rounds};
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Result, Ttl};
use crate::netns::{NetnsId, Target};
use crate::socket::Options;

/// Half-open connects to one port: sends a SYN, reads the segment that answers, and leaves it to
/// the kernel to reset what it knows nothing of (RFC 9293 §3.5); needs `CAP_NET_RAW`.
///
/// Each request comes from a port of its own, which is kept from others meanwhile.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{Probe, SynProbe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let probe = SynProbe::new("10.0.0.2".parse().expect("address"), 443).count(3);
/// let report = probe.run(&target, &Budget::within(Duration::from_secs(5)))?;
/// println!("{} of {} were accepted", report.accepted(), report.asked.len());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SynProbe {
    to: IpAddr,
    scope: u32,
    port: u16,
    rhythm: Rhythm,
    options: Options,
}

/// The shortest interval to one port that is still polite.
const FLOOR: Duration = Duration::from_millis(10);

impl SynProbe {
    /// Asks once and waits two seconds for the answer.
    pub fn new(to: IpAddr, port: u16) -> Self {
        let (interval, wait) = (Duration::from_secs(1), Duration::from_secs(2));
        let rhythm = Rhythm { count: Some(1), interval, wait };
        Self { to, scope: 0, port, rhythm, options: Options::default() }
    }

    /// Sends this many requests.
    pub fn count(mut self, count: u16) -> Self {
        self.rhythm.count = Some(count);
        self
    }

    /// Goes on until the budget ends.
    pub fn endless(mut self) -> Self {
        self.rhythm.count = None;
        self
    }

    /// Leaves this much time between two requests, at least 10 ms; a second unless said otherwise.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.rhythm.interval = interval;
        self
    }

    /// Waits this long for an answer.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.rhythm.wait = wait;
        self
    }

    /// Sets the time to live or hop limit of the requests.
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sends through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Sends from this address.
    pub fn source(mut self, source: IpAddr) -> Self {
        self.options.source = Some(SocketAddr::new(source, 0));
        self
    }

    /// Starts sending and hands over a stream of what becomes of each request.
    ///
    /// # Errors
    /// [`Error::Permission`] naming `CAP_NET_RAW`, [`Error::NotFound`] for a missing interface or
    /// source address, [`Error::Invalid`] for an interval below the floor or a group of hosts.
    pub fn start(&self, target: &Target) -> Result<SynSession> {
        if self.rhythm.interval < FLOOR {
            let why = format!("{:?} is below the polite floor of {FLOOR:?}", self.rhythm.interval);
            return Err(Error::invalid("interval", why));
        }
        if super::is_group(self.to) {
            return Err(Error::invalid("address", format!("{} is no single host", self.to)));
        }
        let netns = target.open()?;
        let id = netns.id();
        let channel = SynChannel::open(netns, self.to, self.scope, self.port, &self.options)?;
        let session = Session::new(Rounds::new(self.rhythm, Anchor::now()), channel, target)?;
        Ok(SynSession { session, netns: id, to: self.to, port: self.port })
    }
}

impl Probe for SynProbe {
    type Report = SynReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<SynReport> {
        let SynSession { session, netns, to, port } = self.start(target)?;
        Ok(SynReport::new(netns, to, port, session.run(budget)?))
    }
}

/// Half-open connects in progress; yields each request once it is answered or given up.
pub struct SynSession {
    session: Session<Rounds<SynOutcome>, SynChannel>,
    netns: NetnsId,
    to: IpAddr,
    port: u16,
}

impl SynSession {
    /// Stops sending and sums up.
    pub fn finish(self) -> SynReport {
        SynReport::new(self.netns, self.to, self.port, self.session.finish())
    }
}

impl EventSource for SynSession {
    type Event = Asked<SynOutcome>;

    fn try_recv(&mut self) -> Result<Option<Self::Event>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for SynSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
