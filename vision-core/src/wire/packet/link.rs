use super::part::{Part, array, be16, be32};
use super::walk::{Next, Step, end};
use super::{Kind, Proto};
use crate::wire::LinkType;

/// An Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ethernet {
    /// Where it goes.
    pub dst: [u8; 6],
    /// Where it comes from.
    pub src: [u8; 6],
    /// What the payload is, from 1536 on; a length up to 1500 (IEEE 802.3 §3.2.6).
    pub type_or_length: u16,
}

/// A VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vlan {
    /// The VLAN; zero where only the priority counts.
    pub id: u16,
    /// The priority.
    pub priority: u8,
    /// It may be dropped first.
    pub drop_eligible: bool,
    /// What the payload is, or its length, as in [`Ethernet`].
    pub type_or_length: u16,
}

/// Logical link control in three or eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Llc {
    /// Destination service; 0x42 is spanning tree, 0xaa SNAP.
    pub dsap: u8,
    /// Source service.
    pub ssap: u8,
    /// The kind of frame; 3 is unnumbered information.
    pub control: u8,
    /// Organisation and type, with SNAP.
    pub snap: Option<([u8; 3], u16)>,
}

/// A Linux cooked header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sll {
    /// 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 from us.
    pub packet_type: u16,
    /// The kind of interface, an ARP hardware type.
    pub hardware: u16,
    /// Length of the sender's address.
    pub address_len: u16,
    /// The sender's address, padded with zeroes.
    pub address: [u8; 8],
    /// What the payload is: an Ethernet type, or a number below 1536 of Linux' own.
    pub protocol: u16,
}

/// A Linux cooked header, version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sll2 {
    /// What the payload is: an Ethernet type, or a number below 1536 of Linux' own.
    pub protocol: u16,
    /// Which interface it passed.
    pub ifindex: u32,
    /// The kind of interface, an ARP hardware type.
    pub hardware: u16,
    /// 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 from us.
    pub packet_type: u8,
    /// Length of the sender's address.
    pub address_len: u8,
    /// The sender's address, padded with zeroes.
    pub address: [u8; 8],
}

/// The address family in front of BSD loopback packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loopback {
    /// 2 is IPv4; IPv6 has 24, 28 or 30 by system.
    pub family: u32,
}

/// The protocol field of PPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ppp {
    /// 0x21 is IPv4, 0x57 IPv6, 0xc021 link control.
    pub protocol: u16,
}

/// The smallest Ethernet type; below stand lengths (IEEE 802.3 §3.2.6).
const MIN_TYPE: u16 = 0x600;

fn by_type(kind: u16, part: Part<'_>, header: usize) -> (Next, Part<'_>) {
    match kind {
        MIN_TYPE.. => (Next::EtherType(kind), part),
        _ if matches!(part.data.get(header..), Some([0xff, 0xff, ..])) => (Next::Nothing, part),
        _ => (Next::Llc, part.within(header + usize::from(kind))),
    }
}

