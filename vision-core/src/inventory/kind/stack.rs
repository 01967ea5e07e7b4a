//! Interfaces on top of others, and those without hardware of their own.

use super::macros::{attrs, flag, u64};
use crate::base::open_enum;
use crate::inventory::flags::flag_set;
use crate::netlink::attr::{be16, be64, u8, u16, u32};

attrs! {
    /// A VLAN (linux/if_link.h `IFLA_VLAN_*`).
    pub struct Vlan {
        /// Number, 0 to 4095.
        id: u16 = 1, u16;
        /// Switches.
        flags: VlanFlags = 2, |v| u32(v).map(VlanFlags::from_bits);
        /// Ethertype of the tag.
        protocol: VlanProtocol = 5, |v| be16(v).map(VlanProtocol::from_raw);
    }
}

attrs! {
    /// A macvlan or macvtap (linux/if_link.h `IFLA_MACVLAN_*`).
    pub struct Macvlan {
        /// Who reaches whom.
        mode: MacvlanMode = 1, |v| u32(v).map(MacvlanMode::from_raw);
        /// Switches: bit 0 leaves the interface below out of promiscuous mode.
        flags: u16 = 2, u16;
        /// Mode `source`: how many addresses are taken.
        macaddr_count: u32 = 6, u32;
        /// Length wished for of the queue of broadcasts (5.13).
        bc_queue_len: u32 = 7, u32;
        /// Length in use, the greatest wish of all on the same interface (5.13).
        bc_queue_len_used: u32 = 8, u32;
    }
}

attrs! {
    /// An ipvlan or ipvtap (linux/if_link.h `IFLA_IPVLAN_*`).
    pub struct Ipvlan {
        /// At which layer packets are sorted.
        mode: IpvlanMode = 1, |v| u16(v).map(IpvlanMode::from_raw);
        /// Who reaches whom: 0 everybody (bridge), 1 nobody (private), 2 by the switch (vepa).
        flags: u16 = 2, u16;
    }
}

attrs! {
    /// A VRF or a member of one (linux/if_link.h `IFLA_VRF_*`).
    pub struct Vrf {
        /// The routing table.
        table: u32 = 1, u32;
    }
}

attrs! {
    /// A tun or tap (linux/if_link.h `IFLA_TUN_*`).
    pub struct Tun {
        /// User who may attach.
        owner_uid: u32 = 1, u32;
        /// Group that may attach.
        group_gid: u32 = 2, u32;
        /// What its packets are.
        kind: TunType = 3, |v| u8(v).map(TunType::from_raw);
        /// Whether each packet has a header with its protocol.
        pi: bool = 4, flag;
        /// Whether each packet has a header of a virtual network card.
        vnet_hdr: bool = 5, flag;
        /// Whether it stays when nobody is attached.
        persist: bool = 6, flag;
        /// Whether several may be attached.
        multi_queue: bool = 7, flag;
        /// How many are.
        num_queues: u32 = 8, u32;
        /// How many of them are switched off.
        num_disabled_queues: u32 = 9, u32;
    }
}

attrs! {
    /// MACsec (linux/if_link.h `IFLA_MACSEC_*`).
    pub struct Macsec {
        /// Channel: address and port, in hexadecimal.
        sci: String = 1, |v| be64(v).map(|sci| format!("{sci:016x}"));
        /// Bytes of the check value.
        icv_len_bytes: u8 = 3, u8;
        /// Number of the cipher suite, in hexadecimal (linux/if_macsec.h).
        cipher_suite: String = 4, |v| u64(v).map(|suite| format!("{suite:016x}"));
        /// How far packets may be out of order.
        window: u32 = 5, u32;
        /// Association it sends with.
        encoding_sa: u8 = 6, u8;
        /// Whether packets are encrypted.
        encrypt: bool = 7, flag;
        /// Whether packets are protected at all.
        protect: bool = 8, flag;
        /// Whether packets carry the channel.
        inc_sci: bool = 9, flag;
        /// Whether it is the only station.
        end_station: bool = 10, flag;
        /// Whether it is the only sender of broadcasts.
        scb: bool = 11, flag;
        /// Whether packets that come again are dropped.
        replay_protect: bool = 12, flag;
        /// What becomes of packets that fail the check.
        validation: MacsecValidation = 13, |v| u8(v).map(MacsecValidation::from_raw);
        /// Who does the work: 0 the kernel, 1 the PHY, 2 the card.
        offload: u8 = 15, u8;
    }
}

flag_set! {
    /// Switches of a VLAN (linux/if_vlan.h `VLAN_FLAG_*`).
    pub struct VlanFlags {
        /// Tags are moved into the packet's own header.
        REORDER_HDR = 0x1, "REORDER_HDR";
        /// Registered by GVRP.
        GVRP = 0x2, "GVRP";
        /// It stays up without the interface below.
        LOOSE_BINDING = 0x4, "LOOSE_BINDING";
        /// Registered by MVRP.
        MVRP = 0x8, "MVRP";
        /// It follows the state of the bridge below.
        BRIDGE_BINDING = 0x10, "BRIDGE_BINDING";
    }
}

open_enum! {
    /// Ethertype of a VLAN's tag.
    pub enum VlanProtocol: u16 {
        /// The usual one.
        Dot1q = 0x8100, "802.1Q";
        /// The outer one of two.
        Dot1ad = 0x88a8, "802.1ad";
    }
}

open_enum! {
    /// Who reaches whom through a macvlan (linux/if_link.h `MACVLAN_MODE_*`).
    pub enum MacvlanMode: u32 {
        /// Nobody the others on the same interface.
        Private = 1, "private";
        /// The others by way of the switch.
        Vepa = 2, "vepa";
        /// The others at once.
        Bridge = 4, "bridge";
        /// The only one there is.
        Passthru = 8, "passthru";
        /// Those with a listed address.
        Source = 16, "source";
    }
}

open_enum! {
    /// At which layer an ipvlan sorts packets (linux/if_link.h `IPVLAN_MODE_*`).
    pub enum IpvlanMode: u16 {
        /// Within the link.
        L2 = 0, "l2";
        /// By routes of the namespace below, which ends broadcasts.
        L3 = 1, "l3";
        /// As `l3`, through the rules of the namespace below.
        L3s = 2, "l3s";
    }
}

open_enum! {
    /// What the packets of a tun are (linux/if_tun.h `IFF_TUN`, `IFF_TAP`).
    pub enum TunType: u8 {
        /// IP packets.
        Tun = 1, "tun";
        /// Ethernet frames.
        Tap = 2, "tap";
    }
}

open_enum! {
    /// What becomes of packets that fail the check (linux/if_link.h `MACSEC_VALIDATE_*`).
    pub enum MacsecValidation: u8 {
        /// They are not checked.
        Disabled = 0, "disabled";
        /// They are counted.
        Check = 1, "check";
        /// They are dropped.
        Strict = 2, "strict";
    }
}
