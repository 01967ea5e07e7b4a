//! What the kernel's reasons mean to whoever runs the machine (include/net/dropreason-core.h).

/// What a reason means, and where to look next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Meaning {
    /// What happened to the packet, in one clause.
    pub what: &'static str,
    /// What to look at next.
    pub next: &'static str,
}

/// Explains a reason by its kernel name, such as `NETFILTER_DROP`; `None` for names this version
/// does not know.
///
/// ```
/// let meaning = vision_core::watch::drop_meaning("NO_SOCKET").expect("known");
/// assert!(meaning.next.contains("vision sock"));
/// ```
pub fn drop_meaning(reason: &str) -> Option<Meaning> {
    let found = MEANINGS.iter().find(|(names, ..)| names.split(' ').any(|name| name == reason));
    found.map(|(_, what, next)| Meaning { what, next })
}

const TCP_STATE: &str =
    "a few are ordinary; many from one peer: `vision sock -t`, and capture both ends";
const CHECKSUM: &str =
    "`vision link --stats` for errors; check offload settings and the cable or tunnel";
const TC: &str =
    "`tc filter show dev IFACE ingress` and egress; an eBPF program (CNI) may be behind it";
const QUEUE: &str = "`tc -s qdisc show dev IFACE`: rate limits, queue length";
const NDISC: &str = "a host on the link sends bad neighbour discovery: capture `icmp6` there";
const AUTH: &str =
    "the peers disagree on TCP authentication keys: compare the configuration of both";
const ROUTE: &str = "`vision route get ADDR`, `vision route --rules`";
const TUNNEL: &str = "`ip -d link` of the tunnel at both ends: identifier, options, ports";
const MEMORY: &str =
    "free memory, `net.ipv4.tcp_mem` and `udp_mem`; `vision sock` for who holds it";

