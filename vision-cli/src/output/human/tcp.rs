use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::Serialize;
use vision_core::probe::{
    ExchangeEnd, IcmpError, TcpAttempt, TcpExchange, TcpOutcome, TcpReport, TcpSummary,
};

use super::millis;
use crate::exit::Outcome;
use crate::output::{Human, Style, esc};

/// A report with its figures.
#[derive(Debug, Serialize)]
pub struct Summed<'a> {
    #[serde(flatten)]
    report: &'a TcpReport,
    summary: TcpSummary,
    #[serde(skip)]
    is_streamed: bool,
}

impl<'a> Summed<'a> {
    /// Of a single round, whose attempts are yet to be shown.
    pub fn at_once(report: &'a TcpReport) -> Self {
        Self { report, summary: report.summary(), is_streamed: false }
    }

    /// Of many rounds, whose attempts were shown as they were decided.
    pub fn streamed(report: &'a TcpReport) -> Self {
        Self { report, summary: report.summary(), is_streamed: true }
    }

    /// Whether the state waited for came, or every attempt succeeded.
    pub fn answer(&self) -> Outcome {
        let all = self.summary.succeeded == self.report.attempts.len();
        match self.report.reached.unwrap_or(all) {
            true => Outcome::Yes,
            false => Outcome::No,
        }
    }
}

impl Human for Summed<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        match self.is_streamed {
            true => figures(report, &self.summary, out, style)?,
            false => report.attempts.iter().try_for_each(|a| line(report.to, a, out, style))?,
        }
        for gap in &report.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        if style.verbose > 0 {
            writeln!(out, "method: {}, in {}", report.method, report.netns)?;
        }
        Ok(())
    }
}

fn figures(
    report: &TcpReport,
    summary: &TcpSummary,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { bold, good, bad, .. } = style;
    writeln!(out, "\n--- {} connect statistics ---", report.to)?;
    let TcpSummary { attempts, succeeded, .. } = summary;
    write!(out, "{bold}{attempts}{bold:#} attempts, {bold}{succeeded}{bold:#} succeeded")?;
    let others = [
        (summary.open - succeeded, "without the answer expected"),
        (summary.refused, "refused"),
        (summary.unreachable, "unreachable"),
        (summary.timed_out, "timed out"),
        (summary.local_errors, "local errors"),
    ];
    for (count, what) in others.into_iter().filter(|(count, _)| *count > 0) {
        write!(out, ", {count} {what}")?;
    }
    writeln!(out)?;
    if let Some(rtt) = &summary.rtt {
        let [min, avg, max, mdev] = [rtt.min_ns, rtt.avg_ns, rtt.max_ns, rtt.mdev_ns]
            .map(|ns| millis(Duration::from_nanos(ns)));
        writeln!(out, "rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
    }
    match report.reached {
        None => Ok(()),
        Some(true) => writeln!(out, "{good}reached{good:#} the state waited for"),
        Some(false) => writeln!(out, "{bad}did not reach{bad:#} the state waited for"),
    }
}

/// Writes what became of one connect.
pub fn line(
    to: IpAddr,
    attempt: &TcpAttempt,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { good, bad, warn, .. } = style;
    write!(out, "{}  ", SocketAddr::new(to, attempt.port))?;
    match &attempt.outcome {
        TcpOutcome::Open { rtt, local } => {
            write!(out, "{good}open{good:#}  {} ms", millis(*rtt))?;
            match local {
                Some(local) => writeln!(out, "  from {local}")?,
                None => writeln!(out)?,
            }
        }
        TcpOutcome::Refused { rtt, icmp, .. } => {
            let by = icmp.as_ref().map_or_else(|| "by a reset".to_owned(), said);
            writeln!(out, "{bad}refused{bad:#}  {} ms  {by}", millis(*rtt))?;
        }
        TcpOutcome::Unreachable { rtt, icmp } => {
            writeln!(out, "{bad}unreachable{bad:#}  {} ms  {}", millis(*rtt), said(icmp))?;
        }
        TcpOutcome::TimedOut => writeln!(out, "{warn}timed out{warn:#}  nothing came back")?,
        TcpOutcome::LocalError { reason, after } => {
            writeln!(out, "{bad}local error{bad:#}  {} ms  {reason}", millis(*after))?;
        }
        _ => writeln!(out, "not decided")?,
    }
    attempt.exchange.iter().try_for_each(|exchange| heard(exchange, out, style))
}

fn heard(exchange: &TcpExchange, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, bad, .. } = style;
    let TcpExchange { sent_bytes, received, first_byte, expected, .. } = exchange;
    if *sent_bytes > 0 {
        writeln!(out, "    sent {sent_bytes} bytes")?;
    }
    if let Some(first) = first_byte {
        let length = received.as_bytes().len();
        let shown = received.escaped();
        writeln!(
            out,
            "    received {length} bytes, the first after {} ms: {shown}",
            millis(*first)
        )?;
    }
    let end = match exchange.end {
        ExchangeEnd::Matched | ExchangeEnd::Paused => None,
        ExchangeEnd::Full => Some("more may have followed".to_owned()),
        ExchangeEnd::Closed => Some("the peer closed the connection".to_owned()),
        ExchangeEnd::Broken(reason) => Some(format!("the connection broke: {reason}")),
        ExchangeEnd::TimedOut => Some("nothing more came within the wait".to_owned()),
        _ => Some("the run was ended meanwhile".to_owned()),
    };
    end.iter().try_for_each(|end| writeln!(out, "    {end}"))?;
    match expected {
        None => Ok(()),
        Some(true) => writeln!(out, "    {good}as expected{good:#}"),
        Some(false) => writeln!(out, "    {bad}not what was expected{bad:#}"),
    }
}

pub fn said(icmp: &IcmpError) -> String {
    let from = icmp.from.map_or_else(|| "an unknown host".to_owned(), |ip| ip.to_string());
    let IcmpError { kind, code, .. } = icmp;
    let mtu = icmp.mtu_bytes.map(|mtu| format!(", mtu = {mtu}")).unwrap_or_default();
    format!("{} (ICMP {kind}/{code}) from {from}{mtu}", icmp.text())
}
