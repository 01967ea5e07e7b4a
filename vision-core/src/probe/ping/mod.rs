//! ICMP echo.

mod channel;
mod clocks;
mod machine;
mod report;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::PingChannel;
pub(crate) use self::channel::{is_network_error, open_icmp};
pub(crate) use self::clocks::Clocks;
use self::machine::PingMachine;
pub use self::report::{Echo, EchoOutcome, PingReport, PingSummary, RttSummary, Stall};
use super::driver::Session;
use super::{Anchor, Df, Probe};
use crate::base::{Budget, Error, EventSource, Result, Ttl, fill_random};
use crate::netns::Target;
use crate::socket::Options;

/// Echo requests to one address (RFC 792, RFC 4443 §4).
///
/// Uses an ICMP datagram socket where `net.ipv4.ping_group_range` allows one, else a raw socket,
/// which needs `CAP_NET_RAW`; the report says which.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{Ping, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let ping = Ping::new("127.0.0.1".parse().expect("address")).count(3);
/// let report = ping.run(&target, &Budget::within(Duration::from_secs(5)))?;
/// assert_eq!(report.summary().received, 3);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ping {
    to: IpAddr,
    scope: u32,
    count: Option<u16>,
    interval: Duration,
    wait: Duration,
    size_bytes: usize,
    options: Options,
}

/// The shortest interval to one address that is still polite.
const FLOOR: Duration = Duration::from_millis(2);

/// The shortest interval to a group, where each request may be answered by many.
const GROUP_FLOOR: Duration = Duration::from_secs(1);

/// An IPv4 packet holds 65 535 bytes, of which the two headers take 28.
const MAX_SIZE_BYTES: usize = 65_507;

impl Ping {
    /// Asks `to` four times, once a second, waiting a second for each reply.
    pub fn new(to: IpAddr) -> Self {
        Self {
            to,
            scope: 0,
            count: Some(4),
            interval: Duration::from_secs(1),
            wait: Duration::from_secs(1),
            size_bytes: 56,
            options: Options::default(),
        }
    }

    /// Sends this many requests.
    pub fn count(self, count: u16) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Goes on until the budget ends.
    pub fn endless(self) -> Self {
        Self { count: None, ..self }
    }

    /// Leaves this much time between two requests; at least 2 ms, to a group at least a second.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Waits this long for a reply before it counts as lost.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Carries this many payload bytes, at most 65 507; 56 unless said otherwise.
    pub fn size_bytes(self, size_bytes: usize) -> Self {
        Self { size_bytes, ..self }
    }

    /// Sets the time to live or hop limit of the requests.
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Says whether routers may fragment the requests.
    pub fn df(mut self, df: Df) -> Self {
        self.options.df = df;
        self
    }

    /// Marks the requests with a differentiated services code point, 0 to 63 (RFC 2474).
    pub fn dscp(mut self, dscp: u8) -> Self {
        self.options.dscp = Some(dscp);
        self
    }

    /// Sets the packet mark that policy routing sees; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.options.mark = Some(mark);
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

    /// Starts sending and hands over a stream of echoes as they are decided.
    ///
    /// # Errors
    /// [`Error::Permission`] naming `CAP_NET_RAW` when neither socket is allowed,
    /// [`Error::NotFound`] for a missing interface or source address, [`Error::Invalid`].
    pub fn start(&self, target: &Target) -> Result<PingSession> {
        self.check()?;
        let netns = target.open()?;
        let channel = netns.run(|| PingChannel::open(self.to, self.scope, &self.options))??;
        let mut cookie = [0; 8];
        fill_random(&mut cookie)?;
        let machine = PingMachine::new(self, channel.method(), cookie, netns.id(), Anchor::now());
        Ok(PingSession { session: Session::new(machine, channel, target)? })
    }

    fn check(&self) -> Result<()> {
        let floor = if is_group(self.to) { GROUP_FLOOR } else { FLOOR };
        if self.interval < floor {
            let why = format!("{:?} is below the polite floor of {floor:?}", self.interval);
            return Err(Error::invalid("interval", why));
        }
        if let Some(dscp) = self.options.dscp.filter(|dscp| *dscp > 63) {
            return Err(Error::invalid("dscp", format!("{dscp} is not a number from 0 to 63")));
        }
        if self.size_bytes > MAX_SIZE_BYTES {
            let why = format!("{} exceeds {MAX_SIZE_BYTES} bytes", self.size_bytes);
            return Err(Error::invalid("payload size", why));
        }
        Ok(())
    }
}

/// Whether many hosts may answer.
pub(crate) fn is_group(to: IpAddr) -> bool {
    match to {
        IpAddr::V4(to) => to.is_multicast() || to.is_broadcast(),
        IpAddr::V6(to) => to.is_multicast(),
    }
}

impl Probe for Ping {
    type Report = PingReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<PingReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A ping in progress; yields every echo once it is answered or lost.
pub struct PingSession {
    session: Session<PingMachine, PingChannel>,
}

impl PingSession {
    /// Stops sending and sums up.
    pub fn finish(self) -> PingReport {
        self.session.finish()
    }
}

impl EventSource for PingSession {
    type Event = Echo;

    fn try_recv(&mut self) -> Result<Option<Echo>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for PingSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