/// Names that mean the same, what they mean, where to look.
const MEANINGS: &[(&str, &str, &str)] = &[
    (
        "NOT_SPECIFIED",
        "the kernel gives no reason at this place",
        "the function named as its place says what was being done",
    ),
    (
        "NO_SOCKET",
        "nobody listens on that port or protocol",
        "`vision sock -l` in the target; is the service up and bound to this address?",
    ),
    (
        "SOCKET_CLOSE",
        "the socket closed while packets waited in it",
        "ordinary when programs end; else why the service closes early",
    ),
    (
        "SOCKET_FILTER",
        "a filter on the socket did not want it",
        "ordinary for captures and DHCP clients; they see only what they ask for",
    ),
    (
        "SOCKET_RCVBUFF PROTO_MEM",
        "the receive buffer of a socket is full: the program does not read fast enough",
        "`vision sock -a` for its receive queue; give the program CPU or a larger `net.core.rmem_max`",
    ),
    (
        "SOCKET_BACKLOG",
        "packets came while the socket was busy, more than its backlog takes",
        "the program or a CPU is overloaded; `net.core.rmem_max`",
    ),
    (
        "UNIX_DISCONNECT UNIX_SKIP_OOB",
        "a local (unix) socket was closed with data in it",
        "not the network; ordinary when programs end",
    ),
    (
        "PKT_TOO_SMALL HDR_TRUNC IP_INHDR",
        "the packet is shorter than its headers say, or they are malformed",
        "capture where it comes in; suspect the sender or a tunnel in between",
    ),
    ("TCP_CSUM UDP_CSUM IP_CSUM ICMP_CSUM SKB_CSUM", "a checksum is wrong", CHECKSUM),
    (
        "NETFILTER_DROP",
        "a firewall rule drops it (nftables, iptables, a CNI's policy)",
        "`vision fw --counters`, `vision fw --why 'SRC:PORT -> DST:PORT/tcp'` in the namespace it passes",
    ),
    (
        "OTHERHOST",
        "it is addressed to the MAC address of another machine",
        "ordinary on bridges and while capturing; else a wrong neighbour entry at the sender: `vision neigh`",
    ),
    (
        "IP_RPFILTER",
        "the answer to its source would leave by another interface (reverse path filter)",
        "`vision route get SRC`; `net.ipv4.conf.*.rp_filter` if asymmetry is wanted",
    ),
    (
        "UNICAST_IN_L2_MULTICAST",
        "a unicast packet in a broadcast frame",
        "a cluster or load balancer with multicast MAC addresses; capture with link headers",
    ),
    ("XFRM_POLICY", "an IPsec policy does not allow it", "`ip xfrm policy`, `ip xfrm state`"),
    (
        "IP_NOPROTO",
        "nobody here speaks that protocol above IP",
        "is a tunnel or a module missing (GRE, SCTP, IPIP)?",
    ),
    (
        "TCP_AUTH_HDR TCP_MD5NOTFOUND TCP_MD5UNEXPECTED TCP_MD5FAILURE TCP_AONOTFOUND TCP_AOUNEXPECTED TCP_AOKEYNOTFOUND TCP_AOFAILURE",
        "TCP authentication (MD5 or AO) is missing, unexpected or wrong",
        AUTH,
    ),
    (
        "TCP_FLAGS TCP_INVALID_SYN",
        "a combination of TCP flags that makes no sense in this state",
        "a scan, or a peer that forgot the connection: capture it",
    ),
    (
        "TCP_ABORT_ON_DATA TCP_CLOSE",
        "data came for a connection that was closed here",
        "the service closed before the peer had done; its log says why",
    ),
    (
        "TCP_RESET",
        "the peer reset the connection",
        "the other side gave up: its service, or a firewall in between that rejects",
    ),
    (
        "TCP_ZEROWINDOW",
        "data came although the receiver said that it takes none",
        "the program does not read: `vision sock -t` for its receive queue",
    ),
    (
        "TCP_OLD_DATA TCP_OLD_SEQUENCE TCP_OLD_ACK TCP_TOO_OLD_ACK",
        "a copy of what was here already",
        "ordinary in small numbers; many mean loss or long delays on the way back",
    ),
    (
        "TCP_OVERWINDOW TCP_INVALID_SEQUENCE TCP_INVALID_END_SEQUENCE TCP_INVALID_ACK_SEQUENCE TCP_ACK_UNSENT_DATA",
        "a sequence number outside of the window",
        TCP_STATE,
    ),
    (
        "TCP_OFOMERGE",
        "data out of order that another segment already covers",
        "ordinary; many mean reordering or loss on the way",
    ),
    (
        "TCP_RFC7323_PAWS TCP_RFC7323_PAWS_ACK TCP_RFC7323_TW_PAWS TCP_RFC7323_TSECR",
        "its TCP timestamp is older than the last one",
        "several hosts behind one NAT address, or a peer whose clock of timestamps restarts",
    ),
    (
        "TCP_LISTEN_OVERFLOW",
        "the accept queue is full: the program does not accept fast enough",
        "`vision sock -l` for the queue and its limit; raise the backlog and `net.core.somaxconn`",
    ),
    (
        "TCP_FASTOPEN",
        "TCP Fast Open did not go through",
        "`net.ipv4.tcp_fastopen`; middleboxes may break it",
    ),
    ("TCP_OFO_QUEUE_PRUNE TCP_OFO_DROP", "no memory left for data out of order", MEMORY),
    (
        "TCP_MINTTL",
        "its TTL is below what the socket accepts",
        "a peer farther away than the service allows (IP_MINTTL, as BGP has it)",
    ),
    ("IP_OUTNOROUTES IP_INNOROUTES", "there is no route to its destination", ROUTE),
    (
        "IP_INADDRERRORS IP_INVALID_DEST",
        "its destination is no address this machine delivers or forwards to",
        "`vision route get ADDR`; is forwarding on (`net.ipv4.ip_forward`)?",
    ),
    (
        "IP_LOCAL_SOURCE",
        "it came from outside with one of this machine's own addresses as its source",
        "an address in use twice: `vision arp ADDR --dup`; or a loop",
    ),
    (
        "IP_INVALID_SOURCE",
        "its source can be no sender (broadcast, multicast, zero)",
        "capture where it comes in; a spoofed or misconfigured sender",
    ),
    (
        "IP_LOCALNET",
        "an address of 127.0.0.0/8 on a link",
        "`net.ipv4.conf.*.route_localnet` if that is wanted; else a NAT rule that is too wide",
    ),
    (
        "BPF_CGROUP_EGRESS",
        "an eBPF program on the control group forbids it",
        "`bpftool cgroup tree`; systemd's IPAddressDeny= or a CNI's policy",
    ),
    ("IPV6DISABLED", "IPv6 is switched off on the interface", "`net.ipv6.conf.IFACE.disable_ipv6`"),
    (
        "NEIGH_CREATEFAIL",
        "no room for another neighbour",
        "`net.ipv4.neigh.default.gc_thresh3` and ipv6; `vision neigh --all` for how many there are",
    ),
    (
        "NEIGH_FAILED NEIGH_DEAD",
        "nobody on the link answered for the next hop's address",
        "`vision neigh`, `vision arp ADDR`: is that host up and on this link?",
    ),
    (
        "NEIGH_QUEUEFULL",
        "too many packets wait for a neighbour that has not answered yet",
        "`vision neigh`, `vision arp ADDR`: is that host up and on this link?",
    ),
    (
        "NEIGH_HH_FILLFAIL",
        "the link-layer header could not be made",
        "`vision neigh`, `vision link` of the outgoing interface",
    ),
    (
        "TC_EGRESS TC_INGRESS TC_COOKIE_ERROR TC_CHAIN_NOTFOUND TC_RECLASSIFY_LOOP",
        "a traffic control filter or its eBPF program drops it",
        TC,
    ),
    (
        "XDP",
        "an XDP program drops it before the stack sees it",
        "`ip link` shows `xdp`; `bpftool net`",
    ),
    ("SECURITY_HOOK", "a security module (SELinux, AppArmor, Smack) forbids it", "the audit log"),
    (
        "QDISC_DROP QDISC_OVERLIMIT QDISC_CONGESTED CAKE_FLOOD FQ_BAND_LIMIT FQ_HORIZON_LIMIT FQ_FLOW_LIMIT DUALPI2_STEP_DROP",
        "the queueing discipline of the outgoing interface is full or limits the rate",
        QUEUE,
    ),
    (
        "CPU_BACKLOG",
        "a processor's queue of received packets is full",
        "`/proc/net/softnet_stat`; spread the load (RPS) or raise `net.core.netdev_max_backlog`",
    ),
    (
        "UNHANDLED_PROTO",
        "nobody here handles that kind of frame",
        "ordinary for LLDP, STP and such; else a missing VLAN, bridge or module",
    ),
    (
        "SKB_GSO_SEG",
        "a large packet could not be cut into segments",
        "offload settings of the interface (`ethtool -k`)",
    ),
    ("SKB_UCOPY_FAULT", "the program's buffer cannot be read or written", "a fault of the program"),
    (
        "DEV_HDR",
        "the link-layer header is bad for this device",
        "a program that sends raw frames, or a tunnel set up wrongly",
    ),
    (
        "DEV_READY",
        "the interface is not up",
        "`vision link`: the interface, or a veth's other end, is down",
    ),
    (
        "FULL_RING",
        "the ring of the receiving device (tun, veth, virtio) is full",
        "who reads it is too slow: the VM, the VPN program, the peer's CPU",
    ),
    ("NOMEM PFMEMALLOC", "the kernel has no memory left", MEMORY),
    (
        "TAP_FILTER TAP_TXFILTER",
        "a filter of the tun or tap device does not want it",
        "the VM's or VPN's own filter on the device",
    ),
    ("INVALID_PROTO", "the kind of packet is not possible here", "capture where it comes in"),
    (
        "PKT_TOO_BIG",
        "it is larger than the MTU and may not be fragmented",
        "`vision link` for MTUs along the path; is ICMP `fragmentation needed` filtered?",
    ),
    (
        "DUP_FRAG FRAG_REASM_TIMEOUT FRAG_TOO_FAR",
        "an IP fragment came twice, too late, or its siblings never came",
        "loss of fragments on the way; a smaller MTU or MSS avoids them",
    ),
    (
        "IPV6_BAD_EXTHDR",
        "a bad IPv6 extension header",
        "capture where it comes in; suspect the sender",
    ),
    (
        "IPV6_NDISC_FRAG IPV6_NDISC_HOP_LIMIT IPV6_NDISC_BAD_CODE IPV6_NDISC_BAD_OPTIONS",
        "a neighbour discovery message that must not be believed",
        NDISC,
    ),
    (
        "IPV6_NDISC_NS_OTHERHOST",
        "a neighbour solicitation for somebody else",
        "ordinary; many mean a large flat network",
    ),
    (
        "QUEUE_PURGE",
        "a queue was emptied while something was taken down",
        "ordinary when sockets or interfaces go",
    ),
    (
        "PACKET_SOCK_ERROR",
        "a packet socket (a capture) had no room or did not want it",
        "the capturing program; the packet itself went on",
    ),
    (
        "VXLAN_INVALID_HDR VXLAN_VNI_NOT_FOUND VXLAN_ENTRY_EXISTS",
        "a VXLAN packet with a header or network number that is not known here",
        TUNNEL,
    ),
    ("IP_TUNNEL_ECN TUNNEL_TXINFO", "a tunnel cannot take the packet on", TUNNEL),
    (
        "MAC_INVALID_SOURCE MAC_IEEE_MAC_CONTROL LOCAL_MAC",
        "its source MAC address is invalid or this machine's own",
        "a loop on the link, or a MAC address in use twice",
    ),
    (
        "NO_TX_TARGET",
        "no port to send it to (bridge, bond, team)",
        "`bridge fdb`, `bridge vlan`: is the destination behind a port that is up?",
    ),
    (
        "ARP_PVLAN_DISABLE",
        "an ARP answer that private VLANs would need and that is not allowed",
        "`net.ipv4.conf.*.proxy_arp_pvlan`",
    ),
    (
        "BRIDGE_INGRESS_STP_STATE",
        "the bridge port does not forward (spanning tree)",
        "`bridge link`: the state of the port; it learns for some seconds after coming up",
    ),
    (
        "CAN_RX_INVALID_FRAME CANFD_RX_INVALID_FRAME CANXL_RX_INVALID_FRAME",
        "a malformed CAN frame",
        "the CAN device that sent it",
    ),
    ("PSP_INPUT PSP_OUTPUT", "PSP encryption does not fit", "the PSP keys of both ends"),
    (
        "RECURSION_LIMIT",
        "it went round between virtual devices",
        "tunnels or mirrors that lead into each other: `ip -d link`, `tc filter`",
    ),
];

