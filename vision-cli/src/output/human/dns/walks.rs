//! Reports of more than one question: traces, zone checks, comparisons.

use std::io::{self, Write};

use vision_core::probe::{
    DnsComparison, DnsOutcome, DnsReport, TraceEnd, TraceReport, TraceResult, TraceStep, ZoneReport,
};

use super::{Answered, columns, esc_text, gaps, outcome, transport};
use crate::output::human::millis;
use crate::output::{Human, Style, esc};

impl Human for Answered<'_, TraceReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        let last = report.last().and_then(|step| step.report.answer());
        if self.short {
            let records = last.into_iter().flat_map(|message| &message.answers);
            return records
                .into_iter()
                .try_for_each(|r| writeln!(out, "{}", esc_text(&r.data.to_string())));
        }
        for step in &report.steps {
            if step.depth == 0 || style.verbose > 0 {
                write_step(step, out, style)?;
            }
        }
        if report.end == TraceEnd::Answered {
            let records = last.into_iter().flat_map(|message| &message.answers);
            for record in records {
                writeln!(out, "{}", columns(&record.to_string()))?;
            }
        }
        let Style { bad, .. } = style;
        match &report.end {
            TraceEnd::Answered => {}
            TraceEnd::NoData => writeln!(out, ";; {bad}the name has no such records{bad:#}")?,
            TraceEnd::NoSuchName => writeln!(out, ";; {bad}no such name{bad:#}")?,
            TraceEnd::DeadEnd { zone } => {
                let zone = esc_text(&zone.to_string());
                writeln!(out, ";; {bad}no server of {zone} gave a usable answer{bad:#}")?;
            }
            TraceEnd::TooLong => writeln!(out, ";; {bad}too many servers asked{bad:#}")?,
            _ => writeln!(out, ";; {bad}not finished{bad:#}")?,
        }
        gaps(&report.gaps, out)
    }
}

fn write_step(step: &TraceStep, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, bad, .. } = style;
    let indent = "  ".repeat(usize::from(step.depth));
    let zone = esc_text(&step.zone.to_string());
    write!(out, ";; {indent}{bold}{zone}{bold:#} by {}", asked(step))?;
    match &step.result {
        TraceResult::Referral { zone, servers, addresses, signed } => {
            let signed = if *signed { ", signed" } else { "" };
            let zone = esc_text(&zone.to_string());
            let count = servers.len();
            writeln!(out, ": refers to {zone} ({count} servers, {addresses} addresses{signed})")?;
            if style.verbose > 0 {
                for name in servers {
                    writeln!(out, ";; {indent}  NS {}", esc_text(&name.to_string()))?;
                }
            }
        }
        TraceResult::Answer => writeln!(out, ": answers")?,
        TraceResult::NoData => writeln!(out, ": no records of the type")?,
        TraceResult::NoSuchName => writeln!(out, ": no such name")?,
        TraceResult::Lame => {
            writeln!(out, ": {bad}does not serve the zone{bad:#}")?;
        }
        _ => writeln!(out, ": {bad}{}{bad:#}", failure(&step.report))?,
    }
    Ok(())
}

fn asked(step: &TraceStep) -> String {
    let name = step.server_name.as_ref().map(|name| format!("{} ", esc_text(&name.to_string())));
    let name = name.unwrap_or_default();
    let Some(attempt) = step.report.decisive().or_else(|| step.report.attempts.last()) else {
        return format!("{name}nobody");
    };
    let took = match &attempt.outcome {
        DnsOutcome::Answer { rtt, .. } => format!(", {} ms", millis(*rtt)),
        _ => String::new(),
    };
    format!("{name}({} over {}{took})", attempt.server, transport(attempt.transport))
}

/// Why a report has no usable answer.
pub(super) fn failure(report: &DnsReport) -> String {
    match (report.answer(), report.attempts.last()) {
        (Some(message), _) => message.header.rcode.to_string(),
        (None, Some(attempt)) => outcome(&attempt.outcome),
        (None, None) => "not asked".to_owned(),
    }
}

impl Human for Answered<'_, ZoneReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        let Style { bold, bad, .. } = style;
        let zone = esc_text(&report.zone.to_string());
        for server in &report.servers {
            let name = esc_text(&server.name.to_string());
            if self.short {
                if let Some(serial) = server.serial {
                    writeln!(out, "{serial}\t{name}\t{}", server.addr)?;
                }
                continue;
            }
            write!(out, "{name} {}: ", server.addr)?;
            match server.serial {
                Some(serial) if server.authoritative => writeln!(out, "serial {serial}")?,
                Some(serial) => {
                    writeln!(out, "serial {serial}, {bad}without authority{bad:#}")?;
                }
                None => writeln!(out, "{bad}no serial: {}{bad:#}", failure(&server.report))?,
            }
        }
        if self.short {
            return Ok(());
        }
        for name in &report.without_address {
            writeln!(out, "{}: {bad}no address{bad:#}", esc_text(&name.to_string()))?;
        }
        if report.servers.is_empty() && report.without_address.is_empty() {
            let why = report.delegation.as_ref().map_or("not asked".to_owned(), failure);
            writeln!(out, "{zone}: {bad}no servers found{bad:#} ({why})")?;
        } else if report.agrees() {
            writeln!(out, "{bold}{zone}{bold:#}: all servers hold the same version")?;
        } else {
            let serials: Vec<_> = report.serials().iter().map(ToString::to_string).collect();
            let serials = serials.join(", ");
            writeln!(out, "{zone}: {bad}the servers are not in step{bad:#} (serials: {serials})")?;
        }
        gaps(&report.gaps, out)
    }
}

impl Human for Answered<'_, DnsComparison> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        let Style { bold, bad, .. } = style;
        for group in &report.groups {
            for server in &group.servers {
                let took = report.answer_of(*server).map(|(_, rtt)| millis(rtt));
                let took = took.unwrap_or_default();
                writeln!(out, ";; {bold}{server}{bold:#}: {}, {took} ms", group.rcode)?;
            }
            for answer in &group.answers {
                writeln!(out, "{}", esc_text(answer))?;
            }
        }
        for unanswered in report.reports.iter().filter(|report| report.answer().is_none()) {
            let server = unanswered.attempts.last().map(|attempt| attempt.server.to_string());
            let server = server.unwrap_or_default();
            writeln!(out, ";; {server}: {bad}{}{bad:#}", failure(unanswered))?;
        }
        if !self.short {
            let verdict = match (report.agrees(), report.groups.len()) {
                (true, _) => "all servers agree".to_owned(),
                (false, 0) => format!("{bad}nobody answered{bad:#}"),
                (false, 1) => format!("{bad}not all servers answered{bad:#}"),
                (false, n) => format!("{bad}{n} different answers{bad:#}"),
            };
            writeln!(out, ";; {verdict}")?;
        }
        report
            .gaps
            .iter()
            .try_for_each(|gap| writeln!(out, ";; not done: {}", esc(&gap.to_string())))
    }
}
