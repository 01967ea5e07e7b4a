use std::io::{self, Write};
use std::net::Ipv4Addr;

use serde::Serialize;
use vision_core::probe::{Asked, ClockOutcome, ClockReport};

use super::millis;
use super::tcp::said;
use crate::output::{Human, Style, esc};

/// A report with its figure.
#[derive(Debug, Serialize)]
pub struct Compared<'a> {
    #[serde(flatten)]
    report: &'a ClockReport,
    /// By how much the host's clock is ahead, by the answer that took the shortest time.
    offset_ms: Option<i32>,
}

impl<'a> Compared<'a> {
    /// Sums it up.
    pub fn new(report: &'a ClockReport) -> Self {
        Self { report, offset_ms: report.offset_ms() }
    }
}

impl Human for Compared<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, warn, .. } = style;
        let report = self.report;
        writeln!(out, "\n--- the clock of {} ---", report.to)?;
        match report.best() {
            Some((rtt, 0)) => {
                let rtt = millis(rtt);
                writeln!(
                    out,
                    "{bold}no offset{bold:#} (to the millisecond; best answer in {rtt} ms)"
                )?;
            }
            Some((rtt, offset)) => {
                let side = if offset > 0 { "ahead of" } else { "behind" };
                let (by, rtt) = (offset.unsigned_abs(), millis(rtt));
                writeln!(out, "{bold}{by} ms {side}{bold:#} ours (best answer in {rtt} ms)")?;
            }
            None => {
                let other =
                    |asked: &Asked<_>| matches!(asked.outcome, ClockOutcome::NonStandard { .. });
                let why = match report.asked.iter().any(other) {
                    true => "it answers with a time of its own kind",
                    false => {
                        "it does not answer timestamp requests, or they are filtered on the way"
                    }
                };
                writeln!(out, "{warn}not comparable{warn:#}: {why}")?;
            }
        }
        if report.ignored > 0 {
            writeln!(out, "{} late or foreign answers ignored", report.ignored)?;
        }
        for gap in &report.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        if style.verbose > 0 {
            writeln!(out, "method: raw socket, in {}", report.netns)?;
        }
        Ok(())
    }
}

/// Writes what became of one request.
pub fn line(
    to: Ipv4Addr,
    asked: &Asked<ClockOutcome>,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { good, bad, warn, .. } = style;
    let nth = asked.nth;
    match &asked.outcome {
        ClockOutcome::Told { rtt, originate_ms, receive_ms, transmit_ms, offset_ms } => {
            let time = millis(*rtt);
            write!(out, "{good}answer{good:#} from {to}: seq={nth} offset={offset_ms:+} ms")?;
            write!(out, " time={time} ms")?;
            if style.verbose > 0 {
                write!(out, "  sent {}, there ", time_of_day(*originate_ms))?;
                write!(out, "{} to {}", time_of_day(*receive_ms), time_of_day(*transmit_ms))?;
            }
            writeln!(out)
        }
        ClockOutcome::NonStandard { rtt, receive, transmit } => {
            let time = millis(*rtt);
            write!(out, "{warn}non-standard time{warn:#} from {to}: seq={nth} time={time} ms")?;
            writeln!(out, " {receive} to {transmit}")
        }
        ClockOutcome::Unreachable(icmp) => {
            writeln!(out, "{bad}unreachable{bad:#} seq={nth}: {}", said(icmp))
        }
        ClockOutcome::NoAnswer => writeln!(out, "{warn}no answer{warn:#} for seq={nth}"),
        ClockOutcome::LocalError(reason) => {
            writeln!(out, "{bad}not sent{bad:#} seq={nth}: {reason}")
        }
        _ => writeln!(out, "seq={nth} still open"),
    }
}

/// Milliseconds since midnight as a time of the day in UTC.
fn time_of_day(ms: u32) -> String {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{ms:03}")
}

#[cfg(test)]
mod tests {
    use super::time_of_day;

    #[test]
    fn a_time_is_written_as_clocks_show_it() {
        assert_eq!(time_of_day(0), "00:00:00.000");
        assert_eq!(time_of_day(86_399_999), "23:59:59.999");
    }
}
