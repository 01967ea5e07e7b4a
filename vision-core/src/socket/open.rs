use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::libc;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv4RecvTtl, Ipv6RecvErr, Ipv6RecvHopLimit};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::base::{Error, Family, Op, Result, Ttl};
use crate::sys::{packet, sockopt};

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Echo without a capability, where `ping_group_range` covers the group.
    IcmpDatagram(Family),
    /// Echo and neighbour discovery with `CAP_NET_RAW`.
    IcmpRaw(Family),
    /// A connection.
    Tcp(Family),
    /// Segments of all connections, to be filtered.
    TcpRaw(Family),
    /// Datagrams.
    Udp(Family),
    /// Whole packets out, IP header included; nothing comes in.
    Whole(Family),
    /// Link-layer payloads of one protocol on one interface.
    Packet { ifindex: u32, ethertype: u16 },
}

/// Whether routers may fragment a probe.
// closed: the bit is set, clear, or left to the kernel's path MTU discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Df {
    /// As the kernel does by itself.
    #[default]
    Kernel,
    /// Set, and the cached path MTU is obeyed.
    Set,
    /// Set, and only the link's own MTU is obeyed: what the kernel remembers of the path is not.
    Probe,
    /// Clear.
    Clear,
}

/// Options every probe understands; unset ones stay the kernel's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) interface: Option<String>,
    pub(crate) source: Option<SocketAddr>,
    pub(crate) ttl: Option<Ttl>,
    pub(crate) df: Df,
    pub(crate) dscp: Option<u8>,
    pub(crate) mark: Option<u32>,
    /// The largest TCP segment that the peer is asked to send, in bytes.
    pub(crate) segment_bytes: Option<u16>,
}

/// Opens a non-blocking, close-on-exec socket in the namespace of the calling thread.
pub(crate) fn open(kind: Kind, options: &Options) -> Result<Socket> {
    let (domain, kind_raw, protocol, op) = arguments(kind);
    let socket = Socket::new(domain, kind_raw.nonblocking().cloexec(), protocol)
        .map_err(|e| Error::sys(op, e))?;
    if let Kind::Packet { ifindex, ethertype } = kind {
        let at = packet::address(ifindex, ethertype, None);
        socket.bind(&at).map_err(|e| Error::sys(Op::BindDevice, e))?;
        return Ok(socket);
    }
    let family = family_of(kind);
    configure(&socket, family, options)?;
    if !matches!(kind, Kind::Tcp(_)) {
        ask_for_ttl(&socket, family)?;
    }
    ask_for_errors(&socket, family)?;
    if matches!(kind, Kind::Tcp(_)) && options.source.is_some_and(|source| source.port() != 0) {
        // Several destinations may be tried from one port at the same time.
        socket.set_reuse_address(true).map_err(|e| Error::sys(Op::SetOption, e))?;
    }
    bind(&socket, options)?;
    Ok(socket)
}

fn arguments(kind: Kind) -> (Domain, Type, Option<Protocol>, Op) {
    let icmp = |family| match family {
        Family::V4 => Some(Protocol::ICMPV4),
        Family::V6 => Some(Protocol::ICMPV6),
    };
    match kind {
        Kind::IcmpDatagram(f) => (domain(f), Type::DGRAM, icmp(f), Op::OpenRaw),
        Kind::IcmpRaw(f) => (domain(f), Type::RAW, icmp(f), Op::OpenRaw),
        Kind::Tcp(f) => (domain(f), Type::STREAM, Some(Protocol::TCP), Op::OpenSocket),
        Kind::TcpRaw(f) => (domain(f), Type::RAW, Some(Protocol::TCP), Op::OpenRaw),
        Kind::Udp(f) => (domain(f), Type::DGRAM, Some(Protocol::UDP), Op::OpenSocket),
        Kind::Whole(f) => (domain(f), Type::RAW, Some(libc::IPPROTO_RAW.into()), Op::OpenRaw),
        // Protocol 0 hears nothing until the socket is bound to its interface and protocol.
        Kind::Packet { .. } => (Domain::PACKET, Type::DGRAM, None, Op::OpenPacket),
    }
}

