//! What the driver of a virtual interface tells about it (`IFLA_INFO_DATA`), one struct per kind.
//!
//! By our own walk: the generated decoder lacks half of the kinds, and what it has of the others
//! fails at lengths it does not expect.

mod bond;
mod bridge;
pub(super) mod macros;
mod stack;
mod tunnel;

pub use bond::{
    Bond, BondInfo8023ad, BondMode, BondPort, BondPortState, BondTargets, LacpRate, XmitHashPolicy,
};
pub use bridge::{Bridge, BridgePort, PortState};
pub use stack::{
    Ipvlan, IpvlanMode, Macsec, MacsecValidation, Macvlan, MacvlanMode, Tun, TunType, Vlan,
    VlanFlags, VlanProtocol, Vrf,
};
pub use tunnel::{Df, Geneve, Gre, GreKeys, IpTunnel, Vxlan};

use crate::netlink::attr::Attrs;
use crate::netlink::header::Message;

/// What the driver of an interface tells about it; which one follows from [`Link::kind`].
///
/// [`Link::kind`]: crate::inventory::Link::kind
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LinkKind {
    /// A bridge.
    Bridge(Box<Bridge>),
    /// A bond.
    Bond(Box<Bond>),
    /// A VLAN on top of another interface.
    Vlan(Box<Vlan>),
    /// A macvlan or macvtap.
    Macvlan(Box<Macvlan>),
    /// An ipvlan or ipvtap.
    Ipvlan(Ipvlan),
    /// A VRF.
    Vrf(Vrf),
    /// A tun or tap.
    Tun(Box<Tun>),
    /// MACsec.
    Macsec(Box<Macsec>),
    /// VXLAN.
    Vxlan(Box<Vxlan>),
    /// Geneve.
    Geneve(Box<Geneve>),
    /// GRE in all its forms: `gre`, `gretap`, `erspan`, `ip6gre`, `ip6gretap`, `ip6erspan`.
    Gre(Box<Gre>),
    /// `ipip`, `sit`, `ip6tnl`.
    IpTunnel(Box<IpTunnel>),
}

/// What the master of an interface tells about it; which one follows from [`Link::slave_kind`].
///
/// [`Link::slave_kind`]: crate::inventory::Link::slave_kind
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LinkRole {
    /// A port of a bridge.
    BridgePort(Box<BridgePort>),
    /// A member of a bond.
    BondPort(Box<BondPort>),
    /// A member of a VRF.
    Vrf(Vrf),
}

impl LinkKind {
    fn read(kind: &[u8], data: &[u8]) -> Option<Self> {
        Some(match kind {
            b"bridge" => Self::Bridge(Box::new(Bridge::read(data))),
            b"bond" => Self::Bond(Box::new(Bond::read(data))),
            b"vlan" => Self::Vlan(Box::new(Vlan::read(data))),
            b"macvlan" | b"macvtap" => Self::Macvlan(Box::new(Macvlan::read(data))),
            b"ipvlan" | b"ipvtap" => Self::Ipvlan(Ipvlan::read(data)),
            b"vrf" => Self::Vrf(Vrf::read(data)),
            b"tun" => Self::Tun(Box::new(Tun::read(data))),
            b"macsec" => Self::Macsec(Box::new(Macsec::read(data))),
            b"vxlan" => Self::Vxlan(Box::new(Vxlan::read(data))),
            b"geneve" => Self::Geneve(Box::new(Geneve::read(data))),
            b"gre" | b"gretap" | b"erspan" | b"ip6gre" | b"ip6gretap" | b"ip6erspan" => {
                Self::Gre(Box::new(Gre::read(data)))
            }
            b"ipip" | b"sit" | b"ip6tnl" => Self::IpTunnel(Box::new(IpTunnel::read(data))),
            _ => return None,
        })
    }

    /// Returns what the driver told as names and text, in the order of the fields.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Bridge(kind) => kind.fields(),
            Self::Bond(kind) => kind.fields(),
            Self::Vlan(kind) => kind.fields(),
            Self::Macvlan(kind) => kind.fields(),
            Self::Ipvlan(kind) => kind.fields(),
            Self::Vrf(kind) => kind.fields(),
            Self::Tun(kind) => kind.fields(),
            Self::Macsec(kind) => kind.fields(),
            Self::Vxlan(kind) => kind.fields(),
            Self::Geneve(kind) => kind.fields(),
            Self::Gre(kind) => kind.fields(),
            Self::IpTunnel(kind) => kind.fields(),
        }
    }
}

impl LinkRole {
    fn read(kind: &[u8], data: &[u8]) -> Option<Self> {
        Some(match kind {
            b"bridge" => Self::BridgePort(Box::new(BridgePort::read(data))),
            b"bond" => Self::BondPort(Box::new(BondPort::read(data))),
            b"vrf" => Self::Vrf(Vrf::read(data)),
            _ => return None,
        })
    }

    /// Returns what the master told as names and text, in the order of the fields.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::BridgePort(role) => role.fields(),
            Self::BondPort(role) => role.fields(),
            Self::Vrf(role) => role.fields(),
        }
    }
}

/// Reads both from a link's message.
pub(super) fn read(message: &Message<'_>) -> (Option<LinkKind>, Option<LinkRole>) {
    let Some(info) = Attrs::after(message.body, FIXED).find(IFLA_LINKINFO) else {
        return (None, None);
    };
    let (mut kind, mut data, mut slave_kind, mut slave_data) = Default::default();
    for (number, value) in Attrs::new(info) {
        match number {
            IFLA_INFO_KIND => kind = Some(crate::netlink::attr::text(value)),
            IFLA_INFO_DATA => data = Some(value),
            IFLA_INFO_SLAVE_KIND => slave_kind = Some(crate::netlink::attr::text(value)),
            IFLA_INFO_SLAVE_DATA => slave_data = Some(value),
            _ => {}
        }
    }
    let pair = |kind: Option<_>, data: Option<_>| kind.zip(data);
    (
        pair(kind, data).and_then(|(kind, data)| LinkKind::read(kind, data)),
        pair(slave_kind, slave_data).and_then(|(kind, data)| LinkRole::read(kind, data)),
    )
}

/// `struct ifinfomsg`.
const FIXED: usize = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
