use std::fmt;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vision_core::probe::{Echo, EchoOutcome, Percentile, PingReport, PingSummary};

use super::millis;
use crate::output::{Human, Style, esc};

/// ICMP and IPv4 headers, in ping's parentheses.
const V4_HEADERS_BYTES: usize = 28;

/// The line above the replies.
pub struct Head<'a> {
    /// What the user called it.
    pub name: &'a str,
    /// Its address.
    pub to: IpAddr,
    /// Payload bytes.
    pub size_bytes: usize,
}

impl Head<'_> {
    /// Writes it.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { to, size_bytes, .. } = self;
        write!(out, "PING {} ({to}) ", esc(self.name))?;
        match to {
            IpAddr::V4(_) => {
                writeln!(out, "{size_bytes}({}) bytes of data.", size_bytes + V4_HEADERS_BYTES)
            }
            IpAddr::V6(_) => writeln!(out, "{size_bytes} data bytes"),
        }
    }
}

/// Writes what became of one request.
pub fn echo(echo: &Echo, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { good, bad, warn, .. } = style;
    let seq = echo.seq;
    match &echo.outcome {
        EchoOutcome::Reply { from, rtt, ttl } => {
            let ttl = ttl.map(|ttl| format!(" ttl={ttl}")).unwrap_or_default();
            let time = millis(*rtt);
            writeln!(out, "{good}reply{good:#} from {from}: icmp_seq={seq}{ttl} time={time} ms")
        }
        EchoOutcome::Unreachable(icmp) => {
            let from = icmp.from.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
            write!(out, "From {from} icmp_seq={seq} {bad}{}{bad:#}", icmp.text())?;
            write!(out, " (ICMP {}/{})", icmp.kind, icmp.code)?;
            mtu(out, icmp.mtu_bytes)
        }
        EchoOutcome::Lost { .. } => writeln!(out, "{warn}no answer{warn:#} for icmp_seq={seq}"),
        EchoOutcome::Stalled { .. } => {
            writeln!(out, "no answer for icmp_seq={seq} while this process was stopped")
        }
        EchoOutcome::LocalError { reason, mtu_bytes } => {
            write!(out, "{bad}not sent{bad:#} icmp_seq={seq}: {reason}")?;
            mtu(out, *mtu_bytes)
        }
        _ => writeln!(out, "icmp_seq={seq} still open"),
    }
}

fn mtu(out: &mut dyn Write, bytes: Option<u32>) -> io::Result<()> {
    match bytes {
        Some(bytes) => writeln!(out, ", mtu = {bytes}"),
        None => writeln!(out),
    }
}

/// The figures so far, as ping gives them on SIGQUIT.
#[derive(Debug, Default)]
pub struct Tally {
    done: u64,
    received: u64,
    min_ns: u64,
    max_ns: u64,
    sum_ns: u64,
    /// Eight times the moving average, in which each new time weighs one eighth.
    ewma8_ns: u64,
}

impl Tally {
    /// Counts what became of one request.
    pub fn add(&mut self, echo: &Echo) {
        self.done += 1;
        let Some(ns) = echo.rtt_ns() else { return };
        if self.received == 0 {
            (self.min_ns, self.ewma8_ns) = (ns, ns.saturating_mul(8));
        }
        self.received += 1;
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.ewma8_ns = (self.ewma8_ns - self.ewma8_ns / 8).saturating_add(ns);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, received, .. } = self;
        let loss = (done - received) * 100 / (*done).max(1);
        write!(f, "{received}/{done} packets, {loss}% loss")?;
        if *received > 0 {
            let avg = self.sum_ns / received;
            let [min, avg, ewma, max] = [self.min_ns, avg, self.ewma8_ns / 8, self.max_ns]
                .map(|ns| millis(Duration::from_nanos(ns)));
            write!(f, ", min/avg/ewma/max = {min}/{avg}/{ewma}/{max} ms")?;
        }
        Ok(())
    }
}

/// A report with its figures.
#[derive(Debug, Serialize)]
pub struct Summed<'a> {
    #[serde(flatten)]
    report: &'a PingReport,
    summary: PingSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_ns: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percentiles: Vec<Percentile>,
}

