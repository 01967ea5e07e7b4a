//! Ways to break a node, as plain data.

mod commands;

use std::net::IpAddr;

/// One thing to break in one node. Rules count what they hit (`nft list ruleset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault<'a> {
    /// Packets vanish.
    Drop {
        /// Where on the packet's way.
        hook: Hook,
        /// Which packets.
        proto: Proto,
        /// Of TCP and UDP, only those to this port.
        dport: Option<u16>,
    },
    /// Packets are answered by a refusal.
    Reject {
        /// Where on the packet's way.
        hook: Hook,
        /// Which packets.
        proto: Proto,
        /// Of TCP and UDP, only those to this port.
        dport: Option<u16>,
        /// The refusal.
        kind: RejectKind,
    },
    /// Every n-th packet vanishes, counted, not random.
    Loss {
        /// Where on the packet's way.
        hook: Hook,
        /// One packet of this many.
        one_in: u32,
    },
    /// A token bucket on a device's way out; excess waits up to 500 ms.
    Rate {
        /// The device.
        dev: &'a str,
        /// Kilobit per second.
        kbit: u32,
    },
    /// A narrow device whose ICMP errors never leave this node. On a veth, packets from the far end that exceed
    /// the MTU vanish too.
    MtuBlackHole {
        /// The device to narrow.
        dev: &'a str,
        /// Its new MTU in bytes; below 1280 it loses IPv6.
        mtu: u32,
    },
    /// A permanent neighbour entry with a link-layer address nobody has.
    WrongNeighbour {
        /// The device.
        dev: &'a str,
        /// The neighbour.
        ip: IpAddr,
    },
    /// No default route.
    NoDefaultRoute {
        /// In this family.
        family: Family,
    },
    /// `rp_filter` on all present and later devices: 0 off, 1 strict, 2 loose.
    RpFilter {
        /// The mode.
        mode: u8,
    },
    /// Sources are rewritten to the device's own address.
    Masquerade {
        /// The device they leave by.
        dev: &'a str,
    },
    /// The device is down.
    LinkDown {
        /// The device.
        dev: &'a str,
    },
    /// The device has no global address.
    FlushAddr {
        /// The device.
        dev: &'a str,
        /// In this family.
        family: Family,
    },
    /// A route that ends here. It must be more specific than what it is to override.
    Route {
        /// How it ends.
        kind: RouteKind,
        /// The prefix, as `ip route` takes it.
        prefix: &'a str,
    },
    /// The node answers neither ARP nor neighbour solicitations on the device.
    ArpSilent {
        /// The device.
        dev: &'a str,
    },
    /// The device does not do ARP at all.
    ArpOff {
        /// The device.
        dev: &'a str,
    },
    /// The node no longer forwards, in either family.
    ForwardingOff,
    /// IPv6 is off on all devices.
    Ipv6Disabled,
    /// The port leaves its bridge.
    PortDetached {
        /// The port.
        dev: &'a str,
    },
    /// The port talks to no other isolated port.
    PortIsolated {
        /// The port.
        dev: &'a str,
    },
    /// A route whose gateway is taken for on-link though nobody has that address.
    DeadGateway {
        /// The gateway; the default route of its family is replaced.
        via: IpAddr,
        /// The device it is said to be on.
        dev: &'a str,
    },
}

/// The netfilter hook a rule sits at. Closed: these are the three a filter uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// To this node.
    Input,
    /// Through this node.
    Forward,
    /// From this node.
    Output,
}

/// Which packets a rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proto {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv4.
    Icmp,
    /// ICMP for IPv6, neighbour discovery included.
    Icmpv6,
    /// Every packet.
    Any,
}

/// How a packet is refused; each has its counterpart in the other family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RejectKind {
    /// A TCP reset; only with [`Proto::Tcp`].
    TcpReset,
    /// ICMP port unreachable.
    PortUnreachable,
    /// ICMP administratively prohibited.
    AdminProhibited,
    /// ICMP host unreachable.
    HostUnreachable,
    /// ICMP network unreachable.
    NetUnreachable,
}

/// Routes that end here. Closed: the kernel has these three (`throw` is none).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Packets vanish (EINVAL for local senders).
    Blackhole,
    /// ICMP host unreachable (EHOSTUNREACH).
    Unreachable,
    /// ICMP administratively prohibited (EACCES).
    Prohibit,
}

/// An address family. Closed: IP has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}
