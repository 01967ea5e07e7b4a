use std::net::IpAddr;

use super::macros::{attrs, flag, ifindex, present, some_ip};
use crate::base::open_enum;
use crate::netlink::attr::{be16, be32, read, u8, u16, u32};

attrs! {
    /// A VXLAN tunnel (linux/if_link.h `IFLA_VXLAN_*`).
    pub struct Vxlan {
        /// Network.
        vni: u32 = 1, u32;
        /// Where packets for addresses nobody knows go: a multicast group or one host.
        remote: IpAddr = 2 | 16, some_ip;
        /// The interface below.
        link_ifindex: u32 = 3, ifindex;
        /// Source of the outer packets.
        local: IpAddr = 4 | 17, some_ip;
        /// Time to live of the outer packets; zero for the system's own.
        ttl: u8 = 5, u8;
        /// Whether it is taken from the inner packet.
        ttl_inherit: bool = 28, flag;
        /// Type of service of the outer packets; 1 takes it from the inner one.
        tos: u8 = 6, u8;
        /// Whether it learns who is behind which tunnel end.
        learning: bool = 7, flag;
        /// Seconds an address is remembered that is not heard from.
        ageing_s: u32 = 8, u32;
        /// How many addresses it remembers at most; zero without limit.
        limit: u32 = 9, u32;
        /// Lowest and highest source port, as `LOW-HIGH`.
        port_range: String = 10, port_range;
        /// Whether ARP is answered here.
        proxy: bool = 11, flag;
        /// Whether routed packets take a short cut.
        rsc: bool = 12, flag;
        /// Whether unknown link-layer addresses are announced.
        l2miss: bool = 13, flag;
        /// Whether unknown IP addresses are announced.
        l3miss: bool = 14, flag;
        /// Destination port.
        port: u16 = 15, be16;
        /// Whether outer packets over IPv4 have a checksum.
        udp_csum: bool = 18, flag;
        /// Whether outer packets over IPv6 go without checksum.
        udp_zero_csum6_tx: bool = 19, flag;
        /// Whether outer packets over IPv6 are taken without checksum.
        udp_zero_csum6_rx: bool = 20, flag;
        /// Whether the checksum of the inner packet is left to the far end.
        remcsum_tx: bool = 21, flag;
        /// Whether the far end may leave the checksum to us.
        remcsum_rx: bool = 22, flag;
        /// Whether group policies are carried.
        gbp: bool = 23, present;
        /// Whether left checksums must be whole.
        remcsum_nopartial: bool = 24, present;
        /// Whether the tunnel is chosen by routes and programs (`external`).
        collect_metadata: bool = 25, flag;
        /// Flow label of the outer packets.
        label: u32 = 26, be32;
        /// Whether the inner packets need not be Ethernet (GPE).
        gpe: bool = 27, present;
        /// Whether the outer packets may be fragmented.
        df: Df = 29, |v| u8(v).map(Df::from_raw);
        /// Whether only listed networks are received (6.0).
        vnifilter: bool = 30, flag;
        /// Whether packets for a tunnel end of this very host take the short way to it (6.5).
        localbypass: bool = 31, flag;
    }
}

attrs! {
    /// A Geneve tunnel (linux/if_link.h `IFLA_GENEVE_*`).
    pub struct Geneve {
        /// Network.
        vni: u32 = 1, u32;
        /// The far end.
        remote: IpAddr = 2 | 7, some_ip;
        /// Time to live of the outer packets; zero for the system's own.
        ttl: u8 = 3, u8;
        /// Type of service of the outer packets; 1 takes it from the inner one.
        tos: u8 = 4, u8;
        /// Destination port.
        port: u16 = 5, be16;
        /// Whether the tunnel is chosen by routes and programs (`external`).
        collect_metadata: bool = 6, present;
        /// Whether outer packets over IPv4 have a checksum.
        udp_csum: bool = 8, flag;
        /// Whether outer packets over IPv6 go without checksum.
        udp_zero_csum6_tx: bool = 9, flag;
        /// Whether outer packets over IPv6 are taken without checksum.
        udp_zero_csum6_rx: bool = 10, flag;
        /// Flow label of the outer packets.
        label: u32 = 11, be32;
        /// Whether the time to live is taken from the inner packet.
        ttl_inherit: bool = 12, flag;
        /// Whether the outer packets may be fragmented.
        df: Df = 13, |v| u8(v).map(Df::from_raw);
        /// Whether the inner packet need not be Ethernet (5.18).
        inner_proto_inherit: bool = 14, present;
    }
}

