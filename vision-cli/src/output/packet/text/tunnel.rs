//! Packets that carry other packets.

use super::bytes::Fields;
use super::{Part, Printer};

impl Printer<'_> {
    /// RFC 7348.
    pub(super) fn vxlan(&mut self, part: Part<'_>) -> Option<()> {
        let flags = part.data.u8(0)?;
        let vni = part.data.u32(4)? >> 8;
        self.text("VXLAN, flags [");
        self.text(if flags & 8 != 0 { "I" } else { "." });
        self.fmt(format_args!("] (0x{flags:02x}), vni "));
        self.num(vni);
        let inner = part.after(8)?;
        self.text("\n");
        self.deeper(|p| p.layer("ether", |p| p.ethernet(inner).map(drop)));
        Some(())
    }

    /// RFC 8926.
    pub(super) fn geneve(&mut self, part: Part<'_>) -> Option<()> {
        let (head, flags, kind) = (part.data.u8(0)?, part.data.u8(1)?, part.data.u16(2)?);
        let vni = part.data.u32(4)? >> 8;
        self.text("Geneve, Flags [");
        let names = [(0x80, "O"), (0x40, "C")];
        self.list(names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name));
        self.fmt(format_args!("], vni 0x{vni:x}"));
        if self.style.verbose > 0 {
            self.fmt(format_args!(", proto {} (0x{kind:04x})", super::link::ethertype(kind)));
        }
        let options = 4 * usize::from(head & 0x3f);
        if options > 0 {
            self.fmt(format_args!(", options [{options} bytes]"));
        }
        let inner = part.after(8 + options)?;
        self.text(if self.style.verbose > 0 { "\n\t" } else { ": " });
        self.deeper(|p| {
            if !p.by_ethertype(kind, inner) {
                p.fmt(format_args!("geneve-proto-0x{kind:x}"));
            }
        });
        Some(())
    }

    /// RFC 2784, RFC 2890; version 1 as PPTP has it (RFC 2637 §4.1).
    pub(super) fn gre(&mut self, part: Part<'_>) -> Option<()> {
        let (flags, kind) = (part.data.u16(0)?, part.data.u16(2)?);
        let version = flags & 7;
        self.fmt(format_args!("GREv{version}"));
        let mut at = 4;
        let mut field = |set: bool, text: &str, hex: bool, p: &mut Self| {
            if set {
                let value = part.data.u32(at)?;
                at += 4;
                match hex {
                    _ if text.is_empty() => {}
                    true => p.fmt(format_args!(", {text}=0x{value:x}")),
                    false => p.fmt(format_args!(", {text} {value}")),
                }
            }
            Some(())
        };
        if version == 0 {
            field(flags & 0xc000 != 0, "", false, self)?;
            field(flags & 0x2000 != 0, "key", true, self)?;
            field(flags & 0x1000 != 0, "seq", false, self)?;
        } else {
            field(flags & 0x2000 != 0, "call", false, self)?;
            field(flags & 0x1000 != 0, "seq", false, self)?;
            field(flags & 0x0080 != 0, "ack", false, self)?;
        }
        if self.style.verbose > 0 {
            self.fmt(format_args!(", proto {} (0x{kind:04x})", super::link::ethertype(kind)));
        }
        self.fmt(format_args!(", length {}: ", part.len));
        let inner = part.after(at)?;
        self.deeper(|p| {
            if !p.by_ethertype(kind, inner) {
                p.fmt(format_args!("gre-proto-0x{kind:x}"));
            }
        });
        Some(())
    }

    /// RFC 3032: the stack, and what its last label is probably followed by.
    pub(super) fn mpls(&mut self, part: Part<'_>) -> Option<()> {
        self.text("MPLS (");
        let mut at = 0;
        loop {
            let entry = part.data.u32(at)?;
            at += 4;
            if at > 4 {
                self.text("\n\t");
            }
            self.fmt(format_args!("label {}", entry >> 12));
            match entry >> 12 {
                0 => self.text(" (IPv4 explicit NULL)"),
                1 => self.text(" (router alert)"),
                2 => self.text(" (IPv6 explicit NULL)"),
                3 => self.text(" (implicit NULL)"),
                _ => {}
            }
            self.fmt(format_args!(", tc {}", entry >> 9 & 7));
            if entry & 0x100 != 0 {
                self.text(", [S]");
            }
            self.fmt(format_args!(", ttl {})", entry & 0xff));
            if entry & 0x100 != 0 || at >= 256 {
                break;
            }
        }
        let inner = part.after(at)?;
        match inner.data.first().map(|byte| byte >> 4) {
            Some(4) => {
                self.text(" ");
                self.deeper(|p| p.ipv4(inner));
            }
            Some(6) => {
                self.text(" ");
                self.deeper(|p| p.ipv6(inner));
            }
            _ => self.fmt(format_args!(", length {}", inner.len)),
        }
        Some(())
    }

    /// RFC 2516.
    pub(super) fn pppoe(&mut self, part: Part<'_>, kind: u16) -> Option<()> {
        let (code, session) = (part.data.u8(1)?, part.data.u16(2)?);
        let len = usize::from(part.data.u16(4)?);
        let inner = part.after(6)?.within(len);
        if kind == 0x8863 {
            let name = match code {
                0x09 => "PADI",
                0x07 => "PADO",
                0x19 => "PADR",
                0x65 => "PADS",
                0xa7 => "PADT",
                _ => "PAD?",
            };
            self.fmt(format_args!("PPPoE {name}"));
            if session != 0 {
                self.fmt(format_args!(" [ses 0x{session:x}]"));
            }
            return Some(());
        }
        self.fmt(format_args!("PPPoE  [ses 0x{session:x}] "));
        self.ppp(inner)
    }

    /// A PPP packet in HDLC-like framing or without it; returns the length of its header.
    pub(super) fn ppp_frame(&mut self, part: Part<'_>) -> Option<usize> {
        let framed = part.data.u16(0)? == 0xff03;
        let at = if framed { 2 } else { 0 };
        self.ppp(part.after(at)?)?;
        Some(at + 2)
    }

    /// RFC 1661, RFC 1332, RFC 5072.
    pub(super) fn ppp(&mut self, part: Part<'_>) -> Option<()> {
        // The first byte is left out where both ends agreed to.
        let first = part.data.u8(0)?;
        let (kind, at) = match first & 1 {
            1 => (u16::from(first), 1),
            _ => (part.data.u16(0)?, 2),
        };
        let inner = part.after(at)?;
        if self.style.link {
            self.fmt(format_args!("PPP-0x{kind:04x}, length {}: ", part.len));
        }
        match kind {
            0x21 => self.deeper(|p| p.ipv4(inner)),
            0x57 => self.deeper(|p| p.ipv6(inner)),
            0x281 | 0x283 => return self.mpls(inner),
            _ => {
                let name = match kind {
                    0x8021 => "IPCP",
                    0x8057 => "IP6CP",
                    0x80fd => "CCP",
                    0xc021 => "LCP",
                    0xc023 => "PAP",
                    0xc025 => "LQR",
                    0xc223 => "CHAP",
                    _ => "unknown",
                };
                self.fmt(format_args!("{name} (0x{kind:04x}), length {}", inner.len));
            }
        }
        Some(())
    }
}
