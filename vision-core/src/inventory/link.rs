use super::flags::flag_set;
use super::kind::{self, LinkKind, LinkRole};
use super::row::{Row, string, untrusted};
use crate::base::{LinkAddr, Untrusted, open_enum};
use crate::netlink::header::Message;
use crate::netlink::rtnl::link::{self, LinkMsg, STATS};

/// A network interface, as `ip -d -s link` shows it.
#[doc(alias = "RTM_NEWLINK")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Link {
    /// Number within the namespace; it survives renames.
    pub ifindex: u32,
    /// Name; a container may choose any bytes but `/` and space.
    pub name: Untrusted,
    /// The name in hexadecimal when it is not UTF-8.
    pub name_hex: Option<String>,
    /// Free text an administrator attached (`ip link set alias`).
    pub alias: Option<Untrusted>,
    /// The alias in hexadecimal when it is not UTF-8.
    pub alias_hex: Option<String>,
    /// Further names (`ip link property add altname`).
    pub altnames: Vec<Untrusted>,
    /// What the hardware would be: Ethernet, loopback, tunnel.
    pub link_type: LinkType,
    /// Driver of a virtual interface: `veth`, `bridge`, `vxlan`; `None` for a physical one.
    pub kind: Option<String>,
    /// Role under its master: `bridge`, `bond`, `vrf`.
    pub slave_kind: Option<String>,
    /// Flags, `UP` and `LOWER_UP` among them.
    pub flags: LinkFlags,
    /// State by RFC 2863; loopbacks and some drivers stay at `UNKNOWN`.
    pub operstate: Option<OperState>,
    /// Whether the driver sees a carrier; not told while the interface is down.
    pub carrier: Option<bool>,
    /// How often the carrier came or went.
    pub carrier_changes: Option<u32>,
    /// Largest packet it sends, without the link-layer header.
    pub mtu_bytes: Option<u32>,
    /// Smallest MTU the driver takes.
    pub min_mtu_bytes: Option<u32>,
    /// Largest MTU the driver takes; zero means no limit.
    pub max_mtu_bytes: Option<u32>,
    /// Queueing discipline at the root.
    pub qdisc: Option<String>,
    /// Length of the transmit queue in packets.
    pub txqlen_packets: Option<u32>,
    /// Number of transmit queues.
    pub tx_queues: Option<u32>,
    /// Number of receive queues.
    pub rx_queues: Option<u32>,
    /// Group, 0 by default.
    pub group: Option<u32>,
    /// How many users want to see every packet; captures are among them.
    pub promiscuity: Option<u32>,
    /// Link-layer address.
    pub address: Option<LinkAddr>,
    /// Link-layer broadcast address, or the far end of a tunnel.
    pub broadcast: Option<LinkAddr>,
    /// Address burnt into the hardware, where the driver tells.
    pub permanent_address: Option<LinkAddr>,
    /// The bridge, bond or VRF it belongs to.
    pub master_ifindex: Option<u32>,
    /// A veth's peer, a VLAN's or macvlan's lower interface; in the namespace
    /// [`Link::link_netnsid`] names, else in this one.
    pub link_ifindex: Option<u32>,
    /// Number this namespace has for the one `link_ifindex` is in; compare
    /// [`crate::inventory::Inventory::nsid_of`].
    pub link_netnsid: Option<i32>,
    /// What the driver tells, by kind: VXLAN network, bond mode.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub info: Option<LinkKind>,
    /// What the master tells: state of a bridge's port, of a bond's member.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub role: Option<LinkRole>,
    /// Counters since the interface was made.
    pub stats: Option<LinkStats>,
}

impl Link {
    /// Tells whether it is administratively up.
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// Tells whether the lower layer works: a cable, a peer that is up.
    pub fn has_carrier(&self) -> bool {
        self.flags.contains(LinkFlags::LOWER_UP) || self.carrier == Some(true)
    }

    /// Tells whether it is a loopback.
    pub fn is_loopback(&self) -> bool {
        self.flags.contains(LinkFlags::LOOPBACK)
    }

