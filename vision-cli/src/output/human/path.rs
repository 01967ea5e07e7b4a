use std::io::{self, Write};
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use vision_core::probe::{Hop, HopRtt, MtuReport, PathReport, ProbeField, Remark, Responder};

use super::millis;
use super::table::table;
use crate::output::{Human, Style, esc};

/// A path as asked for.
#[derive(Debug, Serialize)]
pub struct Shown<'a> {
    /// What was found.
    #[serde(flatten)]
    pub report: &'a PathReport,
    /// How large packets may be, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<&'a MtuReport>,
    /// What the user called the destination.
    #[serde(skip)]
    pub name: String,
    /// Statistics instead of single times.
    #[serde(skip)]
    pub columns: bool,
    /// Whether to say that no translation was seen.
    #[serde(skip)]
    pub nat: bool,
    /// The end and the sentences only.
    #[serde(skip)]
    pub quiet: bool,
    /// The last hop that was to be asked.
    #[serde(skip)]
    pub max_ttl: u8,
}

impl Human for Shown<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Self { report, .. } = self;
        let PathReport { to, from, probing, size_bytes, .. } = report;
        let from = match from.is_unspecified() {
            true => String::new(),
            false => format!(" from {from}"),
        };
        writeln!(
            out,
            "path to {} ({to}){from} by {probing}, {} hops at most, {size_bytes} byte packets",
            esc(&self.name),
            self.max_ttl
        )?;
        match self.columns {
            _ if self.quiet => {}
            true => columns(report, out)?,
            false => report.hops.iter().try_for_each(|hop| line(hop, report.rounds, out, style))?,
        }
        self.closing(out, style)
    }
}

impl Shown<'_> {
    fn closing(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { good, bad, warn, .. } = style;
        let report = self.report;
        let paint = if report.is_reached() { good } else { bad };
        writeln!(out, "{paint}{}{paint:#}", report.end.text())?;
        for remark in &report.remarks {
            let paint = if remark.is_fault() { bad } else { warn };
            writeln!(out, "{paint}*{paint:#} {}", esc(&remark.to_string()))?;
        }
        if let Some(mtu) = self.mtu {
            for sentence in mtu.sentences() {
                writeln!(out, "{}", esc(&sentence))?;
            }
        }
        if self.nat {
            self.translation(out)?;
        }
        for (count, what) in [
            (report.duplicates, "answers came twice"),
            (report.late, "answers came too late"),
            (report.ignored, "messages only looked like answers and were ignored"),
        ] {
            if count > 0 {
                writeln!(out, "{count} {what}")?;
            }
        }
        let of_mtu = self.mtu.iter().flat_map(|mtu| &mtu.gaps);
        let new = of_mtu.filter(|gap| !report.gaps.contains(gap));
        for gap in report.gaps.iter().chain(new) {
            writeln!(out, "not done: {}", esc(&gap.to_string()))?;
        }
        if style.verbose > 0 {
            writeln!(out, "method: {}, in {}", report.method, report.netns)?;
        }
        Ok(())
    }

    fn translation(&self, out: &mut dyn Write) -> io::Result<()> {
        let seen = |remark: &Remark| matches!(remark, Remark::Translated { .. });
        let responders = || self.report.hops.iter().flat_map(|hop| &hop.responders);
        let quotes = responders().filter(|r| r.quoted_ttl.is_some()).count();
        match (self.report.remarks.iter().any(seen), quotes) {
            (true, _) => Ok(()),
            (false, 0) => writeln!(out, "nobody quoted enough to tell of address translation"),
            (false, count) => {
                writeln!(out, "no address translation seen in what {count} hosts quoted")
            }
        }
    }
}

/// As traceroute: an address once, then the times of its answers.
fn line(hop: &Hop, rounds: u32, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    write!(out, "{:>2} ", hop.ttl)?;
    let mut shown: Option<IpAddr> = None;
    for answer in &hop.answers {
        match (answer.from, answer.rtt) {
            (Some(from), Some(rtt)) => {
                if shown != Some(from) {
                    write!(out, " {}{from}{:#} ", style.name, style.name)?;
                }
                shown = Some(from);
                write!(out, " {} ms", millis(rtt))?;
            }
            _ => write!(out, "  *")?,
        }
    }
    if hop.answers.is_empty() {
        write!(out, "  {}", if rounds == 0 { "not asked" } else { "?" })?;
    }
    writeln!(out)?;
    hop.responders.iter().try_for_each(|one| details(one, out, style))
}

fn details(one: &Responder, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    if let Some(error) = one.error.filter(|error| !error.is_port_unreachable()) {
        writeln!(out, "    {} says {}", one.addr, error.text())?;
    }
    for change in one.changed.iter().filter(|change| change.field != ProbeField::Checksum) {
        writeln!(out, "    {} saw: {}", one.addr, esc(&change.to_string()))?;
    }
    if style.verbose == 0 {
        return Ok(());
    }
    for label in &one.labels {
        let bottom = if label.bottom { ", bottom of stack" } else { "" };
        let (number, class, ttl) = (label.label, label.class, label.ttl);
        writeln!(out, "    MPLS label {number}, class {class}, ttl {ttl}{bottom}")?;
    }
    if let (Some(ttl), Some(back)) = (one.reply_ttl, one.hops_back) {
        writeln!(out, "    {} answers with ttl {ttl}, {back} hops back", one.addr)?;
    }
    Ok(())
}

fn columns(report: &PathReport, out: &mut dyn Write) -> io::Result<()> {
    let head = ["Hop", "Host", "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev", "Jttr"];
    let rows = report.hops.iter().flat_map(rows);
    writeln!(out, "{}", table(&head, rows))
}

fn rows(hop: &Hop) -> Vec<Vec<String>> {
    let first = hop.responders.first().map_or_else(|| "???".to_owned(), |r| r.addr.to_string());
    let mut row = vec![hop.ttl.to_string(), first];
    row.push(format!("{:.1}%", hop.loss_percent));
    row.push(hop.sent.to_string());
    let figures = hop.rtt.map_or([None; 6], |rtt| {
        let HopRtt { last_ns, avg_ns, best_ns, worst_ns, stdev_ns, jitter_ns, .. } = rtt;
        [last_ns, avg_ns, best_ns, worst_ns, stdev_ns, jitter_ns].map(Some)
    });
    let time =
        |ns: Option<u64>| ns.map_or_else(|| "-".to_owned(), |ns| millis(Duration::from_nanos(ns)));
    row.extend(figures.map(time));
    let others = hop.responders.iter().skip(1);
    let others = others.map(|r| vec![String::new(), format!("{} ({})", r.addr, r.received)]);
    std::iter::once(row).chain(others).collect()
}