/// Drops of a healthy machine: reason (or `*`), beginning of the function (or nothing), why it is
/// no fault.
const NOISE: &[(&str, &str, &str)] = &[
    ("*", "unix_", "local sockets, not the network"),
    ("*", "__unix_", "local sockets, not the network"),
    ("*", "manage_oob", "local sockets, not the network"),
    ("*", "netlink_", "messages of the kernel to programs, not packets"),
    ("*", "nlmsg_", "messages of the kernel to programs, not packets"),
    ("*", "__netlink_", "messages of the kernel to programs, not packets"),
    ("*", "uevent_", "messages of the kernel to programs, not packets"),
    ("*", "kobject_uevent", "messages of the kernel to programs, not packets"),
    ("*", "nfnetlink_", "messages of the kernel to programs, not packets"),
    ("*", "vsock_", "sockets of virtual machines, not the network"),
    ("*", "virtio_transport_", "sockets of virtual machines, not the network"),
    ("*", "packet_", "a capture's own copy; the packet itself went on"),
    ("*", "tpacket_", "a capture's own copy; the packet itself went on"),
    ("NO_SOCKET", "ping_rcv", "echo replies that a raw socket has its own copy of"),
    ("NOT_SPECIFIED", "ip6_mc_input", "multicast to groups nobody here has joined"),
    ("PACKET_SOCK_ERROR", "", "a capture's own copy; the packet itself went on"),
    ("SOCKET_FILTER", "", "a socket's own filter: it sees only what it asks for"),
    ("UNIX_DISCONNECT", "", "local sockets, not the network"),
    ("UNIX_SKIP_OOB", "", "local sockets, not the network"),
    ("QUEUE_PURGE", "", "a socket or an interface was taken down"),
    ("SOCKET_CLOSE", "", "a socket was closed with packets in it"),
    ("OTHERHOST", "", "frames for other machines, as bridges and captures see them"),
    ("TCP_OLD_DATA", "", "copies of what was here already"),
    ("TCP_OLD_SEQUENCE", "", "copies of what was here already"),
    ("TCP_OLD_ACK", "", "copies of what was here already"),
    ("TCP_OFOMERGE", "", "data out of order that another segment covers"),
    ("IPV6_NDISC_NS_OTHERHOST", "", "neighbour solicitations for others"),
    ("UNHANDLED_PROTO", "", "frames nobody here speaks, such as LLDP"),
];

