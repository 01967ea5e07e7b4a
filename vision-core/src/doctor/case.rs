use std::net::IpAddr;
use std::time::Duration;

use super::Question;
use super::traffic::{Throttled, Traffic};
use super::train::{QueueRecord, TrainRecord};
use super::walls::Walls;
use crate::base::{Family, Gap, LinkAddr, Prefix, Timestamp};
use crate::inventory::{
    Addr, Link, NeighState, NeighTable, Neighbour, RouteAnswer, RouteQuery, Snapshot,
};
use crate::netns::NetnsId;
use crate::probe::{DnsReport, EchoOutcome, IdleReport, Resolution};
use crate::probe::{NeighReport, PingReport, TcpReport, TlsReport, UdpReport};

/// Everything that was seen while looking for a cause: plain data that can be saved and judged again.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CaseFile {
    /// The form of the file, `vision/case@1`.
    pub schema: String,
    /// What was asked.
    pub question: Question,
    /// The only family to look at, if the user named one.
    pub family: Option<Family>,
    /// Whether packets may be sent.
    pub probing: Probing,
    /// When the work began.
    pub at: Timestamp,
    /// Where it was looked from; the target comes first.
    pub vantages: Vec<Vantage>,
    /// How the namespaces along the path were searched for, if they were.
    pub search: Option<Search>,
    /// The ways of frames between neighbours, where the namespaces they pass could be seen.
    #[cfg_attr(feature = "serde", serde(default))]
    pub wires: Vec<super::Wire>,
    /// Namespaces of this machine that soon forget connections, where some were made.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub forgetful: Vec<super::Forgetful>,
    /// Packets and connection attempts sent so far.
    pub probes_sent: u32,
    /// How long the collecting took.
    #[cfg_attr(feature = "serde", serde(rename = "elapsed_ns", with = "crate::base::nanos"))]
    pub elapsed: Duration,
}

/// Whether packets may be sent.
// closed: they may or they may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Probing {
    /// Send what is needed, at most 20 packets per round.
    #[default]
    Active,
    /// Send nothing.
    Passive,
}

/// One namespace and what was seen in it, round by round.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Vantage {
    /// Its part in the story.
    pub role: VantageRole,
    /// What people call it.
    pub name: String,
    /// The namespace.
    pub netns: NetnsId,
    /// What was seen before, by and after each round of probes; at most three.
    pub rounds: Vec<Round>,
}

/// The part a namespace plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum VantageRole {
    /// The one asked about.
    Target,
    /// One that the packets pass on their way.
    Router,
    /// One whose bridge the frames pass, from port to port.
    Bridge,
    /// The one that owns the destination address.
    Destination,
}

/// A round of probes between two looks at the tables.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Round {
    /// The state before.
    pub before: Snapshot,
    /// What was asked.
    pub probes: Vec<ProbeRecord>,
    /// What changes by itself, afterwards: neighbours, counters, addresses.
    pub after: Option<Snapshot>,
    /// What packet filters and connection tracking did meanwhile.
    #[cfg_attr(feature = "serde", serde(default))]
    pub walls: Option<Walls>,
    /// Neighbour tables that refused entries meanwhile.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub overflowed: Vec<Overflowed>,
    /// The sockets of the service asked about, after the probes.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub traffic: Option<Traffic>,
    /// Queues of links in which packets waited after the probes, or that dropped some meanwhile.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub queues: Vec<QueueRecord>,
    /// Control groups whose processes had to wait for processor time meanwhile.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub throttled: Vec<Throttled>,
    /// What could not be asked, and why.
    pub gaps: Vec<Gap>,
}

/// A neighbour table of the machine before and after a round in which it refused entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Overflowed {
    /// Before the probes.
    pub before: NeighTable,
    /// After them.
    pub after: NeighTable,
}

