use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;

use crate::base::Untrusted;

/// Settings of a namespace below `/proc/sys/net`; `None` where this kernel lacks one or hides it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sysctls {
    /// Whether IPv4 packets are forwarded at all.
    pub ip_forward: Option<bool>,
    /// Time to live of packets sent.
    pub ip_default_ttl: Option<u8>,
    /// Groups that may open ping sockets, both ends included; `1 0` means none.
    pub ping_group_range: Option<(u32, u32)>,
    /// Ports for outgoing connections, both ends included.
    pub ip_local_port_range: Option<(u16, u16)>,
    /// First port that anybody may bind (4.11).
    pub ip_unprivileged_port_start: Option<u16>,
    /// Whether addresses of others may be bound.
    pub ip_nonlocal_bind: Option<bool>,
    /// Path MTU discovery: 0 on, 1 off, 2 never fragment, 3 ignore.
    pub ip_no_pmtu_disc: Option<u8>,
    /// Black hole detection: 0 off, 1 on suspicion, 2 always.
    pub tcp_mtu_probing: Option<u8>,
    /// Largest backlog of a listener.
    pub somaxconn: Option<u32>,
    /// Seconds after which connection tracking forgets a TCP connection over which nothing is said.
    pub nf_conntrack_tcp_timeout_established: Option<u32>,
    /// Settings of `all`, of `default`, and of each interface.
    pub interfaces: Vec<InterfaceSysctls>,
}

/// Settings of one interface, of `all` or of `default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct InterfaceSysctls {
    /// The interface's name, `all` or `default`.
    pub name: Untrusted,
    /// The name in hexadecimal when it is not UTF-8.
    pub name_hex: Option<String>,
    /// IPv4 settings; `None` without IPv4 there.
    pub ipv4: Option<Ipv4Sysctls>,
    /// IPv6 settings; `None` without IPv6 there.
    pub ipv6: Option<Ipv6Sysctls>,
}

/// Settings below `net.ipv4.conf.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ipv4Sysctls {
    /// Reverse path filter: 0 off, 1 strict, 2 loose.
    pub rp_filter: Option<u8>,
    /// Whether packets that come in here are forwarded.
    pub forwarding: Option<bool>,
    /// Which ARP questions are answered: 0 for any local address.
    pub arp_ignore: Option<u8>,
    /// Which source address ARP questions carry: 0 any.
    pub arp_announce: Option<u8>,
    /// Whether ARP questions are answered for others.
    pub proxy_arp: Option<bool>,
    /// Whether source addresses of this host are taken from outside.
    pub accept_local: Option<bool>,
    /// Whether ICMP redirects are followed.
    pub accept_redirects: Option<bool>,
    /// Whether 127.0.0.0/8 may be routed.
    pub route_localnet: Option<bool>,
    /// Whether the mark counts in the reverse path filter.
    pub src_valid_mark: Option<bool>,
}

/// Settings below `net.ipv6.conf.NAME`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Ipv6Sysctls {
    /// Whether IPv6 is switched off.
    pub disable_ipv6: Option<bool>,
    /// Whether packets are forwarded.
    pub forwarding: Option<bool>,
    /// Whether router advertisements are heeded: 0 no, 1 unless forwarding, 2 always.
    pub accept_ra: Option<u8>,
    /// Duplicate detection: 0 off, 1 on, 2 and give up IPv6 on a duplicate link-local address.
    pub accept_dad: Option<i8>,
    /// Whether neighbour discovery is answered for others.
    pub proxy_ndp: Option<bool>,
    /// MTU for IPv6.
    pub mtu_bytes: Option<u32>,
    /// Hop limit of packets sent.
    pub hop_limit: Option<u8>,
}

impl Sysctls {
    /// Returns the settings of an interface, of `all` or of `default`.
    pub fn interface(&self, name: &[u8]) -> Option<&InterfaceSysctls> {
        self.interfaces.iter().find(|i| i.name.as_bytes() == name)
    }