/// Says why a drop is no fault, if it is one of those every healthy machine has.
pub(super) fn noise(reason: Option<&str>, function: Option<&str>) -> Option<&'static str> {
    let found = NOISE.iter().find(|(name, place, _)| {
        (*name == "*" || Some(*name) == reason)
            && (place.is_empty() || function.is_some_and(|f| f.starts_with(place)))
    });
    found.map(|(.., why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::drops::format::Format;

    #[test]
    fn every_reason_of_a_current_kernel_has_a_meaning() {
        let text = include_str!("../../../tests/data/perf/kfree_skb-6.18.format");
        let format = Format::parse(text).expect("a format");
        let names = (0..1000).filter_map(|n| format.reason_name(n)).filter(|n| *n != "MAX");
        let missing: Vec<_> = names.filter(|name| drop_meaning(name).is_none()).collect();
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(drop_meaning("NEVER_HEARD_OF"), None);
    }

    #[test]
    fn no_name_is_explained_twice() {
        let mut names: Vec<_> = MEANINGS.iter().flat_map(|(names, ..)| names.split(' ')).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two.first() != two.last()));
    }

    #[test]
    fn noise_is_told_from_faults() {
        assert!(noise(Some("NOT_SPECIFIED"), Some("unix_stream_connect")).is_some());
        assert!(noise(Some("SOCKET_CLOSE"), None).is_some());
        assert!(noise(None, Some("netlink_broadcast")).is_some());
        assert!(noise(Some("NO_SOCKET"), Some("ping_rcv")).is_some());
        assert_eq!(noise(Some("NO_SOCKET"), Some("__udp4_lib_rcv")), None);
        for fault in ["NETFILTER_DROP", "NO_SOCKET", "NEIGH_FAILED", "TCP_LISTEN_OVERFLOW"] {
            assert_eq!(noise(Some(fault), Some("ip_rcv")), None, "{fault}");
        }
        assert_eq!(noise(None, None), None);
    }
}
