//! The way to a destination, hop by hop.

mod answer;
mod change;
mod channel;
mod codec;
mod connect;
mod explain;
mod machine;
mod queue;
mod raw;
mod report;
mod table;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::str::FromStr;
use std::time::Duration;

pub(crate) use self::answer::{Answer, Heard, Said};
pub use self::change::{Change, ProbeField};
pub(crate) use self::channel::{Ask, PathChannel};
pub(crate) use self::codec::{Codec, Shot};
pub use self::explain::Remark;
use self::machine::{PathMachine, Plan};
pub(crate) use self::machine::{Place, is_exceeded};
pub use self::report::{Hop, HopAnswer, HopRtt, PathEnd, PathReport, ReachedBy, Responder};
use super::driver::{self, Session};
use super::{Anchor, Probe};
use crate::base::{Budget, Error, EventSource, Family, Pacer, Result};
use crate::netns::Target;
use crate::socket::Options;
pub use crate::wire::quote::MplsLabel;

/// What kind of packet looks for the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Probing {
    /// Echo requests.
    #[default]
    Icmp,
    /// Datagrams to a port, preferably one that nobody has.
    Udp {
        /// The destination port.
        port: u16,
    },
    /// TCP SYNs, answered half-open: no connection comes about.
    Tcp {
        /// The destination port.
        port: u16,
    },
}

impl fmt::Display for Probing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str("ICMP"),
            Self::Udp { port } => write!(f, "UDP port {port}"),
            Self::Tcp { port } => write!(f, "TCP port {port}"),
        }
    }
}

/// How probes of limited life are sent and heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProbingMethod {
    /// Raw sockets (`CAP_NET_RAW`).
    Raw,
    /// An ICMP datagram socket and its error queue (no capability; `net.ipv4.ping_group_range`).
    IcmpDatagram,
    /// UDP sockets and their error queue (no capability).
    Udp,
    /// connect(2) of TCP sockets and their error queues (no capability).
    Connect,
}

impl fmt::Display for ProbingMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw sockets",
            Self::IcmpDatagram => "ICMP datagram socket",
            Self::Udp => "UDP sockets",
            Self::Connect => "connect",
        })
    }
}

/// The flags of TCP probes: `S` for SYN, `A` for ACK, `SE` for a SYN that offers ECN.
///
/// ```
/// use vision_core::probe::ProbeFlags;
///
/// assert_eq!("SE".parse::<ProbeFlags>()?.to_string(), "SE");
/// assert!("SR".parse::<ProbeFlags>().is_err());
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
// closed: others are answered by nobody, or by everybody the same.
pub enum ProbeFlags {
    /// SYN.
    Syn,
    /// ACK, which passes filters that know no connections and is answered by a reset.
    Ack,
    /// SYN, ECE and CWR (RFC 3168 §6.1.1).
    SynEcn,
}

use ProbeFlags as Flags;

impl ProbeFlags {
    fn bits(self) -> u8 {
        match self {
            Self::Syn => 0x02,
            Self::Ack => 0x10,
            Self::SynEcn => 0xc2,
        }
    }

    fn has_ack(self) -> bool {
        self == Self::Ack
    }
}

impl fmt::Display for ProbeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syn => "S",
            Self::Ack => "A",
            Self::SynEcn => "SE",
        })
    }
}

impl FromStr for ProbeFlags {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_ascii_uppercase().as_str() {
            "S" => Ok(Self::Syn),
            "A" => Ok(Self::Ack),
            "SE" | "ES" => Ok(Self::SynEcn),
            _ => Err(Error::invalid("flags", format!("`{text}` is none of S, A and SE"))),
        }
    }
}

