use std::net::IpAddr;

use super::flags::flag_set;
use super::route::{RouteProtocol, Scope};
use super::row::{Row, untrusted};
use crate::base::{Family, Prefix, Untrusted};
use crate::netlink::header::Message;
use crate::netlink::rtnl::addr::{self, AddrMsg};

/// An IP address of an interface, as `ip -d addr` shows it.
#[doc(alias = "RTM_NEWADDR")]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Addr {
    /// The interface.
    pub ifindex: u32,
    /// IP version.
    pub family: Family,
    /// The local address.
    pub local: IpAddr,
    /// Length in bits of the prefix on the link.
    pub prefix_bits: u8,
    /// The far end of a point-to-point address.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<IpAddr>,
    /// How far it is valid.
    pub scope: Scope,
    /// Flags; `tentative` and `dadfailed` mean that it cannot be used.
    pub flags: AddrFlags,
    /// Label, the interface's name with an optional suffix (IPv4 only).
    pub label: Option<Untrusted>,
    /// The label in hexadecimal when it is not UTF-8.
    pub label_hex: Option<String>,
    /// How long it is preferred.
    pub preferred: Lifetime,
    /// How long it is valid.
    pub valid: Lifetime,
    /// Who configured it, where the kernel tells (5.18).
    pub protocol: Option<RouteProtocol>,
}

impl Addr {
    /// Returns the prefix on the link, host bits included; the peer's where there is one.
    pub fn prefix(&self) -> Prefix {
        let addr = self.peer.unwrap_or(self.local);
        Prefix::new(addr, self.prefix_bits).unwrap_or_else(|_| Prefix::host(addr))
    }

    /// Tells whether packets may be sent from it: duplicate detection neither runs nor failed.
    pub fn is_usable(&self) -> bool {
        let tentative = self.flags.contains(AddrFlags::TENTATIVE)
            && !self.flags.contains(AddrFlags::OPTIMISTIC);
        !tentative && !self.flags.contains(AddrFlags::DADFAILED)
    }
}

/// How long an address lasts from now on.
// closed: the kernel counts seconds or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Lifetime {
    /// Until somebody removes it.
    Forever,
    /// For so many seconds.
    Seconds(u32),
}

impl Lifetime {
    fn from_raw(seconds: Option<u32>) -> Self {
        match seconds {
            None | Some(u32::MAX) => Self::Forever,
            Some(seconds) => Self::Seconds(seconds),
        }
    }
}

/// Reads a row of an address dump.
pub(super) fn read(message: &Message<'_>, (): ()) -> Row<Addr> {
    let Some(msg) = addr::decode(message) else {
        return Row::Unreadable;
    };
    match Family::from_raw(msg.family) {
        None => Row::Other,
        Some(family) => from_msg(&msg, family).into(),
    }
}

fn from_msg(msg: &AddrMsg<'_>, family: Family) -> Option<Addr> {
    // IPv6 has a local address only where there is a peer.
    let local = msg.local.or(msg.address)?;
    let label = msg.label.map(untrusted);
    let fits = Family::of(local) == family && msg.prefix_bits <= family.bits();
    fits.then(|| Addr {
        ifindex: msg.ifindex,
        family,
        local,
        prefix_bits: msg.prefix_bits,
        peer: msg.address.filter(|address| *address != local),
        broadcast: msg.broadcast.map(IpAddr::V4),
        scope: Scope::from_raw(msg.scope),
        flags: AddrFlags::from_bits(msg.flags),
        label_hex: label.as_ref().and_then(Untrusted::hex_unless_utf8),
        label,
        preferred: Lifetime::from_raw(msg.preferred_s),
        valid: Lifetime::from_raw(msg.valid_s),
        protocol: msg.protocol.map(RouteProtocol::from_raw),
    })
}

flag_set! {
    /// Flags of an address (linux/if_addr.h `IFA_F_*`), named as `ip` prints them.
    pub struct AddrFlags {
        /// Not the first address of its subnet; for IPv6, a temporary one.
        SECONDARY = 0x1, "secondary";
        /// No duplicate detection.
        NODAD = 0x2, "nodad";
        /// Usable while duplicate detection runs.
        OPTIMISTIC = 0x4, "optimistic";
        /// Somebody else has it.
        DADFAILED = 0x8, "dadfailed";
        /// Mobile IPv6 home address.
        HOMEADDRESS = 0x10, "home";
        /// Valid but no longer preferred for new connections.
        DEPRECATED = 0x20, "deprecated";
        /// Duplicate detection has not finished.
        TENTATIVE = 0x40, "tentative";
        /// Set by hand; without it `ip` says `dynamic`.
        PERMANENT = 0x80, "permanent";
        /// Temporary addresses are made from it.
        MANAGETEMPADDR = 0x100, "mngtmpaddr";
        /// No route to the prefix was made with it.
        NOPREFIXROUTE = 0x200, "noprefixroute";
        /// Joins multicast groups.
        MCAUTOJOIN = 0x400, "autojoin";
        /// Chosen by RFC 7217.
        STABLE_PRIVACY = 0x800, "stable-privacy";
    }
}
