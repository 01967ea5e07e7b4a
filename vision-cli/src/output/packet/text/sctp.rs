//! SCTP (RFC 9260): the chunks by name.

use super::bytes::Fields;
use super::ip::Around;
use super::{Part, Printer};

impl Printer<'_> {
    pub(super) fn sctp(&mut self, part: Part<'_>, around: Around) -> Option<()> {
        let bytes = part.data;
        let (src, dst) = (bytes.u16(0)?, bytes.u16(2)?);
        self.ends(around, src, dst);
        self.text("sctp");
        if self.style.quiet {
            return Some(());
        }
        let mut at = 12;
        let mut number = 1;
        while at < part.len {
            let (kind, len) = (bytes.u8(at)?, usize::from(bytes.u16(at + 2)?));
            self.text(if self.style.verbose > 1 { "\n\t" } else { " (" });
            self.fmt(format_args!("{number}) [{}]", chunk(kind)));
            if len < 4 {
                self.text(" [bad chunk length]");
                return Some(());
            }
            let end = (at + len).min(bytes.len());
            self.chunk(kind, bytes.get(at..end)?)?;
            self.text(" ");
            at += len.next_multiple_of(4);
            number += 1;
        }
        Some(())
    }

    fn chunk(&mut self, kind: u8, bytes: &[u8]) -> Option<()> {
        match kind {
            0 => {
                let flags = bytes.u8(1)?;
                let (tsn, stream) = (bytes.u32(4)?, bytes.u16(8)?);
                let (sequence, protocol) = (bytes.u16(10)?, bytes.u32(12)?);
                self.text(" ");
                for (bit, name) in [(4, "(U)"), (2, "(B)"), (1, "(E)")] {
                    self.text(if flags & bit != 0 { name } else { "" });
                }
                self.fmt(format_args!(" [TSN: {tsn}] [SID: {stream}] [SSEQ {sequence}] [PPID "));
                match protocol {
                    1 => self.text("IUA"),
                    2 => self.text("M2UA"),
                    3 => self.text("M3UA"),
                    4 => self.text("SUA"),
                    5 => self.text("M2PA"),
                    6 => self.text("V5UA"),
                    _ => self.fmt(format_args!("0x{protocol:x}")),
                }
                self.text("]");
            }
            1 | 2 => {
                let (tag, window) = (bytes.u32(4)?, bytes.u32(8)?);
                let (out, most, tsn) = (bytes.u16(12)?, bytes.u16(14)?, bytes.u32(16)?);
                self.fmt(format_args!(
                    " [init tag: {tag}] [rwnd: {window}] [OS: {out}] [MIS: {most}] [init TSN: \
                     {tsn}]"
                ));
            }
            3 => {
                let (ack, window) = (bytes.u32(4)?, bytes.u32(8)?);
                let (gaps, twice) = (bytes.u16(12)?, bytes.u16(14)?);
                self.fmt(format_args!(
                    " [cum ack {ack}] [a_rwnd {window}] [#gap acks {gaps}] [#dup tsns {twice}]"
                ));
            }
            _ => {}
        }
        Some(())
    }
}

fn chunk(kind: u8) -> &'static str {
    match kind {
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
    }
}
