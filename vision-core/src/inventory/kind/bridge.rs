use super::macros::{attrs, flag, ifindex, lladdr, ticks};
use super::stack::VlanProtocol;
use crate::base::{LinkAddr, open_enum};
use crate::netlink::attr::{be16, read, u8, u16, u32};

attrs! {
    /// A bridge (linux/if_link.h `IFLA_BR_*`); times in milliseconds.
    pub struct Bridge {
        /// How long a port listens and learns before it forwards.
        forward_delay_ms: u64 = 1, ticks;
        /// How often the root says hello.
        hello_time_ms: u64 = 2, ticks;
        /// How old the root's word may be.
        max_age_ms: u64 = 3, ticks;
        /// How long an address is remembered that is not heard from; zero for ever.
        ageing_time_ms: u64 = 4, ticks;
        /// Who runs the spanning tree: 0 nobody, 1 the kernel, 2 a program.
        stp_state: u32 = 5, u32;
        /// Priority in the election of the root; the lower wins.
        priority: u16 = 6, u16;
        /// Whether VLANs are told apart.
        vlan_filtering: bool = 7, flag;
        /// Ethertype of the tags it looks at.
        vlan_protocol: VlanProtocol = 8, |v| be16(v).map(VlanProtocol::from_raw);
        /// Reserved group addresses that are forwarded all the same, a bit for each.
        group_fwd_mask: u16 = 9, u16;
        /// The root of the spanning tree: priority and address.
        root_id: String = 10, bridge_id;
        /// Itself: priority and address.
        bridge_id: String = 11, bridge_id;
        /// Number of the port that leads to the root.
        root_port: u16 = 12, u16;
        /// What the way to the root costs.
        root_path_cost: u32 = 13, u32;
        /// Whether the tree is changing.
        topology_change: bool = 14, flag;
        /// Whether it noticed a change itself.
        topology_change_detected: bool = 15, flag;
        /// Time to the next hello.
        hello_timer_ms: u64 = 16, ticks;
        /// Time to the next notice of a change.
        tcn_timer_ms: u64 = 17, ticks;
        /// Time until the tree counts as settled.
        topology_change_timer_ms: u64 = 18, ticks;
        /// Time to the next look for addresses that are too old.
        gc_timer_ms: u64 = 19, ticks;
        /// Group address of the spanning tree.
        group_address: LinkAddr = 20, lladdr;
        /// Whether multicast routers are: 0 nowhere, 1 where they are heard, 2 everywhere.
        mcast_router: u8 = 22, u8;
        /// Whether it listens who wants which multicast group, and sends it there only.
        mcast_snooping: bool = 23, flag;
        /// Whether its questions carry its own address.
        mcast_query_use_ifaddr: bool = 24, flag;
        /// Whether it asks for members itself.
        mcast_querier: bool = 25, flag;
        /// Not used any more; 16.
        mcast_hash_elasticity: u32 = 26, u32;
        /// How many groups it remembers at most.
        mcast_hash_max: u32 = 27, u32;
        /// Questions sent when a member leaves.
        mcast_last_member_count: u32 = 28, u32;
        /// Questions sent at the start.
        mcast_startup_query_count: u32 = 29, u32;
        /// Time between questions when a member leaves.
        mcast_last_member_intvl_ms: u64 = 30, ticks;
        /// Time after which a silent member is gone.
        mcast_membership_intvl_ms: u64 = 31, ticks;
        /// Time after which another querier is gone.
        mcast_querier_intvl_ms: u64 = 32, ticks;
        /// Time between questions.
        mcast_query_intvl_ms: u64 = 33, ticks;
        /// Time members have for an answer.
        mcast_query_response_intvl_ms: u64 = 34, ticks;
        /// Time between questions at the start.
        mcast_startup_query_intvl_ms: u64 = 35, ticks;
        /// Whether what it forwards goes through iptables.
        nf_call_iptables: bool = 36, flag;
        /// Whether what it forwards goes through ip6tables.
        nf_call_ip6tables: bool = 37, flag;
        /// Whether what it forwards goes through arptables.
        nf_call_arptables: bool = 38, flag;
        /// VLAN of untagged packets at new ports; zero for none.
        vlan_default_pvid: u16 = 39, u16;
        /// Whether packets of each VLAN are counted.
        vlan_stats_enabled: bool = 41, flag;
        /// Whether messages of multicast groups are counted.
        mcast_stats_enabled: bool = 42, flag;
        /// Version of IGMP it speaks.
        mcast_igmp_version: u8 = 43, u8;
        /// Version of MLD it speaks.
        mcast_mld_version: u8 = 44, u8;
        /// Whether packets of each VLAN are counted at each port.
        vlan_stats_per_port: bool = 45, flag;
        /// Addresses it has learnt (6.8).
        fdb_n_learned: u32 = 48, u32;
        /// How many it learns at most; zero without limit (6.8).
        fdb_max_learned: u32 = 49, u32;
    }
}