    /// Tells whether neighbours are reached without ARP or neighbour discovery.
    pub fn is_noarp(&self) -> bool {
        self.flags.contains(LinkFlags::NOARP)
    }
}

/// Reads a row of a link dump.
pub(super) fn read(message: &Message<'_>, (): ()) -> Row<Link> {
    match link::decode(message) {
        Some(msg) if msg.ifindex != 0 => {
            let (info, role) = kind::read(message);
            Row::Item(Link { info, role, ..from_msg(&msg) })
        }
        _ => Row::Unreadable,
    }
}

fn from_msg(msg: &LinkMsg<'_>) -> Link {
    let name = untrusted(msg.name);
    let alias = msg.alias.map(untrusted);
    Link {
        ifindex: msg.ifindex,
        name_hex: name.hex_unless_utf8(),
        name,
        alias_hex: alias.as_ref().and_then(Untrusted::hex_unless_utf8),
        alias,
        altnames: msg.altnames.iter().copied().map(untrusted).collect(),
        link_type: LinkType::from_raw(msg.arphrd),
        kind: msg.kind.map(string),
        slave_kind: msg.slave_kind.map(string),
        flags: LinkFlags::from_bits(msg.flags),
        operstate: msg.operstate.map(OperState::from_raw),
        carrier: msg.carrier.map(|c| c != 0),
        carrier_changes: msg.carrier_changes,
        mtu_bytes: msg.mtu,
        min_mtu_bytes: msg.min_mtu,
        max_mtu_bytes: msg.max_mtu,
        qdisc: msg.qdisc.map(string),
        txqlen_packets: msg.txqlen,
        tx_queues: msg.tx_queues,
        rx_queues: msg.rx_queues,
        group: msg.group,
        promiscuity: msg.promiscuity,
        address: msg.address.and_then(LinkAddr::from_bytes),
        broadcast: msg.broadcast.and_then(LinkAddr::from_bytes),
        permanent_address: msg.permanent.and_then(LinkAddr::from_bytes),
        master_ifindex: msg.master.filter(|m| *m != 0),
        link_ifindex: msg.link.filter(|l| *l != 0),
        link_netnsid: msg.link_netnsid,
        info: None,
        role: None,
        stats: msg.stats.map(LinkStats::from_array),
    }
}

