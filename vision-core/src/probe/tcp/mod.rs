//! TCP connects.

mod channel;
mod machine;
mod report;
mod resets;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::TcpChannel;
use self::machine::TcpMachine;
pub use self::report::{TcpAttempt, TcpOutcome, TcpReport};
use super::driver::Session;
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Pacer, Result, Ttl};
use crate::netns::Target;
use crate::socket::Options;

/// Connects to one or more ports of an address and says, per port, what happened.
///
/// Needs no capability. Open connections are closed with a reset at once; at most 64 are being
/// opened at the same time, at most a hundred are started per second.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{Probe, TcpOutcome, TcpProbe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let probe = TcpProbe::new("127.0.0.1".parse().expect("address"), [5432]);
/// let report = probe.run(&target, &Budget::within(Duration::from_secs(3)))?;
/// if let TcpOutcome::Refused { .. } = report.attempts[0].outcome {
///     println!("nobody listens there");
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TcpProbe {
    to: IpAddr,
    scope: u32,
    ports: Vec<u16>,
    wait: Duration,
    pacer: Pacer,
    options: Options,
    resets: ResetTtl,
}

/// Whether the time to live of resets is looked at.
// closed: it is or it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResetTtl {
    /// No: nothing but connect(2) is used.
    #[default]
    Unseen,
    /// Where `CAP_NET_RAW` allows; without it the reports have none.
    Seen,
}

impl TcpProbe {
    /// Tries each port once, waiting two seconds.
    pub fn new(to: IpAddr, ports: impl IntoIterator<Item = u16>) -> Self {
        Self {
            to,
            scope: 0,
            ports: ports.into_iter().collect(),
            wait: Duration::from_secs(2),
            pacer: Pacer::per_second(100, 64),
            options: Options::default(),
            resets: ResetTtl::Unseen,
        }
    }

    /// Looks at the time to live of resets, which tells a filter on the way from the destination.
    pub fn reset_ttl(self, resets: ResetTtl) -> Self {
        Self { resets, ..self }
    }

    /// Waits this long for each connection.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Shares a limit on how fast connections are started.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: pacer.clone(), ..self }
    }

    /// Names the interface, by index, of a link-local destination.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Connects from this address and port; port 0 leaves the choice to the kernel.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.options.source = Some(source);
        self
    }

    /// Connects through this interface only.
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.options.interface = Some(name.into());
        self
    }

    /// Sets the time to live or hop limit.
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.options.ttl = Some(ttl);
        self
    }

    /// Sets the packet mark that policy routing sees; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.options.mark = Some(mark);
        self
    }

    /// Starts connecting and hands over a stream of attempts as they are decided.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a port, [`Error::NotFound`] for a missing interface or source
    /// address, [`Error::Permission`].
    pub fn start(&self, target: &Target) -> Result<TcpSession> {
        if self.ports.is_empty() {
            return Err(Error::invalid("ports", "none given"));
        }
        let netns = target.open()?;
        let resets = (self.resets == ResetTtl::Seen).then_some(self.to);
        let channel = TcpChannel::open(netns.clone(), self.options.clone(), resets)?;
        let machine = TcpMachine::new(self, netns.id(), Anchor::now());
        Ok(TcpSession { session: Session::new(machine, channel, target)? })
    }
}

impl Probe for TcpProbe {
    type Report = TcpReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<TcpReport> {
        self.start(target)?.session.run(budget)
    }
}

/// TCP connects in progress; yields every attempt once it is decided.
pub struct TcpSession {
    session: Session<TcpMachine, TcpChannel>,
}

impl TcpSession {
    /// Gives up what is still open and sums up.
    pub fn finish(self) -> TcpReport {
        self.session.finish()
    }
}

impl EventSource for TcpSession {
    type Event = TcpAttempt;

    fn try_recv(&mut self) -> Result<Option<TcpAttempt>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for TcpSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
