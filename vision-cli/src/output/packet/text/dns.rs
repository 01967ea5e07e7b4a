//! DNS in one line (RFC 1035), as short as a resolver's log.

use super::bytes::Fields;
use super::{Part, Printer};

/// Labels of one name followed at most: 255 bytes have no room for more.
const MOST_LABELS: usize = 128;

impl Printer<'_> {
    /// A segment that holds a whole message after its length (RFC 7766 §8).
    pub(super) fn dns_over_tcp(&mut self, part: Part<'_>) {
        let Some(len) = part.data.u16(0).map(usize::from) else {
            return;
        };
        if len < 12 || len > part.len.saturating_sub(2) {
            return;
        }
        self.text(" ");
        self.layer("domain", |p| p.dns(part.after(2)?.within(len), false));
    }

    pub(super) fn dns(&mut self, part: Part<'_>, multicast: bool) -> Option<()> {
        let bytes = part.data;
        let (id, flags) = (bytes.u16(0)?, bytes.u16(2)?);
        let counts = [bytes.u16(4)?, bytes.u16(6)?, bytes.u16(8)?, bytes.u16(10)?];
        let mut at = 12;
        self.num(id);
        self.text(operation(flags >> 11 & 15));
        match flags & 0x8000 != 0 {
            true => self.response(bytes, flags, counts, &mut at, multicast)?,
            false => self.query(bytes, flags, counts, &mut at, multicast)?,
        }
        self.text(" (");
        self.num(part.len as u64);
        self.text(")");
        Some(())
    }

    fn query(
        &mut self,
        bytes: &[u8],
        flags: u16,
        [questions, answers, authorities, additionals]: [u16; 4],
        at: &mut usize,
        multicast: bool,
    ) -> Option<()> {
        self.text(if flags & 0x100 != 0 { "+" } else { "" });
        self.text(if flags & 0x10 != 0 { "%" } else { "" });
        if flags & 0x6cf != 0 {
            self.fmt(format_args!(" [b2&3=0x{flags:x}]"));
        }
        if answers > 0 {
            self.fmt(format_args!(" [{answers}a]"));
        }
        if questions != 1 {
            self.fmt(format_args!(" [{questions}q]"));
        }
        if authorities > 0 {
            self.fmt(format_args!(" [{authorities}n]"));
        }
        if additionals > 0 {
            self.fmt(format_args!(" [{additionals}au]"));
        }
        for n in 0..questions {
            if n > 0 {
                self.text(",");
            }
            self.question(bytes, at, multicast)?;
        }
        if self.style.verbose > 1 {
            self.section(" an:", bytes, at, answers, multicast)?;
            self.section(" ns:", bytes, at, authorities, multicast)?;
            self.section(" ar:", bytes, at, additionals, multicast)?;
        }
        Some(())
    }

    fn response(
        &mut self,
        bytes: &[u8],
        flags: u16,
        [questions, answers, authorities, additionals]: [u16; 4],
        at: &mut usize,
        multicast: bool,
    ) -> Option<()> {
        self.text(rcode(flags & 15));
        self.text(if flags & 0x400 != 0 { "*" } else { "" });
        self.text(if flags & 0x80 != 0 { "" } else { "-" });
        self.text(if flags & 0x200 != 0 { "|" } else { "" });
        self.text(if flags & 0x20 != 0 { "$" } else { "" });
        if questions != 1 {
            self.fmt(format_args!(" [{questions}q]"));
        }
        for n in 0..questions {
            if self.style.verbose > 1 {
                self.text(if n > 0 { "," } else { " q:" });
                self.question(bytes, at, multicast)?;
            } else {
                *at = skip(bytes, *at)? + 4;
            }
        }
        for (n, count) in [answers, authorities, additionals].into_iter().enumerate() {
            self.text(if n == 0 { " " } else { "/" });
            self.num(count);
        }
        self.section("", bytes, at, answers, multicast)?;
        if self.style.verbose > 1 {
            self.section(" ns:", bytes, at, authorities, multicast)?;
            self.section(" ar:", bytes, at, additionals, multicast)?;
        }
        Some(())
    }

    fn section(
        &mut self,
        title: &str,
        bytes: &[u8],
        at: &mut usize,
        count: u16,
        multicast: bool,
    ) -> Option<()> {
        if count > 0 {
            self.text(title);
        }
        for n in 0..count {
            if n > 0 {
                self.text(",");
            }
            self.record(bytes, at, multicast)?;
        }
        Some(())
    }

    fn question(&mut self, bytes: &[u8], at: &mut usize, multicast: bool) -> Option<()> {
        let after = skip(bytes, *at)?;
        let (kind, class) = (bytes.u16(after)?, bytes.u16(after + 2)?);
        self.text(" ");
        self.kind(kind);
        self.class(if multicast { class & 0x7fff } else { class });
        if multicast {
            self.text(if class & 0x8000 != 0 { " (QU)" } else { " (QM)" });
        }
        self.text("? ");
        self.domain(bytes, *at)?;
        *at = after + 4;
        Some(())
    }

    fn class(&mut self, class: u16) {
        match class {
            1 => {}
            3 => self.text(" CHAOS"),
            4 => self.text(" HS"),
            255 => self.text(" ANY"),
            _ => self.fmt(format_args!(" (Class {class})")),
        }
    }

    fn kind(&mut self, kind: u16) {
        match type_name(kind) {
            Some(name) => self.text(name),
            None => self.fmt(format_args!("Type{kind}")),
        }
    }

    fn record(&mut self, bytes: &[u8], at: &mut usize, multicast: bool) -> Option<()> {
        let after = skip(bytes, *at)?;
        if self.style.verbose > 0 {
            self.text(" ");
            self.domain(bytes, *at)?;
        }
        let (kind, class, ttl) = (bytes.u16(after)?, bytes.u16(after + 2)?, bytes.u32(after + 4)?);
        let (len, data) = (usize::from(bytes.u16(after + 8)?), after + 10);
        if multicast && class & 0x8000 != 0 && kind != 41 {
            self.text(" (Cache flush)");
        }
        if kind != 41 {
            self.class(if multicast { class & 0x7fff } else { class });
            if self.style.verbose > 2 {
                self.fmt(format_args!(" [{ttl}s]"));
            }
        }
        self.text(" ");
        self.kind(kind);
        // A record cut off is told from one that is there.
        bytes.get(data..data + len)?;
        self.rdata(bytes, data, len, (kind, class, ttl))?;
        *at = data + len;
        Some(())
    }

    fn rdata(
        &mut self,
        bytes: &[u8],
        at: usize,
        len: usize,
        (kind, class, ttl): (u16, u16, u32),
    ) -> Option<()> {
        match kind {
            1 if len == 4 => self.fmt(format_args!(" {}", bytes.v4(at)?)),
            28 if len == 16 => self.fmt(format_args!(" {}", bytes.v6(at)?)),
            2 | 5 | 12 | 39 => self.spaced_domain(bytes, at)?,
            6 if self.style.verbose > 0 => {
                self.spaced_domain(bytes, at)?;
                let second = skip(bytes, at)?;
                self.spaced_domain(bytes, second)?;
                let numbers = skip(bytes, second)?;
                for n in 0..5 {
                    self.fmt(format_args!(" {}", bytes.u32(numbers + 4 * n)?));
                }
            }
            15 => {
                self.spaced_domain(bytes, at + 2)?;
                self.fmt(format_args!(" {}", bytes.u16(at)?));
            }
            33 => {
                let (priority, weight) = (bytes.u16(at)?, bytes.u16(at + 2)?);
                let port = bytes.u16(at + 4)?;
                self.spaced_domain(bytes, at + 6)?;
                self.fmt(format_args!(":{port} {priority} {weight}"));
            }
            16 => {
                let mut place = at;
                while place < at + len {
                    let size = usize::from(bytes.u8(place)?);
                    self.text(" \"");
                    let text = bytes.get(place + 1..(place + 1 + size).min(at + len))?;
                    self.escaped(text);
                    self.text("\"");
                    place += 1 + size;
                }
            }
            41 => {
                self.fmt(format_args!(" UDPsize={class}"));
                if ttl & 0x8000 != 0 {
                    self.text(" DO");
                }
            }
            _ => {}
        }
        Some(())
    }

    fn spaced_domain(&mut self, bytes: &[u8], at: usize) -> Option<()> {
        self.text(" ");
        self.domain(bytes, at)
    }

    /// Writes a name with its final dot, following pointers backwards only.
    fn domain(&mut self, bytes: &[u8], mut at: usize) -> Option<()> {
        let mut limit = at;
        for n in 0..MOST_LABELS {
            match bytes.u8(at)? {
                0 => {
                    if n == 0 {
                        self.text(".");
                    }
                    return Some(());
                }
                len @ 1..64 => {
                    let len = usize::from(len);
                    for byte in bytes.get(at + 1..at + 1 + len)? {
                        match byte {
                            b'.' | b'\\' => self.out.extend([b'\\', *byte]),
                            b'!'..=b'~' => self.out.push(*byte),
                            _ => self.fmt(format_args!("\\{byte:03}")),
                        }
                    }
                    self.text(".");
                    at += 1 + len;
                }
                head if head >= 0xc0 => {
                    let to = usize::from(bytes.u16(at)? & 0x3fff);
                    if to >= limit {
                        self.text("<BAD PTR>");
                        return None;
                    }
                    (at, limit) = (to, to);
                    // The root at the end of a pointer is no second dot.
                    if n > 0 && bytes.u8(at)? == 0 {
                        return Some(());
                    }
                }
                _ => {
                    self.text("<LABEL?>");
                    return None;
                }
            }
        }
        None
    }
}

