//! Names resolved as the target itself would: its hosts file, its search list, its servers.

mod adapt;
mod config;
mod machine;
mod report;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;

pub use self::config::{HostsEntry, HostsTable, Libc, ResolverConfig};
use self::machine::{ResolveMachine, Walk};
pub use self::report::{Resolution, ResolveOutcome, ResolvedBy, Tried};
use super::channel::DnsChannel;
use super::nonce::Nonces;
use super::schedule::{Policy, Verdict};
use super::{Letters, Transport};
use crate::base::{Budget, Family, Gap, Result};
use crate::netns::{NetnsId, Target};
use crate::probe::Anchor;
use crate::probe::driver::Session;
use crate::socket::Options;
use crate::wire::dns::{QueryEdns, RecordType};

/// Finds the addresses of a name as a C library would inside a target, and shows every step.
///
/// Order: an address is itself; then the hosts file; then, name by name along the search list and
/// `ndots`, the servers of `resolv.conf`, A and AAAA at once, with glibc's waits and its rules for
/// going on to the next server and name, or with musl's ([`Resolve::libc`]). Differences, all on the safe side: each query has a
/// socket of its own, letters are in random case, and late answers are taken. `nsswitch.conf` is
/// not looked at: `files dns` is assumed; `rotate` is not followed.
///
/// ```no_run
/// use std::time::Duration;
/// use vision_core::{Budget, Selector, Target};
/// use vision_core::probe::{HostsTable, Resolve, ResolverConfig};
///
/// let target = Target::resolve(&Selector::Current, &Budget::unbounded())?;
/// let config = ResolverConfig { search: vec!["svc.cluster.local".to_owned()], ..ResolverConfig::default() };
/// let budget = Budget::within(Duration::from_secs(10));
/// let found = Resolve::new("db").run(&config, &HostsTable::default(), &target, &budget)?;
/// for tried in &found.tried {
///     println!("{} {} {:?} {:?}", tried.name, tried.rtype, tried.rcode, tried.elapsed);
/// }
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Resolve {
    name: String,
    family: Option<Family>,
    libc: Libc,
    letters: Letters,
    options: Options,
}

