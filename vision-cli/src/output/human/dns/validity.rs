//! Validated answers.

use std::io::{self, Write};

use vision_core::probe::{ChainLink, Validity, ValidityReport};

use super::{Answered, columns, esc_text, gaps};
use crate::output::{Human, Style};

impl Human for Answered<'_, ValidityReport> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let report = self.report;
        let records = report.answer.iter().filter_map(|answer| answer.answer());
        let records = records.flat_map(|message| &message.answers);
        if self.short {
            return writeln!(out, "{}", word(report.validity));
        }
        let Style { bold, bad, .. } = style;
        match report.validity {
            Validity::Secure => writeln!(out, ";; {bold}secure{bold:#}: fully validated")?,
            other => {
                let colour = if other == Validity::Insecure { bold } else { bad };
                write!(out, ";; {colour}{}{colour:#}", word(other))?;
                match &report.reason {
                    Some(reason) => writeln!(out, ": {}", esc_text(reason))?,
                    None => writeln!(out)?,
                }
            }
        }
        if style.verbose > 0 || report.validity == Validity::Bogus {
            for link in &report.chain {
                write_link(link, out, style)?;
            }
            for set in &report.sets {
                let what = if set.denial { "no " } else { "" };
                let name = esc_text(&set.name.to_string());
                let (rtype, validity) = (set.rtype, word(set.validity));
                writeln!(out, ";; {what}{name} {rtype}: {validity}: {}", esc_text(&set.reason))?;
            }
        }
        for record in records {
            writeln!(out, "{}", columns(&record.to_string()))?;
        }
        gaps(&report.gaps, out)
    }
}

fn write_link(link: &ChainLink, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, .. } = style;
    let zone = esc_text(&link.zone.to_string());
    let (validity, reason) = (word(link.validity), esc_text(&link.reason));
    writeln!(out, ";; zone {bold}{zone}{bold:#}: {validity}: {reason}")?;
    if style.verbose > 0 {
        for key in &link.keys {
            let name = key.algorithm_name.clone();
            let algorithm = name.unwrap_or_else(|| format!("algorithm {}", key.algorithm));
            let entry = if key.entry { ", trusted from above" } else { "" };
            writeln!(out, ";;   key {} flags {} {algorithm}{entry}", key.tag, key.flags)?;
        }
    }
    Ok(())
}

fn word(validity: Validity) -> &'static str {
    match validity {
        Validity::Secure => "secure",
        Validity::Insecure => "insecure",
        Validity::Bogus => "bogus",
        _ => "indeterminate",
    }
}
