use std::net::{Ipv4Addr, Ipv6Addr};

use super::part::{Part, array, be16, be32};
use super::walk::{Next, Step, end};
use super::{Kind, Proto};

/// An ICMP message; what an error quotes follows as layers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Icmp<'a> {
    /// 8 asks for an echo, 0 is one, 3 unreachable, 11 time exceeded.
    pub kind: u8,
    /// What exactly.
    pub code: u8,
    /// The checksum as it stands.
    pub checksum: u16,
    /// The second word: identifier and number of an echo, MTU or gateway of an error.
    pub rest: u32,
    /// What follows the first eight bytes.
    pub body: &'a [u8],
}

/// An ICMPv6 message; what an error quotes follows as layers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Icmp6<'a> {
    /// 128 asks for an echo, 129 is one, 1 unreachable, 135 and 136 are neighbour discovery.
    pub kind: u8,
    /// What exactly.
    pub code: u8,
    /// The checksum as it stands.
    pub checksum: u16,
    /// The second word: identifier and number of an echo, MTU of an error, flags.
    pub rest: u32,
    /// What follows the first eight bytes.
    pub body: &'a [u8],
}

impl Icmp<'_> {
    /// Returns identifier and number of the messages that have them.
    pub fn echo(&self) -> Option<(u16, u16)> {
        let has = matches!(self.kind, 0 | 8 | 13..=18);
        has.then_some(((self.rest >> 16) as u16, self.rest as u16))
    }

    /// Tells whether it quotes the packet it is about (RFC 1122 §3.2.2).
    pub fn is_error(&self) -> bool {
        matches!(self.kind, 3 | 4 | 5 | 11 | 12)
    }

    /// Returns the MTU of the next link in bytes, from "fragmentation needed" (RFC 1191 §4).
    pub fn mtu(&self) -> Option<u16> {
        (self.kind == 3 && self.code == 4).then_some(self.rest as u16)
    }

    /// Returns the better router of a redirect.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        (self.kind == 5).then(|| Ipv4Addr::from_bits(self.rest))
    }
}

impl<'a> Icmp6<'a> {
    /// Returns identifier and number of an echo.
    pub fn echo(&self) -> Option<(u16, u16)> {
        matches!(self.kind, 128 | 129).then_some(((self.rest >> 16) as u16, self.rest as u16))
    }

    /// Tells whether it quotes the packet it is about (RFC 4443 §2.1).
    pub fn is_error(&self) -> bool {
        self.kind < 128
    }

    /// Returns the MTU of the next link in bytes, from "packet too big" (RFC 4443 §3.2).
    pub fn mtu(&self) -> Option<u32> {
        (self.kind == 2).then_some(self.rest)
    }

    /// Returns whom a solicitation, advertisement or redirect is about (RFC 4861 §4.3).
    pub fn target(&self) -> Option<Ipv6Addr> {
        let has = matches!(self.kind, 135..=137) && self.body.len() >= 16;
        has.then(|| array::<16>(self.body, 0).into())
    }

    /// Walks the options of neighbour discovery (RFC 4861 §4.6).
    pub fn options(&self) -> NdpOptions<'a> {
        let fixed = match self.kind {
            133 => Some(0),
            134 => Some(8),
            135 | 136 => Some(16),
            137 => Some(32),
            _ => None,
        };
        NdpOptions(fixed.and_then(|fixed| self.body.get(fixed..)).unwrap_or_default())
    }
}

/// One option of neighbour discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NdpOption<'a> {
    /// The link-layer address of who sends it.
    SourceLinkAddr(&'a [u8]),
    /// The link-layer address of whom it is about.
    TargetLinkAddr(&'a [u8]),
    /// A prefix of the link.
    Prefix {
        /// Its first address.
        prefix: Ipv6Addr,
        /// Its length in bits.
        len: u8,
        /// On-link 0x80, for autoconfiguration 0x40.
        flags: u8,
        /// How long it holds, in seconds.
        valid_s: u32,
        /// How long it is preferred, in seconds.
        preferred_s: u32,
    },
    /// The MTU of the link in bytes.
    Mtu(u32),
    /// Any other, without kind and length.
    Other {
        /// Its number in the IANA registry.
        kind: u8,
        /// Its data.
        data: &'a [u8],
    },
}

/// The options of a neighbour discovery message.
#[derive(Debug, Clone)]
pub struct NdpOptions<'a>(&'a [u8]);

impl<'a> Iterator for NdpOptions<'a> {
    type Item = NdpOption<'a>;

    fn next(&mut self) -> Option<NdpOption<'a>> {
        // A length of zero would never end (RFC 4861 §4.6: discard the packet).
        let [kind, units @ 1..=255, ..] = *self.0 else { return None };
        let len = usize::from(units) * 8;
        let data = self.0.get(2..len)?;
        self.0 = self.0.get(len..)?;
        Some(match (kind, data.len()) {
            (1, _) => NdpOption::SourceLinkAddr(data),
            (2, _) => NdpOption::TargetLinkAddr(data),
            (3, 30) => NdpOption::Prefix {
                len: data.first().copied().unwrap_or_default(),
                flags: data.get(1).copied().unwrap_or_default(),
                valid_s: be32(data, 2),
                preferred_s: be32(data, 6),
                prefix: array::<16>(data, 14).into(),
            },
            (5, 6) => NdpOption::Mtu(be32(data, 2)),
            (kind, _) => NdpOption::Other { kind, data },
        })
    }
}

/// A group membership message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Igmp {
    /// 0x11 asks, 0x12, 0x16 and 0x22 report, 0x17 leaves.
    pub kind: u8,
    /// The checksum as it stands.
    pub checksum: u16,
    /// The group; unspecified in a general query, and in a version 3 report, which lists several.
    pub group: Ipv4Addr,
    /// Groups a version 3 report lists.
    pub records: Option<u16>,
}

pub(super) fn icmp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Icmp)?;
    let body = part.after(8).data;
    let (checksum, rest) = (be16(head, 2), be32(head, 4));
    let icmp = Icmp { kind: head[0], code: head[1], checksum, rest, body };
    let next = if icmp.is_error() { Next::Quoted } else { Next::Nothing };
    end(Proto::Icmp(icmp), if icmp.is_error() { 8 } else { part.data.len() }, next, part)
}

pub(super) fn icmp6(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Icmp6)?;
    let body = part.after(8).data;
    let (checksum, rest) = (be16(head, 2), be32(head, 4));
    let icmp = Icmp6 { kind: head[0], code: head[1], checksum, rest, body };
    let next = if icmp.is_error() { Next::Quoted } else { Next::Nothing };
    end(Proto::Icmp6(icmp), if icmp.is_error() { 8 } else { part.data.len() }, next, part)
}

pub(super) fn igmp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Igmp)?;
    let is_v3_report = head[0] == 0x22;
    let group = if is_v3_report { [0; 4] } else { array(head, 4) };
    let igmp = Igmp {
        kind: head[0],
        checksum: be16(head, 2),
        group: group.into(),
        records: is_v3_report.then(|| be16(head, 6)),
    };
    end(Proto::Igmp(igmp), part.data.len(), Next::Nothing, part)
}
