//! TCP (RFC 9293).

use super::bytes::{Fields, should_be};
use super::flows::Relative;
use super::ip::Around;
use super::{Part, Printer};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const URG: u8 = 32;

/// Flags in the order tcpdump has them.
const FLAGS: [(u8, u8); 8] = [
    (FIN, b'F'),
    (SYN, b'S'),
    (RST, b'R'),
    (8, b'P'),
    (ACK, b'.'),
    (URG, b'U'),
    (64, b'E'),
    (128, b'W'),
];

impl Printer<'_> {
    #[inline]
    pub(super) fn tcp(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let Some(ports) = part.data.u32(0) else {
            self.hosts_once(around);
            return None;
        };
        let (src, dst) = ((ports >> 16) as u16, ports as u16);
        self.ends(around, src, dst);
        let head = part.data.first_chunk::<20>()?;
        let header = usize::from(head[12] >> 4) * 4;
        if header < 20 {
            self.fmt(format_args!("tcp {} [bad hdr length {header}, too short, < 20]", part.len));
            return Some(());
        }
        let len = part.len.saturating_sub(header);
        if header > part.len {
            self.tcp_flags(head[13]);
            let (header, most) = (header, part.len);
            self.fmt(format_args!(" [bad hdr length {header} - too long, > {most}]"));
            return Some(());
        }
        if self.style.quiet {
            self.text("tcp ");
            self.num(len as u64);
            return Some(());
        }
        let word =
            |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let half = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let (flags, seq, ack) = (head[13], word(4), word(8));
        let shown = match flags & ACK != 0 && !self.style.absolute {
            true => self.numbers.relative(around.ends, (src, dst), (seq, ack, flags & SYN != 0)),
            false => Relative { seq, ack, acked: 0 },
        };
        self.tcp_flags(flags);
        if self.style.verbose > 0 {
            self.tcp_checksum(part, around, half(16));
        }
        if self.style.verbose > 1 || len > 0 || flags & (SYN | FIN | RST) != 0 {
            self.text(", seq ");
            self.num(shown.seq);
            if len > 0 {
                self.text(":");
                self.num(shown.seq.wrapping_add(len as u32));
            }
        }
        if flags & ACK != 0 {
            self.text(", ack ");
            self.num(shown.ack);
        }
        self.text(", win ");
        self.num(half(14));
        if flags & URG != 0 {
            self.text(", urg ");
            self.num(half(18));
        }
        if header > 20 {
            self.text(", options [");
            self.tcp_options(part.data.get(20..header.min(part.data.len()))?, header - 20, shown)?;
            self.text("]");
        }
        self.text(", length ");
        self.num(len as u64);
        if len > 0 {
            let payload = part.after(header)?;
            self.tcp_payload(payload, src, dst, flags & RST != 0);
        }
        Some(())
    }

    #[inline]
    fn tcp_flags(&mut self, flags: u8) {
        self.text("Flags [");
        match flags {
            ACK => self.text("."),
            24 => self.text("P."),
            0 => self.text("none"),
            _ => {
                for (_, letter) in FLAGS.into_iter().filter(|(bit, _)| flags & bit != 0) {
                    self.out.push(letter);
                }
            }
        }
        self.text("]");
    }

    fn tcp_checksum(&mut self, part: Part<'_>, around: Around, held: u16) {
        if !part.is_whole() || around.fragment {
            return;
        }
        let found = around.ends.checksum(6, part);
        self.fmt(format_args!(", cksum 0x{held:04x}"));
        match found {
            0 => self.text(" (correct)"),
            _ => self.fmt(format_args!(" (incorrect -> 0x{:04x})", should_be(held, found))),
        }
    }

    fn tcp_payload(&mut self, part: Part<'_>, src: u16, dst: u16, reset: bool) {
        let either = |ports: &[u16]| ports.contains(&src) || ports.contains(&dst);
        if reset {
            // RFC 9293 §3.5.3: the text of a reset says why.
            self.text(" [RST ");
            self.escaped(part.data.get(..40).unwrap_or(part.data));
            self.text("]");
        } else if either(&[53]) {
            self.dns_over_tcp(part);
        } else if either(&[80, 8080, 3128]) {
            self.text(": ");
            self.words("HTTP", part);
        } else if either(&[25]) {
            self.text(": ");
            self.words("SMTP", part);
        } else if either(&[179]) {
            self.text(": BGP");
        } else if either(&[22]) && part.data.starts_with(b"SSH-") {
            self.text(": ");
            self.words("SSH", part);
        } else if either(&[21]) {
            self.text(": ");
            self.words("FTP", part);
        } else if either(&[554, 8554]) {
            self.text(": ");
            self.words("RTSP", part);
        }
    }
}
