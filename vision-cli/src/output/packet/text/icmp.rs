//! ICMP (RFC 792, RFC 1122 §3.2.2, RFC 1812 §4.3.3).

use std::net::Ipv4Addr;

use super::bytes::{Fields, checksum, should_be};
use super::ip::Around;
use super::{Part, Printer};

impl Printer<'_> {
    pub(super) fn icmp(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let bytes = part.data;
        let (kind, code) = (bytes.u8(0)?, bytes.u8(1)?);
        self.text("ICMP ");
        match kind {
            0 | 8 => {
                self.text(if kind == 0 { "echo reply, id " } else { "echo request, id " });
                self.num(bytes.u16(4)?);
                self.text(", seq ");
                self.num(bytes.u16(6)?);
            }
            3 => self.unreachable(bytes, code)?,
            4 => self.text("source quench"),
            5 => {
                let what = if matches!(code, 0 | 2) { "net" } else { "host" };
                let (to, for_) = (bytes.v4(4)?, bytes.v4(24)?);
                self.fmt(format_args!("redirect {for_} to {what} {to}"));
            }
            9 => self.text("router advertisement"),
            10 => self.text("router solicitation"),
            11 => match code {
                0 => self.text("time exceeded in-transit"),
                1 => self.text("ip reassembly time exceeded"),
                _ => self.fmt(format_args!("time exceeded-#{code}")),
            },
            12 => match code {
                0 => self.fmt(format_args!("parameter problem - octet {}", bytes.u8(4)?)),
                _ => self.fmt(format_args!("parameter problem - code {code}")),
            },
            13 => {
                let (id, seq) = (bytes.u16(4)?, bytes.u16(6)?);
                self.fmt(format_args!("time stamp query id {id} seq {seq}"));
            }
            14 => {
                let (id, seq, org) = (bytes.u16(4)?, bytes.u16(6)?, bytes.u32(8)?);
                let (recv, xmit) = (bytes.u32(12)?, bytes.u32(16)?);
                self.fmt(format_args!(
                    "time stamp reply id {id} seq {seq}: org {org}, recv {recv}, xmit {xmit}"
                ));
            }
            17 => self.text("address mask request"),
            18 => self.fmt(format_args!("address mask is 0x{:08x}", bytes.u32(8)?)),
            _ => self.fmt(format_args!("type-#{kind}")),
        }
        self.text(", length ");
        self.num(part.len as u64);
        if self.style.verbose > 0 {
            self.icmp_details(part, around, kind);
        }
        Some(())
    }

    fn icmp_details(&mut self, part: Part<'_>, around: Around, kind: u8) {
        if part.is_whole() && !around.fragment {
            let found = checksum(&[part.data]);
            if found != 0 {
                let held = part.data.u16(2).unwrap_or(0);
                let right = should_be(held, found);
                self.fmt(format_args!(", wrong icmp cksum {held:x} (->{right:x})!"));
            }
        }
        if matches!(kind, 3 | 4 | 5 | 11 | 12)
            && let Some(quoted) = part.after(8)
            && !quoted.data.is_empty()
        {
            self.text("\n\t");
            // Errors quote as much as they like: what is missing was not sent.
            self.deeper(|p| p.quoted(quoted));
        }
    }

    fn quoted(&mut self, part: Part<'_>) {
        let total = part.data.u16(2).unwrap_or(0);
        self.ipv4(Part::new(part.data, part.len.max(total.into())));
    }

    fn unreachable(&mut self, bytes: &[u8], code: u8) -> Option<()> {
        // The header of the packet that did not arrive.
        let header = usize::from(bytes.u8(8)? & 15) * 4;
        let (number, to) = (bytes.u8(17)?, bytes.v4(24)?);
        match code {
            2 => self.fmt(format_args!("{to} protocol {number} unreachable")),
            3 => {
                let port = bytes.u16(8 + header + 2)?;
                match number {
                    6 => self.fmt(format_args!("{to} tcp port {port} unreachable")),
                    17 => self.fmt(format_args!("{to} udp port {port} unreachable")),
                    _ => self.fmt(format_args!("{to} protocol {number} port {port} unreachable")),
                }
            }
            4 => {
                self.fmt(format_args!("{to} unreachable - need to frag"));
                let mtu = bytes.u16(6)?;
                if mtu > 0 {
                    self.fmt(format_args!(" (mtu {mtu})"));
                }
            }
            _ => self.unreachable_why(to, code),
        }
        Some(())
    }

    fn unreachable_why(&mut self, to: Ipv4Addr, code: u8) {
        match code {
            0 => self.fmt(format_args!("net {to} unreachable")),
            1 => self.fmt(format_args!("host {to} unreachable")),
            5 => self.fmt(format_args!("{to} unreachable - source route failed")),
            6 => self.fmt(format_args!("net {to} unreachable - unknown")),
            7 => self.fmt(format_args!("host {to} unreachable - unknown")),
            8 => self.fmt(format_args!("{to} unreachable - source host isolated")),
            9 => self.fmt(format_args!("net {to} unreachable - admin prohibited")),
            10 => self.fmt(format_args!("host {to} unreachable - admin prohibited")),
            11 => self.fmt(format_args!("net {to} unreachable - tos prohibited")),
            12 => self.fmt(format_args!("host {to} unreachable - tos prohibited")),
            13 => self.fmt(format_args!("host {to} unreachable - admin prohibited filter")),
            14 => self.fmt(format_args!("host {to} unreachable - host precedence violation")),
            15 => self.fmt(format_args!("host {to} unreachable - precedence cutoff")),
            _ => self.fmt(format_args!("{to} unreachable - #{code}")),
        }
    }
}
