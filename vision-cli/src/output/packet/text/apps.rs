//! What stands above the transport, as far as one line tells it.

use super::bytes::Fields;
use super::{Part, Printer};

impl Printer<'_> {
    /// Protocols of lines: the first one, and with `-v` all of them.
    pub(super) fn words(&mut self, name: &str, part: Part<'_>) {
        self.text(": ");
        self.text(name);
        let line = |bytes: &[u8]| bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
        let mut rest = part.data;
        let first = rest.get(..line(rest).unwrap_or(rest.len())).unwrap_or_default();
        if first.is_empty() || !first.iter().all(printable) || !is_start(name, first) {
            return;
        }
        if self.style.verbose == 0 {
            self.text(": ");
            return self.escaped(first);
        }
        self.fmt(format_args!(", length: {}", part.len));
        while let Some(end) = line(rest) {
            let text = rest.get(..end).unwrap_or_default();
            if !text.iter().all(printable) {
                break;
            }
            self.text("\n\t");
            self.escaped(text);
            let skip = if rest.get(end..end + 2) == Some(b"\r\n") { 2 } else { 1 };
            rest = rest.get(end + skip..).unwrap_or_default();
            if text.is_empty() {
                break;
            }
        }
    }

    /// RFC 2131: what a client and a server say to each other.
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
        let name = match kind {
            1 => "Subnet-Mask",
            3 => "Default-Gateway",
            6 => "Domain-Name-Server",
            12 => "Hostname",
            15 => "Domain-Name",
            26 => "MTU",
            28 => "BR",
            50 => "Requested-IP",
            51 => "Lease-Time",
            53 => "DHCP-Message",
            54 => "Server-ID",
            55 => "Parameter-Request",
            56 => "MSG",
            57 => "MSZ",
            58 => "RN",
            59 => "RB",
            60 => "Vendor-Class",
            61 => "Client-ID",
            81 => "FQDN",
            82 => "Agent-Information",
            _ => "Unknown",
        };
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
            _ => self.hex(value),
        }
    }

    /// RFC 8415.
    pub(super) fn dhcp6(&mut self, part: Part<'_>) -> Option<()> {
        let (kind, id) = (part.data.u8(0)?, part.data.u32(0)? & 0xff_ffff);
        let name = match kind {
            1 => "solicit",
            2 => "advertise",
            3 => "request",
            4 => "confirm",
            5 => "renew",
            6 => "rebind",
            7 => "reply",
            8 => "release",
            9 => "decline",
            10 => "reconf",
            11 => "inf-req",
            12 => "relay-fwd",
            13 => "relay-reply",
            _ => "msgtype?",
        };
        self.fmt(format_args!("dhcp6 {name}"));
        if !matches!(kind, 12 | 13) && self.style.verbose > 0 {
            self.fmt(format_args!(" (xid={id:x})"));
        }
        Some(())
    }

    /// RFC 5905.
    pub(super) fn ntp(&mut self, part: Part<'_>) -> Option<()> {
        let (head, stratum) = (part.data.u8(0)?, part.data.u8(1)?);
        let mode = match head & 7 {
            0 => "Reserved",
            1 => "symmetric active",
            2 => "symmetric passive",
            3 => "Client",
            4 => "Server",
            5 => "Broadcast",
            6 => "Control Message",
            _ => "Private",
        };
        self.fmt(format_args!("NTPv{}, {mode}, length {}", head >> 3 & 7, part.len));
        if self.style.verbose > 0 {
            let poll = part.data.u8(2)? as i8;
            self.fmt(format_args!("\n\tStratum {stratum}, poll {poll}"));
        }
        Some(())
    }

    /// RFC 3164.
    pub(super) fn syslog(&mut self, part: Part<'_>) -> Option<()> {
        self.fmt(format_args!("SYSLOG, length: {}", part.len));
        if self.style.verbose > 0 {
            self.text("\n\t");
            self.escaped(part.data.get(..400).unwrap_or(part.data));
        }
        Some(())
    }
}

/// Whether a line can begin a message of the protocol, and is not from the middle of one.
fn is_start(name: &str, line: &[u8]) -> bool {
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    match name {
        "HTTP" | "RTSP" => {
            let method = !word.is_empty() && word.iter().all(u8::is_ascii_uppercase);
            let versioned = line.windows(5).any(|text| text == b"HTTP/" || text == b"RTSP/");
            (method || word.starts_with(b"HTTP/") || word.starts_with(b"RTSP/")) && versioned
        }
        _ => true,
    }
}
