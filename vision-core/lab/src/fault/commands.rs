//! From a fault to the shell commands that bring it about.

use super::{Family, Fault, Hook, Proto, RejectKind, RouteKind};

impl Fault<'_> {
    /// The shell commands that bring the fault about; firewall rules go into their own `table`.
    pub(crate) fn commands(&self, table: &str) -> Vec<String> {
        let one = |command: String| vec![command];
        match *self {
            Self::Drop { hook, proto, dport } => {
                one(rule(table, hook, &format!("{} counter drop", proto.matching(dport))))
            }
            Self::Reject { hook, proto, dport, kind } => {
                one(rule(table, hook, &format!("{} counter {}", proto.matching(dport), kind.nft())))
            }
            Self::Loss { hook, one_in } => {
                one(rule(table, hook, &format!("numgen inc mod {one_in} 0 counter drop")))
            }
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
            Self::FlushAddr { dev, family } => {
                one(format!("ip {} addr flush dev {dev} scope global", family.flag()))
            }
            Self::Route { kind, prefix } => one(format!(
                "ip {} route replace {} {prefix}",
                family_of(prefix).flag(),
                kind.word()
            )),
            Self::ArpSilent { dev } => arp_silent(table, dev),
            Self::ArpOff { dev } => one(format!("ip link set {dev} arp off")),
            Self::ForwardingOff => {
                one("cd /proc/sys/net; echo 0 >ipv4/ip_forward; echo 0 >ipv6/conf/all/forwarding"
                    .into())
            }
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
    if prefix.contains(':') { Family::V6 } else { Family::V4 }
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
        rule(table, Hook::Output, "icmp type destination-unreachable icmp code 4 counter drop"),
        rule(table, Hook::Output, "icmpv6 type packet-too-big counter drop"),
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