fn domain(family: Family) -> Domain {
    match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    }
}

fn family_of(kind: Kind) -> Family {
    match kind {
        Kind::IcmpDatagram(f)
        | Kind::IcmpRaw(f)
        | Kind::Tcp(f)
        | Kind::TcpRaw(f)
        | Kind::Udp(f)
        | Kind::Whole(f) => f,
        Kind::Packet { .. } => Family::V4,
    }
}

fn configure(socket: &Socket, family: Family, options: &Options) -> Result<()> {
    let option = |result: io::Result<()>| result.map_err(|e| Error::sys(Op::SetOption, e));
    if let Some(name) = &options.interface {
        socket.bind_device(Some(name.as_bytes())).map_err(|e| match e.raw_os_error() {
            Some(libc::ENODEV) => Error::NotFound(format!("interface `{name}`")),
            _ => Error::sys(Op::BindDevice, e),
        })?;
    }
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(|e| Error::sys(Op::SetMark, e))?;
    }
    if let Some(Ttl(ttl)) = options.ttl {
        option(match family {
            Family::V4 => socket.set_ttl_v4(ttl.into()),
            Family::V6 => socket.set_unicast_hops_v6(ttl.into()),
        })?;
    }
    if let Some(dscp) = options.dscp {
        let tos = u32::from(dscp) << 2;
        option(match family {
            Family::V4 => socket.set_tos_v4(tos),
            Family::V6 => socket.set_tclass_v6(tos),
        })?;
    }
    if let Some(bytes) = options.segment_bytes {
        option(socket.set_tcp_mss(bytes.into()))?;
    }
    set_df(socket, family, options.df)
}

fn set_df(socket: &Socket, family: Family, df: Df) -> Result<()> {
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    // The numbers are the same for both families (uapi/linux/in.h, in6.h).
    let value = match df {
        Df::Kernel => return Ok(()),
        Df::Set => libc::IP_PMTUDISC_DO,
        Df::Probe => libc::IP_PMTUDISC_PROBE,
        Df::Clear => libc::IP_PMTUDISC_DONT,
    };
    sockopt::set_int(socket, level, name, value).map_err(|e| Error::sys(Op::SetOption, e))
}

fn ask_for_ttl(socket: &Socket, family: Family) -> Result<()> {
    let result = match family {
        Family::V4 => setsockopt(socket, Ipv4RecvTtl, &true),
        Family::V6 => setsockopt(socket, Ipv6RecvHopLimit, &true),
    };
    result.map_err(|e| Error::sys(Op::SetOption, e))
}

/// Has the kernel keep ICMP errors with their sender, instead of a bare error number.
fn ask_for_errors(socket: &Socket, family: Family) -> Result<()> {
    let result = match family {
        Family::V4 => setsockopt(socket, Ipv4RecvErr, &true),
        Family::V6 => setsockopt(socket, Ipv6RecvErr, &true),
    };
    result.map_err(|e| Error::sys(Op::SetOption, e))
}

fn bind(socket: &Socket, options: &Options) -> Result<()> {
    let Some(source) = options.source else {
        return Ok(());
    };
    socket.bind(&source.into()).map_err(|e| match e.raw_os_error() {
        Some(libc::EADDRNOTAVAIL) => {
            Error::NotFound(format!("source address {} on this namespace's links", source.ip()))
        }
        _ => Error::sys(Op::Bind, e),
    })
}

/// Sends one datagram; what the kernel says against it is for the probe to judge.
pub(crate) fn send_to(socket: &Socket, bytes: &[u8], to: &SockAddr) -> io::Result<()> {
    // ICMP errors of earlier packets would surface on this call; the error queue has them anyway.
    let _ = socket.take_error();
    loop {
        match socket.send_to(bytes, to) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

/// Gives `SockAddr` for an address with an optional scope.
pub(crate) fn with_scope(addr: IpAddr, port: u16, scope: u32) -> SocketAddr {
    match addr {
        IpAddr::V4(v4) => SocketAddr::from((v4, port)),
        IpAddr::V6(v6) => std::net::SocketAddrV6::new(v6, port, 0, scope).into(),
    }
}
