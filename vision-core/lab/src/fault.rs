//! Ways to break a node, as plain data.

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

impl Fault<'_> {
    /// The shell commands that bring the fault about; firewall rules go into their own `table`.
    pub(crate) fn commands(&self, table: &str) -> Vec<String> {
        let one = |command: String| vec![command];
        match *self {
            Self::Drop { hook, proto, dport } => one(rule(
                table,
                hook,
                &format!("{} counter drop", proto.matching(dport)),
            )),
            Self::Reject {
                hook,
                proto,
                dport,
                kind,
            } => one(rule(
                table,
                hook,
                &format!("{} counter {}", proto.matching(dport), kind.nft()),
            )),
            Self::Loss { hook, one_in } => one(rule(
                table,
                hook,
                &format!("numgen inc mod {one_in} 0 counter drop"),
            )),
            Self::Rate { dev, kbit } => one(format!(
                "tc qdisc replace dev {dev} root tbf rate {kbit}kbit burst 4kb latency 500ms"
            )),
            Self::MtuBlackHole { dev, mtu } => mtu_black_hole(table, dev, mtu),
            Self::WrongNeighbour { dev, ip } => one(format!(
                "ip neigh replace {ip} lladdr 02:00:00:00:de:ad dev {dev} nud permanent"
            )),
            Self::NoDefaultRoute { family } => one(no_default(family.flag())),
            Self::RpFilter { mode } => one(format!(
                "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {mode} >$f; done"
            )),
            Self::Masquerade { dev } => one(masquerade(table, dev)),
            Self::LinkDown { dev } => one(format!("ip link set {dev} down")),
            Self::FlushAddr { dev, family } => one(format!(
                "ip {} addr flush dev {dev} scope global",
                family.flag()
            )),
            Self::Route { kind, prefix } => one(format!(
                "ip {} route replace {} {prefix}",
                family_of(prefix).flag(),
                kind.word()
            )),
            Self::ArpSilent { dev } => arp_silent(table, dev),
            Self::ArpOff { dev } => one(format!("ip link set {dev} arp off")),
            Self::ForwardingOff => one(
                "cd /proc/sys/net; echo 0 >ipv4/ip_forward; echo 0 >ipv6/conf/all/forwarding"
                    .into(),
            ),
            Self::Ipv6Disabled => one("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6".into()),
            Self::PortDetached { dev } => one(format!("ip link set {dev} nomaster")),
            Self::PortIsolated { dev } => {
                one(format!("ip link set {dev} type bridge_slave isolated on"))
            }
            Self::DeadGateway { via, dev } => {
                let flag = family_of(&via.to_string()).flag();
                one(format!(
                    "{}; ip {flag} route add default via {via} dev {dev} onlink",
                    no_default(flag)
                ))
            }
        }
    }
}

impl Hook {
    fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }
}

impl Proto {
    fn matching(self, dport: Option<u16>) -> String {
        match (self, dport) {
            (Self::Tcp, Some(port)) => format!("tcp dport {port}"),
            (Self::Udp, Some(port)) => format!("udp dport {port}"),
            (Self::Any, Some(port)) => format!("th dport {port}"),
            (Self::Tcp, None) => "meta l4proto tcp".into(),
            (Self::Udp, None) => "meta l4proto udp".into(),
            (Self::Icmp, _) => "meta l4proto icmp".into(),
            (Self::Icmpv6, _) => "meta l4proto ipv6-icmp".into(),
            (Self::Any, None) => String::new(),
        }
    }
}

impl RejectKind {
    fn nft(self) -> &'static str {
        match self {
            Self::TcpReset => "reject with tcp reset",
            Self::PortUnreachable => "reject with icmpx type port-unreachable",
            Self::AdminProhibited => "reject with icmpx type admin-prohibited",
            Self::HostUnreachable => "reject with icmpx type host-unreachable",
            Self::NetUnreachable => "reject with icmpx type no-route",
        }
    }
}

impl RouteKind {
    fn word(self) -> &'static str {
        match self {
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
        }
    }
}

impl Family {
    fn flag(self) -> &'static str {
        match self {
            Self::V4 => "-4",
            Self::V6 => "-6",
        }
    }
}

fn family_of(prefix: &str) -> Family {
    if prefix.contains(':') {
        Family::V6
    } else {
        Family::V4
    }
}

fn rule(table: &str, hook: Hook, rule: &str) -> String {
    let word = hook.word();
    // Before the usual priority 0, so that the fault is hit whatever else the test installs.
    format!(
        "nft 'add table inet {table}
         add chain inet {table} {word} {{ type filter hook {word} priority -10 ; }}
         add rule inet {table} {word} {rule}'"
    )
}

fn masquerade(table: &str, dev: &str) -> String {
    format!(
        "nft 'add table inet {table}
         add chain inet {table} post {{ type nat hook postrouting priority 100 ; }}
         add rule inet {table} post oifname {dev} counter masquerade'"
    )
}

fn mtu_black_hole(table: &str, dev: &str, mtu: u32) -> Vec<String> {
    vec![
        format!("ip link set {dev} mtu {mtu}"),
        rule(
            table,
            Hook::Output,
            "icmp type destination-unreachable icmp code 4 counter drop",
        ),
        rule(
            table,
            Hook::Output,
            "icmpv6 type packet-too-big counter drop",
        ),
    ]
}

fn arp_silent(table: &str, dev: &str) -> Vec<String> {
    vec![
        // 8: do not reply for any local address (ip-sysctl.rst).
        format!("echo 8 >/proc/sys/net/ipv4/conf/{dev}/arp_ignore"),
        rule(
            table,
            Hook::Input,
            &format!("iifname {dev} icmpv6 type nd-neighbor-solicit counter drop"),
        ),
    ]
}

fn no_default(flag: &str) -> String {
    format!("while ip {flag} route del default 2>/dev/null; do :; done")
}