/// One question put during a round, and its answer.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "probe", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProbeRecord {
    /// The kernel's choice of a way.
    Route(RouteRecord),
    /// A name, resolved as the target would.
    Resolve(Resolution),
    /// A question to one nameserver.
    Dns(DnsReport),
    /// A neighbour solicitation.
    Neigh(NeighReport),
    /// Echo requests.
    Ping(PingReport),
    /// TCP connects.
    Tcp(TcpReport),
    /// A UDP datagram.
    Udp(UdpReport),
    /// Packets as large as the first link takes.
    FullSize(FullSizeRecord),
    /// Packets at a steady pace, to see how many are lost.
    Train(TrainRecord),
    /// A TLS handshake.
    Tls(TlsReport),
    /// A request of HTTP/1.1 for the root of what the port serves.
    Http(TcpReport),
    /// The proxy that programs of the target are told to use.
    Proxy(super::ProxyRecord),
    /// A packet in pieces to a neighbour whose address was not known.
    Unresolved(super::UnresolvedRecord),
    /// A connection over which nothing was said for a while.
    Idle(IdleReport),
    /// What had found no answer, said once more over a connection with small segments.
    SmallSegments(super::SmallSegments),
}

/// Echo requests as large as the first link takes, and small ones where those stayed unanswered.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FullSizeRecord {
    /// The MTU of the first link, and the size of the large packets, in bytes.
    pub size_bytes: u32,
    /// Who was asked.
    pub to: IpAddr,
    /// The large ones; they may not be fragmented.
    pub large: PingReport,
    /// The small ones.
    pub small: Option<PingReport>,
    /// Large ones sent whatever MTU the kernel remembers for the path, where it refused the others.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub past: Option<Box<PingReport>>,
    /// Larger ones that may be fragmented, asked for with UDP if the large ones were answered.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub fragmented: Option<Box<PingReport>>,
}

impl FullSizeRecord {
    /// Tells whether whole packets pass and what has to be fragmented is lost.
    pub(crate) fn loses_fragments(&self) -> bool {
        let lost = |report: &PingReport| {
            let all =
                |e: &crate::probe::Echo| matches!(e.outcome, EchoOutcome::Lost { late: None });
            report.echoes.len() > 1 && report.echoes.iter().all(all)
        };
        self.fragmented.as_deref().is_some_and(lost)
    }

    /// Tells whether somebody said that they are too large: the kernel remembers that for later packets.
    pub(crate) fn was_told(&self) -> bool {
        self.large.echoes.iter().any(|echo| match echo.outcome {
            EchoOutcome::Unreachable(icmp) => icmp.mtu_bytes.is_some(),
            EchoOutcome::LocalError { reason, .. } => reason.errno == nix::libc::EMSGSIZE,
            _ => false,
        })
    }

    /// Tells whether large packets vanish without a word while small ones are answered.
    pub(crate) fn is_swallowed(&self) -> bool {
        // The other end of a veth pair that takes less makes the sender's kernel say ENOBUFS.
        let lost = |echo: &crate::probe::Echo| match echo.outcome {
            EchoOutcome::Lost { late } => late.is_none(),
            EchoOutcome::LocalError { reason, .. } => reason.errno == nix::libc::ENOBUFS,
            _ => false,
        };
        let answered = self.small.as_ref().is_some_and(|small| small.summary().received > 0);
        answered && self.large.echoes.len() > 1 && self.large.echoes.iter().all(lost)
    }
}

/// A FIB look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RouteRecord {
    /// What was asked.
    pub query: RouteQuery,
    /// What the kernel answered.
    pub answer: RouteAnswer,
    /// When.
    pub at: Timestamp,
}

/// How the namespaces along a path were searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Search {
    /// Namespaces that were looked into.
    pub looked_into: usize,
    /// Namespaces that could not be entered.
    pub refused: usize,
    /// What stood in the way.
    pub gaps: Vec<Gap>,
    /// Destinations that were sought on a link and found on another network.
    #[cfg_attr(feature = "serde", serde(default))]
    pub elsewhere: Vec<Elsewhere>,
    /// Addresses that packets are for and that some namespace in sight has, though no way was found
    /// to lead there.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub held: Vec<IpAddr>,
    /// Addresses that more than one namespace in sight has and was heard to answer for.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub shared: Vec<Shared>,
}