attrs! {
    /// A GRE tunnel (linux/if_tunnel.h `IFLA_GRE_*`).
    pub struct Gre {
        /// The interface below.
        link_ifindex: u32 = 1, ifindex;
        /// Which optional fields incoming packets have.
        iflags: GreKeys = 2, |v| be16(v).map(GreKeys::from_raw);
        /// Which optional fields outgoing packets have.
        oflags: GreKeys = 3, |v| be16(v).map(GreKeys::from_raw);
        /// Key of incoming packets, where `iflags` says so.
        ikey: u32 = 4, be32;
        /// Key of outgoing packets, where `oflags` says so.
        okey: u32 = 5, be32;
        /// Source of the outer packets.
        local: IpAddr = 6, some_ip;
        /// The far end.
        remote: IpAddr = 7, some_ip;
        /// Time to live of the outer packets; zero takes it from the inner one.
        ttl: u8 = 8, u8;
        /// Type of service of the outer packets; 1 takes it from the inner one.
        tos: u8 = 9, u8;
        /// Whether the path's MTU is looked for.
        pmtudisc: bool = 10, flag;
        /// How often it may be inside another tunnel (IPv6).
        encap_limit: u8 = 11, u8;
        /// Traffic class and flow label (IPv6).
        flowinfo: u32 = 12, be32;
        /// Further switches (IPv6, `IP6_TNL_F_*`).
        flags: u32 = 13, u32;
        /// What it is wrapped in besides: 0 nothing, 1 UDP (FOU), 2 UDP with a header (GUE).
        encap_type: u16 = 14, u16;
        /// Switches of that.
        encap_flags: u16 = 15, u16;
        /// Its source port; zero chooses one for each flow.
        encap_sport: u16 = 16, be16;
        /// Its destination port.
        encap_dport: u16 = 17, be16;
        /// Whether the tunnel is chosen by routes and programs (`external`).
        collect_metadata: bool = 18, present;
        /// Whether the inner packet's wish not to be fragmented is passed over.
        ignore_df: bool = 19, flag;
        /// Mark the outer packets are routed with.
        fwmark: u32 = 20, u32;
        /// ERSPAN: number of the mirrored port.
        erspan_index: u32 = 21, u32;
        /// ERSPAN: version.
        erspan_ver: u8 = 22, u8;
        /// ERSPAN: direction, 0 in and 1 out.
        erspan_dir: u8 = 23, u8;
        /// ERSPAN: number of the hardware.
        erspan_hwid: u16 = 24, u16;
    }
}

attrs! {
    /// IP in IP (linux/if_tunnel.h `IFLA_IPTUN_*`): `ipip`, `sit`, `ip6tnl`.
    pub struct IpTunnel {
        /// The interface below.
        link_ifindex: u32 = 1, ifindex;
        /// Source of the outer packets.
        local: IpAddr = 2, some_ip;
        /// The far end.
        remote: IpAddr = 3, some_ip;
        /// Time to live of the outer packets; zero takes it from the inner one.
        ttl: u8 = 4, u8;
        /// Type of service of the outer packets; 1 takes it from the inner one.
        tos: u8 = 5, u8;
        /// How often it may be inside another tunnel (IPv6).
        encap_limit: u8 = 6, u8;
        /// Traffic class and flow label (IPv6).
        flowinfo: u32 = 7, be32;
        /// Protocol of the inner packets; zero for both versions of IP.
        proto: u8 = 9, u8;
        /// Whether the path's MTU is looked for.
        pmtudisc: bool = 10, flag;
        /// What it is wrapped in besides: 0 nothing, 1 UDP (FOU), 2 UDP with a header (GUE).
        encap_type: u16 = 15, u16;
        /// Switches of that.
        encap_flags: u16 = 16, u16;
        /// Its source port; zero chooses one for each flow.
        encap_sport: u16 = 17, be16;
        /// Its destination port.
        encap_dport: u16 = 18, be16;
        /// Whether the tunnel is chosen by routes and programs (`external`).
        collect_metadata: bool = 19, present;
        /// Mark the outer packets are routed with.
        fwmark: u32 = 20, u32;
    }
}

open_enum! {
    /// Which optional fields packets of a GRE tunnel have (linux/if_tunnel.h `GRE_CSUM` and so on).
    pub enum GreKeys: u16 {
        /// None.
        None = 0, "none";
        /// A key.
        Key = 0x2000, "key";
        /// A checksum.
        Csum = 0x8000, "csum";
        /// A sequence number.
        Seq = 0x1000, "seq";
        /// Key and sequence number.
        KeySeq = 0x3000, "key,seq";
        /// Key and checksum.
        KeyCsum = 0xa000, "key,csum";
        /// Checksum and sequence number.
        SeqCsum = 0x9000, "seq,csum";
        /// All three.
        KeySeqCsum = 0xb000, "key,seq,csum";
    }
}

open_enum! {
    /// Whether the outer packets may be fragmented (linux/if_link.h `VXLAN_DF_*`).
    pub enum Df: u8 {
        /// They may.
        Unset = 0, "unset";
        /// They may not.
        Set = 1, "set";
        /// As the inner packet says.
        Inherit = 2, "inherit";
    }
}

/// `struct ifla_vxlan_port_range`; both zero for the system's own range.
fn port_range(value: &[u8]) -> Option<String> {
    let low = read(value, 0).map(u16::from_be_bytes)?;
    let high = read(value, 2).map(u16::from_be_bytes)?;
    (high != 0).then(|| format!("{low}-{high}"))
}
