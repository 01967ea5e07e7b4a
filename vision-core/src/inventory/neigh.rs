use std::net::IpAddr;

use super::flags::flag_set;
use super::route::RouteProtocol;
use super::row::{Row, ticks_ms};
use crate::base::{Family, LinkAddr, open_enum};
use crate::netlink::attr;
use crate::netlink::header::Message;
use crate::netlink::rtnl::neigh::{self, NeighMsg};

/// An entry of the ARP or neighbour discovery table, as `ip -s neigh` shows it.
#[doc(alias = "RTM_NEWNEIGH")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Neighbour {
    /// The interface; zero for a proxy entry of all interfaces.
    pub ifindex: u32,
    /// IP version.
    pub family: Family,
    /// The neighbour's IP address.
    pub dst: IpAddr,
    /// Its link-layer address, once known.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            skip_serializing_if = "Option::is_none",
            serialize_with = "super::row::serialize_lladdr"
        )
    )]
    pub lladdr: Option<LinkAddr>,
    /// What the kernel believes about it.
    pub state: NeighState,
    /// Flags; a proxy entry has `proxy` and no state.
    pub flags: NeighFlags,
    /// Kind of address: unicast, multicast, local.
    pub kind: super::route::RouteKind,
    /// Milliseconds since it was last known to answer.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub confirmed_ms: Option<u64>,
    /// Milliseconds since it was last used.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub used_ms: Option<u64>,
    /// Milliseconds since it last changed.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub updated_ms: Option<u64>,
    /// Unanswered questions so far.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub probes: Option<u32>,
    /// VLAN, for entries of a bridge.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub vlan: Option<u16>,
    /// VXLAN network, for entries of a tunnel.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub vni: Option<u32>,
    /// Who made it, where the kernel tells.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub protocol: Option<RouteProtocol>,
}

/// Which neighbours to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum NeighSelect {
    /// Neighbours as such.
    #[default]
    Entries,
    /// Addresses answered for (`ip neigh show proxy`).
    Proxies,
    /// Both.
    All,
}

/// Reads a row of a neighbour dump.
#[inline]
pub(super) fn read(message: &Message<'_>, (): ()) -> Row<Neighbour> {
    let Some(msg) = neigh::decode(message) else {
        return Row::Unreadable;
    };
    match Family::from_raw(msg.family) {
        None => Row::Other,
        Some(family) => from_msg(&msg, family).into(),
    }
}

#[inline]
fn from_msg(msg: &NeighMsg<'_>, family: Family) -> Option<Neighbour> {
    let dst = msg.dst.and_then(attr::ip).filter(|dst| Family::of(*dst) == family)?;
    let age = |n: usize| msg.ages.and_then(|a| a.get(n).copied()).map(ticks_ms);
    Some(Neighbour {
        ifindex: msg.ifindex,
        family,
        dst,
        lladdr: msg.lladdr.and_then(LinkAddr::from_bytes),
        state: NeighState::from_raw(msg.state),
        flags: NeighFlags::from_bits(u32::from(msg.flags) | (msg.flags_ext << EXTENDED)),
        kind: super::route::RouteKind::from_raw(msg.kind),
        confirmed_ms: age(0),
        used_ms: age(1),
        updated_ms: age(2),
        probes: msg.probes,
        vlan: msg.vlan,
        vni: msg.vni,
        protocol: msg.protocol.map(RouteProtocol::from_raw),
    })
}

/// `NTF_EXT_SHIFT`: where the kernel itself keeps the extended flags (net/neighbour.h).
const EXTENDED: u32 = 8;

open_enum! {
    /// What the kernel believes about a neighbour (linux/neighbour.h `NUD_*`).
    pub enum NeighState: u16 {
        /// Nothing, as for a proxy entry.
        None = 0x00, "NONE";
        /// Asked, no answer yet.
        Incomplete = 0x01, "INCOMPLETE";
        /// Answered lately.
        Reachable = 0x02, "REACHABLE";
        /// Answered some time ago; will be checked when used.
        Stale = 0x04, "STALE";
        /// Used; a check follows soon.
        Delay = 0x08, "DELAY";
        /// Being checked.
        Probe = 0x10, "PROBE";
        /// Did not answer.
        Failed = 0x20, "FAILED";
        /// Needs no answer.
        NoArp = 0x40, "NOARP";
        /// Set by hand.
        Permanent = 0x80, "PERMANENT";
    }
}

flag_set! {
    /// Flags of a neighbour (linux/neighbour.h `NTF_*`), named as `ip` prints them.
    pub struct NeighFlags {
        /// Checked at once when made.
        USE = 0x1, "use";
        /// Of the device itself.
        SELF = 0x2, "self";
        /// Of the device's master.
        MASTER = 0x4, "master";
        /// The kernel answers for it.
        PROXY = 0x8, "proxy";
        /// Learnt by a control plane.
        EXTERN_LEARN = 0x10, "extern_learn";
        /// Held in hardware.
        OFFLOADED = 0x20, "offload";
        /// Does not move between ports.
        STICKY = 0x40, "sticky";
        /// It is a router.
        ROUTER = 0x80, "router";
        /// Kept fresh by the kernel.
        MANAGED = 0x100, "managed";
    }
}
