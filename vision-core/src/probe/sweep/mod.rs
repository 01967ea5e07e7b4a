//! ICMP echo to many addresses in one run.

mod channel;
mod link;
mod machine;
mod message;
mod range;
mod report;
mod slots;
mod syn;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use self::channel::{Stamps, SweepChannel, Voice};
pub(crate) use self::channel::{is_full, widen};
use self::link::{ArpVoice, NdVoice};
use self::machine::SweepMachine;
pub use self::machine::SweepProgress;
use self::message::{EchoVoice, LEAST_BYTES, Question};
pub use self::range::AddrRange;
pub use self::report::{SweepReport, SweepSummary, SweepVerdict, SweptHost};
use self::syn::SynVoice;
pub(crate) use self::syn::answers_to;
use super::driver::Session;
use super::neigh::Station;
use super::{Anchor, Df, Probe, Rate, is_group};
use crate::base::{Budget, Error, EventSource, Family, Pacer, Result, Ttl, fill_random};
use crate::netns::Target;
use crate::socket::Options;

/// Echo requests to many addresses, of both families if need be, from one schedule
/// (RFC 792, RFC 4443 §4).
///
/// Uses an ICMP datagram socket where `net.ipv4.ping_group_range` allows one, else a raw socket,
/// which needs `CAP_NET_RAW`. Sends at most 200 packets a second unless told otherwise. Each reply
/// proves by a secret in its payload which request it belongs to.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{AddrRange, Probe, Sweep}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let net: AddrRange = "10.0.0.0/24".parse()?;
/// let report = Sweep::new(net.iter()).run(&target, &Budget::within(Duration::from_secs(10)))?;
/// println!("{} of {} are alive", report.summary().alive, report.hosts.len());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sweep {
    targets: Vec<IpAddr>,
    repeated: usize,
    scope: u32,
    tries: u16,
    effort: Effort,
    interval: Duration,
    wait: Duration,
    pacer: Option<Pacer>,
    size_bytes: usize,
    options: Options,
    by: By,
}

/// By which means it asks.
#[derive(Debug, Clone)]
pub(crate) enum By {
    Echo,
    /// ARP or neighbour discovery, on a link.
    Link(Station),
    /// A SYN, which the host answers whether the port is open or closed.
    Syn,
}

/// When a target has been asked often enough.
// closed: after the first answer, or after all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    UntilAnswered,
    All,
}

/// The shortest interval to one address that is still polite.
const FLOOR: Duration = Duration::from_millis(2);
/// An IPv4 packet holds 65 535 bytes, of which the two headers take 28.
const MAX_SIZE_BYTES: usize = 65_507;
/// How many requests one run keeps account of.
const MOST: usize = 1 << 24;

impl Sweep {
    /// Asks each address until it answers, at most twice, waiting a second each time.
    ///
    /// Addresses named more than once are asked once.
    pub fn new(targets: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut targets: Vec<IpAddr> = targets.into_iter().collect();
        let named = targets.len();
        // What is in order, as networks are, holds nothing twice.
        if !targets.is_sorted_by(|a, b| a < b) {
            let mut seen = HashSet::new();
            targets.retain(|addr| seen.insert(*addr));
        }
        Self {
            repeated: named - targets.len(),
            targets,
            scope: 0,
            tries: 2,
            effort: Effort::UntilAnswered,
            interval: Duration::from_secs(1),
            wait: Duration::from_secs(1),
            pacer: POLITE.pacer(),
            size_bytes: 56,
            options: Options::default(),
            by: By::Echo,
        }
    }

    /// Asks by other means; all targets must be of one family.
    pub(crate) fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    /// Lists the addresses that are asked, each once, in the order given.
    pub fn targets(&self) -> &[IpAddr] {
        &self.targets
    }

    /// Counts the addresses that were named again.
    pub fn repeated(&self) -> usize {
        self.repeated
    }

    /// Asks each address until it answers, at most this many times.
    pub fn until_answered(self, tries: u16) -> Self {
        Self { tries, effort: Effort::UntilAnswered, ..self }
    }

    /// Asks each address exactly this many times.
    pub fn count(self, count: u16) -> Self {
        Self { tries: count, effort: Effort::All, ..self }
    }

    /// Leaves this much time between two requests to one address, at least 2 ms.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Waits this long for each reply before it counts as lost.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Sends this many packets a second at most, over all addresses; 200 unless said otherwise.
    ///
    /// Without a limit round-trip times run from the sending of a batch of 64 to the reading of
    /// the replies, which makes them up to a few hundred microseconds longer.
    pub fn rate(self, rate: Rate) -> Self {
        Self { pacer: rate.pacer(), ..self }
    }

