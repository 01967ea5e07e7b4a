//! What stands above the transport, as far as one line tells it.

use super::bytes::Fields;
use super::{Part, Printer};

impl Printer<'_> {
    /// Protocols of lines: the first one, and with `-v` all of them.
    pub(super) fn words(&mut self, name: &str, part: Part<'_>) {
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
            self.escaped(first);
            if first.len() == rest.len() {
                self.fmt(format_args!(" [|{}]", name.to_ascii_lowercase()));
            }
            return;
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
            _ => "Reserved",
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
        let priority = part.data.strip_prefix(b"<").and_then(|rest| {
            let end = rest.iter().take(4).position(|byte| *byte == b'>')?;
            std::str::from_utf8(rest.get(..end)?).ok()?.parse::<u8>().ok()
        });
        match priority {
            Some(priority @ 0..192) => {
                let facility = FACILITIES[usize::from(priority >> 3)];
                let severity = SEVERITIES[usize::from(priority & 7)];
                self.fmt(format_args!("SYSLOG {facility}.{severity}, length: {}", part.len));
            }
            _ => self.fmt(format_args!("SYSLOG, length: {}", part.len)),
        }
        if self.style.verbose > 0 {
            self.text("\n\t");
            self.escaped(part.data.get(..400).unwrap_or(part.data));
        }
        Some(())
    }
}

/// RFC 3164 §4.1.1.
const FACILITIES: [&str; 24] = [
    "kernel", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
    "authpriv", "ftp", "ntp", "security", "console", "cron", "local0", "local1", "local2",
    "local3", "local4", "local5", "local6", "local7",
];

/// RFC 3164 §4.1.1.
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];

/// Methods of HTTP, WebDAV and RTSP: what their messages begin with.
const METHODS: [&str; 34] = [
    "GET",
    "POST",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PATCH",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "MKCOL",
    "PROPFIND",
    "PROPPATCH",
    "SEARCH",
    "REPORT",
    "MERGE",
    "CHECKIN",
    "CHECKOUT",
    "LABEL",
    "UPDATE",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "DESCRIBE",
    "ANNOUNCE",
    "SETUP",
    "PLAY",
    "PAUSE",
    "TEARDOWN",
    "RECORD",
    "REDIRECT",
];

/// Whether a line can begin a message of the protocol, and is not from the middle of one.
fn is_start(name: &str, line: &[u8]) -> bool {
    let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    match name {
        "HTTP" | "RTSP" => {
            METHODS.iter().any(|method| method.as_bytes() == word)
                || word.starts_with(b"HTTP/")
                || word.starts_with(b"RTSP/")
        }
        _ => true,
    }
}