/// Probes of growing life, so that every router on the way answers one (RFC 792, RFC 4443 §3.3).
///
/// Within a flow all probes look the same to routers that balance load. With `CAP_NET_RAW` what
/// routers quote is read as well: labels, rewritten addresses. Without it the same is asked through
/// ICMP datagram or UDP sockets and their error queues, and the report says so.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target, probe::{PathProbe, Probe}};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let path = PathProbe::new("192.0.2.1".parse().expect("address")).rounds(3);
/// let report = path.run(&target, &Budget::within(Duration::from_secs(20)))?;
/// for remark in &report.remarks {
///     println!("{remark}");
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PathProbe {
    to: IpAddr,
    scope: u32,
    probing: Probing,
    first_ttl: u8,
    max_ttl: u8,
    rounds: Option<u32>,
    interval: Duration,
    wait: Duration,
    window: u16,
    flows: u16,
    size_bytes: Option<u16>,
    flags: ProbeFlags,
    source_port: Option<u16>,
    pacer: Option<Pacer>,
    options: Options,
}

/// Rounds that may follow each other at once: what a hop hears is a burst of ten at most.
const BURST_ROUNDS: u32 = 10;
/// Otherwise every hop hears at most ten probes a second.
const FLOOR: Duration = Duration::from_millis(100);
const MAX_FLOWS: u16 = 32;
const SIZE_BYTES: u16 = 64;

impl PathProbe {
    /// Asks every hop three times by ICMP, up to 30 hops, waiting two seconds for each answer.
    pub fn new(to: IpAddr) -> Self {
        Self {
            to,
            scope: 0,
            probing: Probing::Icmp,
            first_ttl: 1,
            max_ttl: 30,
            rounds: Some(3),
            interval: Duration::ZERO,
            wait: Duration::from_secs(2),
            window: 16,
            flows: 1,
            size_bytes: None,
            flags: ProbeFlags::Syn,
            source_port: None,
            pacer: None,
            options: Options::default(),
        }
    }

    /// Says what to send.
    pub fn probing(self, probing: Probing) -> Self {
        Self { probing, ..self }
    }

    /// Begins at this hop; 1 unless said otherwise.
    pub fn first_ttl(self, first_ttl: u8) -> Self {
        Self { first_ttl, ..self }
    }

    /// Looks no further than this hop.
    pub fn max_ttl(self, max_ttl: u8) -> Self {
        Self { max_ttl, ..self }
    }

    /// Asks every hop so many times.
    pub fn rounds(self, rounds: u32) -> Self {
        Self { rounds: Some(rounds), ..self }
    }

    /// Goes on until the budget ends.
    pub fn endless(self) -> Self {
        Self { rounds: None, ..self }
    }

    /// Begins a round every so often; at least 100 ms, or zero for no more than ten rounds.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Waits this long for an answer before it counts as lost.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Has at most so many probes under way while the length of the path is not known; 16 unless
    /// said otherwise.
    pub fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// Lets so many flows take turns, at most 32, to show the branches of balanced paths.
    pub fn flows(self, flows: u16) -> Self {
        Self { flows, ..self }
    }

    /// Sends IP packets of this length in bytes; 64, or what the kind of probe needs.
    pub fn size_bytes(self, size_bytes: u16) -> Self {
        Self { size_bytes: Some(size_bytes), ..self }
    }

    /// Sets the flags of TCP probes.
    pub fn flags(self, flags: ProbeFlags) -> Self {
        Self { flags, ..self }
    }

    /// Sends from this port, the next flow from the one after it.
    pub fn source_port(self, port: u16) -> Self {
        Self { source_port: Some(port), ..self }
    }

    /// Shares a limit on how fast probes are sent: 200 a second with bursts of 64 unless said
    /// otherwise. With a limit of one's own every interval is allowed.
    pub fn pacer(self, pacer: &Pacer) -> Self {
        Self { pacer: Some(pacer.clone()), ..self }
    }

    /// Marks the probes with a differentiated services code point, 0 to 63 (RFC 2474).
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

