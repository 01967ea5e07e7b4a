//! Virtual services of IPVS and the real servers behind them.

mod conn;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;

use crate::base::{Budget, Capability, Error, Op, Result, Untrusted, open_enum};
use crate::netlink::attr::{self, Attrs, be16, be32, encode, read, u16, u32};
use crate::netlink::header::Messages;
use crate::netlink::{Channel, KernelSocket, Protocol, ethtool, ipvs};
use crate::netns::{Netns, Target};

pub use self::conn::IpvsConnection;

open_enum! {
    /// How packets reach a real server (linux/ip_vs.h `IP_VS_CONN_F_FWD_MASK`).
    pub enum Forwarding: u32 {
        /// Their addresses are translated.
        Masq = 0, "Masq";
        /// The server is this machine.
        Local = 1, "Local";
        /// They go through a tunnel.
        Tunnel = 2, "Tunnel";
        /// They go to the server's link-layer address.
        Route = 3, "Route";
        /// They go past all servers.
        Bypass = 4, "Bypass";
    }
}

/// What was counted, and how fast it grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpvsStats {
    /// Connections.
    pub connections: u64,
    /// Packets that came in.
    pub in_packets: u64,
    /// Packets that went out.
    pub out_packets: u64,
    /// Bytes that came in.
    pub in_bytes: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
}

/// How fast each counter of [`IpvsStats`] grows, in units per second, as the kernel estimates it every two seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpvsRates {
    /// Connections.
    pub connections: u64,
    /// Packets that came in.
    pub in_packets: u64,
    /// Packets that went out.
    pub out_packets: u64,
    /// Bytes that came in.
    pub in_bytes: u64,
    /// Bytes that went out.
    pub out_bytes: u64,
}

/// A virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpvsService {
    /// Number of the IP protocol; 0 for a service known by its mark.
    pub protocol: u16,
    /// Its address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// The packet mark it is known by instead.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mark: Option<u32>,
    /// How a server is chosen: `rr`, `wlc`, `sh`.
    pub scheduler: Untrusted,
    /// `IP_VS_SVC_F_*`: 1 persistent, 4 one packet a connection, 8, 16, 32 of the scheduler.
    pub flags: u32,
    /// Seconds a client stays with its server, for a persistent service.
    pub timeout: u32,
    /// Which bits of a client's address count for persistence: a mask for IPv4, the length of a
    /// prefix for IPv6.
    pub netmask: u32,
    /// What was counted.
    pub stats: IpvsStats,
    /// How fast that grows.
    pub rates: IpvsRates,
    /// The servers behind it.
    pub servers: Vec<IpvsServer>,
}

/// A real server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct IpvsServer {
    /// Its address.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// How packets reach it.
    pub forwarding: Forwarding,
    /// Its share of the connections; 0 takes no new ones.
    pub weight: u32,
    /// Connections that are established.
    pub active: u32,
    /// Connections in any other state.
    pub inactive: u32,
    /// Clients that stay with it.
    pub persistent: u32,
    /// What was counted.
    pub stats: IpvsStats,
    /// How fast that grows.
    pub rates: IpvsRates,
}

/// Reads IPVS in one namespace; needs `CAP_NET_ADMIN` there.
pub struct Ipvs {
    netns: Netns,
    channel: Channel,
}

impl Ipvs {
    /// Opens the target's namespace.
    ///
    /// # Errors
    /// Those of [`Target::open`], [`Error::Sys`], or [`Error::Unsupported`] where IPVS is not in the
    /// kernel or not loaded: it is not loaded by asking.
    pub fn open(target: &Target) -> Result<Self> {
        let netns = target.open()?;
        if netns.run(|| std::fs::metadata(PRESENT))?.is_err_and(|e| e.kind() == NOT_FOUND) {
            return Err(Error::Unsupported("IPVS, or it is not loaded"));
        }
        let channel = Channel::new(KernelSocket::open(&netns, Protocol::Generic, BUFFER)?);
        Ok(Self { netns, channel })
    }