impl<'a> Summed<'a> {
    /// Adds the figures.
    pub fn new(report: &'a PingReport, percents: &[f64]) -> Self {
        Self {
            report,
            summary: report.summary(),
            jitter_ns: report.jitter_ns(),
            percentiles: report.percentiles(percents),
        }
    }
}

impl Human for Summed<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        let Self { report, summary, .. } = self;
        writeln!(out, "\n--- {} ping statistics ---", report.to)?;
        let PingSummary { sent, received, .. } = summary;
        write!(
            out,
            "{bold}{sent}{bold:#} packets transmitted, {bold}{received}{bold:#} received, "
        )?;
        for (count, what) in
            [(report.duplicates as usize, "duplicates"), (errors(report), "errors")]
        {
            if count > 0 {
                write!(out, "+{count} {what}, ")?;
            }
        }
        let loss = percent(summary.loss_percent);
        writeln!(out, "{loss}% packet loss, time {}ms", lasted(report).as_millis())?;
        if let Some(rtt) = &summary.rtt {
            let [min, avg, max, mdev] = [rtt.min_ns, rtt.avg_ns, rtt.max_ns, rtt.mdev_ns]
                .map(|ns| millis(Duration::from_nanos(ns)));
            writeln!(out, "rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        percentiles(&self.percentiles, self.jitter_ns, out)?;
        footnotes(report, out, style)
    }
}

/// Writes how times are spread, where shares were asked for.
pub fn percentiles(
    found: &[Percentile],
    jitter_ns: Option<u64>,
    out: &mut dyn Write,
) -> io::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = found.iter().map(|at| format!("p{}", percent(at.percent))).collect();
    let time = |ns| millis(Duration::from_nanos(ns));
    let times: Vec<_> = found.iter().map(|at| time(at.rtt_ns)).collect();
    write!(out, "rtt {} = {} ms", names.join("/"), times.join("/"))?;
    match jitter_ns {
        Some(jitter) => writeln!(out, ", jitter = {} ms", time(jitter)),
        None => writeln!(out),
    }
}

fn footnotes(report: &PingReport, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let lost = ranges(report);
    if !lost.is_empty() {
        writeln!(out, "no answer for icmp_seq {lost}")?;
    }
    if report.ignored > 0 {
        writeln!(out, "{} packets that only looked like replies were ignored", report.ignored)?;
    }
    for stall in &report.stalls {
        writeln!(out, "this process did not run for {} ms", stall.lasted.as_millis())?;
    }
    for gap in &report.gaps {
        writeln!(out, "not done: {}", esc(&gap.to_string()))?;
    }
    if style.verbose > 0 {
        writeln!(
            out,
            "method: {}, {} bytes of payload, in {}",
            report.method, report.size_bytes, report.netns
        )?;
    }
    Ok(())
}

fn errors(report: &PingReport) -> usize {
    let is_error = |echo: &&Echo| {
        matches!(echo.outcome, EchoOutcome::Unreachable(_) | EchoOutcome::LocalError { .. })
    };
    report.echoes.iter().filter(is_error).count()
}

/// From the first request to the last thing that happened.
fn lasted(report: &PingReport) -> Duration {
    let first = report.echoes.first().map_or(0, |echo| echo.sent_at.as_unix_nanos());
    let end = |echo: &Echo| {
        let rtt = i64::try_from(echo.rtt_ns().unwrap_or(0)).unwrap_or(0);
        echo.sent_at.as_unix_nanos().saturating_add(rtt)
    };
    let last = report.echoes.iter().map(end).max().unwrap_or(first);
    Duration::from_nanos(u64::try_from(last - first).unwrap_or(0))
}

/// Names the requests that stayed without an answer, runs of them as `3-7`.
fn ranges(report: &PingReport) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    let lost = report.echoes.iter().filter(|e| matches!(e.outcome, EchoOutcome::Lost { .. }));
    for seq in lost.map(|echo| echo.seq) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == seq => *last = seq,
            _ => runs.push((seq, seq)),
        }
    }
    let text = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    runs.iter().map(text).collect::<Vec<_>>().join(",")
}

/// As ping writes it: whole numbers without a point, others with up to six digits in all.
pub fn percent(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