impl Resolve {
    /// Looks a name up in both families.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            family: None,
            libc: Libc::Glibc,
            letters: Letters::Mixed,
            options: Options::default(),
        }
    }

    /// Looks for addresses of one family only.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Resolves as this C library would; glibc unless told.
    pub fn libc(self, libc: Libc) -> Self {
        Self { libc, ..self }
    }

    /// Chooses how letters are written.
    pub fn letters(self, letters: Letters) -> Self {
        Self { letters, ..self }
    }

    /// Sets the packet mark that policy routing sees; needs `CAP_NET_RAW` or `CAP_NET_ADMIN`.
    pub fn mark(mut self, mark: u32) -> Self {
        self.options.mark = Some(mark);
        self
    }

    /// Resolves with a target's configuration, from sockets inside the target.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] for a name that cannot be one, and whatever keeps sockets from
    /// being opened. What servers answer, silence included, is in the result.
    pub fn run(
        &self,
        config: &ResolverConfig,
        hosts: &HostsTable,
        target: &Target,
        budget: &Budget,
    ) -> Result<Resolution> {
        let netns = target.open()?;
        if let Some(known) = self.without_servers(hosts, netns.id()) {
            return Ok(known);
        }
        let machine = self.machine(config, (netns.id(), Anchor::now()), Nonces::draw)?;
        let channel = DnsChannel::open(netns, self.options.clone())?;
        Session::new(machine, channel, target)?.run(budget)
    }

    /// Answers from the name itself or from the hosts file.
    fn without_servers(&self, hosts: &HostsTable, netns: NetnsId) -> Option<Resolution> {
        let wanted = |addr: &IpAddr| self.family.is_none_or(|family| family == Family::of(*addr));
        let mut result = self.blank(netns);
        if let Ok(addr) = self.name.parse::<IpAddr>() {
            result.source = Some(ResolvedBy::Literal);
            result.addresses = vec![addr];
        } else {
            let (addresses, canonical) = hosts.look_up(&self.name);
            result.source = Some(ResolvedBy::Hosts { origin: hosts.origin.clone() });
            result.canonical = canonical.and_then(|name| name.parse().ok());
            for addr in addresses {
                if !result.addresses.contains(&addr) {
                    result.addresses.push(addr);
                }
            }
        }
        result.addresses.retain(wanted);
        let is_literal = result.source == Some(ResolvedBy::Literal);
        result.outcome = match result.addresses.is_empty() {
            false => ResolveOutcome::Found,
            true if is_literal => ResolveOutcome::NoAddress,
            true => return None,
        };
        Some(result)
    }

    fn blank(&self, netns: NetnsId) -> Resolution {
        Resolution {
            netns,
            name: self.name.clone(),
            libc: self.libc,
            addresses: Vec::new(),
            canonical: None,
            source: None,
            outcome: ResolveOutcome::NoSuchName,
            tried: Vec::new(),
            gaps: Vec::new(),
        }
    }

    fn machine(
        &self,
        config: &ResolverConfig,
        place: (NetnsId, Anchor),
        mut draw: impl FnMut(usize) -> Result<Nonces>,
    ) -> Result<ResolveMachine> {
        let mut result = self.blank(place.0);
        let candidates = config.candidates(&self.name, self.libc, &mut result.gaps)?;
        let policies = self.policies(config);
        let asked: usize = policies.iter().map(|policy| policy.servers.len()).sum();
        if config.servers.len() > asked {
            result.gaps.push(Gap::new("further servers", "the first three only are asked"));
        }
        let types = self.types(config);
        let most = policies.first().map_or(0, Policy::most_queries);
        let questions = candidates.len() * types.len() * policies.len();
        let nonces: Result<VecDeque<_>> = (0..questions).map(|_| draw(most)).collect();
        let edns = (config.edns0 && self.libc == Libc::Glibc).then(|| QueryEdns {
            // RESOLV_EDNS_BUFFER_SIZE of resolv-internal.h.
            udp_payload_bytes: 1200,
            do_bit: false,
            options: Vec::new(),
        });
        Ok(ResolveMachine {
            policies,
            edns,
            types,
            in_turn: config.single_request && self.libc == Libc::Glibc,
            libc: self.libc,
            nonces: nonces?,
            place,
            candidates: candidates.into(),
            running: Vec::new(),
            waiting: VecDeque::new(),
            next_query: 0,
            to_close: Vec::new(),
            walk: Walk::default(),
            result,
        })
    }

    fn types(&self, config: &ResolverConfig) -> Vec<RecordType> {
        match self.family {
            Some(Family::V4) => vec![RecordType::A],
            Some(Family::V6) => vec![RecordType::Aaaa],
            None if config.no_aaaa && self.libc == Libc::Glibc => vec![RecordType::A],
            None => vec![RecordType::A, RecordType::Aaaa],
        }
    }

    /// How the questions about one name and type are asked: one after the other, or each server
    /// for itself.
    fn policies(&self, config: &ResolverConfig) -> Vec<Policy> {
        let glibc = Policy {
            servers: config.waits(),
            tries: config.attempts.max(1),
            transport: if config.use_tcp { Transport::Tcp } else { Transport::Auto },
            edns: config.edns0,
            letters: self.letters,
            verdict: Verdict::Stub,
        };
        if self.libc == Libc::Glibc {
            return vec![glibc];
        }
        // musl knows neither `use-vc` nor `edns0` (src/network/resolvconf.c).
        let own = |server| Policy {
            servers: vec![server],
            transport: Transport::Auto,
            edns: false,
            verdict: Verdict::Conclusive,
            ..glibc.clone()
        };
        config.waits_at_once().into_iter().map(own).collect()
    }
}
