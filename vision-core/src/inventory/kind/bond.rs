use std::fmt;
use std::net::IpAddr;

use super::macros::{attrs, flag, ifindex, lladdr};
use crate::base::{LinkAddr, open_enum};
use crate::netlink::attr::{Attrs, ip, u8, u16, u32};

attrs! {
    /// A bond (linux/if_link.h `IFLA_BOND_*`).
    pub struct Bond {
        /// How packets are spread over the members.
        mode: BondMode = 1, |v| u8(v).map(BondMode::from_raw);
        /// The member that sends, where one does.
        active_ifindex: u32 = 2, ifindex;
        /// Milliseconds between looks at the carrier; zero for never.
        miimon_ms: u32 = 3, u32;
        /// Milliseconds until a member that came up is used.
        up_delay_ms: u32 = 4, u32;
        /// Milliseconds until a member that went down is given up.
        down_delay_ms: u32 = 5, u32;
        /// Whether the driver's own word about the carrier counts.
        use_carrier: bool = 6, flag;
        /// Milliseconds between ARP requests that try a member; zero for never.
        arp_interval_ms: u32 = 7, u32;
        /// Who is asked.
        arp_ip_targets: BondTargets = 8, BondTargets::read;
        /// Which members' answers are looked at: 0 none, 1 the active one, 2 the others, 3 all.
        arp_validate: u32 = 9, u32;
        /// Whether all targets must answer.
        arp_all_targets: u32 = 10, u32;
        /// The member that is preferred.
        primary_ifindex: u32 = 11, ifindex;
        /// When it takes over again: 0 always, 1 if better, 2 on failure.
        primary_reselect: u8 = 12, u8;
        /// Whose address moves at a failure: 0 none, 1 the active member's, 2 it follows.
        fail_over_mac: u8 = 13, u8;
        /// What chooses the member for a packet.
        xmit_hash_policy: XmitHashPolicy = 14, |v| u8(v).map(XmitHashPolicy::from_raw);
        /// How often group memberships are told again after a failure.
        resend_igmp: u32 = 15, u32;
        /// How often neighbours are told after a failure.
        num_peer_notif: u8 = 16, u8;
        /// Whether inactive members receive.
        all_slaves_active: bool = 17, flag;
        /// How many members must be up for the bond to be.
        min_links: u32 = 18, u32;
        /// Seconds between packets that teach switches.
        lp_interval_s: u32 = 19, u32;
        /// Packets to send by one member before the next (round robin).
        packets_per_slave: u32 = 20, u32;
        /// LACP: how often the partner is to speak.
        ad_lacp_rate: LacpRate = 21, |v| u8(v).map(LacpRate::from_raw);
        /// LACP: which group wins: 0 the stable one, 1 by bandwidth, 2 by count.
        ad_select: u8 = 22, u8;
        /// LACP: the group that is in use.
        ad_info: BondInfo8023ad = 23, |v| Some(BondInfo8023ad::read(v));
        /// LACP: own priority.
        ad_actor_sys_prio: u16 = 24, u16;
        /// LACP: upper part of the port's key.
        ad_user_port_key: u16 = 25, u16;
        /// LACP: own address.
        ad_actor_system: LinkAddr = 26, lladdr;
        /// Whether flows move between members by load.
        tlb_dynamic_lb: bool = 27, flag;
        /// Milliseconds between notices to neighbours.
        peer_notif_delay_ms: u32 = 28, u32;
        /// LACP: whether it speaks first (5.16).
        ad_lacp_active: bool = 29, flag;
        /// How many answers may be missed (5.17).
        missed_max: u8 = 30, u8;
        /// Who is asked by neighbour discovery (5.18).
        ns_ip6_targets: BondTargets = 31, BondTargets::read;
        /// LACP: whether sending and receiving start together (6.10).
        coupled_control: bool = 32, flag;
    }
}