    /// Returns the reverse path filter in force: the larger of `all` and the interface's own
    /// (net/ipv4/fib_frontend.c).
    pub fn rp_filter(&self, name: &[u8]) -> Option<u8> {
        let of = |name| self.interface(name).and_then(|i| i.ipv4).and_then(|c| c.rp_filter);
        of(b"all").max(of(name))
    }
}

/// Reads what the calling thread's namespace shows below `/proc/sys/net`.
pub(super) fn read() -> Sysctls {
    let ipv4 = Path::new("/proc/sys/net/ipv4");
    Sysctls {
        ip_forward: flag(ipv4, "ip_forward"),
        ip_default_ttl: number(ipv4, "ip_default_ttl"),
        ping_group_range: pair(ipv4, "ping_group_range"),
        ip_local_port_range: pair(ipv4, "ip_local_port_range"),
        ip_unprivileged_port_start: number(ipv4, "ip_unprivileged_port_start"),
        ip_nonlocal_bind: flag(ipv4, "ip_nonlocal_bind"),
        ip_no_pmtu_disc: number(ipv4, "ip_no_pmtu_disc"),
        tcp_mtu_probing: number(ipv4, "tcp_mtu_probing"),
        somaxconn: number(Path::new("/proc/sys/net/core"), "somaxconn"),
        nf_conntrack_tcp_timeout_established: established_timeout(),
        interfaces: interfaces(),
    }
}

/// Reads, for the calling thread's namespace, how many seconds an established connection is remembered.
pub(crate) fn established_timeout() -> Option<u32> {
    number(Path::new("/proc/sys/net/netfilter"), "nf_conntrack_tcp_timeout_established")
}

fn interfaces() -> Vec<InterfaceSysctls> {
    let (v4, v6) = (Path::new("/proc/sys/net/ipv4/conf"), Path::new("/proc/sys/net/ipv6/conf"));
    let mut names: Vec<_> = [v4, v6]
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.file_name()))
        .collect();
    names.sort();
    names.dedup();
    let read = |name: std::ffi::OsString| {
        let shown = Untrusted::from(name.as_bytes());
        InterfaceSysctls {
            name_hex: shown.hex_unless_utf8(),
            name: shown,
            ipv4: Some(v4.join(&name)).filter(|dir| dir.is_dir()).map(|dir| ipv4(&dir)),
            ipv6: Some(v6.join(&name)).filter(|dir| dir.is_dir()).map(|dir| ipv6(&dir)),
        }
    };
    names.into_iter().map(read).collect()
}

fn ipv4(dir: &Path) -> Ipv4Sysctls {
    Ipv4Sysctls {
        rp_filter: number(dir, "rp_filter"),
        forwarding: flag(dir, "forwarding"),
        arp_ignore: number(dir, "arp_ignore"),
        arp_announce: number(dir, "arp_announce"),
        proxy_arp: flag(dir, "proxy_arp"),
        accept_local: flag(dir, "accept_local"),
        accept_redirects: flag(dir, "accept_redirects"),
        route_localnet: flag(dir, "route_localnet"),
        src_valid_mark: flag(dir, "src_valid_mark"),
    }
}

fn ipv6(dir: &Path) -> Ipv6Sysctls {
    Ipv6Sysctls {
        disable_ipv6: flag(dir, "disable_ipv6"),
        forwarding: flag(dir, "forwarding"),
        accept_ra: number(dir, "accept_ra"),
        accept_dad: number(dir, "accept_dad"),
        proxy_ndp: flag(dir, "proxy_ndp"),
        mtu_bytes: number(dir, "mtu"),
        hop_limit: number(dir, "hop_limit"),
    }
}

fn text(dir: &Path, name: &str) -> Option<String> {
    fs::read_to_string(dir.join(name)).ok()
}

fn number<T: FromStr>(dir: &Path, name: &str) -> Option<T> {
    text(dir, name)?.trim().parse().ok()
}

fn flag(dir: &Path, name: &str) -> Option<bool> {
    number::<i64>(dir, name).map(|v| v != 0)
}

fn pair<T: FromStr>(dir: &Path, name: &str) -> Option<(T, T)> {
    let text = text(dir, name)?;
    let mut words = text.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}