/// An address that several namespaces answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Shared {
    /// The address.
    pub addr: IpAddr,
    /// What the namespaces are called.
    pub places: Vec<String>,
}

/// An address that is held by a namespace of another network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Elsewhere {
    /// The address with its owner's prefix length.
    pub addr: Prefix,
    /// What the owner is called.
    pub place: String,
}

impl CaseFile {
    /// The form this version writes.
    pub const SCHEMA: &'static str = "vision/case@1";

    /// Begins a case without any evidence.
    pub fn new(question: Question) -> Self {
        Self {
            schema: Self::SCHEMA.to_owned(),
            question,
            family: None,
            probing: Probing::Active,
            at: Timestamp::now(),
            vantages: Vec::new(),
            search: None,
            wires: Vec::new(),
            forgetful: Vec::new(),
            probes_sent: 0,
            elapsed: Duration::ZERO,
        }
    }

    /// Looks at one IP version only.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Says whether packets may be sent.
    pub fn probing(self, probing: Probing) -> Self {
        Self { probing, ..self }
    }

    /// Returns the link-layer address that a namespace knows of a neighbour on a link.
    pub(crate) fn lladdr_of(
        &self,
        (netns, ifindex): (NetnsId, u32),
        addr: IpAddr,
    ) -> Option<LinkAddr> {
        let vantage = self.vantages.iter().find(|vantage| vantage.netns == netns)?;
        vantage.neighbour(ifindex, addr)?.lladdr
    }

    /// Returns the vantage of the target itself, once there is one.
    pub fn target(&self) -> Option<&Vantage> {
        self.vantages.first()
    }

    /// Writes the case as JSON.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when a value cannot be written, which no case made here contains.
    #[cfg(feature = "serde")]
    pub fn to_json(&self) -> crate::Result<String> {
        serde_json::to_string_pretty(self)
            .map_err(|e| crate::Error::invalid("case file", e.to_string()))
    }

    /// Reads a case back.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] saying where the file departs from the form.
    #[cfg(feature = "serde")]
    pub fn from_json(text: &str) -> crate::Result<Self> {
        let case: Self = serde_json::from_str(text)
            .map_err(|e| crate::Error::invalid("case file", e.to_string()))?;
        match case.schema == Self::SCHEMA {
            true => Ok(case),
            false => {
                let why = format!("its form is `{}`, this is {}", case.schema, Self::SCHEMA);
                Err(crate::Error::invalid("case file", why))
            }
        }
    }
}

impl Vantage {
    /// Returns the latest full look at the tables.
    pub(crate) fn state(&self) -> Option<&Snapshot> {
        self.rounds.last().map(|round| &round.before)
    }

    /// Iterates over all probes of all rounds, oldest first.
    pub(crate) fn probes(&self) -> impl DoubleEndedIterator<Item = &ProbeRecord> {
        self.rounds.iter().flat_map(|round| &round.probes)
    }

    pub(crate) fn links(&self) -> &[Link] {
        self.state().and_then(|s| s.links.as_ref()).map_or(&[], |dump| &dump.items)
    }

    /// Addresses as last seen: duplicate detection may have ended meanwhile.
    pub(crate) fn addrs(&self) -> &[Addr] {
        let after = self.rounds.last().and_then(|r| r.after.as_ref()?.addrs.as_ref());
        let addrs = after.or_else(|| self.state()?.addrs.as_ref());
        addrs.map_or(&[], |dump| &dump.items)
    }

    pub(crate) fn link(&self, ifindex: u32) -> Option<&Link> {
        self.links().iter().find(|link| link.ifindex == ifindex)
    }

    /// Returns what the kernel believed about a neighbour after the last round, else before it.
    pub(crate) fn neighbour(&self, ifindex: u32, addr: IpAddr) -> Option<&Neighbour> {
        let last = self.rounds.last()?;
        let snapshots = [last.after.as_ref(), Some(&last.before)];
        snapshots.into_iter().flatten().find_map(|snapshot| {
            let all = &snapshot.neighbours.as_ref()?.items;
            all.iter().find(|entry| entry.ifindex == ifindex && entry.dst == addr)
        })
    }

