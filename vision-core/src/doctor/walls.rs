//! What packet filters and connection tracking did to the probes: plain data of a round.

use std::net::IpAddr;

use crate::inventory::CtEntry;

/// The packet filter and the connection table of one namespace during one round.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Walls {
    /// Rules of nf_tables in the namespace, all tables together.
    pub rules: usize,
    /// Whether nf_tables could not be read; then nothing is known of its rules.
    #[cfg_attr(feature = "serde", serde(default))]
    pub unread: bool,
    /// Rules and policies that the probed packets could meet, in the order of the way.
    pub met: Vec<MetRule>,
    /// Rules that translate other ports of an address that was asked for, or other addresses near it: their `dst`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub beside: Vec<MetRule>,
    /// A rule that masks sources on their way out, if there is one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub masks: Option<String>,
    /// Such rules that were left out, because there were too many.
    #[cfg_attr(feature = "serde", serde(default))]
    pub left_out: usize,
    /// Tables of the legacy iptables that exist, per family: `ip filter`, `ip6 nat`. Their rules are
    /// not among `rules`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub legacy: Vec<String>,
    /// Rules and policies of the legacy iptables that drop or refuse, and did meanwhile.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub legacy_stops: Vec<LegacyStop>,
    /// Whether frames between a bridge's ports pass the rules for IP (`bridge-nf-call-iptables`).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub bridge_calls: Option<bool>,
    /// What connection tracking did, where it could be asked.
    pub tracking: Option<Tracking>,
}

/// A rule or a policy of the legacy iptables that stopped packets during a round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LegacyStop {
    /// `ip` or `ip6`.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule as iptables-save writes it, or the chain's declaration.
    pub rule: String,
    /// Packets counted before and after the probes.
    pub packets: [u64; 2],
}

/// A rule, or the policy of a base chain, that a probed packet could meet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MetRule {
    /// Where the probe was sent to.
    pub dst: IpAddr,
    /// The IP protocol's number; zero for ARP.
    pub protocol: u8,
    /// The port asked for; with a neighbour solicitation its ICMPv6 type.
    pub port: Option<u16>,
    /// Whether the packet or its answer meets it.
    pub way: Way,
    /// Whether only packets meet it that belong to no connection (`ct state invalid`).
    pub stray: bool,
    /// Where the base chain is attached.
    pub hook: String,
    /// Its priority there.
    pub priority: i32,
    /// `inet`, `ip`, `ip6`, `netdev`.
    pub family: String,
    /// The table.
    pub table: String,
    /// The chain the rule is in.
    pub chain: String,
    /// The rule; none for a chain's policy.
    pub handle: Option<u64>,
    /// `accept`, `drop`, `reject`, `translate`, `queue`, `jump CHAIN` and so on; `unread queue` where no program
    /// reads the one that packets are handed to, which drops them.
    pub outcome: String,
    /// Whether the packet meets it for certain, by all that is known of it.
    pub certain: bool,
    /// What would have to be known to be certain.
    pub depends_on: Vec<String>,
    /// The kernel's names of what the rule is made of; of extensions of iptables their own.
    pub parts: Vec<String>,
    /// The rule in nft's words.
    pub text: String,
    /// What its maker wrote beside it.
    pub comment: Option<String>,
    /// What its destination was translated to before it meets the rule.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub led: Option<Endpoint>,
    /// Where it translates the destination to.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub to: Vec<Endpoint>,
    /// Packets counted before and after the probes, if the rule counts.
    pub packets: Option<[u64; 2]>,
}

/// An address with a port, where one is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Endpoint {
    /// The address.
    pub addr: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// Tells how many bits two addresses begin with alike.
pub(crate) fn common_bits(one: IpAddr, other: IpAddr) -> u32 {
    match (one, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    }
}

/// What becomes of packets that a rule hands to a program which is not there: they are dropped.
pub(crate) const UNREAD_QUEUE: &str = "unread queue";

/// Which way a packet goes.
// closed: there are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Way {
    /// From the target to the destination.
    There,
    /// The answer.
    Back,
}

/// What connection tracking did during a round.
#[derive(Debug, Clone, PartialEq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Tracking {
    /// Before the probes.
    pub before: TrackingCounts,
    /// After them.
    pub after: TrackingCounts,
    /// Connections of the probes as they stood afterwards.
    pub entries: Vec<CtEntry>,
    /// Entries of the probes' kind that lead where no rule leads any more.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub outdated: Vec<CtEntry>,
    /// Source ports in use towards the probes' destination, looked at if an entry found no place.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub pool: Option<PortPool>,
}

/// Ports of one address that translated connections to one destination have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortPool {
    /// The address that sources are translated to.
    pub addr: IpAddr,
    /// Where the connections lead.
    pub to: Endpoint,
    /// The IP protocol's number.
    pub protocol: u8,
    /// Ports in use.
    pub used: u32,
    /// The lowest of them.
    pub first: u16,
    /// The highest of them.
    pub last: u16,
}

/// Counters of connection tracking, summed over the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TrackingCounts {
    /// Connections tracked.
    pub count: u32,
    /// Connections there may be; zero is no limit.
    pub max: u32,
    /// Packets dropped for want of room.
    pub drop: u64,
    /// Connections that could not be entered because an equal one was there.
    pub insert_failed: u64,
    /// Connections that ended early to make room.
    pub early_drop: u64,
    /// Packets that belong to no connection.
    pub invalid: u64,
}

impl LegacyStop {
    /// Returns how many packets it stopped during the probes.
    pub fn moved(&self) -> u64 {
        let [before, after] = self.packets;
        after.saturating_sub(before)
    }
}

impl MetRule {
    /// Tells whether it leads packets to a port of the namespace itself.
    pub(crate) fn redirects(&self) -> bool {
        self.outcome == "translate" && self.text.split(' ').any(|word| word == "redirect")
    }

    /// Returns how many packets met it during the probes, if it counts.
    pub fn moved(&self) -> Option<u64> {
        self.packets.map(|[before, after]| after.saturating_sub(before))
    }

    /// Tells whether it is about the question for a neighbour, not about a probe.
    pub(super) fn is_discovery(&self) -> bool {
        self.protocol == 0 || (self.protocol == 58 && self.port.is_some())
    }

    /// Tells whether it ends the way of a packet.
    pub(super) fn stops(&self) -> bool {
        matches!(self.outcome.as_str(), "drop" | "reject" | UNREAD_QUEUE)
    }

    /// Tells whether a part of the rule has one of these names.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        self.parts.iter().any(|part| names.contains(&part.as_str()))
    }
}
