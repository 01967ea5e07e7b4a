//! UDP, and what protects packets.

use super::bytes::{Ends, Fields, should_be};
use super::ip::Around;
use super::{Part, Printer};

impl Printer<'_> {
    #[inline]
    pub(super) fn udp(&mut self, part: Part<'_>, around: Around, number: u8) -> Option<()> {
        let Some(ports) = part.data.u32(0) else {
            self.hosts_once(around);
            return None;
        };
        let (src, dst) = ((ports >> 16) as u16, ports as u16);
        self.ends(around, src, dst);
        let (said, sum) = (usize::from(part.data.u16(4)?), part.data.u16(6)?);
        // UDP-Lite has its coverage there (RFC 3828 §3.1), and jumbograms zero (RFC 2675 §4).
        let len = if number == 136 || said == 0 { part.len } else { said };
        if len < 8 {
            self.fmt(format_args!("truncated-udplength {len}"));
            return Some(());
        }
        let part = part.within(len);
        if self.style.quiet {
            self.text("UDP, length ");
            self.num(len as u64 - 8);
            return Some(());
        }
        // Without one a packet of IPv6 is lost (RFC 8200 §8.1); with IPv4 it is of less concern.
        let v6 = matches!(around.ends, Ends::V6(..));
        if self.style.verbose > u8::from(!v6) {
            self.udp_checksum(part, around, sum);
        }
        let payload = part.after(8)?;
        if !self.udp_payload(payload, src, dst) {
            self.text("UDP, length ");
            self.num(len as u64 - 8);
        }
        Some(())
    }

    fn udp_checksum(&mut self, part: Part<'_>, around: Around, held: u16) {
        if held == 0 {
            return self.text("[no cksum] ");
        }
        if !part.is_whole() || around.fragment {
            return;
        }
        match around.ends.checksum(17, part) {
            0 => self.text("[udp sum ok] "),
            found => self.fmt(format_args!(
                "[bad udp cksum 0x{held:04x} -> 0x{:04x}!] ",
                should_be(held, found)
            )),
        }
    }

    /// Writes what the ports say it is; `false` when they say nothing.
    #[inline]
    fn udp_payload(&mut self, part: Part<'_>, src: u16, dst: u16) -> bool {
        let is = |port: u16| src == port || dst == port;
        if is(53) {
            self.layer("domain", |p| p.dns(part, false));
        } else if is(5353) || is(5355) {
            self.layer("domain", |p| p.dns(part, is(5353)));
        } else if dst == 4789 {
            self.layer("vxlan", |p| p.vxlan(part));
        } else if dst == 6081 {
            self.layer("geneve", |p| p.geneve(part));
        } else if is(67) || is(68) {
            self.layer("dhcp", |p| p.dhcp(part));
        } else if is(546) || is(547) {
            self.layer("dhcp6", |p| p.dhcp6(part));
        } else if is(123) {
            self.layer("ntp", |p| p.ntp(part));
        } else if is(5060) {
            self.words("SIP", part);
        } else if is(1812) || is(1813) || is(1645) || is(1646) || is(3799) {
            self.layer("radius", |p| p.radius(part));
        } else if is(520) {
            self.layer("rip", |p| p.rip(part));
        } else if dst == 3784 || is(4784) {
            self.layer("bfd", |p| p.bfd(part, is(4784)));
        } else if is(514) {
            self.layer("syslog", |p| p.syslog(part));
        } else {
            return false;
        }
        true
    }

    pub(super) fn esp(&mut self, part: Part<'_>) -> Option<()> {
        let (spi, seq) = (part.data.u32(0)?, part.data.u32(4)?);
        self.fmt(format_args!("ESP(spi=0x{spi:08x},seq=0x{seq:x}), length {}", part.len));
        Some(())
    }

    /// RFC 4302, and what it protects.
    pub(super) fn ah(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let (next, len) = (part.data.u8(0)?, part.data.u8(1)?);
        let (spi, seq) = (part.data.u32(4)?, part.data.u32(8)?);
        self.fmt(format_args!("AH(spi=0x{spi:08x},seq=0x{seq:x},icv=0x"));
        let end = usize::from(len) * 4 + 8;
        self.hex(part.data.get(12..end)?);
        self.text("): ");
        let inner = part.after(end)?;
        self.deeper(|p| p.ip_payload(next, inner, around));
        Some(())
    }
}
