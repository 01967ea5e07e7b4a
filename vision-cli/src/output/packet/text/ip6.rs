//! IPv6 and its extension headers.

use super::bytes::{Ends, Fields};
use super::ip::{Around, protocol};
use super::{Part, Printer};

/// Extension headers followed at most; a packet of the usual size has room for no more.
const MOST_HEADERS: usize = 16;

impl Printer<'_> {
    pub(super) fn ipv6(&mut self, part: Part<'_>) {
        self.layer("ip6", |p| p.ipv6_packet(part));
    }

    fn ipv6_packet(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        if !self.style.link || self.depth > 0 {
            self.text("IP6 ");
        }
        let (flow, payload) = (bytes.u32(0)?, usize::from(bytes.u16(4)?));
        let (next, hops) = (bytes.u8(6)?, bytes.u8(7)?);
        let ends = Ends::V6(bytes.v6(8)?, bytes.v6(24)?);
        let len = if payload == 0 { part.len } else { payload + 40 };
        if len > part.len {
            self.fmt(format_args!("truncated-ip6 - {} bytes missing!", len - part.len));
        }
        if self.style.verbose > 0 {
            self.text("(");
            if flow & 0x0ff0_0000 != 0 {
                self.fmt(format_args!("class 0x{:02x}, ", flow >> 20 & 0xff));
            }
            if flow & 0xf_ffff != 0 {
                self.fmt(format_args!("flowlabel 0x{:05x}, ", flow & 0xf_ffff));
            }
            let name = protocol(next);
            self.fmt(format_args!(
                "hlim {hops}, next-header {name} ({next}) payload length: {payload}) "
            ));
        }
        if !matches!(next, 6 | 17 | 132 | 33) {
            self.hosts(ends);
            self.text(": ");
        }
        let body = if len > part.len { part } else { part.within(len) };
        let body = Part::new(body.data.get(40..)?, len - 40);
        self.ipv6_chain(next, body, ends)
    }

    /// RFC 8200 §4.
    fn ipv6_chain(&mut self, mut next: u8, mut part: Part<'_>, ends: Ends) -> Option<()> {
        let mut fragment = false;
        for _ in 0..MOST_HEADERS {
            let bytes = part.data;
            let len = match next {
                0 => {
                    self.text("HBH ");
                    8 + 8 * usize::from(bytes.u8(1)?)
                }
                60 => {
                    self.text("DSTOPT ");
                    8 + 8 * usize::from(bytes.u8(1)?)
                }
                43 => {
                    let (len, kind, left) = (bytes.u8(1)?, bytes.u8(2)?, bytes.u8(3)?);
                    self.fmt(format_args!("srcrt (len={len}, type={kind}, segleft={left}) "));
                    8 + 8 * usize::from(len)
                }
                44 => {
                    let (place, id) = (bytes.u16(2)?, bytes.u32(4)?);
                    let rest = part.len.saturating_sub(8);
                    match self.style.verbose {
                        0 => self.fmt(format_args!("frag ({}|{rest})", place & 0xfff8)),
                        _ => self.fmt(format_args!("frag (0x{id:08x}:{}|{rest})", place & 0xfff8)),
                    }
                    if place & 0xfff8 != 0 {
                        return Some(());
                    }
                    self.text(" ");
                    fragment = place & 1 != 0;
                    8
                }
                59 => {
                    self.fmt(format_args!("no next header, length {}", part.len));
                    return Some(());
                }
                _ => {
                    self.ip_payload(next, part, Around { ends, fragment });
                    return Some(());
                }
            };
            next = bytes.u8(0)?;
            part = part.after(len)?;
        }
        self.text("[too many extension headers]");
        Some(())
    }
}