attrs! {
    /// The group of members in use, by LACP (linux/if_link.h `IFLA_BOND_AD_INFO_*`).
    pub struct BondInfo8023ad {
        /// Number of the group.
        aggregator: u16 = 1, u16;
        /// Members in it.
        num_ports: u16 = 2, u16;
        /// Own key.
        actor_key: u16 = 3, u16;
        /// The partner's key.
        partner_key: u16 = 4, u16;
        /// The partner's address.
        partner_mac: LinkAddr = 5, lladdr;
    }
}

impl fmt::Display for BondInfo8023ad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.fields().into_iter().map(|(name, value)| format!("{name}={value}"));
        f.write_str(&told.collect::<Vec<_>>().join(","))
    }
}

attrs! {
    /// A member of a bond (linux/if_link.h `IFLA_BOND_SLAVE_*`).
    pub struct BondPort {
        /// Whether it sends.
        state: BondPortState = 1, |v| u8(v).map(BondPortState::from_raw);
        /// What the bond believes of its carrier: 0 up, 1 going down, 2 down, 3 coming back.
        mii_status: u8 = 2, u8;
        /// How often it failed.
        link_failure_count: u32 = 3, u32;
        /// Its own address, which the bond's has taken the place of.
        perm_hwaddr: LinkAddr = 4, lladdr;
        /// Queue of the bond that leads to it.
        queue_id: u16 = 5, u16;
        /// LACP: the group it is in.
        ad_aggregator_id: u16 = 6, u16;
        /// LACP: own state, a bit for each condition.
        ad_actor_oper_port_state: u8 = 7, u8;
        /// LACP: the partner's state.
        ad_partner_oper_port_state: u16 = 8, u16;
        /// Priority in the choice of the active member (6.0).
        prio: u32 = 9, u32;
    }
}

/// Addresses a bond asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
// Closed: a list.
pub struct BondTargets(pub Vec<IpAddr>);

impl BondTargets {
    fn read(nest: &[u8]) -> Option<Self> {
        let all: Vec<_> = Attrs::new(nest).filter_map(|(_, value)| ip(value)).collect();
        (!all.is_empty()).then_some(Self(all))
    }
}

impl fmt::Display for BondTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(IpAddr::to_string).collect();
        f.write_str(&all.join(","))
    }
}

open_enum! {
    /// How a bond spreads packets (linux/if_bonding.h `BOND_MODE_*`).
    pub enum BondMode: u8 {
        /// One after the other.
        RoundRobin = 0, "balance-rr";
        /// One at a time.
        ActiveBackup = 1, "active-backup";
        /// By a hash.
        Xor = 2, "balance-xor";
        /// All of them.
        Broadcast = 3, "broadcast";
        /// LACP.
        Lacp = 4, "802.3ad";
        /// By load, sending.
        Tlb = 5, "balance-tlb";
        /// By load, both ways.
        Alb = 6, "balance-alb";
    }
}

open_enum! {
    /// What chooses a bond's member for a packet (linux/if_bonding.h `BOND_XMIT_POLICY_*`).
    pub enum XmitHashPolicy: u8 {
        /// Link-layer addresses.
        Layer2 = 0, "layer2";
        /// IP addresses and ports.
        Layer34 = 1, "layer3+4";
        /// Link-layer and IP addresses.
        Layer23 = 2, "layer2+3";
        /// As `layer2+3`, of what is inside a tunnel.
        Encap23 = 3, "encap2+3";
        /// As `layer3+4`, of what is inside a tunnel.
        Encap34 = 4, "encap3+4";
        /// VLAN and source address.
        VlanSrcMac = 5, "vlan+srcmac";
    }
}

open_enum! {
    /// How often the partner of a bond is to speak.
    pub enum LacpRate: u8 {
        /// Every 30 s.
        Slow = 0, "slow";
        /// Every second.
        Fast = 1, "fast";
    }
}

open_enum! {
    /// Whether a member of a bond sends (linux/if_bonding.h `BOND_STATE_*`).
    pub enum BondPortState: u8 {
        /// It does.
        Active = 0, "ACTIVE";
        /// It waits.
        Backup = 1, "BACKUP";
    }
}
