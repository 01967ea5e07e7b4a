//! The target's files, as the inventory read them, in the form a lookup takes.

use std::net::SocketAddr;
use std::time::Duration;

use super::config::{HostsEntry, HostsTable, ResolverConfig};
use crate::base::Untrusted;
use crate::inventory::{Hosts, Nameserver, Resolver};
use crate::socket::with_scope;

impl ResolverConfig {
    /// Takes what a `resolv.conf` says; `ifindex` finds an interface of the target by the name
    /// or number after a link-local server's `%`.
    pub fn from_file(file: &Resolver, mut ifindex: impl FnMut(&Untrusted) -> Option<u32>) -> Self {
        let mut address = |server: &Nameserver| -> SocketAddr {
            let scope = server.scope.as_ref().and_then(&mut ifindex).unwrap_or_default();
            with_scope(server.addr, 53, scope)
        };
        let options = &file.options;
        Self {
            servers: file.nameservers.iter().map(&mut address).collect(),
            search: file.search.iter().map(text).collect(),
            ndots: options.ndots,
            attempts: options.attempts,
            timeout: Duration::from_secs(options.timeout_s.into()),
            edns0: options.edns0,
            use_tcp: options.use_vc,
            single_request: options.single_request || options.single_request_reopen,
            no_aaaa: options.no_aaaa,
            no_tld_query: options.no_tld_query,
            origin: file.origin.clone(),
        }
    }
}

impl From<&Hosts> for HostsTable {
    fn from(file: &Hosts) -> Self {
        let entry = |line: &crate::inventory::HostEntry| HostsEntry {
            addr: line.addr,
            names: line.names.iter().map(text).collect(),
        };
        Self { entries: file.entries.iter().map(entry).collect(), origin: file.origin.clone() }
    }
}

/// Bytes that are no UTF-8 cannot be part of a name anybody asks for.
fn text(bytes: &Untrusted) -> String {
    String::from_utf8_lossy(bytes.as_bytes()).into_owned()
}
