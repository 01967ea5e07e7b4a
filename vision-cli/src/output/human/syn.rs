use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;
use vision_core::probe::{Asked, RttSummary, SynOutcome, SynReport, SynSegment};

use super::millis;
use super::tcp::said;
use crate::output::{Human, Style, esc};

/// A report with its figures.
#[derive(Debug, Serialize)]
pub struct Summed<'a> {
    #[serde(flatten)]
    report: &'a SynReport,
    summary: Figures,
}

#[derive(Debug, Serialize)]
struct Figures {
    sent: usize,
    /// By a SYN or a reset; an ICMP error is no answer.
    answered: usize,
    accepted: usize,
    rtt: Option<RttSummary>,
}

impl<'a> Summed<'a> {
    /// Sums it up.
    pub fn new(report: &'a SynReport) -> Self {
        let (answered, accepted) = (report.answered(), report.accepted());
        let summary = Figures { sent: report.asked.len(), answered, accepted, rtt: report.rtt() };
        Self { report, summary }
    }
}

impl Human for Summed<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        let (report, Figures { sent, answered, accepted, rtt }) = (self.report, &self.summary);
        let at = SocketAddr::new(report.to, report.port);
        writeln!(out, "\n--- {at} half-open connect statistics ---")?;
        write!(out, "{bold}{sent}{bold:#} sent, {bold}{answered}{bold:#} answered")?;
        writeln!(out, ", {bold}{accepted}{bold:#} accepted")?;
        if let Some(rtt) = rtt {
            let [min, avg, max, mdev] = [rtt.min_ns, rtt.avg_ns, rtt.max_ns, rtt.mdev_ns]
                .map(|ns| millis(Duration::from_nanos(ns)));
            writeln!(out, "rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        if report.ignored > 0 {
            writeln!(out, "{} late or foreign segments ignored", report.ignored)?;
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

/// Writes what became of one SYN.
pub fn line(
    at: SocketAddr,
    asked: &Asked<SynOutcome>,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { good, bad, warn, .. } = style;
    write!(out, "{at}  seq={}  ", asked.nth)?;
    match &asked.outcome {
        SynOutcome::SynAck(it) => {
            write!(out, "{good}open{good:#}  ")?;
            segment(it, out)
        }
        SynOutcome::Reset(it) => {
            write!(out, "{bad}refused{bad:#}  ")?;
            segment(it, out)
        }
        SynOutcome::Unreachable(icmp) => {
            writeln!(out, "{bad}unreachable{bad:#}  {}", said(icmp))
        }
        SynOutcome::NoAnswer => writeln!(out, "{warn}no answer{warn:#}"),
        SynOutcome::LocalError(reason) => writeln!(out, "{bad}not sent{bad:#}  {reason}"),
        _ => writeln!(out, "still open"),
    }
}

fn segment(it: &SynSegment, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{} ms  flags={} win={}", millis(it.rtt), it.flags, it.window)?;
    if let Some(ttl) = it.ttl {
        write!(out, " ttl={ttl}")?;
    }
    if let Some(id) = it.ip_id {
        write!(out, " id={id}")?;
    }
    writeln!(out, "{}", if it.df == Some(true) { " DF" } else { "" })
}
