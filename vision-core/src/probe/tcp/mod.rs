//! TCP connects.

mod channel;
mod idle;
mod machine;
mod payload;
mod report;
mod resets;
mod talk;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

pub(crate) use self::channel::{TcpChannel, Then};
pub use self::idle::{IdleOutcome, IdleProbe, IdleReport};
use self::machine::TcpMachine;
#[cfg(feature = "tls")]
pub(crate) use self::machine::{TcpCommand, TcpInput, meaning};
pub use self::payload::Payload;
pub use self::report::{ExchangeEnd, TcpAttempt, TcpExchange, TcpOutcome, TcpReport, TcpSummary};
use self::talk::{Exchange, KEPT_BYTES};
use super::driver::Session;
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Pacer, Result, Ttl};
use crate::netns::Target;
use crate::socket::Options;

/// Connects to one or more ports of an address and says, per port, what happened.
///
/// Needs no capability. Connections are closed with a reset as soon as they have served; at most
/// 64 are being opened at the same time, at most a hundred are started per second.
///
/// With [`TcpProbe::banner`], [`TcpProbe::send`] or [`TcpProbe::expect`] something is said and
/// heard over each connection; with [`TcpProbe::count`] or [`TcpProbe::until`] all ports are tried
/// again and again.
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
    count: Option<u16>,
    interval: Duration,
    until: Option<Until>,
    wait: Duration,
    exchange: Option<Exchange>,
    pacer: Pacer,
    options: Options,
    resets: ResetTtl,
}

/// The state that a run of rounds waits for.
// closed: the two words a person waits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Until {
    /// A round in which every port is open, and the bytes expected come if any are.
    Open,
    /// A round in which no port is.
    Closed,
}

/// The shortest interval between two rounds that is still polite.
const FLOOR: Duration = Duration::from_millis(2);

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
            count: Some(1),
            interval: Duration::from_secs(1),
            until: None,
            wait: Duration::from_secs(2),
            exchange: None,
            pacer: Pacer::per_second(100, 64),
            options: Options::default(),
            resets: ResetTtl::Unseen,
        }
    }

    /// Looks at the time to live of resets, which tells a filter on the way from the destination.
    pub fn reset_ttl(self, resets: ResetTtl) -> Self {
        Self { resets, ..self }
    }

    /// Tries every port this many times, in rounds.
    pub fn count(self, count: u16) -> Self {
        Self { count: Some(count), ..self }
    }

    /// Goes on until the budget ends, at most 65 535 rounds.
    pub fn endless(self) -> Self {
        Self { count: None, ..self }
    }

    /// Leaves this much time between the beginnings of two rounds, at least 2 ms; a second unless
    /// said otherwise. A round is over before the next begins.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Goes on until a state is reached or the budget ends; the report says which.
    pub fn until(self, until: Until) -> Self {
        Self { until: Some(until), count: None, ..self }
    }

    /// Reads what the peer says first: until it pauses for 100 ms, closes, 4096 bytes have come
    /// or the wait is over, which begins anew with the connection.
    pub fn banner(mut self) -> Self {
        self.exchange.get_or_insert_default();
        self
    }

    /// Sends these bytes, at most 4096, and reads as with [`TcpProbe::banner`].
    pub fn send(mut self, bytes: impl Into<Payload>) -> Self {
        self.exchange.get_or_insert_default().send = bytes.into();
        self
    }

    /// Reads until these bytes have come, among at most 4096.
    pub fn expect(mut self, bytes: impl Into<Payload>) -> Self {
        self.exchange.get_or_insert_default().expect = Some(bytes.into());
        self
    }

    /// Waits this long for each connection, and as long for what comes over it.
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

    /// Asks the peer for segments of at most this many bytes, and sends no larger ones (`TCP_MAXSEG`).
    ///
    /// An answer that comes in small segments only tells of a way that loses large packets.
    pub fn segment_bytes(mut self, bytes: u16) -> Self {
        self.options.segment_bytes = Some(bytes);
        self
    }

    /// Starts connecting and hands over a stream of attempts as they are decided.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a port or beyond a limit named above, [`Error::NotFound`] for a missing interface or source
    /// address, [`Error::Permission`].
    pub fn start(&self, target: &Target) -> Result<TcpSession> {
        self.check()?;
        let netns = target.open()?;
        let resets = (self.resets == ResetTtl::Seen).then_some(self.to);
        let after = if self.exchange.is_some() { Then::Talk } else { Then::Close };
        let channel = TcpChannel::open(netns.clone(), self.options.clone(), after, resets)?;
        let machine = TcpMachine::new(self, netns.id(), Anchor::now());
        Ok(TcpSession { session: Session::new(machine, channel, target)? })
    }

    fn check(&self) -> Result<()> {
        if self.ports.is_empty() {
            return Err(Error::invalid("ports", "none given"));
        }
        if self.interval < FLOOR {
            let why = format!("{:?} is below the polite floor of 2ms", self.interval);
            return Err(Error::invalid("interval", why));
        }
        check_segment(&self.options)?;
        let exchange = self.exchange.iter();
        let payloads = exchange.flat_map(|e| [Some(&e.send), e.expect.as_ref()]).flatten();
        match payloads.map(|p| p.as_bytes().len()).find(|length| *length > KEPT_BYTES) {
            None => Ok(()),
            Some(length) => {
                let why = format!("{length} bytes to send or expect exceed {KEPT_BYTES}");
                Err(Error::invalid("payload size", why))
            }
        }
    }
}

/// Segments that the kernel takes (tcp.h: `TCP_MIN_MSS`, `MAX_TCP_WINDOW`).
const SEGMENTS: RangeInclusive<u16> = 88..=32_767;

/// Refuses a size of segments that setsockopt(2) would, by name.
pub(crate) fn check_segment(options: &Options) -> Result<()> {
    match options.segment_bytes.filter(|bytes| !SEGMENTS.contains(bytes)) {
        None => Ok(()),
        Some(bytes) => {
            let (least, most) = SEGMENTS.into_inner();
            let why = format!("{bytes} bytes; TCP takes {least} to {most}");
            Err(Error::invalid("segment size", why))
        }
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
