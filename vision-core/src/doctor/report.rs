use std::net::IpAddr;
use std::time::Duration;

use super::Cause;
use crate::base::{Capability, Family, LinkAddr, Timestamp, Untrusted};
use crate::netns::NetnsId;

/// What the doctor concluded.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Diagnosis {
    /// Healthy, faulty, or not to be told.
    pub verdict: Verdict,
    /// Causes found, the root first; notes last.
    pub findings: Vec<Finding>,
    /// Causes that the evidence speaks against.
    pub ruled_out: Vec<RuledOut>,
    /// What could not be looked at, and what would have allowed it.
    pub unchecked: Vec<Unchecked>,
    /// Symptoms that the first finding explains.
    pub consequences: Vec<Consequence>,
    /// One line per area looked at.
    pub areas: Vec<Area>,
    /// Packets and connection attempts sent.
    pub probes_sent: u32,
    /// How long it took.
    #[cfg_attr(feature = "serde", serde(rename = "elapsed_ns", with = "crate::base::nanos"))]
    pub elapsed: Duration,
}

/// The doctor's one-word answer.
// closed: three answers, as the exit codes 0, 1 and 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Verdict {
    /// What was asked works.
    Healthy,
    /// It does not, and the cause is named.
    Faulty,
    /// It does not, or could not be asked, and no cause could be shown.
    Inconclusive,
}

/// One cause with all that speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Finding {
    /// The permanent slug.
    pub cause: Cause,
    /// How much it matters.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// What is broken, and where.
    pub subject: Subject,
    /// One sentence that stands alone.
    pub summary: String,
    /// What was asked and seen.
    pub evidence: Vec<Evidence>,
    /// What to do, where that follows from the evidence.
    pub fix: Option<Fix>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Severity {
    /// It breaks what was asked.
    Error,
    /// It breaks a part, or slows it down.
    Warning,
    /// Worth knowing; nothing that was asked is broken by it.
    Note,
}

/// How sure a finding is.
// closed: proved or likely, as the contract says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Confidence {
    /// A live probe showed the symptom, a fact on its path explains it, and what had to react did.
    Proved,
    /// The symptom and the fact are there; a part of the chain could not be seen.
    Likely,
}

/// The object a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Subject {
    /// The namespace it lives in.
    pub netns: Option<NetnsId>,
    /// What that namespace is called.
    #[cfg_attr(feature = "serde", serde(rename = "where"))]
    pub place: String,
    /// What it is.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub kind: SubjectKind,
}

/// What kind of object a finding is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "type", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SubjectKind {
    /// The namespace as a whole.
    Namespace,
    /// A link.
    Link {
        /// Its index.
        ifindex: u32,
        /// Its name.
        name: Untrusted,
    },
    /// The lack or state of an address.
    Address {
        /// The link's name.
        link: Option<Untrusted>,
        /// Which family.
        family: Family,
        /// The address, where there is one.
        address: Option<IpAddr>,
    },
    /// A route, or the lack of one.
    Route {
        /// The destination asked for.
        destination: IpAddr,
        /// The route that decided, as `ip route` prints it.
        route: Option<String>,
    },
    /// A policy rule.
    Rule {
        /// Its priority.
        priority: u32,
        /// The rule, as `ip rule` prints it.
        rule: String,
    },
    /// A neighbour.
    Neighbour {
        /// Its address.
        address: IpAddr,
        /// The link it is on.
        link: Untrusted,
        /// The link-layer address the table believes.
        believed: Option<LinkAddr>,
        /// The link-layer addresses that answered.
        answered: Vec<LinkAddr>,
    },
    /// A nameserver.
    Nameserver {
        /// Its address.
        server: IpAddr,
    },
    /// A name.
    Name {
        /// As it was asked for.
        name: String,
    },
    /// A listening socket, or the lack of one.
    Socket {
        /// `tcp` or `udp`.
        protocol: String,
        /// The address asked.
        address: IpAddr,
        /// The port asked.
        port: u16,
    },
    /// A process.
    Process {
        /// Its number.
        pid: u32,
        /// What it calls itself.
        comm: Untrusted,
    },
    /// An environment variable.
    Variable {
        /// Its name.
        name: String,
        /// The process that has it, if it is another than the one that asked.
        pid: Option<u32>,
    },
    /// A rule or a policy of a packet filter.
    Filter {
        /// `inet`, `ip`, `ip6`.
        family: String,
        /// The table.
        table: String,
        /// The chain.
        chain: String,
        /// Where the packets come by it.
        hook: String,
        /// The rule's number; none for the chain's policy.
        handle: Option<u64>,
        /// The rule, as nft writes it.
        rule: String,
    },
}

