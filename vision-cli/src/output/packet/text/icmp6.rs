//! ICMPv6 and neighbour discovery (RFC 4443, RFC 4861, RFC 3810).

use super::bytes::{Fields, should_be};
use super::ip::Around;
use super::{Part, Printer};

impl Printer<'_> {
    pub(super) fn icmp6(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let bytes = part.data;
        let (kind, code) = (bytes.u8(0)?, bytes.u8(1)?);
        if self.style.verbose > 0 && part.is_whole() && !around.fragment {
            match around.ends.checksum(58, part) {
                0 => self.text("[icmp6 sum ok] "),
                found => {
                    let held = bytes.u16(2)?;
                    self.fmt(format_args!(
                        "[bad icmp6 cksum 0x{held:04x} -> 0x{:04x}!] ",
                        should_be(held, found)
                    ));
                }
            }
        }
        self.text("ICMP6, ");
        self.text(name(kind));
        let early = self.style.verbose > 0 && matches!(kind, 133..=137);
        if early {
            self.fmt(format_args!(", length {}", part.len));
        }
        self.icmp6_body(part, kind, code)?;
        if !early {
            self.text(", length ");
            self.num(part.len as u64);
        }
        if self.style.verbose > 0 && matches!(kind, 1..=4) {
            self.icmp6_quoted(part);
        }
        Some(())
    }

    fn icmp6_body(&mut self, part: Part<'_>, kind: u8, code: u8) -> Option<()> {
        let bytes = part.data;
        match kind {
            1 => self.unreachable6(bytes, code)?,
            2 => self.fmt(format_args!(", mtu {}", bytes.u32(4)?)),
            3 => match code {
                0 => self.fmt(format_args!(" for {}", bytes.v6(32)?)),
                _ => self.text(" (reassembly)"),
            },
            4 => self.fmt(format_args!(", code {code}, octet {}", bytes.u32(4)?)),
            128 | 129 => {
                self.text(", id ");
                self.num(bytes.u16(4)?);
                self.text(", seq ");
                self.num(bytes.u16(6)?);
            }
            130 => self.multicast_query(part)?,
            131 | 132 => {
                let (delay, group) = (bytes.u16(4)?, bytes.v6(8)?);
                self.fmt(format_args!("max resp delay: {delay} addr: {group}"));
            }
            133 => self.nd_options(bytes, 8),
            134 => self.router_advertisement(bytes)?,
            135 => {
                self.fmt(format_args!(", who has {}", bytes.v6(8)?));
                self.nd_options(bytes, 24);
            }
            136 => {
                self.fmt(format_args!(", tgt is {}", bytes.v6(8)?));
                if self.style.verbose > 0 {
                    let flags = bytes.u8(4)?;
                    self.text(", Flags [");
                    let names = [(0x80, "router"), (0x40, "solicited"), (0x20, "override")];
                    let set = names.into_iter().filter(|(bit, _)| flags & bit != 0);
                    self.list(set.map(|(_, name)| name));
                    self.text("]");
                }
                self.nd_options(bytes, 24);
            }
            137 => {
                let (to, for_) = (bytes.v6(8)?, bytes.v6(24)?);
                self.fmt(format_args!(", {for_} to {to}"));
                self.nd_options(bytes, 40);
            }
            143 => self.multicast_report(bytes)?,
            _ => {}
        }
        Some(())
    }

    fn unreachable6(&mut self, bytes: &[u8], code: u8) -> Option<()> {
        let (src, to) = (bytes.v6(16)?, bytes.v6(32)?);
        match code {
            0 => self.fmt(format_args!(", unreachable route {to}")),
            1 => self.fmt(format_args!(", unreachable prohibited {to}")),
            2 => self.fmt(format_args!(", beyond scope {to}, source address {src}")),
            3 => self.fmt(format_args!(", unreachable address {to}")),
            4 => {
                let (next, port) = (bytes.u8(14)?, bytes.u16(50)?);
                match next {
                    6 => self.fmt(format_args!(", {to} tcp port {port}")),
                    17 => self.fmt(format_args!(", {to} udp port {port}")),
                    _ => self.fmt(format_args!(", {to} protocol {next} port {port} unreachable")),
                }
            }
            5 => self.fmt(format_args!(", source address failed ingress/egress policy {to}")),
            6 => self.fmt(format_args!(", reject route to destination {to}")),
            _ => self.fmt(format_args!(", unknown unreach code ({code})")),
        }
        Some(())
    }

    fn router_advertisement(&mut self, bytes: &[u8]) -> Option<()> {
        if self.style.verbose == 0 {
            return Some(());
        }
        let (hops, flags, lifetime) = (bytes.u8(4)?, bytes.u8(5)?, bytes.u16(6)?);
        self.fmt(format_args!("\n\thop limit {hops}, Flags ["));
        let names = [(0x80, "managed"), (0x40, "other stateful"), (0x20, "home agent")];
        self.list(names.into_iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| name));
        let preference = ["medium", "high", "unknown", "low"][usize::from(flags >> 3 & 3)];
        self.fmt(format_args!(
            "], pref {preference}, router lifetime {lifetime}s, reachable time {}ms, \
             retrans timer {}ms",
            bytes.u32(8)?,
            bytes.u32(12)?
        ));
        self.nd_options(bytes, 16);
        Some(())
    }

    /// Options of neighbour discovery, with `-v`.
    fn nd_options(&mut self, bytes: &[u8], mut at: usize) {
        while self.style.verbose > 0 {
            let (Some(kind), Some(units)) = (bytes.u8(at), bytes.u8(at + 1)) else { return };
            let len = 8 * usize::from(units);
            let name = match kind {
                1 => "source link-address",
                2 => "destination link-address",
                3 => "prefix info",
                4 => "redirected header",
                5 => "mtu",
                14 => "nonce",
                24 => "route info",
                25 => "rdnss",
                31 => "dnssl",
                _ => "unknown",
            };
            self.fmt(format_args!("\n\t  {name} option ({kind}), length {len} ({units}): "));
            let Some(value) = bytes.get(at + 2..at + len) else {
                return self.text("[|icmp6]");
            };
            self.nd_option(kind, value);
            at += len;
        }
    }

    fn nd_option(&mut self, kind: u8, value: &[u8]) {
        match (kind, value) {
            (1 | 2, mac) if mac.len() == 6 => self.mac(mac.array(0).unwrap_or_default()),
            (3, _) => {
                let (Some(bits), Some(flags), Some(prefix)) =
                    (value.u8(0), value.u8(1), value.v6(14))
                else {
                    return;
                };
                self.fmt(format_args!("{prefix}/{bits}, Flags ["));
                let names = [(0x80, "onlink"), (0x40, "auto"), (0x20, "router")];
                let set = names.into_iter().filter(|(bit, _)| flags & bit != 0);
                self.list(set.map(|(_, name)| name));
                let (valid, preferred) = (value.u32(2).unwrap_or(0), value.u32(6).unwrap_or(0));
                self.fmt(format_args!("], valid time {valid}s, pref. time {preferred}s"));
            }
            (5, _) => self.fmt(format_args!(" {}", value.u32(2).unwrap_or(0))),
            (25, _) => {
                self.fmt(format_args!(" lifetime {}s,", value.u32(2).unwrap_or(0)));
                for addr in value.get(6..).unwrap_or_default().chunks_exact(16) {
                    if let Some(addr) = addr.v6(0) {
                        self.fmt(format_args!(" addr: {addr}"));
                    }
                }
            }
            _ => {
                self.text(" 0x");
                self.hex(value.get(..64).unwrap_or(value));
            }
        }
    }

    fn multicast_query(&mut self, part: Part<'_>) -> Option<()> {
        let bytes = part.data;
        let (delay, group) = (bytes.u16(4)?, bytes.v6(8)?);
        match part.len >= 28 {
            false => self.fmt(format_args!(" max resp delay: {delay} addr: {group}")),
            true => {
                self.text(" v2");
                if self.style.verbose > 0 {
                    self.fmt(format_args!(" [max resp delay={delay}]"));
                }
                match group.is_unspecified() {
                    true => self.text(" [gaddr ::]"),
                    false => self.fmt(format_args!(" [gaddr {group}]")),
                }
            }
        }
        Some(())
    }

    fn multicast_report(&mut self, bytes: &[u8]) -> Option<()> {
        let records = bytes.u16(6)?;
        self.fmt(format_args!(", {records} group record(s)"));
        let mut at = 8;
        for _ in 0..records {
            if self.style.verbose == 0 {
                break;
            }
            let (kind, extra, sources) = (bytes.u8(at)?, bytes.u8(at + 1)?, bytes.u16(at + 2)?);
            let group = bytes.v6(at + 4)?;
            let what = match kind {
                1 => "is_in",
                2 => "is_ex",
                3 => "to_in",
                4 => "to_ex",
                5 => "allow",
                6 => "block",
                _ => "unknown",
            };
            self.fmt(format_args!(" [gaddr {group} {what}, {sources} source(s)]"));
            at += 20 + 16 * usize::from(sources) + 4 * usize::from(extra);
        }
        Some(())
    }

    fn icmp6_quoted(&mut self, part: Part<'_>) {
        let Some(quoted) = part.after(8).filter(|quoted| !quoted.data.is_empty()) else {
            return;
        };
        let payload = quoted.data.u16(4).map_or(0, |len| usize::from(len) + 40);
        self.text("\n\t");
        self.deeper(|p| p.ipv6(Part::new(quoted.data, quoted.len.max(payload))));
    }
}

fn name(kind: u8) -> &'static str {
    match kind {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded in-transit",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        137 => "redirect",
        138 => "router renumbering",
        139 => "node information query",
        140 => "node information reply",
        143 => "multicast listener report v2",
        144 => "dhaad request",
        145 => "dhaad reply",
        146 => "mobile router solicitation",
        147 => "mobile router advertisement",
        155 => "RPL",
        _ => "unknown icmp6 type",
    }
}