    /// Takes its tokens from a bucket that others use as well.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: Some(pacer.clone()), ..self }
    }

    /// Carries this many payload bytes, 14 to 65 507; 56 unless said otherwise.
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

    /// Names the interface, by index, of link-local destinations.
    pub fn scope(self, ifindex: u32) -> Self {
        Self { scope: ifindex, ..self }
    }

    /// Sends from this address; all targets must be of its family.
    pub fn source(mut self, source: IpAddr) -> Self {
        self.options.source = Some(SocketAddr::new(source, 0));
        self
    }

    /// Starts sending and hands over a stream of targets as they are decided.
    ///
    /// # Errors
    /// [`Error::Permission`] naming `CAP_NET_RAW` when neither socket is allowed,
    /// [`Error::NotFound`] for a missing interface or source address, [`Error::Invalid`].
    pub fn start(&self, target: &Target) -> Result<SweepSession> {
        self.check()?;
        let netns = target.open()?;
        let voices = netns.run(|| self.voices())??;
        let stamps = match self.pacer {
            Some(_) => Stamps::Kernel,
            None => Stamps::Reading,
        };
        let channel = SweepChannel::new(voices, stamps);
        let machine = SweepMachine::new(self, channel.methods(), netns.id(), Anchor::now());
        Ok(SweepSession { session: Session::new(machine, channel, target)? })
    }

    /// Opens the sockets in the namespace of the calling thread.
    fn voices(&self) -> Result<Vec<Box<dyn Voice>>> {
        let mut cookie = [0; 8];
        fill_random(&mut cookie)?;
        let open = |family: Family| -> Result<Box<dyn Voice>> {
            Ok(match &self.by {
                By::Echo => {
                    let question = Question::new(cookie, self.size_bytes);
                    Box::new(EchoVoice::open(family, self.scope, &self.options, question)?)
                }
                By::Link(station) if family == Family::V4 => Box::new(ArpVoice::open(station)?),
                By::Link(station) => Box::new(NdVoice::open(station)?),
                By::Syn => Box::new(SynVoice::open(family, self.scope, &self.options)?),
            })
        };
        self.families().into_iter().map(open).collect()
    }

    fn families(&self) -> Vec<Family> {
        let is_asked = |family: &Family| self.targets.iter().any(|to| Family::of(*to) == *family);
        [Family::V4, Family::V6].into_iter().filter(is_asked).collect()
    }

    fn check(&self) -> Result<()> {
        let refused = |what, why: String| Err(Error::invalid(what, why));
        if self.targets.is_empty() {
            return refused("targets", "there is no address to ask".to_owned());
        }
        if let Some(group) = self.targets.iter().find(|to| is_group(**to)) {
            let why = format!("`{group}` is a group, which many may answer; ping it by itself");
            return refused("target", why);
        }
        if let Some(source) = self.options.source.map(|source| source.ip()) {
            let strange = |to: &&IpAddr| Family::of(**to) != Family::of(source);
            if let Some(to) = self.targets.iter().find(strange) {
                return refused("source", format!("`{source}` cannot send to `{to}`"));
            }
        }
        if self.tries == 0 || self.targets.len().saturating_mul(self.tries.into()) > MOST {
            let (count, tries) = (self.targets.len(), self.tries);
            let why = format!("{tries} for each of {count} targets is not from 1 to {MOST} in all");
            return refused("requests", why);
        }
        if self.interval < FLOOR {
            let why = format!("{:?} is below the polite floor of {FLOOR:?}", self.interval);
            return refused("interval", why);
        }
        if let Some(dscp) = self.options.dscp.filter(|dscp| *dscp > 63) {
            return refused("dscp", format!("{dscp} is not a number from 0 to 63"));
        }
        if !(LEAST_BYTES..=MAX_SIZE_BYTES).contains(&self.size_bytes) {
            let why = format!(
                "{} is not from {LEAST_BYTES}, which tell the replies apart, to {MAX_SIZE_BYTES}",
                self.size_bytes
            );
            return refused("payload size", why);
        }
        Ok(())
    }
}

/// What a process may send without being told to.
const POLITE: Rate = Rate::PerSecond(200);

impl Probe for Sweep {
    type Report = SweepReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<SweepReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A sweep in progress; yields every target, with its place in the list, once it is decided.
pub struct SweepSession {
    session: Session<SweepMachine, SweepChannel>,
}

impl SweepSession {
    /// Says how far it has come.
    pub fn progress(&self) -> SweepProgress {
        self.session.machine().progress()
    }

    /// Stops sending and sums up.
    pub fn finish(self) -> SweepReport {
        self.session.finish()
    }
}

impl EventSource for SweepSession {
    type Event = (usize, SweptHost);

    fn try_recv(&mut self) -> Result<Option<(usize, SweptHost)>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for SweepSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