    /// Starts asking and hands over a stream of answers, and of silences once they are decided.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be asked, [`Error::NotFound`] for a missing interface or
    /// source address, [`Error::Permission`] where a mark or a flag needs a capability.
    pub fn start(&self, target: &Target) -> Result<PathSession> {
        self.check()?;
        let netns = target.open()?;
        let ask = self.ask();
        let opened = PathChannel::open(&netns, &ask)?;
        let plan = self.plan(opened.channel.probing());
        let (from, method) = (opened.channel.from(), opened.channel.method());
        let place = Place { netns: netns.id(), from, method, anchor: Anchor::now() };
        let machine = PathMachine::new(plan, place, opened.gaps);
        Ok(PathSession { session: Session::new(machine, opened.channel, target)? })
    }

    fn ask(&self) -> Ask {
        Ask {
            to: self.to,
            scope: self.scope,
            probing: self.probing,
            flows: self.flows,
            flags: self.flags,
            source_port: self.source_port,
            options: self.options.clone(),
        }
    }

    fn plan(&self, probing: Probing) -> Plan {
        let pacer = self.pacer.clone().unwrap_or_else(|| Pacer::per_second(200, 64));
        Plan {
            to: self.to,
            probing,
            first_ttl: self.first_ttl,
            max_ttl: self.max_ttl,
            rounds: self.rounds,
            interval: self.interval,
            wait: self.wait,
            window: usize::from(self.window.max(1)),
            flows: self.flows,
            size_bytes: self.size(probing),
            pacer,
        }
    }

    fn size(&self, probing: Probing) -> u16 {
        let least = Codec::least_bytes(Family::of(self.to), probing);
        self.size_bytes.unwrap_or(SIZE_BYTES).max(least)
    }

    fn check(&self) -> Result<()> {
        let family = Family::of(self.to);
        let least = Codec::least_bytes(family, self.probing);
        if let Some(size) = self.size_bytes.filter(|size| *size < least) {
            let why = format!("{size} bytes; {} over {family} needs {least}", self.probing);
            return Err(Error::invalid("packet size", why));
        }
        if self.first_ttl == 0 || self.first_ttl > self.max_ttl {
            let why =
                format!("from {} to {} is no range from 1 to 255", self.first_ttl, self.max_ttl);
            return Err(Error::invalid("hops", why));
        }
        if self.rounds == Some(0) {
            return Err(Error::invalid("rounds", "none were asked for"));
        }
        if self.flows == 0 || self.flows > MAX_FLOWS {
            let why = format!("{} is not a number from 1 to {MAX_FLOWS}", self.flows);
            return Err(Error::invalid("flows", why));
        }
        let burst = self.rounds.is_some_and(|rounds| rounds <= BURST_ROUNDS);
        let polite = self.interval >= FLOOR || (burst && self.interval.is_zero());
        if self.pacer.is_none() && !polite {
            let why = format!("{:?} is below the polite floor of {FLOOR:?}", self.interval);
            return Err(Error::invalid("interval", why));
        }
        if let Some(dscp) = self.options.dscp.filter(|dscp| *dscp > 63) {
            return Err(Error::invalid("dscp", format!("{dscp} is not a number from 0 to 63")));
        }
        Ok(())
    }
}

impl Probe for PathProbe {
    type Report = PathReport;

    fn run(&self, target: &Target, budget: &Budget) -> Result<PathReport> {
        self.start(target)?.session.run(budget)
    }
}

/// A path being followed; yields what became of every probe.
pub struct PathSession {
    session: Session<PathMachine, PathChannel>,
}

impl PathSession {
    /// Sums up what is known so far, for screens that change.
    pub fn so_far(&self) -> PathReport {
        self.session.machine().report(driver::now())
    }

    /// Stops asking and sums up.
    pub fn finish(self) -> PathReport {
        self.session.finish()
    }
}

impl EventSource for PathSession {
    type Event = HopAnswer;

    fn try_recv(&mut self) -> Result<Option<HopAnswer>> {
        self.session.try_recv()
    }

    fn is_finished(&self) -> bool {
        self.session.is_finished()
    }
}

impl AsFd for PathSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}
