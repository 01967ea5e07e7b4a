use std::net::IpAddr;

use super::flags::flag_set;
use super::route_metrics::RouteMetrics;
use super::row::{Row, prefix_of, ticks_ms};
use crate::base::{Family, Prefix, Reason, open_enum};
use crate::netlink::attr;
use crate::netlink::header::Message;
use crate::netlink::rtnl::route::{self, HopMsg, PathMsg, RTM_F_CLONED, RouteMsg};

/// A route, as `ip -d route` and `ip route get` show it.
#[doc(alias = "RTM_NEWROUTE")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Route {
    /// IP version of the destination.
    pub family: Family,
    /// The table it is in.
    pub table: RouteTable,
    /// What happens to packets: unicast, local, blackhole.
    pub kind: RouteKind,
    /// Destination.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::row::serialize_prefix"))]
    pub dst: Prefix,
    /// Source it is limited to (IPv6), or the source of a look-up.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub src: Option<Prefix>,
    /// Type of service it is limited to; zero for all.
    pub tos: u8,
    /// Who made it.
    pub protocol: RouteProtocol,
    /// How far the destination is.
    pub scope: Scope,
    /// Next hop, of either family; `None` when the destination is on the link.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub gateway: Option<IpAddr>,
    /// Outgoing interface.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub oif_ifindex: Option<u32>,
    /// Incoming interface, in the answer to a look-up.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub iif_ifindex: Option<u32>,
    /// Source address for packets that have none yet.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub prefsrc: Option<IpAddr>,
    /// Lower wins among routes to the same destination; `None` is 0.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub metric: Option<u32>,
    /// Flags; `dead` and `linkdown` mean that it is not used.
    pub flags: RouteFlags,
    /// Preference a router advertised (IPv6).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub preference: Option<RoutePreference>,
    /// Limits for connections through it, where any is set.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub metrics: Option<Box<RouteMetrics>>,
    /// Paths of a multipath route; empty when there is but one.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub nexthops: Vec<NextHop>,
    /// Number of the next-hop object it uses (`ip nexthop`).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub nexthop_id: Option<u32>,
    /// Encapsulation of packets that take it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub encap: Option<Encap>,
    /// Realm, for traffic control.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub realm: Option<u32>,
    /// Packet mark, in the answer to a look-up.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub mark: Option<u32>,
    /// User, in the answer to a look-up.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub uid: Option<u32>,
    /// Milliseconds until it goes away by itself.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub expires_ms: Option<u64>,
    /// What a sender of such packets is told, for routes that refuse (IPv6).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub error: Option<Reason>,
}

/// One path of a multipath route.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NextHop {
    /// Next hop, of either family.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub gateway: Option<IpAddr>,
    /// Outgoing interface.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub oif_ifindex: Option<u32>,
    /// Share of the traffic, 1 to 256.
    pub weight: u16,
    /// Flags; `dead` and `linkdown` mean that it is not used.
    pub flags: RouteFlags,
    /// Encapsulation of packets that take it.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub encap: Option<Encap>,
}

impl Route {
    /// Tells whether it covers every destination.
    pub fn is_default(&self) -> bool {
        self.dst.is_default()
    }

    /// Tells whether it could carry packets now: neither dead nor without carrier.
    pub fn is_alive(&self) -> bool {
        let unusable = |flags: RouteFlags| {
            flags.contains(RouteFlags::DEAD) || flags.contains(RouteFlags::LINKDOWN)
        };
        match self.nexthops.is_empty() {
            true => !unusable(self.flags),
            false => self.nexthops.iter().any(|hop| !unusable(hop.flags)),
        }
    }
}

/// Reads a row of a route dump.
#[inline]
pub(super) fn read(message: &Message<'_>, wanted: Family) -> Row<Route> {
    let Some(msg) = route::decode(message) else {
        return Row::Unreadable;
    };
    // Where a family is missing, the kernel answers for all families.
    if msg.family != wanted.raw() || msg.flags & RTM_F_CLONED != 0 {
        return Row::Other;
    }
    from_msg(&msg, wanted).into()
}