/// One thing that was asked and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Evidence {
    /// What was asked.
    pub asked: String,
    /// Where it was asked.
    #[cfg_attr(feature = "serde", serde(rename = "where"))]
    pub place: String,
    /// What was seen.
    pub seen: String,
    /// When.
    pub at: Timestamp,
}

/// What to do about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Fix {
    /// A command to type, if one command does it.
    pub command: Option<String>,
    /// What to do in words.
    pub prose: Option<String>,
    /// Where to do it.
    #[cfg_attr(feature = "serde", serde(rename = "where"))]
    pub place: String,
    /// What it may break.
    pub risk: Risk,
}

/// What a fix may break.
// closed: the contract's three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Risk {
    /// Nothing that works now.
    Safe,
    /// Traffic that works now may be interrupted.
    Disruptive,
    /// Needs a person's judgement.
    Manual,
}

/// A cause that the evidence speaks against.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RuledOut {
    /// The cause.
    pub cause: Cause,
    /// What speaks against it.
    pub why: String,
}

/// A hypothesis that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Unchecked {
    /// What was not looked at: an area, or a cause's slug.
    pub what: String,
    /// Why not.
    pub why: String,
    /// The capability that would have allowed it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub needs: Option<Capability>,
}

/// A symptom that the root cause explains.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Consequence {
    /// The symptom in one sentence.
    pub summary: String,
    /// The cause it follows from.
    pub of: Cause,
}

/// One line of what was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Area {
    /// Which area.
    pub class: Class,
    /// How it stands.
    pub state: AreaState,
    /// What was seen, or why it was not looked at.
    pub text: String,
}

/// The areas of the cause catalogue, from the wire up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Class {
    /// Interfaces.
    Link,
    /// Bridges.
    Bridge,
    /// Addresses.
    Addr,
    /// Neighbours: ARP and neighbour discovery.
    Neigh,
    /// Routes and rules.
    Route,
    /// Sizes of packets.
    Mtu,
    /// Packet filters.
    Firewall,
    /// Connection tracking.
    Conntrack,
    /// Address translation.
    Nat,
    /// Service addresses and published ports.
    Service,
    /// Tunnels between nodes.
    Overlay,
    /// Name resolution.
    Dns,
    /// Listening sockets and connections.
    Socket,
    /// Lost packets.
    Loss,
    /// Late packets.
    Latency,
    /// IPv6 as such.
    Ipv6,
    /// TLS handshakes and certificates.
    Tls,
    /// HTTP, and what stands in for its servers.
    Http,
    /// What answers behind an open port.
    App,
}

impl Class {
    /// All of them, from the wire up.
    pub const ALL: [Self; 19] = [
        Self::Link,
        Self::Bridge,
        Self::Addr,
        Self::Neigh,
        Self::Route,
        Self::Mtu,
        Self::Firewall,
        Self::Conntrack,
        Self::Nat,
        Self::Service,
        Self::Overlay,
        Self::Dns,
        Self::Socket,
        Self::Loss,
        Self::Latency,
        Self::Ipv6,
        Self::Tls,
        Self::Http,
        Self::App,
    ];

    /// Returns the area's name, the first part of its causes' slugs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Bridge => "bridge",
            Self::Addr => "addr",
            Self::Neigh => "neigh",
            Self::Route => "route",
            Self::Mtu => "mtu",
            Self::Firewall => "firewall",
            Self::Conntrack => "conntrack",
            Self::Nat => "nat",
            Self::Service => "service",
            Self::Overlay => "overlay",
            Self::Dns => "dns",
            Self::Socket => "socket",
            Self::Loss => "loss",
            Self::Latency => "latency",
            Self::Ipv6 => "ipv6",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::App => "app",
        }
    }
}

/// How an area stands.
// closed: fine, broken, or not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum AreaState {
    /// Looked at and fine.
    Ok,
    /// A finding is about it.
    Bad,
    /// Not looked at.
    Unchecked,
}