    /// Returns the services with their servers.
    ///
    /// The kernel tells nobody of changes: servers may have come and gone meanwhile.
    ///
    /// # Errors
    /// [`Error::Permission`] without `CAP_NET_ADMIN`, [`Error::Unsupported`] on a kernel without
    /// IPVS, [`Error::Netlink`], [`Error::Elapsed`] or [`Error::Cancelled`].
    #[doc(alias = "ipvsadm -Ln")]
    pub fn services(&mut self, budget: &Budget) -> Result<Vec<IpvsService>> {
        if self.channel.is_busy() {
            let socket = KernelSocket::open(&self.netns, Protocol::Generic, BUFFER)?;
            self.channel = Channel::new(socket);
        }
        let mut family = None;
        self.channel
            .ask(ipvs::family(), budget, |message| {
                family = family.or(ethtool::decode_family(message));
            })
            .map_err(explain)?;
        let family = family.ok_or(Error::Unsupported("IPVS"))?;
        let mut services = Vec::new();
        self.channel
            .ask(ipvs::services(family), budget, |message| {
                services.extend(ipvs::decode_service(message).and_then(|attrs| service(&attrs)));
            })
            .map_err(explain)?;
        for (identity, service) in &mut services {
            let request = ipvs::servers(family, identity);
            let servers = &mut service.servers;
            let asked = self.channel.ask(request, budget, |message| {
                servers.extend(ipvs::decode_server(message).and_then(|attrs| server(&attrs)));
            });
            match asked.map_err(explain) {
                // Gone since the services were listed.
                Err(e) if matches!(e.errno(), Some(libc::ESRCH | libc::ENOENT)) => {}
                other => _ = other?,
            }
        }
        let services = services.into_iter().map(|it| it.1).collect();
        Ok(sorted(services))
    }

    /// Returns the connections it forwards, in the kernel's order.
    ///
    /// Needs no capability. Read from `/proc/net/ip_vs_conn`, which is not consistent: connections may come and go
    /// while it is read.
    ///
    /// # Errors
    /// [`Error::Sys`] where the file cannot be read.
    #[doc(alias = "ipvsadm -Lnc")]
    pub fn connections(&self) -> Result<Vec<IpvsConnection>> {
        let text = self.netns.run(|| std::fs::read(CONNECTIONS))?;
        Ok(conn::read(&text.map_err(|source| Error::Sys { op: Op::ReadProc, source })?))
    }
}

/// By protocol, address and port, the services of marks last; the kernel lists by hash.
fn sorted(mut services: Vec<IpvsService>) -> Vec<IpvsService> {
    services.sort_by_key(|it| (it.mark, it.address, it.protocol, it.port));
    for service in &mut services {
        service.servers.sort_by_key(|it| (it.address, it.port));
    }
    services
}

/// Reads recorded answers of the kernel: services, each before the servers behind it.
///
/// The bytes must be of a machine with the same byte order.
pub fn recorded(datagram: &[u8]) -> Vec<IpvsService> {
    let mut out: Vec<IpvsService> = Vec::new();
    for message in Messages::new(datagram) {
        let found = ipvs::decode_service(&message).and_then(|attrs| service(&attrs));
        out.extend(found.map(|it| it.1));
        let behind = ipvs::decode_server(&message).and_then(|attrs| server(&attrs));
        if let Some(last) = out.last_mut() {
            last.servers.extend(behind);
        }
    }
    sorted(out)
}

