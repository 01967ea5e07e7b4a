//! ARP and RARP (RFC 826, RFC 903).

use super::bytes::Fields;
use super::link::RARP;
use super::{Part, Printer};

impl Printer<'_> {
    pub(super) fn arp(&mut self, part: Part<'_>, kind: u16) -> Option<()> {
        let bytes = part.data;
        let (hardware, protocol) = (bytes.u16(0)?, bytes.u16(2)?);
        let (hlen, plen, operation) = (bytes.u8(4)?, bytes.u8(5)?, bytes.u16(6)?);
        if !self.style.link {
            self.text(if kind == RARP { "RARP, " } else { "ARP, " });
        }
        if self.style.verbose > 0 || (hardware, protocol, hlen, plen) != (1, 0x0800, 6, 4) {
            let hardware = match hardware {
                1 => "Ethernet",
                6 => "TokenRing",
                24 => "IEEE1394",
                32 => "Infiniband",
                _ => "Unknown Hardware",
            };
            let protocol = if protocol == 0x0800 { "IPv4" } else { "Unknown Protocol" };
            self.fmt(format_args!("{hardware} (len {hlen}), {protocol} (len {plen}), "));
        }
        if (hlen, plen) != (6, 4) {
            self.fmt(format_args!("op {operation}, length {}", part.len));
            return Some(());
        }
        let (sha, spa) = (bytes.array::<6>(8)?, bytes.v4(14)?);
        let (tha, tpa) = (bytes.array::<6>(18)?, bytes.v4(24)?);
        match operation {
            1 => {
                self.fmt(format_args!("Request who-has {tpa}"));
                if tha != [0; 6] && tha != [0xff; 6] {
                    self.text(" (");
                    self.mac(tha);
                    self.text(")");
                }
                self.fmt(format_args!(" tell {spa}"));
            }
            2 => {
                self.fmt(format_args!("Reply {spa} is-at "));
                self.mac(sha);
            }
            3 => {
                self.text("Request who-is ");
                self.mac(tha);
                self.text(" tell ");
                self.mac(sha);
            }
            4 => {
                self.text("Reply ");
                self.mac(tha);
                self.fmt(format_args!(" at {tpa}"));
            }
            _ => self.fmt(format_args!("op {operation} {spa} > {tpa}")),
        }
        self.fmt(format_args!(", length {}", part.len));
        Some(())
    }
}
