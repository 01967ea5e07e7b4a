//! What bridges know: where addresses are, which VLANs pass where, who wants which group.

use std::net::IpAddr;

use nix::libc;

use super::dump::Plan;
use super::flags::flag_set;
use super::kind::PortState;
use super::neigh::{NeighFlags, NeighState};
use super::route::RouteProtocol;
use super::row::{Row, ticks_ms};
use super::{Consistency, Dump, Inventory};
use crate::base::{Budget, LinkAddr, Result, open_enum};
use crate::netlink::attr::{self, Attrs};
use crate::netlink::header::Message;
use crate::netlink::rtnl::bridge::{self, MdbMsg, RouterPortMsg, VlanMsg};
use crate::netlink::rtnl::group;

/// A forwarding entry, as `bridge -d -s fdb` shows it: which port, or which tunnel end, leads to
/// a link-layer address.
///
/// Cards list the group addresses they take in the same table (`self`, no master).
#[doc(alias = "RTM_GETNEIGH")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FdbEntry {
    /// The port, or the interface itself.
    pub ifindex: u32,
    /// The bridge the port belongs to.
    pub master_ifindex: Option<u32>,
    /// Where packets to this address go.
    pub lladdr: LinkAddr,
    /// VLAN; `None` where they are not told apart.
    pub vlan: Option<u16>,
    /// The tunnel end behind which it is (VXLAN).
    pub dst: Option<IpAddr>,
    /// Destination port, where it is not the interface's own.
    pub dst_port: Option<u16>,
    /// VXLAN network, where it is not the interface's own.
    pub vni: Option<u32>,
    /// VXLAN network packets come from, with an interface for many of them.
    pub src_vni: Option<u32>,
    /// Interface the outer packets leave by, where it is fixed.
    pub via_ifindex: Option<u32>,
    /// Number of the namespace that interface is in.
    pub link_netnsid: Option<i32>,
    /// Next-hop object instead of one tunnel end.
    pub nexthop_id: Option<u32>,
    /// Learnt (`REACHABLE`, `STALE`), set (`NOARP`) or the port's own (`PERMANENT`).
    pub state: NeighState,
    /// Flags: `self` of the interface, `master` of the bridge, `extern_learn`, `sticky`.
    pub flags: NeighFlags,
    /// Milliseconds since a packet came from there.
    pub used_ms: Option<u64>,
    /// Milliseconds since the entry changed.
    pub updated_ms: Option<u64>,
}

/// The VLANs of one port or of a bridge itself, as `bridge -d -s vlan` shows them.
#[doc(alias = "RTM_GETVLAN")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortVlans {
    /// The port or the bridge.
    pub ifindex: u32,
    /// In ascending order.
    pub vlans: Vec<PortVlan>,
}

/// One VLAN at a port, or several in a row that are the same in all respects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortVlan {
    /// Number.
    pub vid: u16,
    /// The last one of a row; otherwise the same number.
    pub vid_end: u16,
    /// Flags: where untagged packets go, and whether they leave untagged.
    pub flags: BridgeVlanFlags,
    /// What the spanning tree lets it do, where the kernel tells (5.6).
    pub state: Option<PortState>,
    /// Whether a multicast router is there: 0 never, 1 if heard, 2 always (5.15).
    pub mcast_router: Option<u8>,
    /// Whether ARP and neighbour discovery are answered and not flooded (6.4).
    pub neigh_suppress: Option<bool>,
    /// Bytes received.
    pub rx_bytes: Option<u64>,
    /// Packets received.
    pub rx_packets: Option<u64>,
    /// Bytes sent.
    pub tx_bytes: Option<u64>,
    /// Packets sent.
    pub tx_packets: Option<u64>,
}

/// The multicast groups of one bridge, as `bridge -d -s mdb` shows them.
#[doc(alias = "RTM_GETMDB")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Mdb {
    /// The bridge.
    pub ifindex: u32,
    /// Who wants which group.
    pub members: Vec<MdbMember>,
    /// Where multicast routers are.
    pub routers: Vec<RouterPort>,
}

/// A port behind which somebody wants a multicast group.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MdbMember {
    /// The port, or the bridge itself.
    pub port_ifindex: u32,
    /// The group's IP address; `None` for a group of the link layer.
    pub group: Option<IpAddr>,
    /// The group's link-layer address, where it has no IP address.
    pub group_lladdr: Option<LinkAddr>,
    /// VLAN; `None` where they are not told apart.
    pub vlan: Option<u16>,
    /// The one source that is meant.
    pub source: Option<IpAddr>,
    /// Whether listed sources are wanted or not.
    pub filter_mode: Option<MdbFilterMode>,
    /// Whether it was entered by hand.
    pub state: MdbState,
    /// Flags.
    pub flags: MdbFlags,
    /// Who entered it.
    pub protocol: Option<RouteProtocol>,
    /// Milliseconds until it is forgotten; zero for never.
    pub timer_ms: Option<u64>,
}

