use std::io::{self, Write};

use serde::Serialize;
use vision_core::capture::{Capture, CaptureStats};

use crate::output::{Human, Style, diagnose};

/// What a capture came to.
#[derive(Debug, Serialize)]
pub struct Summed {
    interface: String,
    link_type: String,
    /// Packets printed or written.
    captured: u64,
    #[serde(flatten)]
    stats: CaptureStats,
    /// What ended it before anybody asked for the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<String>,
}

impl Summed {
    /// Sums up.
    pub fn new(
        captured: u64,
        stats: CaptureStats,
        capture: &Capture,
        ended_by: Option<String>,
    ) -> Self {
        let interface = capture.interface().name.escaped().to_string();
        let link_type = capture.link_type().to_string();
        Self { interface, link_type, captured, stats, ended_by }
    }

    /// Says it to the user, beside the packets.
    pub fn say(&self) {
        let mut text = Vec::new();
        let _ = self.lines(&mut text);
        let mut err = io::stderr().lock();
        // Nobody is left to tell if that fails.
        let _ = err.write_all(&text);
        if let Some(reason) = &self.ended_by {
            diagnose(&format!("ended early: {reason}"), None);
        }
    }

    fn lines(&self, out: &mut dyn Write) -> io::Result<()> {
        let CaptureStats { received, dropped, frozen, interface_dropped, .. } = self.stats;
        writeln!(out, "{}", packets(self.captured, "captured"))?;
        writeln!(out, "{}", packets(received, "received by filter"))?;
        writeln!(out, "{}", packets(dropped, "dropped by kernel"))?;
        if frozen > 0 {
            let times = if frozen == 1 { "once" } else { "times" };
            let count = if frozen == 1 { String::new() } else { format!("{frozen} ") };
            writeln!(out, "the buffer was full {count}{times}: allow more with --buffer")?;
        }
        match interface_dropped {
            Some(n) if n > 0 => writeln!(out, "{}", packets(n, "dropped by interface")),
            _ => Ok(()),
        }
    }
}

fn packets(n: u64, what: &str) -> String {
    format!("{n} packet{} {what}", if n == 1 { "" } else { "s" })
}

impl Human for Summed {
    fn human(&self, out: &mut dyn Write, _style: &Style) -> io::Result<()> {
        self.lines(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_packet_is_one_packet() {
        assert_eq!(packets(1, "captured"), "1 packet captured");
        assert_eq!(packets(0, "captured"), "0 packets captured");
    }
}
