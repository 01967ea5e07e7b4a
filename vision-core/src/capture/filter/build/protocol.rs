//! Protocols by their word, name or number.

use super::Builder;
use super::layer::carried;
use crate::capture::filter::cond::Cond;
use crate::capture::filter::error::Checked;
use crate::capture::filter::names;
use crate::capture::filter::tree::{Id, Qualifiers, Sort};
use crate::capture::filter::value::Size;
use crate::capture::filter::words::Protocol;

impl Builder<'_> {
    /// A protocol's word alone.
    pub(super) fn protocol(&mut self, protocol: Protocol) -> Checked<Cond> {
        let isis: &[u32] = match protocol {
            Protocol::L1 => &[0x1a, 0x18, 0x12, 0x0f, 0x11],
            Protocol::L2 => &[0x1b, 0x19, 0x14, 0x10, 0x11],
            Protocol::Iih => &[0x11, 0x0f, 0x10],
            Protocol::Lsp => &[0x12, 0x14],
            Protocol::Snp => &[0x1b, 0x1a, 0x18, 0x19],
            Protocol::Csnp => &[0x18, 0x19],
            Protocol::Psnp => &[0x1a, 0x1b],
            _ => &[],
        };
        if !isis.is_empty() {
            return self.isis(isis);
        }
        match protocol {
            Protocol::Link => {
                let why = "`ether` alone says nothing: expected host, proto, multicast or [";
                self.fail(why)
            }
            Protocol::Radio => self.fail("`radio` is for 802.11 only"),
            Protocol::Iso => self.link_type(carried::SAP_ISO),
            Protocol::Clnp => self.iso(0x81),
            Protocol::Esis => self.iso(0x82),
            Protocol::Isis => self.iso(0x83),
            Protocol::Stp => self.link_type(carried::SAP_STP),
            Protocol::Ipx => self.link_type(carried::SAP_IPX),
            Protocol::Netbeui => self.link_type(carried::SAP_NETBEUI),
            _ => match (ether_type(protocol), transport(protocol)) {
                (Some(number), _) => self.link_type(number),
                (None, Some((number, Versions::Four))) => self.carries4(number),
                (None, Some((number, Versions::Six))) => self.carries6(number),
                (None, Some((number, Versions::Both))) => self.carries_any(number),
                (None, None) => self.fail(format!("`{}` alone says nothing", protocol.text())),
            },
        }
    }

    /// `proto` and `protochain`.
    pub(super) fn carries(&mut self, qualifiers: Qualifiers, id: &Id) -> Checked<Cond> {
        let chain = qualifiers.kind == Some(Sort::Protochain);
        let kind = if chain { "protochain" } else { "proto" };
        let known = match qualifiers.protocol {
            None | Some(Protocol::Ip | Protocol::Ip6) => true,
            Some(Protocol::Link | Protocol::Iso | Protocol::Isis) => !chain,
            Some(_) => false,
        };
        let number = match id {
            Id::Number(number) => *number,
            Id::Name(name) => self.number_of(qualifiers.protocol, name)?,
            _ => return self.fail(format!("{kind} goes with a number or a name, not an address")),
        };
        if !known {
            return self.unfit(qualifiers.protocol, kind);
        }
        let byte = qualifiers.protocol != Some(Protocol::Link);
        if byte && number > 255 {
            return self.fail(format!("a protocol's number is at most 255, not {number}"));
        }
        if !byte && number > 0xffff {
            return self.fail(format!("an Ethernet type is at most 65535, not {number}"));
        }
        match (qualifiers.protocol, chain) {
            (Some(Protocol::Link), _) => self.link_type(number),
            (Some(Protocol::Iso), _) => self.iso(number),
            (Some(Protocol::Isis), _) => self.isis(&[number]),
            (Some(Protocol::Ip), true) => self.chain4(number),
            (Some(Protocol::Ip6), true) => self.chain6(number),
            (_, true) => Ok(self.chain4(number)?.or(self.chain6(number)?)),
            (Some(Protocol::Ip), false) => self.carries4(number),
            (Some(Protocol::Ip6), false) => self.carries6(number),
            (_, false) => self.carries_any(number),
        }
    }

    fn number_of(&self, protocol: Option<Protocol>, name: &str) -> Checked<u32> {
        let number = match protocol {
            Some(Protocol::Link) => names::ether_type(name),
            Some(Protocol::Iso) => match name {
                "clnp" => Some(0x81),
                "esis" | "es-is" => Some(0x82),
                "isis" | "is-is" => Some(0x83),
                _ => None,
            },
            None | Some(Protocol::Ip | Protocol::Ip6) => names::protocol(name).map(u32::from),
            Some(_) => None,
        };
        let shown: String = name.chars().take(80).collect();
        match number {
            Some(number) => Ok(number),
            None => self.fail(format!("`{shown}` is no protocol known by name")),
        }
    }

    pub(super) fn carries_any(&mut self, number: u32) -> Checked<Cond> {
        Ok(self.carries4(number)?.or(self.carries6(number)?))
    }

    pub(super) fn carries4(&mut self, number: u32) -> Checked<Cond> {
        let ip = self.link_type(carried::IP)?;
        let network = self.network();
        Ok(ip.and(self.equal(network, 9, Size::Byte, number)))
    }

    /// Right behind the header, or behind a fragment header (RFC 8200 §4.5).
    pub(super) fn carries6(&mut self, number: u32) -> Checked<Cond> {
        const FRAGMENT: u32 = 44;
        let ip = self.link_type(carried::IP6)?;
        let network = self.network();
        let first = self.equal(network, 6, Size::Byte, number);
        let fragment = self.equal(network, 6, Size::Byte, FRAGMENT);
        let second = fragment.and(self.equal(network, 40, Size::Byte, number));
        Ok(ip.and(first.or(second)))
    }

    /// The first byte of an ISO network header says which it is (ISO/IEC TR 9577).
    fn iso(&mut self, number: u32) -> Checked<Cond> {
        let iso = self.link_type(carried::SAP_ISO)?;
        let place = self.layer.payload.plus(self.layer.no_snap);
        Ok(iso.and(self.equal(place, 0, Size::Byte, number)))
    }

    /// Kinds of IS-IS packets; the high bits of theirs are reserved (ISO/IEC 10589 §9.5).
    fn isis(&mut self, kinds: &[u32]) -> Checked<Cond> {
        let isis = self.iso(0x83)?;
        let place = self.layer.payload.plus(self.layer.no_snap);
        let any = kinds.iter().map(|it| self.masked(place, 4, Size::Byte, *it, 0x1f));
        let any = any.collect();
        Ok(isis.and(Cond::Any(any)))
    }
}

