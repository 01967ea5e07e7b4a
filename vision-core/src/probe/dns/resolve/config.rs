use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::base::{Gap, Result};
use crate::netns::FileOrigin;
use crate::wire::dns::Name;

/// How a target resolves names: what its `resolv.conf` says (resolv.conf(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[allow(clippy::struct_excessive_bools, reason = "one per option of the file")]
// closed: built by whoever read the file.
pub struct ResolverConfig {
    /// The servers in order, link-local ones with their scope; glibc asks the first three.
    pub servers: Vec<SocketAddr>,
    /// The search domains in order.
    pub search: Vec<String>,
    /// Names with at least so many dots are tried as given first.
    pub ndots: u8,
    /// Rounds through the servers.
    pub attempts: u8,
    /// How long the first server is waited for; later ones by glibc's own rule.
    pub timeout: Duration,
    /// `edns0`: announce 1200 bytes as glibc does.
    pub edns0: bool,
    /// `use-vc`: TCP only.
    pub use_tcp: bool,
    /// `single-request`: AAAA is asked for only after A was answered.
    pub single_request: bool,
    /// `no-aaaa`: AAAA is not asked for.
    pub no_aaaa: bool,
    /// `no-tld-query`: a name without dots is not tried as given after the search list.
    pub no_tld_query: bool,
    /// Where the file was read; absent when made by hand.
    pub origin: Option<FileOrigin>,
}

/// A line of a hosts file (hosts(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// closed: built by whoever read the file.
pub struct HostsEntry {
    /// The address.
    pub addr: IpAddr,
    /// The canonical name, then aliases.
    pub names: Vec<String>,
}

/// A hosts file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
// closed: built by whoever read the file.
pub struct HostsTable {
    /// The lines in order.
    pub entries: Vec<HostsEntry>,
    /// Where the file was read; absent when made by hand.
    pub origin: Option<FileOrigin>,
}

impl Default for ResolverConfig {
    /// What glibc does without a file: the server on the own loopback, one dot, two rounds of
    /// five seconds.
    fn default() -> Self {
        Self {
            servers: vec![(Ipv4Addr::LOCALHOST, 53).into()],
            search: Vec::new(),
            ndots: 1,
            attempts: 2,
            timeout: Duration::from_secs(5),
            edns0: false,
            use_tcp: false,
            single_request: false,
            no_aaaa: false,
            no_tld_query: false,
            origin: None,
        }
    }
}

/// Servers glibc asks at most (MAXNS in resolv.h).
const MAX_SERVERS: usize = 3;
/// Names tried at most; a longer search list is cut and said to be.
const MAX_NAMES: usize = 64;

impl ResolverConfig {
    /// Gives the servers that are asked, each with its wait.
    ///
    /// The wait doubles with each server of the list, not with each round, and is divided by
    /// their number from the second on (resolv/res_send.c, `send_dg`).
    pub(super) fn waits(&self) -> Vec<(SocketAddr, Duration)> {
        let servers: Vec<_> = match self.servers.as_slice() {
            [] => Self::default().servers,
            some => some.iter().copied().take(MAX_SERVERS).collect(),
        };
        let count = servers.len() as u32;
        let wait = |n: usize| match n {
            0 => self.timeout,
            n => (self.timeout * (1 << n) / count).max(Duration::from_secs(1)),
        };
        servers.iter().enumerate().map(|(n, server)| (*server, wait(n))).collect()
    }

    /// Lists the names a lookup of `text` goes through, in order (resolv/res_query.c,
    /// `__res_context_search`).
    pub(super) fn candidates(&self, text: &str, gaps: &mut Vec<Gap>) -> Result<Vec<Candidate>> {
        let name: Name = text.parse()?;
        let as_is = Candidate { name: name.clone(), search: None };
        if text.ends_with('.') {
            return Ok(vec![as_is]);
        }
        let mut searched = Vec::new();
        let mut root_on_list = false;
        for domain in &self.search {
            let suffix = domain.strip_prefix('.').unwrap_or(domain);
            root_on_list |= suffix.is_empty();
            let suffix = if suffix.is_empty() { "." } else { suffix };
            match suffix.parse().ok().and_then(|suffix| name.join(&suffix)) {
                Some(name) => searched.push(Candidate { name, search: Some(domain.clone()) }),
                None => gaps.push(Gap::new(
                    format!("search domain `{}`", domain.escape_debug()),
                    "does not make a valid name with the one asked for",
                )),
            }
        }
        if searched.len() > MAX_NAMES {
            gaps.push(Gap::new("search list", format!("cut after {MAX_NAMES} domains")));
            searched.truncate(MAX_NAMES);
        }
        let dots = text.bytes().filter(|b| *b == b'.').count();
        if dots >= usize::from(self.ndots) {
            searched.insert(0, as_is);
        } else if !root_on_list && (dots > 0 || searched.is_empty() || !self.no_tld_query) {
            searched.push(as_is);
        }
        Ok(searched)
    }
}

impl HostsTable {
    /// Returns the addresses of a name and its canonical form; case does not matter.
    pub(super) fn look_up(&self, name: &str) -> (Vec<IpAddr>, Option<String>) {
        let matches =
            |entry: &&HostsEntry| entry.names.iter().any(|known| known.eq_ignore_ascii_case(name));
        let found: Vec<_> = self.entries.iter().filter(matches).collect();
        let canonical = found.first().and_then(|entry| entry.names.first()).cloned();
        (found.iter().map(|entry| entry.addr).collect(), canonical)
    }
}

/// One name of a walk through the search list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: Name,
    pub(super) search: Option<String>,
}