/// A port behind which a multicast router is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RouterPort {
    /// The port.
    pub port_ifindex: u32,
    /// VLAN, where they are told apart.
    pub vlan: Option<u16>,
    /// Whether it was heard or set: 0 never, 1 heard, 2 always, 3 for a while.
    pub kind: Option<u8>,
    /// Milliseconds until it is forgotten.
    pub timer_ms: Option<u64>,
}

impl Inventory {
    /// Returns the forwarding entries of all bridges, tunnels and cards.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    #[doc(alias = "fdb")]
    pub fn bridge_fdb(&mut self, budget: &Budget) -> Result<Dump<FdbEntry>> {
        let groups = &[group::LINK, group::NEIGH];
        self.reader.list(&Plan::new(groups, read_fdb).ask(bridge::fdb(), ()), budget)
    }

    /// Hands over every forwarding entry, in constant memory and without a second try.
    ///
    /// # Errors
    /// As [`Inventory::routes_each`].
    pub fn bridge_fdb_each(
        &mut self,
        budget: &Budget,
        each: impl FnMut(FdbEntry),
    ) -> Result<Consistency> {
        let groups = &[group::LINK, group::NEIGH];
        self.reader.stream(&Plan::new(groups, read_fdb).ask(bridge::fdb(), ()), budget, each)
    }

    /// Returns the VLANs of all bridges and their ports; none where VLANs are not told apart.
    ///
    /// Kernels before 5.6 tell neither state nor counters.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn bridge_vlans(&mut self, budget: &Budget) -> Result<Dump<PortVlans>> {
        let plan = Plan::new(&[group::LINK, group::BRVLAN], read_vlans).ask(bridge::vlans(), ());
        let dump = match self.reader.list(&plan, budget) {
            // Nobody knows the question: the kernel is older, or a bridge without VLANs.
            Err(e) if matches!(e.errno(), Some(libc::EOPNOTSUPP | libc::EINVAL)) => None,
            Ok(dump) if dump.items.is_empty() => None,
            other => Some(other?),
        };
        let dump = match dump {
            Some(dump) => dump,
            None => {
                let plan = Plan::new(&[group::LINK], read_vlans).ask(bridge::vlans_of_links(), ());
                self.reader.list(&plan, budget)?
            }
        };
        Ok(Dump { items: joined(dump.items), ..dump })
    }

    /// Returns the multicast groups of all bridges that listen for them.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn bridge_mdb(&mut self, budget: &Budget) -> Result<Dump<Mdb>> {
        let plan = Plan::new(&[group::LINK, group::MDB], read_mdb).ask(bridge::mdb(), ());
        let dump = self.reader.list(&plan, budget)?;
        Ok(Dump { items: joined_mdb(dump.items), ..dump })
    }
}

/// Reads a forwarding entry.
pub(super) fn read_fdb(message: &Message<'_>, (): ()) -> Row<FdbEntry> {
    let Some(msg) = bridge::decode_fdb(message) else {
        return Row::Other;
    };
    let Some(lladdr) = msg.lladdr.and_then(LinkAddr::from_bytes) else {
        return Row::Unreadable;
    };
    let age = |n: usize| msg.ages.and_then(|ages| ages.get(n).copied()).map(ticks_ms);
    Row::Item(FdbEntry {
        ifindex: msg.ifindex,
        master_ifindex: msg.master,
        lladdr,
        vlan: msg.vlan.filter(|vlan| *vlan != 0),
        dst: msg.dst.and_then(attr::ip),
        dst_port: msg.port,
        vni: msg.vni,
        src_vni: msg.src_vni,
        via_ifindex: msg.via_ifindex,
        link_netnsid: msg.netnsid,
        nexthop_id: msg.nexthop,
        state: NeighState::from_raw(state(msg.state)),
        flags: NeighFlags::from_bits(u32::from(msg.flags) | (msg.flags_ext << 8)),
        used_ms: age(1),
        updated_ms: age(2),
    })
}

/// Tunnels set several bits at once; the strongest one counts, as for `bridge`.
fn state(bits: u16) -> u16 {
    let strongest = [NeighState::Permanent, NeighState::NoArp].map(NeighState::raw);
    strongest.into_iter().find(|bit| bits & bit != 0).unwrap_or(bits)
}

/// Reads the VLANs of one port.
pub(super) fn read_vlans(message: &Message<'_>, (): ()) -> Row<PortVlans> {
    match bridge::decode_vlans(message) {
        Some((ifindex, vlans)) if !vlans.is_empty() => {
            Row::Item(PortVlans { ifindex, vlans: vlans.iter().map(vlan).collect() })
        }
        _ => Row::Other,
    }
}

