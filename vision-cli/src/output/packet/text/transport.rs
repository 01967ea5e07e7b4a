//! UDP, SCTP and the protocols over IP that take a line only.

use super::bytes::{Fields, should_be};
use super::ip::Around;
use super::{Part, Printer};

impl Printer<'_> {
    #[inline]
    pub(super) fn udp(&mut self, part: Part<'_>, around: Around, number: u8) -> Option<()> {
        let ports = part.data.u32(0)?;
        let (src, dst) = ((ports >> 16) as u16, ports as u16);
        self.ends(around.ends, src, dst);
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
        if self.style.verbose > 0 {
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
        } else if is(514) {
            self.layer("syslog", |p| p.syslog(part));
        } else {
            return false;
        }
        true
    }

    /// RFC 9260: the chunks by name.
    pub(super) fn sctp(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let bytes = part.data;
        let (src, dst) = (bytes.u16(0)?, bytes.u16(2)?);
        self.ends(around.ends, src, dst);
        self.text("sctp");
        if self.style.quiet {
            return Some(());
        }
        let mut at = 12;
        let mut number = 1;
        while at < part.len {
            let (kind, flags, len) = (bytes.u8(at)?, bytes.u8(at + 1)?, bytes.u16(at + 2)?);
            let name = match kind {
                0 => "DATA",
                1 => "INIT",
                2 => "INIT ACK",
                3 => "SACK",
                4 => "HB REQ",
                5 => "HB ACK",
                6 => "ABORT",
                7 => "SHUTDOWN",
                8 => "SHUTDOWN ACK",
                9 => "OP ERR",
                10 => "COOKIE ECHO",
                11 => "COOKIE ACK",
                12 => "ECN ECHO",
                13 => "CWR",
                14 => "SHUTDOWN COMPLETE",
                _ => "Unknown chunk type",
            };
            self.fmt(format_args!(" ({number}) [{name}]"));
            if kind == 0 {
                let (tsn, stream) = (bytes.u32(at + 4)?, bytes.u16(at + 8)?);
                let (sequence, protocol) = (bytes.u16(at + 10)?, bytes.u32(at + 12)?);
                self.text(" (");
                self.text(["M", "E", "B", "BE"][usize::from(flags & 3)]);
                self.fmt(format_args!(
                    ") [TSN: {tsn}] [SID: {stream}] [SSEQ {sequence}] [PPID 0x{protocol:x}]"
                ));
            }
            if len < 4 {
                self.text(" [bad chunk length]");
                return Some(());
            }
            at += usize::from(len).next_multiple_of(4);
            number += 1;
        }
        Some(())
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
        self.fmt(format_args!("AH(spi=0x{spi:08x},seq=0x{seq:x}): "));
        let inner = part.after(usize::from(len) * 4 + 8)?;
        self.deeper(|p| p.ip_payload(next, inner, around));
        Some(())
    }

    /// RFC 2236, RFC 3376.
    pub(super) fn igmp(&mut self, part: Part<'_>) -> Option<()> {
        let kind = part.data.u8(0)?;
        let group = part.data.v4(4);
        match (kind, group) {
            (0x11, Some(group)) => {
                self.text(if part.len >= 12 { "igmp query v3" } else { "igmp query v2" });
                if !group.is_unspecified() {
                    self.fmt(format_args!(" [gaddr {group}]"));
                }
            }
            (0x12, Some(group)) => self.fmt(format_args!("igmp v1 report {group}")),
            (0x16, Some(group)) => self.fmt(format_args!("igmp v2 report {group}")),
            (0x17, Some(group)) => self.fmt(format_args!("igmp leave {group}")),
            (0x22, _) => {
                let records = part.data.u16(6)?;
                self.fmt(format_args!("igmp v3 report, {records} group record(s)"));
            }
            _ => self.fmt(format_args!("igmp-{kind} [len {}]", part.len)),
        }
        Some(())
    }

    /// RFC 9568.
    pub(super) fn vrrp(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (head, id, priority) = (bytes.u8(0)?, bytes.u8(1)?, bytes.u8(2)?);
        self.fmt(format_args!(
            "VRRPv{}, Advertisement, vrid {id}, prio {priority}, length {}",
            head >> 4,
            part.len
        ));
        Some(())
    }
}
