//! Link-layer headers.

use vision_core::wire::LinkType;

use super::bytes::Fields;
use super::{Part, Printer};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const ARP: u16 = 0x0806;
pub(super) const RARP: u16 = 0x8035;
pub(super) const IPV6: u16 = 0x86dd;

/// Names of EtherTypes (the IEEE's registry of them).
pub(super) fn ethertype(value: u16) -> &'static str {
    match value {
        IPV4 => "IPv4",
        ARP => "ARP",
        RARP => "Reverse ARP",
        IPV6 => "IPv6",
        0x8100 => "802.1Q",
        0x88a8 => "802.1Q-QinQ",
        0x9100 => "802.1Q-9100",
        0x8847 => "MPLS unicast",
        0x8848 => "MPLS multicast",
        0x880b => "PPP",
        0x8863 => "PPPoE D",
        0x8864 => "PPPoE S",
        0x888e => "EAPOL",
        0x8809 => "Slow Protocols",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x6558 => "TEB",
        0x8902 => "CFM",
        0x88f7 => "PTP",
        0x9000 => "Loopback",
        _ => "Unknown",
    }
}

fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

impl Printer<'_> {
    /// Writes a frame and returns the length of its link-layer header.
    pub(super) fn link(&mut self, link: LinkType, part: Part<'_>) -> usize {
        let mut header = 0;
        self.layer("link", |p| {
            header = match link {
                LinkType::ETHERNET => return p.ethernet(part).map(|len| header = len),
                LinkType::LINUX_SLL => return p.cooked(part).map(|()| header = 16),
                LinkType::LINUX_SLL2 => return p.cooked2(part).map(|()| header = 20),
                LinkType::NULL | LinkType::LOOP => {
                    return p.loopback(part, link).map(|()| header = 4);
                }
                LinkType::PPP => return p.ppp_frame(part).map(|len| header = len),
                LinkType::RAW | LinkType(12 | 14) | LinkType::IPV4 | LinkType::IPV6 => 0,
                other => {
                    p.fmt(format_args!("{other}, length {}", part.len));
                    return Some(());
                }
            };
            if p.style.link {
                p.text("ip: ");
            }
            p.ip_by_version(part)
        });
        header
    }

    pub(super) fn ip_by_version(&mut self, part: Part<'_>) -> Option<()> {
        match part.data.u8(0)? >> 4 {
            4 => self.ipv4(part),
            6 => self.ipv6(part),
            version => self.fmt(format_args!("IP version {version}, length {}", part.len)),
        }
        Some(())
    }

    /// Writes an Ethernet frame and returns the length of its header with all tags.
    #[inline]
    pub(super) fn ethernet(&mut self, part: Part<'_>) -> Option<usize> {
        let bytes = part.data;
        let mut kind = bytes.u16(12)?;
        let mut at = 14;
        if self.style.link {
            self.ethernet_head(bytes, kind, part.len)?;
        }
        // Not more tags than a frame of the usual length has room for.
        while is_vlan(kind) && at < 256 {
            let (tag, inner) = (bytes.u16(at)?, bytes.u16(at + 2)?);
            if self.style.link {
                let dei = if tag & 0x1000 != 0 { ", DEI" } else { "" };
                self.fmt(format_args!("vlan {}, p {}{dei}, ", tag & 0xfff, tag >> 13));
                if inner > 1500 {
                    self.fmt(format_args!("ethertype {} (0x{inner:04x}), ", ethertype(inner)));
                }
            }
            kind = inner;
            at += 4;
        }
        let payload = part.after(at)?;
        match kind {
            0..=1500 => self.llc(payload.within(kind.into()), part.len)?,
            _ => {
                if !self.by_ethertype(kind, payload) {
                    if !self.style.link {
                        self.ethernet_head(bytes, bytes.u16(12)?, part.len)?;
                    }
                    self.fmt(format_args!("length {}", payload.len));
                }
            }
        }
        Some(at)
    }

    fn ethernet_head(&mut self, bytes: &[u8], kind: u16, len: usize) -> Option<()> {
        self.mac(bytes.array(6)?);
        self.text(" > ");
        self.mac(bytes.array(0)?);
        match kind {
            0..=1500 => self.text(", 802.3"),
            _ if self.style.quiet => self.fmt(format_args!(", {}", ethertype(kind))),
            _ => self.fmt(format_args!(", ethertype {} (0x{kind:04x})", ethertype(kind))),
        }
        self.fmt(format_args!(", length {len}: "));
        Some(())
    }

    /// Writes what a network-layer packet is; `false` when nobody here knows it.
    #[inline]
    pub(super) fn by_ethertype(&mut self, kind: u16, part: Part<'_>) -> bool {
        match kind {
            IPV4 => self.ipv4(part),
            IPV6 => self.ipv6(part),
            ARP | RARP => self.layer("arp", |p| p.arp(part, kind)),
            0x8847 | 0x8848 => self.layer("mpls", |p| p.mpls(part)),
            0x8863 | 0x8864 => self.layer("pppoe", |p| p.pppoe(part, kind)),
            0x88cc => self.layer("lldp", |p| p.lldp(part)),
            0x6558 => self.layer("ether", |p| p.ethernet(part).map(drop)),
            0x880b => self.layer("ppp", |p| p.ppp(part)),
            _ => return false,
        }
        true
    }

    /// Linux cooked capture, version 1 (LINKTYPE_LINUX_SLL).
    fn cooked(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (kind, halen, protocol) = (bytes.u16(0)?, bytes.u16(4)?, bytes.u16(14)?);
        if self.style.link {
            self.fmt(format_args!("{:>3} ", packet_type(kind)));
            if halen == 6 {
                self.mac(bytes.array(6)?);
                self.text(" ");
            }
            self.fmt(format_args!(
                "ethertype {} (0x{protocol:04x}), length {}: ",
                ethertype(protocol),
                part.len
            ));
        }
        self.cooked_payload(protocol, part.after(16)?)
    }

    /// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2).
    fn cooked2(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (protocol, ifindex) = (bytes.u16(0)?, bytes.u32(4)?);
        let (kind, halen) = (bytes.u8(10)?, bytes.u8(11)?);
        match self.names.get(&ifindex) {
            Some(name) => self.fmt(format_args!("{name:<5} ")),
            None => self.fmt(format_args!("if{ifindex} ")),
        }
        self.fmt(format_args!("{:<3} ", packet_type(kind.into())));
        if self.style.link {
            self.fmt(format_args!("ifindex {ifindex} "));
            if halen == 6 {
                self.mac(bytes.array(12)?);
                self.text(" ");
            }
            self.fmt(format_args!(
                "ethertype {} (0x{protocol:04x}), length {}: ",
                ethertype(protocol),
                part.len
            ));
        }
        self.cooked_payload(protocol, part.after(20)?)
    }

    fn cooked_payload(&mut self, protocol: u16, payload: Part<'_>) -> Option<()> {
        match protocol {
            0x8100 | 0x88a8 => {
                let (tag, inner) = (payload.data.u16(0)?, payload.data.u16(2)?);
                if self.style.link {
                    self.fmt(format_args!("vlan {}, p {}, ", tag & 0xfff, tag >> 13));
                }
                self.cooked_payload(inner, payload.after(4)?)
            }
            // 802.2 (uapi/linux/if_ether.h ETH_P_802_2).
            4 => self.llc(payload, payload.len),
            _ if self.by_ethertype(protocol, payload) => Some(()),
            _ => {
                let name = ethertype(protocol);
                self.fmt(format_args!("{name} (0x{protocol:04x}), length {}", payload.len));
                Some(())
            }
        }
    }

    /// The address family before each packet (LINKTYPE_NULL, LINKTYPE_LOOP).
    fn loopback(&mut self, part: Part<'_>, link: LinkType) -> Option<()> {
        let raw = part.data.array(0)?;
        // In the byte order of the machine that wrote it; families are small.
        let family = match (link, u32::from_le_bytes(raw)) {
            (LinkType::NULL, little) if little <= 0xffff => little,
            _ => u32::from_be_bytes(raw),
        };
        if self.style.link {
            let name = if family == 2 { "IPv4" } else { "IPv6" };
            self.fmt(format_args!("AF {name} ({family}), length {}: ", part.len));
        }
        self.ip_by_version(part.after(4)?)
    }

    /// IEEE 802.2, and what comes behind it.
    fn llc(&mut self, part: Part<'_>, frame: usize) -> Option<()> {
        let bytes = part.data;
        let (dsap, ssap, control) = (bytes.u8(0)?, bytes.u8(1)?, bytes.u8(2)?);
        if (dsap, ssap, control) == (0x42, 0x42, 3) {
            return part.after(3).and_then(|bpdu| self.stp(bpdu));
        }
        if (dsap, ssap, control) == (0xaa, 0xaa, 3) {
            let (oui, kind) = (bytes.u24(3)?, bytes.u16(6)?);
            let payload = part.after(8)?;
            if oui == 0 && self.by_ethertype(kind, payload) {
                return Some(());
            }
            self.fmt(format_args!("SNAP, oui 0x{oui:06x}, pid 0x{kind:04x}, length {frame}"));
            return Some(());
        }
        self.fmt(format_args!(
            "LLC, dsap 0x{dsap:02x}, ssap 0x{ssap:02x}, ctrl 0x{control:02x}, length {frame}"
        ));
        Some(())
    }

    /// IEEE 802.1D and 802.1w bridge messages.
    fn stp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (version, kind) = (bytes.u8(2)?, bytes.u8(3)?);
        let name = match version {
            0 => "802.1d",
            2 => "802.1w",
            3 => "802.1s",
            _ => "802.1?",
        };
        match kind {
            0x80 => self.fmt(format_args!("STP {name}, Topology Change, length {}", part.len)),
            _ => {
                let what = if kind == 2 { "Rapid STP" } else { "Config" };
                let flags = bytes.u8(4)?;
                self.fmt(format_args!("STP {name}, {what}, Flags [0x{flags:02x}], bridge-id "));
                self.bridge(bytes, 17)?;
                self.fmt(format_args!(".{:04x}, length {}", bytes.u16(25)?, part.len));
                if self.style.verbose > 0 {
                    self.text(", root-id ");
                    self.bridge(bytes, 5)?;
                    self.fmt(format_args!(", root-pathcost {}", bytes.u32(13)?));
                }
            }
        }
        Some(())
    }

    fn bridge(&mut self, bytes: &[u8], at: usize) -> Option<()> {
        self.fmt(format_args!("{:04x}.", bytes.u16(at)?));
        self.mac(bytes.array(at + 2)?);
        Some(())
    }

    /// IEEE 802.1AB: the names in the first values.
    fn lldp(&mut self, part: Part<'_>) -> Option<()> {
        self.fmt(format_args!("LLDP, length {}", part.len));
        let mut at = 0;
        while let Some(head) = part.data.u16(at) {
            let (kind, len) = (head >> 9, usize::from(head & 0x1ff));
            let value = part.data.get(at + 2..at + 2 + len)?;
            let name = match kind {
                0 => break,
                4 => Some("port"),
                5 => Some("system"),
                6 => Some("description").filter(|_| self.style.verbose > 0),
                _ => None,
            };
            if let Some(name) = name {
                self.fmt(format_args!(", {name} "));
                self.escaped(value);
            }
            at += 2 + len;
        }
        Some(())
    }
}

/// How a packet came, as cooked captures say (uapi/linux/if_packet.h).
fn packet_type(kind: u16) -> &'static str {
    match kind {
        0 => "In",
        1 => "B",
        2 => "M",
        3 => "P",
        4 => "Out",
        _ => "?",
    }
}