fn vlan(msg: &VlanMsg<'_>) -> PortVlan {
    let stat = |kind| {
        let value = msg.stats.and_then(|nest| Attrs::new(nest).find(kind));
        value.and_then(|value| attr::read(value, 0)).map(u64::from_ne_bytes)
    };
    PortVlan {
        vid: msg.vid,
        vid_end: msg.last.unwrap_or(msg.vid),
        flags: BridgeVlanFlags::from_bits(u32::from(msg.flags)),
        state: msg.state.map(PortState::from_raw),
        mcast_router: msg.mcast_router,
        neigh_suppress: msg.neigh_suppress.map(|on| on != 0),
        rx_bytes: stat(1),
        rx_packets: stat(2),
        tx_bytes: stat(3),
        tx_packets: stat(4),
    }
}

/// A port with many VLANs comes in several messages.
fn joined(rows: Vec<PortVlans>) -> Vec<PortVlans> {
    let mut all: Vec<PortVlans> = Vec::new();
    for row in rows {
        match all.last_mut().filter(|last| last.ifindex == row.ifindex) {
            Some(last) => last.vlans.extend(row.vlans),
            None => all.push(row),
        }
    }
    all
}

/// Reads the groups of one bridge.
pub(super) fn read_mdb(message: &Message<'_>, (): ()) -> Row<Mdb> {
    let Some((ifindex, members, routers)) = bridge::decode_mdb(message) else {
        return Row::Other;
    };
    Row::Item(Mdb {
        ifindex,
        members: members.iter().map(member).collect(),
        routers: routers.iter().map(router).collect(),
    })
}

fn joined_mdb(rows: Vec<Mdb>) -> Vec<Mdb> {
    let mut all: Vec<Mdb> = Vec::new();
    for row in rows {
        match all.last_mut().filter(|last| last.ifindex == row.ifindex) {
            Some(last) => {
                last.members.extend(row.members);
                last.routers.extend(row.routers);
            }
            None => all.push(row),
        }
    }
    all
}

fn member(msg: &MdbMsg<'_>) -> MdbMember {
    let group = attr::ip(msg.group).filter(|_| msg.proto != 0);
    MdbMember {
        port_ifindex: msg.ifindex,
        group,
        group_lladdr: LinkAddr::from_bytes(msg.group).filter(|_| group.is_none()),
        vlan: Some(msg.vid).filter(|vlan| *vlan != 0),
        source: msg.source.and_then(attr::ip),
        filter_mode: msg.filter_mode.map(MdbFilterMode::from_raw),
        state: MdbState::from_raw(msg.state),
        flags: MdbFlags::from_bits(u32::from(msg.flags)),
        protocol: msg.origin.map(RouteProtocol::from_raw),
        timer_ms: msg.timer.map(ticks_ms),
    }
}

fn router(msg: &RouterPortMsg) -> RouterPort {
    RouterPort {
        port_ifindex: msg.ifindex,
        vlan: msg.vid.filter(|vlan| *vlan != 0),
        kind: msg.kind,
        timer_ms: msg.timer.map(ticks_ms),
    }
}

flag_set! {
    /// Flags of a VLAN at a port (linux/if_bridge.h `BRIDGE_VLAN_INFO_*`), named as `bridge` prints
    /// them.
    pub struct BridgeVlanFlags {
        /// Untagged packets that come in belong to it.
        PVID = 0x2, "PVID";
        /// Packets leave untagged.
        EGRESS_UNTAGGED = 0x4, "Egress Untagged";
        /// Of the bridge itself.
        BRENTRY = 0x20, "brentry";
        /// Of the bridge only, not of its own interface.
        ONLY_OPTS = 0x40, "only opts";
    }
}

flag_set! {
    /// Flags of a member of a multicast group (linux/if_bridge.h `MDB_FLAGS_*`).
    pub struct MdbFlags {
        /// Held in hardware.
        OFFLOAD = 0x1, "offload";
        /// It is forgotten at once when somebody leaves.
        FAST_LEAVE = 0x2, "fast_leave";
        /// Entered because all sources of the group are wanted.
        STAR_EXCL = 0x4, "added_by_star_ex";
        /// The source is not wanted.
        BLOCKED = 0x8, "blocked";
        /// The hardware had no room.
        OFFLOAD_FAILED = 0x10, "offload_failed";
    }
}

open_enum! {
    /// Whether a member of a multicast group was entered by hand (linux/if_bridge.h).
    pub enum MdbState: u8 {
        /// No: it is forgotten when nobody asks for it.
        Temporary = 0, "temp";
        /// Yes.
        Permanent = 1, "permanent";
    }
}

open_enum! {
    /// Whether a member wants the listed sources or all others (RFC 3376, section 4.2.12).
    pub enum MdbFilterMode: u8 {
        /// All but these.
        Exclude = 0, "exclude";
        /// These only.
        Include = 1, "include";
    }
}