/// In which versions of IP a transport is looked for.
pub(super) enum Versions {
    Four,
    Six,
    Both,
}

/// Numbers of <https://www.iana.org/assignments/protocol-numbers>.
pub(super) fn transport(protocol: Protocol) -> Option<(u32, Versions)> {
    Some(match protocol {
        Protocol::Icmp => (1, Versions::Four),
        Protocol::Igmp => (2, Versions::Four),
        Protocol::Tcp => (6, Versions::Both),
        Protocol::Igrp => (9, Versions::Four),
        Protocol::Udp => (17, Versions::Both),
        Protocol::Esp => (50, Versions::Both),
        Protocol::Ah => (51, Versions::Both),
        Protocol::Icmp6 => (58, Versions::Six),
        Protocol::Pim => (103, Versions::Both),
        Protocol::Vrrp | Protocol::Carp => (112, Versions::Four),
        Protocol::Sctp => (132, Versions::Both),
        _ => return None,
    })
}

pub(super) fn ether_type(protocol: Protocol) -> Option<u32> {
    Some(match protocol {
        Protocol::Ip => carried::IP,
        Protocol::Ip6 => carried::IP6,
        Protocol::Arp => carried::ARP,
        Protocol::Rarp => carried::RARP,
        Protocol::Atalk => carried::ATALK,
        Protocol::Aarp => carried::AARP,
        Protocol::Decnet => carried::DECNET,
        Protocol::Lat => carried::LAT,
        Protocol::Sca => carried::SCA,
        Protocol::Moprc => carried::MOPRC,
        Protocol::Mopdl => carried::MOPDL,
        _ => return None,
    })
}
