use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vision_core::Gap;
use vision_core::probe::{
    Percentile, RttSummary, SweepReport, SweepSummary, SweepVerdict, SweptHost,
};

use super::millis;
use super::ping::{percent, percentiles};
use crate::output::{Human, Style, esc};

/// One target, with the name it was called by.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(flatten)]
    host: &'a SweptHost,
    loss_percent: f64,
    rtt: Option<RttSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter_ns: Option<u64>,
}

impl<'a> Shown<'a> {
    /// Adds the figures.
    pub fn new(host: &'a SweptHost, name: Option<&'a str>) -> Self {
        let (rtt, jitter_ns) = (host.rtt(), host.jitter_ns());
        Self { name, host, loss_percent: host.loss_percent(), rtt, jitter_ns }
    }

    /// Writes the address and what became of it.
    pub fn line(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { good, bad, warn, .. } = style;
        self.who(out)?;
        let host = self.host;
        match host.verdict {
            SweepVerdict::Alive => write!(out, "  {good}alive{good:#}")?,
            SweepVerdict::Silent => write!(out, "  {warn}no answer{warn:#}")?,
            SweepVerdict::Unreachable(icmp) => {
                let from = icmp.from.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
                write!(out, "  {bad}unreachable{bad:#}  {} from {from}", icmp.text())?;
            }
            SweepVerdict::LocalError(reason) => write!(out, "  {bad}not sent{bad:#}  {reason}")?,
            _ => write!(out, "  not decided")?,
        }
        if host.sent > 1 {
            let loss = percent(self.loss_percent);
            write!(out, "  {}/{} replies, {loss}% loss", host.received, host.sent)?;
        }
        match (&self.rtt, host.received) {
            (Some(rtt), 1) => writeln!(out, "  {} ms", time(rtt.min_ns)),
            (Some(rtt), _) => {
                let [min, avg, max] = [rtt.min_ns, rtt.avg_ns, rtt.max_ns].map(time);
                writeln!(out, "  rtt min/avg/max = {min}/{avg}/{max} ms")
            }
            (None, _) => writeln!(out),
        }
    }

    /// Writes the address, and the name if it was called by one.
    pub fn who(&self, out: &mut dyn Write) -> io::Result<()> {
        match self.name {
            Some(name) => write!(out, "{} ({})", esc(name), self.host.to),
            None => write!(out, "{}", self.host.to),
        }
    }
}

fn time(ns: u64) -> String {
    millis(Duration::from_nanos(ns))
}

/// A target that has no address.
#[derive(Debug, Serialize)]
pub struct Unresolved {
    /// What it was called.
    pub name: String,
    /// Why there is no address.
    pub why: String,
}

/// The end of a sweep.
#[derive(Debug, Serialize)]
pub struct Summed<'a> {
    summary: SweepSummary,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    percentiles: Vec<Percentile>,
    /// Every target, unless they were written one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<Shown<'a>>>,
    unresolved: &'a [Unresolved],
    methods: &'a [vision_core::probe::Method],
    size_bytes: usize,
    ignored: u64,
    stalls: &'a [vision_core::probe::Stall],
    gaps: &'a [Gap],
    #[serde(skip)]
    shows_hosts: bool,
    #[serde(skip)]
    shows_figures: bool,
}

/// What of a sweep's end is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Shares for which to give times.
    pub percents: &'a [f64],
    /// The targets were not written before.
    pub hosts: bool,
    /// A person wants to read them here.
    pub shows_hosts: bool,
    /// A person wants to read the figures.
    pub shows_figures: bool,
}

impl<'a> Summed<'a> {
    /// Adds the figures.
    pub fn new(
        report: &'a SweepReport,
        names: &'a HashMap<IpAddr, String>,
        unresolved: &'a [Unresolved],
        wanted: Wanted<'_>,
    ) -> Self {
        let name = |host: &SweptHost| names.get(&host.to).map(String::as_str);
        let all = || report.hosts.iter().map(|host| Shown::new(host, name(host))).collect();
        Self {
            summary: report.summary(),
            percentiles: report.percentiles(wanted.percents),
            hosts: wanted.hosts.then(all),
            unresolved,
            methods: &report.methods,
            size_bytes: report.size_bytes,
            ignored: report.ignored,
            stalls: &report.stalls,
            gaps: &report.gaps,
            shows_hosts: wanted.shows_hosts,
            shows_figures: wanted.shows_figures,
        }
    }
}

impl Human for Summed<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let shown = self.hosts.iter().flatten().filter(|_| self.shows_hosts);
        for host in shown {
            host.line(out, style)?;
        }
        if !self.shows_figures {
            return Ok(());
        }
        self.figures(out, style)?;
        for gap in self.gaps {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        for stall in self.stalls {
            writeln!(out, "this process did not run for {} ms", stall.lasted.as_millis())?;
        }
        if self.ignored > 0 {
            writeln!(out, "{} packets that only looked like replies were ignored", self.ignored)?;
        }
        if style.verbose > 0 {
            let methods: Vec<_> = self.methods.iter().map(ToString::to_string).collect();
            writeln!(out, "method: {}, {} bytes of payload", methods.join(", "), self.size_bytes)?;
        }
        Ok(())
    }
}

impl Summed<'_> {
    fn figures(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, .. } = style;
        let SweepSummary { hosts, alive, undecided, sent, received, .. } = self.summary;
        writeln!(out, "\n--- {hosts} targets ---")?;
        write!(out, "{bold}{alive}{bold:#} alive, {} not", hosts - alive - undecided)?;
        for (count, what) in [(undecided, "undecided"), (self.unresolved.len(), "not resolved")] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        let loss = percent(self.summary.loss_percent);
        writeln!(out, "; {sent} packets transmitted, {received} received, {loss}% packet loss")?;
        if let Some(rtt) = &self.summary.rtt {
            let [min, avg, max, mdev] = [rtt.min_ns, rtt.avg_ns, rtt.max_ns, rtt.mdev_ns].map(time);
            writeln!(out, "rtt min/avg/max/mdev = {min}/{avg}/{max}/{mdev} ms")?;
        }
        percentiles(&self.percentiles, self.summary.jitter_ns, out)
    }
}
