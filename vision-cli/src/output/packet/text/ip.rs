//! IPv4, and what is inside IP packets of either version.

use std::net::Ipv4Addr;

use super::bytes::{Ends, Fields, checksum, should_be};
use super::{Part, Printer};

/// What a transport header needs to know of the packet around it.
#[derive(Clone, Copy)]
pub(super) struct Around {
    pub(super) ends: Ends,
    /// More fragments follow, so that no checksum can be told.
    pub(super) fragment: bool,
}

/// Names of protocol numbers, as tcpdump writes them.
pub(super) fn protocol(number: u8) -> &'static str {
    match number {
        0 => "Options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPIP",
        6 => "TCP",
        17 => "UDP",
        33 => "DCCP",
        41 => "IPv6",
        43 => "Routing",
        44 => "Fragment",
        46 => "RSVP",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        55 => "Mobile IP",
        58 => "ICMPv6",
        59 => "none",
        60 => "DSTOPT",
        88 => "EIGRP",
        89 => "OSPF",
        103 => "PIM",
        108 => "Compressed IP",
        112 => "VRRP",
        132 => "SCTP",
        135 => "mobility",
        136 => "UDPLite",
        _ => "unknown",
    }
}

impl Printer<'_> {
    pub(super) fn ipv4(&mut self, part: Part<'_>) {
        self.layer("ip", |p| p.ipv4_packet(part));
    }

    #[inline]
    fn ipv4_packet(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        if !self.style.link || self.depth > 0 {
            self.text("IP ");
        }
        let head = bytes.first_chunk::<20>()?;
        let header = usize::from(head[0] & 15) * 4;
        if header < 20 {
            self.fmt(format_args!("bad-hlen {header}"));
            return Some(());
        }
        let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
        // Zero means that the card was to cut a larger segment into packets.
        let len = if total == 0 { part.len } else { total };
        if len > part.len {
            self.fmt(format_args!("truncated-ip - {} bytes missing! ", len - part.len));
        } else if len < header {
            self.fmt(format_args!("bad-len {len}"));
            return Some(());
        }
        let offset = u16::from_be_bytes([head[6], head[7]]);
        let number = head[9];
        let ends = Ends::V4(
            Ipv4Addr::new(head[12], head[13], head[14], head[15]),
            Ipv4Addr::new(head[16], head[17], head[18], head[19]),
        );
        if self.style.verbose > 0 {
            self.ipv4_head(part.data, header, total)?;
        }
        let end = if len > part.len { part } else { part.within(len) };
        let payload = Part::new(end.data.get(header..)?, len - header);
        if offset & 0x1fff != 0 {
            self.hosts(ends);
            self.fmt(format_args!(": ip-proto-{number}"));
            return Some(());
        }
        if !matches!(number, 6 | 17 | 132 | 33) {
            self.hosts(ends);
            self.text(": ");
        }
        self.ip_payload(number, payload, Around { ends, fragment: offset & 0x2000 != 0 });
        Some(())
    }

    fn ipv4_head(&mut self, bytes: &[u8], header: usize, total: usize) -> Option<()> {
        let (tos, id, offset) = (bytes.u8(1)?, bytes.u16(4)?, bytes.u16(6)?);
        let (ttl, number, sum) = (bytes.u8(8)?, bytes.u8(9)?, bytes.u16(10)?);
        self.fmt(format_args!("(tos 0x{tos:x}"));
        self.text(["", ",ECT(1)", ",ECT(0)", ",CE"][usize::from(tos & 3)]);
        if ttl > 0 {
            self.fmt(format_args!(", ttl {ttl}"));
        }
        self.fmt(format_args!(", id {id}, offset {}, flags [", (offset & 0x1fff) * 8));
        let flags = [(0x2000, "+"), (0x4000, "DF"), (0x8000, "rsvd")];
        self.list(flags.into_iter().filter(|(bit, _)| offset & bit != 0).map(|(_, name)| name));
        self.fmt(format_args!("], proto {} ({number}), length {total}", protocol(number)));
        if let Some(options) = bytes.get(20..header).filter(|options| !options.is_empty()) {
            self.text(", options (");
            self.ip_options(options);
            self.text(")");
        }
        if let Some(all) = bytes.get(..header) {
            let found = checksum(&[all]);
            if found != 0 {
                let right = should_be(sum, found);
                self.fmt(format_args!(", bad cksum {sum:x} (->{right:x})!"));
            }
        }
        self.text(")\n    ");
        Some(())
    }

    /// Names with commas, or none.
    pub(super) fn list<'n>(&mut self, names: impl Iterator<Item = &'n str>) {
        let mut any = false;
        for name in names {
            if any {
                self.text(", ");
            }
            self.text(name);
            any = true;
        }
        if !any {
            self.text("none");
        }
    }

    /// Options of IPv4 (RFC 791 §3.1 and the IANA registry).
    fn ip_options(&mut self, mut rest: &[u8]) {
        let mut first = true;
        while let Some((kind, tail)) = rest.split_first() {
            if !first {
                self.text(",");
            }
            first = false;
            let name = match kind {
                0 => return self.text("EOL"),
                1 => {
                    self.text("NOP");
                    rest = tail;
                    continue;
                }
                7 => "RR",
                68 => "timestamp",
                130 => "security",
                131 => "LSRR",
                137 => "SSRR",
                148 => "RA",
                _ => "unknown",
            };
            let len = usize::from(tail.first().copied().unwrap_or(0));
            let Some(value) = rest.get(2..len) else {
                return self.fmt(format_args!("{name} [bad length {len}]"));
            };
            self.text(name);
            match kind {
                7 | 131 | 137 => {
                    for addr in value.get(1..).unwrap_or_default().chunks_exact(4) {
                        if let Some(addr) = addr.v4(0) {
                            self.fmt(format_args!(" {addr}"));
                        }
                    }
                }
                148 => self.fmt(format_args!(" value {}", value.u16(0).unwrap_or(0))),
                _ => {}
            }
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    /// What an IP packet carries.
    #[inline]
    pub(super) fn ip_payload(&mut self, number: u8, part: Part<'_>, around: Around) {
        match number {
            6 => self.layer("tcp", |p| p.tcp(part, around)),
            17 | 136 => self.layer("udp", |p| p.udp(part, around, number)),
            1 => self.layer("icmp", |p| p.icmp(part, around)),
            58 => self.layer("icmp6", |p| p.icmp6(part, around)),
            2 => self.layer("igmp", |p| p.igmp(part)),
            4 => self.deeper(|p| p.ipv4(part)),
            41 => self.deeper(|p| p.ipv6(part)),
            47 => self.layer("gre", |p| p.gre(part)),
            50 => self.layer("esp", |p| p.esp(part)),
            51 => self.layer("ah", |p| p.ah(part, around)),
            132 => self.layer("sctp", |p| p.sctp(part, around)),
            137 => self.layer("mpls", |p| p.mpls(part)),
            112 => self.layer("vrrp", |p| p.vrrp(part)),
            89 => self.fmt(format_args!("OSPF, length {}", part.len)),
            103 => self.fmt(format_args!("PIM, length {}", part.len)),
            _ => self.fmt(format_args!("ip-proto-{number} {}", part.len)),
        }
    }
}