#[inline]
pub(super) fn ethernet(part: Part<'_>) -> Step<'_> {
    let head = part.head::<14>(Kind::Ethernet)?;
    let kind = be16(head, 12);
    let ethernet = Ethernet { dst: array(head, 0), src: array(head, 6), type_or_length: kind };
    let (next, whole) = by_type(kind, part, 14);
    end(Proto::Ethernet(ethernet), 14, next, whole)
}

pub(super) fn vlan(part: Part<'_>) -> Step<'_> {
    let head = part.head::<4>(Kind::Vlan)?;
    let (tag, kind) = (be16(head, 0), be16(head, 2));
    let vlan = Vlan {
        id: tag & 0xfff,
        priority: (tag >> 13) as u8,
        drop_eligible: tag & 0x1000 != 0,
        type_or_length: kind,
    };
    let (next, whole) = by_type(kind, part, 4);
    end(Proto::Vlan(vlan), 4, next, whole)
}

pub(super) fn llc(part: Part<'_>) -> Step<'_> {
    let head = part.head::<3>(Kind::Llc)?;
    let [dsap, ssap, control] = *head;
    let is_snap = dsap & 0xfe == 0xaa && ssap & 0xfe == 0xaa && control == 3;
    if !is_snap {
        let next = match (dsap, control) {
            (0x42, 3) => Next::App(Kind::Stp),
            (0x06, 3) => Next::Ip,
            _ => Next::Nothing,
        };
        // Information and supervisory frames have two bytes of control (IEEE 802.2 §5.2).
        let len = if control & 3 == 3 { 3 } else { 4.min(part.data.len()) };
        return end(Proto::Llc(Llc { dsap, ssap, control, snap: None }), len, next, part);
    }
    let snap = part.head::<8>(Kind::Llc)?;
    let (organisation, kind) = (array::<3>(snap, 3), be16(snap, 6));
    let next = match organisation {
        // Ethernet types, also under the number of bridged frames (RFC 1042, 802.1H).
        [0, 0, 0] | [0, 0, 0xf8] => Next::EtherType(kind),
        [0, 0x80, 0xc2] if matches!(kind, 1 | 7) => Next::Ethernet,
        _ => Next::Nothing,
    };
    let llc = Llc { dsap, ssap, control, snap: Some((organisation, kind)) };
    end(Proto::Llc(llc), 8, next, part)
}

/// What follows a cooked header: the kernel's own numbers for frames without a type come first.
fn cooked(protocol: u16) -> Next {
    match protocol {
        0x0004 => Next::Llc,
        MIN_TYPE.. => Next::EtherType(protocol),
        _ => Next::Nothing,
    }
}

pub(super) fn sll(part: Part<'_>) -> Step<'_> {
    let head = part.head::<16>(Kind::Sll)?;
    let sll = Sll {
        packet_type: be16(head, 0),
        hardware: be16(head, 2),
        address_len: be16(head, 4),
        address: array(head, 6),
        protocol: be16(head, 14),
    };
    end(Proto::Sll(sll), 16, cooked(sll.protocol), part)
}

pub(super) fn sll2(part: Part<'_>) -> Step<'_> {
    let head = part.head::<20>(Kind::Sll2)?;
    let sll = Sll2 {
        protocol: be16(head, 0),
        ifindex: be32(head, 4),
        hardware: be16(head, 8),
        packet_type: head[10],
        address_len: head[11],
        address: array(head, 12),
    };
    end(Proto::Sll2(sll), 20, cooked(sll.protocol), part)
}

pub(super) fn loopback(link: LinkType, part: Part<'_>) -> Step<'_> {
    let head = *part.head::<4>(Kind::Loopback)?;
    let family = family(link, head);
    let next = family_type(family).map_or(Next::Nothing, Next::EtherType);
    end(Proto::Loopback(Loopback { family }), 4, next, part)
}

/// The address family in front of a loopback packet.
pub(super) fn family(link: LinkType, head: [u8; 4]) -> u32 {
    match (link, head) {
        // NULL has the writer's byte order, which nothing else tells; families are below 256.
        (LinkType::NULL, [_, _, 0, 0]) => u32::from_le_bytes(head),
        _ => u32::from_be_bytes(head),
    }
}

/// What follows an address family, as an Ethernet type.
pub(super) fn family_type(family: u32) -> Option<u16> {
    match family {
        2 => Some(0x0800),
        // NetBSD and OpenBSD, FreeBSD, macOS; Linux' own number is 10.
        10 | 24 | 28 | 30 => Some(0x86dd),
        // An Ethernet type, as some write it (with FreeS/WAN's mark in front).
        MIN_ETHERTYPE..=0xffff | 0x0f00_0600..=0x0f00_ffff => Some(family as u16),
        _ => None,
    }
}

const MIN_ETHERTYPE: u32 = MIN_TYPE as u32;

pub(super) fn ppp(part: Part<'_>) -> Step<'_> {
    // Address and control may have been left out by agreement (RFC 1661 §6.6).
    let skip = if part.data.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let body = part.after(skip);
    let first = *body.head::<1>(Kind::Ppp)?;
    let (protocol, len) = match first {
        // An odd first byte is the whole protocol (RFC 1661 §6.5).
        [byte] if byte & 1 == 1 => (u16::from(byte), 1),
        _ => (u16::from_be_bytes(*body.head::<2>(Kind::Ppp)?), 2),
    };
    end(Proto::Ppp(Ppp { protocol }), skip + len, Next::PppProtocol(protocol), part)
}
