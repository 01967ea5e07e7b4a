//! TCP options (the IANA registry of TCP parameters).

use super::Printer;
use super::bytes::Fields;
use super::flows::Relative;

impl Printer<'_> {
    /// Writes options of which `whole` bytes are on the wire; `None` when they were cut.
    #[inline]
    pub(super) fn tcp_options(
        &mut self,
        options: &[u8],
        whole: usize,
        shown: Relative,
    ) -> Option<()> {
        // What nearly every segment has: two blanks and the times.
        if let [1, 1, 8, 10, times @ ..] = options
            && let Some(times) = times.first_chunk::<8>()
            && whole == 12
        {
            self.text("nop,nop,TS val ");
            self.num(u32::from_be_bytes([times[0], times[1], times[2], times[3]]));
            self.text(" ecr ");
            self.num(u32::from_be_bytes([times[4], times[5], times[6], times[7]]));
            return Some(());
        }
        let mut rest = options;
        let mut first = true;
        while let Some((kind, tail)) = rest.split_first() {
            if !first {
                self.text(",");
            }
            first = false;
            if *kind == 0 {
                self.text("eol");
                return Some(());
            }
            if *kind == 1 {
                self.text("nop");
                rest = tail;
                continue;
            }
            let len = usize::from(*tail.first()?);
            let value = match rest.get(2..len) {
                Some(value) if len >= 2 => value,
                _ => {
                    self.name(*kind);
                    self.text("[bad opt]");
                    return Some(());
                }
            };
            self.tcp_option(*kind, value, shown);
            rest = rest.get(len..)?;
        }
        (options.len() == whole).then_some(())
    }

    fn name(&mut self, kind: u8) {
        match kind {
            2 => self.text("mss"),
            3 => self.text("wscale"),
            4 => self.text("sackOK"),
            5 => self.text("sack"),
            8 => self.text("TS"),
            19 => self.text("md5"),
            28 => self.text("uto"),
            29 => self.text("tcp-ao"),
            30 => self.text("mptcp"),
            34 => self.text("tfo"),
            _ => self.fmt(format_args!("unknown-{kind}")),
        }
    }

    fn tcp_option(&mut self, kind: u8, value: &[u8], shown: Relative) {
        self.name(kind);
        match (kind, value.len()) {
            (2, 2) => self.fmt(format_args!(" {}", value.u16(0).unwrap_or(0))),
            (3, 1) => self.fmt(format_args!(" {}", value.u8(0).unwrap_or(0))),
            (4, 0) => {}
            (5, len) if len % 8 == 0 => {
                self.fmt(format_args!(" {} ", len / 8));
                for block in value.chunks_exact(8) {
                    let edge = |at| block.u32(at).unwrap_or(0).wrapping_sub(shown.acked);
                    self.fmt(format_args!("{{{}:{}}}", edge(0), edge(4)));
                }
            }
            (8, 8) => {
                self.text(" val ");
                self.num(value.u32(0).unwrap_or(0));
                self.text(" ecr ");
                self.num(value.u32(4).unwrap_or(0));
            }
            (30, _) => self.fmt(format_args!(" {}", value.len() + 2)),
            (34, 0) => self.text("  cookiereq"),
            (34, _) => {
                self.text(" cookie ");
                self.hex(value);
            }
            (28, 2) => {
                let value = value.u16(0).unwrap_or(0);
                let unit = if value & 0x8000 != 0 { "min" } else { "s" };
                self.fmt(format_args!(" {} {unit}", value & 0x7fff));
            }
            (_, 0) => {}
            _ => {
                self.text(" 0x");
                self.hex(value);
            }
        }
    }
}