/// Reads a service, and what names it in a question.
fn service(attrs: &Attrs<'_>) -> Option<(Vec<u8>, IpvsService)> {
    let find = |kind| attrs.clone().find(kind);
    let family = find(1).and_then(u16)?;
    let named = attrs.clone().filter(|(kind, _)| (1..=5).contains(kind));
    let identity: Vec<_> = named.flat_map(|(kind, value)| encode(kind, value)).collect();
    let found = IpvsService {
        protocol: find(2).and_then(u16).unwrap_or(0),
        address: find(3).and_then(|value| address(family, value)),
        port: find(4).and_then(be16).unwrap_or(0),
        mark: find(5).and_then(u32),
        scheduler: attr::text(find(6).unwrap_or_default()).into(),
        flags: find(7).and_then(u32).unwrap_or(0),
        timeout: find(8).and_then(u32).unwrap_or(0),
        netmask: match i32::from(family) {
            libc::AF_INET => find(9).and_then(be32).unwrap_or(u32::MAX),
            _ => find(9).and_then(u32).unwrap_or(128),
        },
        stats: stats(find(12), find(10)),
        rates: rates(find(12), find(10)),
        servers: Vec::new(),
    };
    Some((identity, found))
}

fn server(attrs: &Attrs<'_>) -> Option<IpvsServer> {
    let find = |kind| attrs.clone().find(kind);
    let number = |kind| find(kind).and_then(u32).unwrap_or(0);
    let bytes = find(1)?;
    // Kernels before 3.18 do not say the family: servers are of the service's, told by what is set.
    let told = find(11).and_then(u16);
    let guess =
        if bytes.get(4..).is_some_and(|rest| rest.iter().any(|b| *b != 0)) { 10 } else { 2 };
    Some(IpvsServer {
        address: address(told.unwrap_or(guess), bytes)?,
        port: find(2).and_then(be16)?,
        forwarding: Forwarding::from_raw(number(3) & 7),
        weight: number(4),
        active: number(7),
        inactive: number(8),
        persistent: number(9),
        stats: stats(find(12), find(10)),
        rates: rates(find(12), find(10)),
    })
}

/// Sixteen bytes whatever the family.
fn address(family: u16, value: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => be32(value).map(|bits| Ipv4Addr::from_bits(bits).into()),
        libc::AF_INET6 => read::<16>(value, 0).map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// The counters of 64 bits, or the older ones that have 32 but for bytes.
fn stats(wide: Option<&[u8]>, narrow: Option<&[u8]>) -> IpvsStats {
    let number = |kind| number(wide.or(narrow), kind);
    IpvsStats {
        connections: number(1),
        in_packets: number(2),
        out_packets: number(3),
        in_bytes: number(4),
        out_bytes: number(5),
    }
}

/// As [`stats`], for what comes behind them.
fn rates(wide: Option<&[u8]>, narrow: Option<&[u8]>) -> IpvsRates {
    let number = |kind| number(wide.or(narrow), kind);
    IpvsRates {
        connections: number(6),
        in_packets: number(7),
        out_packets: number(8),
        in_bytes: number(9),
        out_bytes: number(10),
    }
}

fn number(nest: Option<&[u8]>, kind: u16) -> u64 {
    let value = Attrs::new(nest.unwrap_or_default()).find(kind).unwrap_or_default();
    attr::u64(value).or(u32(value).map(u64::from)).unwrap_or(0)
}

fn explain(error: Error) -> Error {
    match (&error, error.errno()) {
        (Error::Netlink { .. }, Some(libc::EPERM)) => {
            Error::Permission { op: Op::ReadFirewall, needs: Capability::NetAdmin }
        }
        (Error::Netlink { request: "CTRL_CMD_GETFAMILY", .. }, Some(libc::ENOENT)) => {
            Error::Unsupported("IPVS")
        }
        _ => error,
    }
}

const PRESENT: &str = "/proc/thread-self/net/ip_vs";
const CONNECTIONS: &str = "/proc/thread-self/net/ip_vs_conn";
const NOT_FOUND: io::ErrorKind = io::ErrorKind::NotFound;
/// Receive buffer in bytes.
const BUFFER: usize = 1 << 20;

#[cfg(test)]
mod tests;
