use std::fmt;
use std::str::FromStr;

use crate::base::{Error, Timestamp, Untrusted};
use crate::inventory::{Addr, CtEntry, Difference, Link, Neighbour, Route, Rule};
use crate::netns::NetnsId;

/// What can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Table {
    /// Interfaces.
    Link,
    /// Addresses.
    Addr,
    /// Routes of all tables.
    Route,
    /// Policy routing rules.
    Rule,
    /// The ARP and neighbour discovery tables.
    Neigh,
    /// Tracked connections; needs `CAP_NET_ADMIN` over the namespace.
    Ct,
    /// Namespaces: the numbers this one has for others, and the names under `/run/netns`.
    Ns,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Link, Self::Addr, Self::Route, Self::Rule, Self::Neigh, Self::Ct, Self::Ns];

    /// Returns its name, as in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Addr => "addr",
            Self::Route => "route",
            Self::Rule => "rule",
            Self::Neigh => "neigh",
            Self::Ct => "ct",
            Self::Ns => "ns",
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Table {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|table| table.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::invalid("table", format!("`{text}` is none of {names}"))
        })
    }
}

/// Something that happened in a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Event {
    /// When it was read; the kernel does not stamp what it says.
    pub at: Timestamp,
    /// What happened.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub what: Happening,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "what", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Happening {
    /// A row came, went or is different.
    Row(RowEvent),
    /// The kernel had more to say than was read in time.
    Overrun(Overrun),
    /// The target ended; nothing comes behind this.
    TargetEnded,
}

/// A row that came, went or is different.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RowEvent {
    /// What became of it.
    pub change: Change,
    /// How that is known.
    pub learned: Learned,
    /// The name of its interface; of a multipath route that of the first.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dev: Option<Untrusted>,
    /// What is different, of a row that changed.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub differences: Vec<Difference>,
    /// The row now, or as it was last.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub row: Row,
}

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Change {
    /// It is new.
    Added,
    /// It is different; no differences are listed where the table is too large to remember.
    Changed,
    /// The kernel says it again and nothing that is compared is different.
    Repeated,
    /// It is gone.
    Removed,
    /// The interface lives on in another namespace.
    Moved,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Repeated => "repeated",
            Self::Removed => "removed",
            Self::Moved => "moved",
        })
    }
}

/// How something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Learned {
    /// The kernel said it.
    Told,
    /// The table was read again after events were lost, and compared.
    Resync,
    /// The table was read again and compared because the kernel does not tell of such changes:
    /// IPv4 routes go with their interface or source address without a word
    /// (net/ipv4/fib_frontend.c).
    Silent,
}

/// A row of one of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "table", content = "row", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Row {
    /// An interface.
    Link(Box<Link>),
    /// An address.
    Addr(Box<Addr>),
    /// A route.
    Route(Box<Route>),
    /// A policy rule.
    Rule(Box<Rule>),
    /// A neighbour.
    Neigh(Box<Neighbour>),
    /// A tracked connection; what an event leaves out stays as it was.
    Ct(Box<CtEntry>),
    /// A namespace.
    Ns(Namespace),
}

impl Row {
    /// Returns the table it belongs to.
    pub fn table(&self) -> Table {
        match self {
            Self::Link(_) => Table::Link,
            Self::Addr(_) => Table::Addr,
            Self::Route(_) => Table::Route,
            Self::Rule(_) => Table::Rule,
            Self::Neigh(_) => Table::Neigh,
            Self::Ct(_) => Table::Ct,
            Self::Ns(_) => Table::Ns,
        }
    }

    /// Returns the interface it belongs to, of a multipath route the first.
    pub fn ifindex(&self) -> Option<u32> {
        match self {
            Self::Link(link) => Some(link.ifindex),
            Self::Addr(addr) => Some(addr.ifindex),
            Self::Route(route) => {
                route.oif_ifindex.or_else(|| route.nexthops.first().and_then(|hop| hop.oif_ifindex))
            }
            Self::Neigh(neigh) => Some(neigh.ifindex).filter(|index| *index != 0),
            Self::Rule(_) | Self::Ct(_) | Self::Ns(_) => None,
        }
    }
}

/// Another namespace, by what this one calls it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Namespace {
    /// The number this namespace has for it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub nsid: Option<i32>,
    /// Its name under `/run/netns`, of an event about names; else what a person would call it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<Untrusted>,
    /// Its identity, where it could be found.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub id: Option<NetnsId>,
}

/// Events were lost: the tables were read again, and what is different comes behind this as
/// events of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Overrun {
    /// How many messages the kernel dropped, where it tells (`/proc/net/netlink`).
    pub lost: Option<u64>,
    /// The tables they may have been about.
    pub tables: Vec<Table>,
    /// How many differences were found.
    pub found: u64,
    /// Tables that were not compared, and why not.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub gaps: Vec<crate::base::Gap>,
}