/// Makes a row; `None` when the destination cannot be read.
#[inline]
pub(super) fn from_msg(msg: &RouteMsg<'_>, family: Family) -> Option<Route> {
    let hop = &msg.hop;
    Some(Route {
        family,
        table: RouteTable::from_raw(msg.table),
        kind: RouteKind::from_raw(msg.kind),
        dst: prefix_of(family, msg.dst, msg.dst_bits)?,
        src: msg.src.and_then(|src| prefix_of(family, Some(src), msg.src_bits)),
        tos: msg.tos,
        protocol: RouteProtocol::from_raw(msg.protocol),
        scope: Scope::from_raw(msg.scope),
        gateway: hop.gateway.and_then(attr::ip),
        oif_ifindex: hop.oif,
        iif_ifindex: msg.iif,
        prefsrc: msg.prefsrc.and_then(attr::ip),
        metric: msg.priority,
        flags: RouteFlags::from_bits(msg.flags & !LOOKUP_FLAGS),
        preference: msg.pref.map(RoutePreference::from_raw),
        metrics: msg.metrics.and_then(RouteMetrics::read).map(Box::new),
        nexthops: msg.multipath.map_or_else(Vec::new, |m| route::paths(m).map(path).collect()),
        nexthop_id: msg.nexthop_id,
        encap: encap(hop),
        realm: hop.flow,
        mark: msg.mark,
        uid: msg.uid,
        expires_ms: msg
            .expires_ticks
            .and_then(|t| u32::try_from(t).ok())
            .filter(|t| *t != 0)
            .map(ticks_ms),
        error: msg.error.filter(|e| *e != 0).map(|e| Reason::new(e.saturating_abs())),
    })
}

fn path(msg: PathMsg<'_>) -> NextHop {
    NextHop {
        gateway: msg.hop.gateway.and_then(attr::ip),
        oif_ifindex: msg.hop.oif,
        weight: u16::from(msg.hops) + 1,
        flags: RouteFlags::from_bits(msg.flags.into()),
        encap: encap(&msg.hop),
    }
}

fn encap(hop: &HopMsg<'_>) -> Option<Encap> {
    hop.encap.filter(|kind| *kind != 0).map(Encap::from_raw)
}

/// What a look-up asked for; the kernel repeats it in the answer.
const LOOKUP_FLAGS: u32 = 0x1000 | 0x2000;

open_enum! {
    /// What happens to packets (linux/rtnetlink.h `RTN_*`).
    pub enum RouteKind: u8 {
        /// None, as in a neighbour entry.
        Unspec = 0, "unspec";
        /// Sent on.
        Unicast = 1, "unicast";
        /// Delivered here.
        Local = 2, "local";
        /// Sent and delivered as broadcast.
        Broadcast = 3, "broadcast";
        /// Delivered here as broadcast, sent as unicast.
        Anycast = 4, "anycast";
        /// Multicast.
        Multicast = 5, "multicast";
        /// Dropped silently.
        Blackhole = 6, "blackhole";
        /// Refused as unreachable.
        Unreachable = 7, "unreachable";
        /// Refused as prohibited.
        Prohibit = 8, "prohibit";
        /// Not decided in this table.
        Throw = 9, "throw";
        /// Translated.
        Nat = 10, "nat";
        /// Resolved elsewhere.
        Xresolve = 11, "xresolve";
    }
}

open_enum! {
    /// Who made a route, rule or address (linux/rtnetlink.h `RTPROT_*`).
    pub enum RouteProtocol: u8 {
        /// Not told.
        Unspec = 0, "unspec";
        /// An ICMP redirect.
        Redirect = 1, "redirect";
        /// The kernel itself.
        Kernel = 2, "kernel";
        /// Start-up scripts; what `ip route add` says by default.
        Boot = 3, "boot";
        /// An administrator.
        Static = 4, "static";
        /// GateD.
        Gated = 8, "gated";
        /// A router advertisement.
        Ra = 9, "ra";
        /// MRT.
        Mrt = 10, "mrt";
        /// Zebra.
        Zebra = 11, "zebra";
        /// BIRD.
        Bird = 12, "bird";
        /// DECnet.
        Dnrouted = 13, "dnrouted";
        /// XORP.
        Xorp = 14, "xorp";
        /// Netsukuku.
        Ntk = 15, "ntk";
        /// A DHCP client.
        Dhcp = 16, "dhcp";
        /// A multicast daemon.
        Mrouted = 17, "mrouted";
        /// Keepalived.
        Keepalived = 18, "keepalived";
        /// Babel.
        Babel = 42, "babel";
        /// Open/R.
        Openr = 99, "openr";
        /// BGP.
        Bgp = 186, "bgp";
        /// IS-IS.
        Isis = 187, "isis";
        /// OSPF.
        Ospf = 188, "ospf";
        /// RIP.
        Rip = 189, "rip";
        /// EIGRP.
        Eigrp = 192, "eigrp";
    }
}

