use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::report::{DnsOutcome, DnsReport};
use super::config::Libc;
use crate::base::Gap;
use crate::netns::{FileOrigin, NetnsId};
use crate::wire::dns::{Name, Rcode, RecordType};

/// What a name stands for in a target, and everything that was tried to find out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Resolution {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// The name as given.
    pub name: String,
    /// The C library whose way was taken.
    #[cfg_attr(feature = "serde", serde(default))]
    pub libc: Libc,
    /// The addresses in the order of the answers, without duplicates; not sorted by RFC 6724.
    pub addresses: Vec<IpAddr>,
    /// The name the addresses belong to, at the end of any aliases.
    pub canonical: Option<Name>,
    /// What answered.
    pub source: Option<ResolvedBy>,
    /// How it ended.
    pub outcome: ResolveOutcome,
    /// Every question put to a server, in order.
    pub tried: Vec<Tried>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// What a resolution got its addresses from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ResolvedBy {
    /// The name was an address.
    Literal,
    /// A hosts file.
    Hosts {
        /// Where it was read, if that is known.
        origin: Option<FileOrigin>,
    },
    /// A name server.
    Dns {
        /// The one that answered.
        server: SocketAddr,
    },
}

/// How a resolution ended; glibc's `h_errno` in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ResolveOutcome {
    /// There are addresses.
    Found,
    /// The name does not exist (`HOST_NOT_FOUND`).
    NoSuchName,
    /// The name exists, without an address of the family asked for (`NO_DATA`).
    NoAddress,
    /// No server gave a usable answer (`TRY_AGAIN`).
    TryAgain,
    /// A server answered with an error that asking again does not change (`NO_RECOVERY`).
    Failed,
    /// The run ended first.
    Unfinished,
}

/// One name and type put to the servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Tried {
    /// The name asked for, with the search domain where one was added.
    pub name: Name,
    /// The type asked for.
    #[cfg_attr(feature = "serde", serde(rename = "type"))]
    pub rtype: RecordType,
    /// The search domain that was added.
    pub search: Option<String>,
    /// The server whose answer counted.
    pub server: Option<SocketAddr>,
    /// Its result; `None` when no server answered.
    pub rcode: Option<Rcode>,
    /// Addresses in the answer.
    pub addresses: Vec<IpAddr>,
    /// From the first query to the decision.
    #[cfg_attr(feature = "serde", serde(rename = "elapsed_ns", with = "crate::base::nanos"))]
    pub elapsed: Duration,
    /// Every query behind it, with the failures.
    pub report: DnsReport,
}

impl Tried {
    /// Returns the last failure when no server answered.
    pub fn failure(&self) -> Option<&DnsOutcome> {
        let last = self.report.attempts.last().filter(|_| self.rcode.is_none());
        last.map(|attempt| &attempt.outcome)
    }
}