macro_rules! link_stats {
    ($($(#[$meta:meta])* $field:ident,)+) => {
        /// Counters of an interface since it was made; `_bytes` in bytes, the rest in packets.
        ///
        /// The order is the kernel's (linux/if_link.h `rtnl_link_stats64`). Counters that an older
        /// kernel does not have are zero.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub struct LinkStats {
            $($(#[$meta])* pub $field: u64,)+
        }

        impl LinkStats {
            fn from_array(counters: [u64; STATS]) -> Self {
                let [$($field,)+] = counters;
                Self { $($field,)+ }
            }
        }
    };
}

link_stats! {
    /// Packets received.
    rx_packets,
    /// Packets sent.
    tx_packets,
    /// Bytes received.
    rx_bytes,
    /// Bytes sent.
    tx_bytes,
    /// Bad packets received, all kinds.
    rx_errors,
    /// Packets that could not be sent, all kinds.
    tx_errors,
    /// Received well but dropped, for want of room above all.
    rx_dropped,
    /// Dropped on the way out.
    tx_dropped,
    /// Multicast packets received.
    multicast,
    /// Collisions while sending.
    collisions,
    /// Of `rx_errors`: wrong length.
    rx_length_errors,
    /// Of `rx_errors`: ring overflow.
    rx_over_errors,
    /// Of `rx_errors`: checksum.
    rx_crc_errors,
    /// Of `rx_errors`: frame alignment.
    rx_frame_errors,
    /// Of `rx_errors`: FIFO overrun.
    rx_fifo_errors,
    /// Missed because the host did not keep up.
    rx_missed_errors,
    /// Of `tx_errors`: aborted.
    tx_aborted_errors,
    /// Of `tx_errors`: carrier lost.
    tx_carrier_errors,
    /// Of `tx_errors`: FIFO underrun.
    tx_fifo_errors,
    /// Of `tx_errors`: heartbeat.
    tx_heartbeat_errors,
    /// Of `tx_errors`: late collision.
    tx_window_errors,
    /// Compressed packets received.
    rx_compressed,
    /// Compressed packets sent.
    tx_compressed,
    /// Received and dropped because no protocol wanted them.
    rx_nohandler,
    /// Dropped because they were addressed to another host.
    rx_otherhost_dropped,
}

flag_set! {
    /// Flags of an interface (linux/if.h), named and ordered as `ip` prints them.
    pub struct LinkFlags {
        /// It is a loopback.
        LOOPBACK = 0x8, "LOOPBACK";
        /// It has a broadcast address.
        BROADCAST = 0x2, "BROADCAST";
        /// It has one peer only.
        POINTOPOINT = 0x10, "POINTOPOINT";
        /// It takes multicast.
        MULTICAST = 0x1000, "MULTICAST";
        /// No ARP and no neighbour discovery.
        NOARP = 0x80, "NOARP";
        /// Receives all multicast.
        ALLMULTI = 0x200, "ALLMULTI";
        /// Receives everything.
        PROMISC = 0x100, "PROMISC";
        /// Has members under it.
        MASTER = 0x400, "MASTER";
        /// Is a member of a bond.
        SLAVE = 0x800, "SLAVE";
        /// Debugging is on.
        DEBUG = 0x4, "DEBUG";
        /// Addresses are lost when it goes down.
        DYNAMIC = 0x8000, "DYNAMIC";
        /// Chooses its medium itself.
        AUTOMEDIA = 0x4000, "AUTOMEDIA";
        /// Can set its medium.
        PORTSEL = 0x2000, "PORTSEL";
        /// No trailers.
        NOTRAILERS = 0x20, "NOTRAILERS";
        /// Administratively up.
        UP = 0x1, "UP";
        /// The lower layer works.
        LOWER_UP = 0x10000, "LOWER_UP";
        /// Waits for something outside.
        DORMANT = 0x20000, "DORMANT";
        /// Echoes what it sends (CAN).
        ECHO = 0x40000, "ECHO";
        /// Up and able to pass packets; `ip` shows its absence as `NO-CARRIER`.
        RUNNING = 0x40, "RUNNING";
    }
}

open_enum! {
    /// Operational state of an interface (RFC 2863; linux/if.h `IF_OPER_*`).
    pub enum OperState: u8 {
        /// Not told, as by a loopback.
        Unknown = 0, "UNKNOWN";
        /// The hardware is missing.
        NotPresent = 1, "NOTPRESENT";
        /// Down.
        Down = 2, "DOWN";
        /// The interface below is down: a veth's peer, a VLAN's device.
        LowerLayerDown = 3, "LOWERLAYERDOWN";
        /// In a test.
        Testing = 4, "TESTING";
        /// Waits for something outside, such as 802.1X.
        Dormant = 5, "DORMANT";
        /// Passes packets.
        Up = 6, "UP";
    }
}

open_enum! {
    /// Kind of link layer (linux/if_arp.h `ARPHRD_*`), as `ip` prints it after `link/`.
    pub enum LinkType: u16 {
        /// Ethernet.
        Ether = 1, "ether";
        /// InfiniBand.
        Infiniband = 32, "infiniband";
        /// Controller area network.
        Can = 280, "can";
        /// Point-to-point protocol.
        Ppp = 512, "ppp";
        /// IPv4 in IPv4.
        Ipip = 768, "ipip";
        /// IPv6 in IPv6.
        Tunnel6 = 769, "tunnel6";
        /// Loopback.
        Loopback = 772, "loopback";
        /// IPv6 in IPv4.
        Sit = 776, "sit";
        /// GRE over IPv4.
        Gre = 778, "gre";
        /// Wireless.
        Ieee80211 = 801, "ieee802.11";
        /// GRE over IPv6.
        Gre6 = 823, "gre6";
        /// A monitor of netlink.
        Netlink = 824, "netlink";
        /// No link-layer header: tun, WireGuard.
        None = 65534, "none";
    }
}