/// Returns the place after a name.
fn skip(bytes: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..MOST_LABELS {
        match bytes.u8(at)? {
            0 => return Some(at + 1),
            len @ 1..64 => at += 1 + usize::from(len),
            head if head >= 0xc0 => return Some(at + 2),
            _ => return None,
        }
    }
    None
}

fn operation(opcode: u16) -> &'static str {
    match opcode {
        0 => "",
        1 => " inv_q",
        2 => " stat",
        4 => " notify",
        5 => " update",
        6 => " dso",
        _ => " op?",
    }
}

fn rcode(rcode: u16) -> &'static str {
    match rcode {
        0 => "",
        1 => " FormErr",
        2 => " ServFail",
        3 => " NXDomain",
        4 => " NotImp",
        5 => " Refused",
        6 => " YXDomain",
        7 => " YXRRSet",
        8 => " NXRRSet",
        9 => " NotAuth",
        10 => " NotZone",
        _ => " Resp?",
    }
}

/// Types by the IANA registry of DNS parameters.
fn type_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        17 => "RP",
        18 => "AFSDB",
        24 => "SIG",
        25 => "KEY",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        36 => "KX",
        37 => "CERT",
        38 => "A6",
        39 => "DNAME",
        41 => "OPT",
        42 => "APL",
        43 => "DS",
        44 => "SSHFP",
        45 => "IPSECKEY",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        59 => "CDS",
        60 => "CDNSKEY",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}