    /// Returns how much a counter moved during the rounds of probes; `None` if it was not read.
    pub(crate) fn moved(&self, group: &str, name: &str) -> Option<u64> {
        let moves = self.rounds.iter().filter_map(|round| {
            let before = round.before.counters.as_ref()?.get(group, name)?;
            let after = round.after.as_ref()?.counters.as_ref()?.get(group, name)?;
            Some(after.saturating_sub(before))
        });
        moves.fold(None, |sum, moved| Some(sum.unwrap_or(0) + moved))
    }

    /// What became of large packets to a destination, as last asked.
    pub(crate) fn full_size(&self, dst: IpAddr) -> Option<&FullSizeRecord> {
        self.probes().rev().find_map(|probe| match probe {
            ProbeRecord::FullSize(record) if record.to == dst => Some(record),
            _ => None,
        })
    }

    /// What became of packets at a steady pace to a destination, as last asked; what showed a loss comes first.
    pub(crate) fn train(&self, dst: IpAddr) -> Option<&TrainRecord> {
        let trains = || {
            self.probes().rev().filter_map(move |probe| match probe {
                ProbeRecord::Train(record) if record.to == dst => Some(record),
                _ => None,
            })
        };
        trains().find(|record| record.is_lossy()).or_else(|| trains().next())
    }

    /// The sockets of the service, as last seen.
    pub(crate) fn traffic(&self) -> Option<&Traffic> {
        self.rounds.last()?.traffic.as_ref()
    }

    pub(crate) fn owns(&self, addr: IpAddr) -> bool {
        self.addrs().iter().any(|a| a.local == addr)
    }

    pub(crate) fn route(&self, dst: IpAddr) -> Option<&RouteRecord> {
        self.probes().rev().find_map(|probe| match probe {
            ProbeRecord::Route(record) if record.query.dst == dst => Some(record),
            _ => None,
        })
    }

    /// Returns what the table believed about a neighbour before anything was asked.
    pub(crate) fn believed(&self, ifindex: u32, addr: IpAddr) -> Option<&Neighbour> {
        self.rounds.iter().find_map(|round| {
            let all = &round.before.neighbours.as_ref()?.items;
            all.iter().find(|e| e.ifindex == ifindex && e.dst == addr && e.lladdr.is_some())
        })
    }

    /// Tells whether the table had another link-layer address for a neighbour than it answers from.
    pub(crate) fn disputes(&self, addr: IpAddr) -> bool {
        self.disputed(addr).is_some()
    }

    /// Tells whether such an entry was set by hand, so that the kernel keeps it all the same.
    pub(crate) fn pins_wrongly(&self, addr: IpAddr) -> bool {
        self.disputed(addr).is_some_and(|entry| entry.state == NeighState::Permanent)
    }

    fn disputed(&self, addr: IpAddr) -> Option<&Neighbour> {
        let mut reports = self.probes().filter_map(|probe| match probe {
            ProbeRecord::Neigh(report) if report.to == addr && !report.answers.is_empty() => {
                Some(report)
            }
            _ => None,
        });
        reports.find_map(|report| {
            let entry = self.believed(report.ifindex, addr)?;
            entry.lladdr.filter(|lladdr| !report.holders().contains(lladdr)).map(|_| entry)
        })
    }

    /// Tells whether a neighbour answered anything: a solicitation or an echo request.
    pub(crate) fn heard_from(&self, addr: IpAddr) -> bool {
        self.probes().any(|probe| match probe {
            ProbeRecord::Neigh(report) => report.to == addr && !report.answers.is_empty(),
            ProbeRecord::Ping(report) => report.to == addr && report.summary().received > 0,
            _ => false,
        })
    }

    pub(crate) fn solicited(&self, ifindex: u32, addr: IpAddr) -> Option<&NeighReport> {
        self.probes().rev().find_map(|probe| match probe {
            ProbeRecord::Neigh(report) if report.to == addr && report.ifindex == ifindex => {
                Some(report)
            }
            _ => None,
        })
    }
}
