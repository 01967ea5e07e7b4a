//! Answers of many questions, and their sum.

use std::io::{self, Write};

use vision_core::probe::{DnsBulkAnswer, DnsBulkReport, DnsOutcome};

use super::{Answered, columns, esc_text, gaps, outcome};
use crate::output::human::millis;
use crate::output::{Human, Style};

/// Writes one answer: the records, or one line that says why there are none.
///
/// # Errors
/// What writing says.
pub fn write_answer(
    answer: &DnsBulkAnswer,
    short: bool,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let question = &answer.question;
    let records = match &answer.outcome {
        DnsOutcome::Answer { message, .. } => message.answers.as_slice(),
        _ => &[],
    };
    if short {
        return records
            .iter()
            .try_for_each(|record| writeln!(out, "{}", esc_text(&record.data.to_string())));
    }
    if style.verbose > 0 || records.is_empty() {
        let Style { bad, .. } = style;
        let server = answer.server.map(|server| format!(" by {server}")).unwrap_or_default();
        let (name, said) = (esc_text(&question.name.to_string()), outcome(&answer.outcome));
        match records {
            [] => writeln!(out, ";; {name} {}: {bad}{said}{bad:#}{server}", question.rtype)?,
            _ => writeln!(out, ";; {name} {}: {said}{server}", question.rtype)?,
        }
    }
    records.iter().try_for_each(|record| writeln!(out, "{}", columns(&record.to_string())))
}

impl Human for Answered<'_, DnsBulkReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        if self.short {
            return Ok(());
        }
        let Style { bold, bad, .. } = style;
        let DnsBulkReport { asked, answered, unanswered, elapsed, .. } = report;
        write!(out, ";; {bold}{asked} questions, {answered} answered{bold:#}")?;
        if *unanswered > 0 {
            write!(out, ", {bad}{unanswered} not{bad:#}")?;
        }
        let rate = report.rate();
        writeln!(out, " in {} ms, {rate:.0} a second", millis(*elapsed))?;
        let rcodes = report.rcodes.iter().map(|(rcode, count)| format!("{rcode} {count}"));
        let rcodes: Vec<_> = rcodes.collect();
        let (sent, again, tcp) = (report.datagrams, report.retries, report.over_tcp);
        let rcodes = if rcodes.is_empty() { "no result".to_owned() } else { rcodes.join(", ") };
        writeln!(out, ";; {rcodes}; {sent} datagrams, {again} repeated, {tcp} over TCP")?;
        if let Some(times) = &report.times {
            let [min, p50, p95, p99, max] =
                [times.min, times.p50, times.p95, times.p99, times.max].map(millis);
            writeln!(out, ";; ms: min {min}, half {p50}, 95 % {p95}, 99 % {p99}, max {max}")?;
        }
        match report.ignored.total() {
            0 => {}
            n => writeln!(out, ";; {n} replies were not believed (source, id, question or case)")?,
        }
        gaps(&report.gaps, out)
    }
}