attrs! {
    /// A port of a bridge (linux/if_link.h `IFLA_BRPORT_*`); times in milliseconds.
    pub struct BridgePort {
        /// What the spanning tree lets it do.
        state: PortState = 1, |v| u8(v).map(PortState::from_raw);
        /// Priority; the lower wins.
        priority: u16 = 2, u16;
        /// What it adds to the way to the root.
        cost: u32 = 3, u32;
        /// Whether packets may leave by the port they came in.
        hairpin: bool = 4, flag;
        /// Whether spanning tree messages that come in are refused (BPDU guard).
        guard: bool = 5, flag;
        /// Whether it may never lead to the root.
        root_block: bool = 6, flag;
        /// Whether a group ends at once when a member leaves.
        fastleave: bool = 7, flag;
        /// Whether it learns addresses.
        learning: bool = 8, flag;
        /// Whether it gets packets for addresses nobody knows.
        flood: bool = 9, flag;
        /// Whether the bridge answers ARP for those behind it.
        proxy_arp: bool = 10, flag;
        /// As `proxy_arp`, for wireless stations.
        proxy_arp_wifi: bool = 12, flag;
        /// The root of the tree as this port knows it.
        designated_root: String = 13, bridge_id;
        /// The bridge that leads to the root on this link.
        designated_bridge: String = 14, bridge_id;
        /// Its port.
        designated_port: u16 = 15, u16;
        /// What its way to the root costs.
        designated_cost: u16 = 16, u16;
        /// Number with priority.
        id: u16 = 17, u16;
        /// Number.
        no: u16 = 18, u16;
        /// Whether a notice of a change waits to be confirmed.
        topology_change_ack: bool = 19, flag;
        /// Whether its own word is due.
        config_pending: bool = 20, flag;
        /// Time until the designated bridge's word is too old.
        message_age_timer_ms: u64 = 21, ticks;
        /// Time to the next state.
        forward_delay_timer_ms: u64 = 22, ticks;
        /// Time until it may speak again.
        hold_timer_ms: u64 = 23, ticks;
        /// Whether a multicast router is there: 0 never, 1 if heard, 2 always, 3 for a while.
        mcast_router: u8 = 25, u8;
        /// Whether it gets multicast that nobody asked for.
        mcast_flood: bool = 27, flag;
        /// Whether members get multicast as unicast.
        mcast_to_unicast: bool = 28, flag;
        /// Whether VLANs are mapped to tunnels.
        vlan_tunnel: bool = 29, flag;
        /// Whether it gets broadcast.
        bcast_flood: bool = 30, flag;
        /// Reserved group addresses that are forwarded all the same, a bit for each.
        group_fwd_mask: u16 = 31, u16;
        /// Whether ARP and neighbour discovery are answered and not flooded.
        neigh_suppress: bool = 32, flag;
        /// Whether it reaches no other isolated port.
        isolated: bool = 33, flag;
        /// The port that takes its packets when it has no carrier.
        backup_port_ifindex: u32 = 34, ifindex;
        /// How many hosts it tracks at most for source-specific multicast.
        mcast_eht_hosts_limit: u32 = 37, u32;
        /// How many it tracks.
        mcast_eht_hosts_cnt: u32 = 38, u32;
        /// Whether only addresses entered by hand may send (6.0).
        locked: bool = 39, flag;
        /// Whether locked-out addresses are entered as such (6.2).
        mab: bool = 40, flag;
        /// Multicast groups with members here (6.3).
        mcast_n_groups: u32 = 41, u32;
        /// How many there may be; zero without limit (6.3).
        mcast_max_groups: u32 = 42, u32;
        /// Whether suppression is by VLAN (6.4).
        neigh_vlan_suppress: bool = 43, flag;
        /// Next hop for its packets when it has no carrier (6.6).
        backup_nhid: u32 = 44, ifindex;
    }
}

open_enum! {
    /// What the spanning tree lets a port do (linux/if_bridge.h `BR_STATE_*`).
    pub enum PortState: u8 {
        /// Nothing: it is down or has no carrier.
        Disabled = 0, "disabled";
        /// Hear the spanning tree's messages.
        Listening = 1, "listening";
        /// Learn addresses as well.
        Learning = 2, "learning";
        /// Pass packets.
        Forwarding = 3, "forwarding";
        /// Nothing: another way leads there.
        Blocking = 4, "blocking";
    }
}

/// `struct ifla_bridge_id`: two bytes of priority, six of address.
fn bridge_id(value: &[u8]) -> Option<String> {
    let [high, low]: [u8; 2] = read(value, 0)?;
    let address = LinkAddr::from_bytes(&read::<6>(value, 2)?)?;
    Some(format!("{high:02x}{low:02x}.{address}"))
}
