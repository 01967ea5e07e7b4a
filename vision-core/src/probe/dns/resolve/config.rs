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

/// A C library whose resolver is imitated.
// closed: the two of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Libc {
    /// GNU: one server after the other; the search list is tried for every name without a dot at
    /// its end; a name that exists without address does not end the search.
    #[default]
    Glibc,
    /// Alpine: all servers at once, the first answer counts; a name with `ndots` dots is never
    /// searched for; anything but "no such name" ends the search.
    Musl,
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

    /// Gives the servers that musl asks at once, each with its wait (src/network/res_msend.c):
    /// the whole time is parted among the attempts.
    pub(super) fn waits_at_once(&self) -> Vec<(SocketAddr, Duration)> {
        let rounds = u32::from(self.attempts.max(1));
        self.waits().into_iter().map(|(server, _)| (server, self.timeout / rounds)).collect()
    }

    /// Lists the names a lookup of `text` goes through, in order.
    pub(super) fn candidates(
        &self,
        text: &str,
        libc: Libc,
        gaps: &mut Vec<Gap>,
    ) -> Result<Vec<Candidate>> {
        match libc {
            Libc::Glibc => self.candidates_of_glibc(text, gaps),
            Libc::Musl => self.candidates_of_musl(text, gaps),
        }
    }

    /// As src/network/lookup_name.c, `name_from_dns_search`.
    fn candidates_of_musl(&self, text: &str, gaps: &mut Vec<Gap>) -> Result<Vec<Candidate>> {
        let dots = text.bytes().filter(|b| *b == b'.').count();
        let as_is = Candidate { name: text.parse()?, search: None };
        // musl takes no more than 15 for ndots (src/network/resolvconf.c).
        if dots >= usize::from(self.ndots.min(15)) || text.ends_with('.') {
            return Ok(vec![as_is]);
        }
        let mut searched = self.searched(&as_is.name, gaps);
        searched.push(as_is);
        Ok(searched)
    }

    fn searched(&self, name: &Name, gaps: &mut Vec<Gap>) -> Vec<Candidate> {
        let mut searched = Vec::new();
        for domain in &self.search {
            let suffix = domain.strip_prefix('.').unwrap_or(domain);
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
        searched
    }

    /// As resolv/res_query.c, `__res_context_search`.
    fn candidates_of_glibc(&self, text: &str, gaps: &mut Vec<Gap>) -> Result<Vec<Candidate>> {
        let name: Name = text.parse()?;
        let as_is = Candidate { name: name.clone(), search: None };
        if text.ends_with('.') {
            return Ok(vec![as_is]);
        }
        let mut searched = self.searched(&name, gaps);
        let root_on_list = self.search.iter().any(|domain| domain.is_empty() || domain == ".");
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
