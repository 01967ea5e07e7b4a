//! DHCP for IPv4 (RFC 2131, RFC 2132).

use super::bytes::Fields;
use super::{Part, Printer};

impl Printer<'_> {
    /// What a client and a server say to each other.
    pub(super) fn dhcp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let operation = bytes.u8(0)?;
        self.text("BOOTP/DHCP, ");
        match operation {
            1 => {
                self.text("Request from ");
                self.mac(bytes.array(28)?);
            }
            2 => self.text("Reply"),
            _ => self.fmt(format_args!("unknown (0x{operation:02x})")),
        }
        self.fmt(format_args!(", length {}", part.len));
        if self.style.verbose == 0 {
            return Some(());
        }
        let (hops, id, secs, flags) = (bytes.u8(3)?, bytes.u32(4)?, bytes.u16(8)?, bytes.u16(10)?);
        if hops > 0 {
            self.fmt(format_args!(", hops {hops}"));
        }
        if id > 0 {
            self.fmt(format_args!(", xid 0x{id:x}"));
        }
        if secs > 0 {
            self.fmt(format_args!(", secs {secs}"));
        }
        let flag = if flags & 0x8000 != 0 { "Broadcast" } else { "none" };
        self.fmt(format_args!(", Flags [{flag}]"));
        if self.style.verbose > 1 {
            self.fmt(format_args!(" (0x{flags:04x})"));
        }
        let places = [(12, "Client-IP"), (16, "Your-IP"), (20, "Server-IP"), (24, "Gateway-IP")];
        for (at, name) in places {
            let addr = bytes.v4(at)?;
            if !addr.is_unspecified() {
                self.fmt(format_args!("\n\t  {name} {addr}"));
            }
        }
        self.text("\n\t  Client-Ethernet-Address ");
        self.mac(bytes.array(28)?);
        if bytes.u32(236)? == 0x6382_5363 {
            self.text("\n\t  Vendor-rfc1048 Extensions\n\t    Magic Cookie 0x63825363");
            self.dhcp_options(bytes.get(240..)?)?;
        }
        Some(())
    }

    /// RFC 2132.
    fn dhcp_options(&mut self, mut rest: &[u8]) -> Option<()> {
        while let Some((kind, tail)) = rest.split_first() {
            match kind {
                0 => {
                    rest = tail;
                    continue;
                }
                255 => return Some(()),
                _ => {}
            }
            let len = usize::from(*tail.first()?);
            let value = tail.get(1..1 + len)?;
            self.dhcp_option(*kind, value);
            rest = tail.get(1 + len..)?;
        }
        Some(())
    }

    fn dhcp_option(&mut self, kind: u8, value: &[u8]) {
        let name = option_name(kind);
        self.fmt(format_args!("\n\t    {name} ({kind}), length {}: ", value.len()));
        match kind {
            1 | 3 | 6 | 28 | 50 | 54 => {
                for (n, addr) in value.chunks_exact(4).filter_map(|addr| addr.v4(0)).enumerate() {
                    let comma = if n > 0 { "," } else { "" };
                    self.fmt(format_args!("{comma}{addr}"));
                }
            }
            12 | 15 | 56 | 60 => {
                self.text("\"");
                self.escaped(value);
                self.text("\"");
            }
            26 | 57 => self.fmt(format_args!("{}", value.u16(0).unwrap_or(0))),
            51 | 58 | 59 => self.fmt(format_args!("{}", value.u32(0).unwrap_or(0))),
            53 => self.text(match value.first() {
                Some(1) => "Discover",
                Some(2) => "Offer",
                Some(3) => "Request",
                Some(4) => "Decline",
                Some(5) => "ACK",
                Some(6) => "NACK",
                Some(7) => "Release",
                Some(8) => "Inform",
                _ => "?",
            }),
            55 => {
                for (n, kind) in value.iter().enumerate() {
                    self.text(if n % 4 == 0 { "\n\t      " } else { ", " });
                    self.fmt(format_args!("{} ({kind})", option_name(*kind)));
                }
            }
            61 if value.len() == 7 && value.first() == Some(&1) => {
                self.text("ether ");
                self.mac(value.array(1).unwrap_or_default());
            }
            _ => self.hex(value),
        }
    }
}

/// Names of options, as short as tcpdump has them.
fn option_name(kind: u8) -> &'static str {
    match kind {
        1 => "Subnet-Mask",
        2 => "Time-Zone",
        3 => "Default-Gateway",
        4 => "Time-Server",
        6 => "Domain-Name-Server",
        7 => "LOG",
        12 => "Hostname",
        13 => "BS",
        15 => "Domain-Name",
        17 => "RP",
        26 => "MTU",
        28 => "BR",
        31 => "Router-Discovery",
        33 => "Static-Route",
        40 => "YD",
        41 => "YS",
        42 => "NTP",
        43 => "Vendor-Option",
        44 => "Netbios-Name-Server",
        46 => "Netbios-Node",
        47 => "Netbios-Scope",
        50 => "Requested-IP",
        51 => "Lease-Time",
        52 => "OO",
        53 => "DHCP-Message",
        54 => "Server-ID",
        55 => "Parameter-Request",
        56 => "MSG",
        57 => "MSZ",
        58 => "RN",
        59 => "RB",
        60 => "Vendor-Class",
        61 => "Client-ID",
        66 => "TFTP",
        67 => "BF",
        81 => "FQDN",
        82 => "Agent-Information",
        95 => "LDAP",
        116 => "Auto-Config",
        119 => "Domain-Search",
        121 => "Classless-Static-Route",
        249 => "Classless-Static-Route-Microsoft",
        252 => "WPAD",
        _ => "Unknown",
    }
}
