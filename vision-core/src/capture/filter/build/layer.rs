use crate::capture::filter::value::Id;
use crate::wire::LinkType;

/// Where something begins: so many bytes in, behind what a value says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub constant: u32,
    pub behind: Option<Id>,
}

impl Place {
    pub(super) fn at(constant: u32) -> Self {
        Self { constant, behind: None }
    }

    pub(super) fn behind(value: Id) -> Self {
        Self { constant: 0, behind: Some(value) }
    }

    pub(super) fn plus(self, bytes: u32) -> Self {
        Self { constant: self.constant.wrapping_add(bytes), ..self }
    }
}

/// The link layer that is being looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer {
    pub kind: Kind,
    pub header: Place,
    /// The word that says what is carried.
    pub kind_at: Place,
    pub payload: Place,
    /// From the payload to the network layer: labels.
    pub network: u32,
    /// The same where an 802.2 header is between, without SNAP.
    pub no_snap: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ethernet,
    /// IPv4 or IPv6 as the first half byte says.
    Raw,
    Ip4,
    Ip6,
    /// The address family in the byte order of whoever wrote.
    Null,
    /// The same in network byte order.
    Loop,
    Cooked,
    Cooked2,
    Ppp,
    /// Cisco's HDLC: Ethernet types, ISO behind a byte of padding.
    Hdlc,
    Arcnet,
    /// BACnet over MS/TP: stations, and nothing of what they say.
    Token,
    /// 802.11: frame control, and nothing behind it.
    Wireless,
    /// Only `ether[…]` and the length can be asked for.
    Bare,
}

impl Layer {
    pub(super) fn of(link_type: LinkType) -> Self {
        let (kind, kind_at, payload, no_snap) = match link_type {
            LinkType::ETHERNET => (Kind::Ethernet, 12, 14, 3),
            // Broadcom's tag between the addresses and the type.
            LinkType(281) => (Kind::Ethernet, 16, 18, 3),
            LinkType::NULL => (Kind::Null, 0, 4, 0),
            LinkType::LOOP => (Kind::Loop, 0, 4, 0),
            LinkType::LINUX_SLL => (Kind::Cooked, 14, 16, 0),
            LinkType::LINUX_SLL2 => (Kind::Cooked2, 0, 20, 0),
            LinkType::IPV4 => (Kind::Ip4, 0, 0, 0),
            LinkType::IPV6 => (Kind::Ip6, 0, 0, 0),
            // 12 and 14 are what some systems call 101.
            LinkType::RAW | LinkType(12 | 14) => (Kind::Raw, 0, 0, 0),
            // SLIP with a header of its own.
            LinkType(8) => (Kind::Raw, 0, 16, 0),
            LinkType(7) => (Kind::Arcnet, 2, 6, 0),
            LinkType(129) => (Kind::Arcnet, 4, 8, 0),
            LinkType(104) => (Kind::Hdlc, 2, 4, 1),
            LinkType(165) => (Kind::Token, 0, 0, 0),
            LinkType(105 | 127 | 163 | 192) => (Kind::Wireless, 0, 0, 0),
            // As it is, in HDLC-like framing and with a direction.
            LinkType::PPP | LinkType(50 | 166) => (Kind::Ppp, 2, 4, 0),
            LinkType(51) => (Kind::Ppp, 6, 8, 0),
            _ => (Kind::Bare, 0, 0, 0),
        };
        Self {
            kind,
            header: Place::at(0),
            kind_at: Place::at(kind_at),
            payload: Place::at(payload),
            network: 0,
            no_snap,
        }
    }
}

/// Ethernet types and SAPs by name.
pub(super) mod carried {
    pub const IP: u32 = 0x0800;
    pub const ARP: u32 = 0x0806;
    pub const RARP: u32 = 0x8035;
    pub const IP6: u32 = 0x86dd;
    pub const MOPDL: u32 = 0x6001;
    pub const MOPRC: u32 = 0x6002;
    pub const DECNET: u32 = 0x6003;
    pub const LAT: u32 = 0x6004;
    pub const SCA: u32 = 0x6007;
    pub const ATALK: u32 = 0x809b;
    pub const AARP: u32 = 0x80f3;
    pub const IPX: u32 = 0x8137;
    pub const MPLS: u32 = 0x8847;
    /// Greater numbers are types, others lengths.
    pub const LONGEST: u32 = 1500;
    pub const SAP_IP: u32 = 0x06;
    pub const SAP_STP: u32 = 0x42;
    pub const SAP_IPX: u32 = 0xe0;
    pub const SAP_NETBEUI: u32 = 0xf0;
    pub const SAP_ISO: u32 = 0xfe;
}