open_enum! {
    /// How far something is (linux/rtnetlink.h `RT_SCOPE_*`).
    pub enum Scope: u8 {
        /// Anywhere.
        Global = 0, "global";
        /// Within the site.
        Site = 200, "site";
        /// On the link.
        Link = 253, "link";
        /// On this host.
        Host = 254, "host";
        /// Nowhere.
        Nowhere = 255, "nowhere";
    }
}

open_enum! {
    /// A routing table (linux/rtnetlink.h `RT_TABLE_*`).
    pub enum RouteTable: u32 {
        /// None: a look-up found an interface but no route.
        Unspec = 0, "unspec";
        /// The last one tried.
        Default = 253, "default";
        /// The usual one.
        Main = 254, "main";
        /// Local and broadcast addresses.
        Local = 255, "local";
    }
}

open_enum! {
    /// Preference of a route from an advertisement (RFC 4191).
    pub enum RoutePreference: u8 {
        /// Medium.
        Medium = 0, "medium";
        /// High.
        High = 1, "high";
        /// Low.
        Low = 3, "low";
    }
}

open_enum! {
    /// Encapsulation (linux/lwtunnel.h `LWTUNNEL_ENCAP_*`).
    pub enum Encap: u16 {
        /// MPLS labels.
        Mpls = 1, "mpls";
        /// An IPv4 tunnel's parameters.
        Ip = 2, "ip";
        /// Identifier locator addressing.
        Ila = 3, "ila";
        /// An IPv6 tunnel's parameters.
        Ip6 = 4, "ip6";
        /// Segment routing.
        Seg6 = 5, "seg6";
        /// A BPF program.
        Bpf = 6, "bpf";
        /// Segment routing, local action.
        Seg6Local = 7, "seg6local";
        /// Routing protocol for low-power networks.
        Rpl = 8, "rpl";
        /// In-situ measurement.
        Ioam6 = 9, "ioam6";
        /// IPsec interface.
        Xfrm = 10, "xfrm";
    }
}

flag_set! {
    /// Flags of a route or path (linux/rtnetlink.h `RTNH_F_*`, `RTM_F_*`), named as `ip` prints
    /// them.
    pub struct RouteFlags {
        /// The interface is down or gone.
        DEAD = 0x1, "dead";
        /// Looked up in all tables.
        PERVASIVE = 0x2, "pervasive";
        /// The gateway is taken to be on the link.
        ONLINK = 0x4, "onlink";
        /// Held in hardware.
        OFFLOAD = 0x8, "offload";
        /// The interface has no carrier.
        LINKDOWN = 0x10, "linkdown";
        /// The next hop is not resolved.
        UNRESOLVED = 0x20, "unresolved";
        /// Hardware hands such packets over.
        TRAP = 0x40, "trap";
        /// Changes are reported.
        NOTIFY = 0x100, "notify";
        /// A cached answer.
        CACHE = 0x200, "cache";
        /// Paths are equalised.
        EQUALIZE = 0x400, "equalize";
        /// A prefix of an advertisement.
        PREFIX = 0x800, "prefix";
        /// The route is held in hardware.
        RT_OFFLOAD = 0x4000, "rt_offload";
        /// Hardware hands such packets over.
        RT_TRAP = 0x8000, "rt_trap";
        /// Hardware refused it.
        OFFLOAD_FAILED = 0x2000_0000, "rt_offload_failed";
    }
}
