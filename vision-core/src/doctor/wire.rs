//! The way of frames between neighbours, over veth pairs and bridges, as the tables show it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::base::{LinkAddr, Untrusted};
use crate::inventory::kind::PortState;
use crate::inventory::{FdbEntry, Link, LinkKind, LinkRole};
use crate::netns::NetnsId;

/// The way of frames from a link to whoever holds an address on it.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Wire {
    /// Where the frames start.
    pub netns: NetnsId,
    /// The link they leave by.
    pub ifindex: u32,
    /// The address they are for.
    pub neighbour: IpAddr,
    /// From the first link on to the one that has the address; without one, all that hear.
    pub way: Vec<WireLink>,
    /// Whether the last link of the way has the address.
    pub arrives: bool,
    /// Where the way does not arrive: the link that has the address, and all that hear it.
    pub owner: Vec<WireLink>,
    /// Links of other namespaces on the same segment that have the link-layer address of an end.
    pub twins: Vec<WireLink>,
}

/// One link on the way of a frame.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WireLink {
    /// The namespace it is in.
    pub netns: NetnsId,
    /// What that namespace is called.
    pub place: String,
    /// The link.
    pub link: Link,
    /// Whether it has an address of the neighbour's family that reaches beyond the link.
    pub addressed: bool,
    /// Of a bridge or a tunnel: where it sends frames for the two ends of the way.
    pub fdb: Vec<FdbEntry>,
    /// Of a tunnel: whether that could not be read to its end; then what is not there says nothing.
    #[cfg_attr(feature = "serde", serde(default))]
    pub fdb_unread: bool,
    /// Of a bridge: the names of the ports in those entries.
    pub port_names: BTreeMap<u32, Untrusted>,
    /// How it answers neighbours, where that was looked at: in no bridge, beyond the first link.
    pub answering: Option<Answering>,
}

/// How a link answers those who ask for a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Answering {
    /// Whether it answers ARP for others, itself or by `all`.
    pub proxy_arp: Option<bool>,
    /// Which ARP questions it answers: the larger of `all` and its own.
    pub arp_ignore: Option<u8>,
    /// Whether the namespace's way to the asking address leads out by this link.
    pub leads_back: Option<bool>,
    /// Which sources it takes packets from: the larger of `all` and its own.
    pub rp_filter: Option<u8>,
}

impl Wire {
    /// Calls the namespaces as the case does.
    pub(super) fn call_as(&mut self, case: &super::CaseFile) {
        let steps = self.way.iter_mut().chain(&mut self.owner).chain(&mut self.twins);
        for step in steps {
            if let Some(known) = case.vantages.iter().find(|v| v.netns == step.netns) {
                step.place.clone_from(&known.name);
            }
        }
    }

    /// The link the frames leave by.
    pub(super) fn start(&self) -> Option<&WireLink> {
        self.way.first()
    }

    /// The link that has the address, if it is on the way.
    pub(super) fn end(&self) -> Option<&WireLink> {
        self.way.last().filter(|_| self.arrives)
    }

    /// The bridges passed from port to port or to the bridge's own stack: port in, bridge, port out.
    pub(super) fn crossings(&self) -> Vec<Crossing<'_>> {
        if !self.arrives {
            return Vec::new();
        }
        let bridges = self.way.iter().enumerate().filter(|(_, step)| step.is_bridge());
        let crossing = |(n, bridge): (usize, &'_ WireLink)| {
            let port = |n: usize| self.way.get(n).filter(|step| step.is_port_of(bridge));
            let (before, after) = (n.checked_sub(1).and_then(port), port(n + 1));
            (n, before, after)
        };
        let found = bridges.map(crossing).filter_map(|(n, before, after)| {
            let bridge = self.way.get(n)?;
            Some(Crossing { bridge, before, after })
        });
        found.collect()
    }
}

/// A bridge on the way, with the ports passed; one of them is missing where the bridge is an end.
pub(super) struct Crossing<'a> {
    pub(super) bridge: &'a WireLink,
    pub(super) before: Option<&'a WireLink>,
    pub(super) after: Option<&'a WireLink>,
}

impl<'a> Crossing<'a> {
    pub(super) fn ports(&self) -> impl Iterator<Item = &'a WireLink> + use<'a> {
        self.before.into_iter().chain(self.after)
    }
}

impl WireLink {
    pub(super) fn is_bridge(&self) -> bool {
        self.link.kind.as_deref() == Some("bridge")
    }

    pub(super) fn is_veth(&self) -> bool {
        self.link.kind.as_deref() == Some("veth")
    }

    /// Whether frames leave by it in packets of another network.
    pub(super) fn is_tunnel(&self) -> bool {
        self.link.kind.as_deref() == Some("vxlan")
    }

    pub(super) fn is_port_of(&self, bridge: &Self) -> bool {
        self.netns == bridge.netns && self.link.master_ifindex == Some(bridge.link.ifindex)
    }

    /// What the spanning tree lets a bridge port do.
    pub(super) fn port_state(&self) -> Option<PortState> {
        match self.link.role.as_ref()? {
            LinkRole::BridgePort(port) => port.state,
            _ => None,
        }
    }

    pub(super) fn is_isolated(&self) -> bool {
        matches!(&self.link.role, Some(LinkRole::BridgePort(port)) if port.isolated == Some(true))
    }

    /// Whether a bridge runs the spanning tree.
    pub(super) fn has_stp(&self) -> bool {
        matches!(&self.link.info, Some(LinkKind::Bridge(bridge)) if bridge.stp_state.is_some_and(|s| s != 0))
    }

    pub(super) fn lladdr(&self) -> Option<LinkAddr> {
        self.link.address
    }
}
