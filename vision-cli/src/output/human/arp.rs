use std::io::{self, Write};
use std::net::IpAddr;

use vision_core::probe::{NeighAnswer, NeighReport, OwnAddress};

use super::millis;
use crate::output::{Human, Style, esc};

/// Writes one answer.
pub fn answer(
    ip: IpAddr,
    answer: &NeighAnswer,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { bold, .. } = style;
    let NeighAnswer { lladdr, seq, rtt, .. } = answer;
    write!(out, "{ip} is at {bold}{lladdr}{bold:#}: seq={seq} time={} ms", millis(*rtt))?;
    match answer.is_router {
        Some(true) => writeln!(out, ", a router"),
        _ => writeln!(out),
    }
}

impl Human for NeighReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, bad, warn, .. } = style;
        let (asked, answered) = (self.requests.len(), self.answers.len());
        writeln!(
            out,
            "{bold}{asked}{bold:#} requests on {} from {}, {bold}{answered}{bold:#} answers",
            self.interface.escaped(),
            self.source
        )?;
        if let Some(own) = self.own {
            duplicates(self, own, out, style)?;
        }
        match self.holders().as_slice() {
            _ if self.own.is_some() => {}
            [] => writeln!(out, "{bad}nobody{bad:#} on this link has {}", self.to)?,
            [_] => {}
            several => {
                let names: Vec<_> = several.iter().map(ToString::to_string).collect();
                let names = names.join(" and ");
                writeln!(out, "{warn}claimed by several{warn:#}: {} by {names}", self.to)?;
            }
        }
        self.gaps.iter().try_for_each(|gap| writeln!(out, "not done: {}", esc(&gap.to_string())))
    }
}

fn duplicates(
    report: &NeighReport,
    own: OwnAddress,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { good, bad, .. } = style;
    let to = report.to;
    let names: Vec<_> = report.holders().iter().map(ToString::to_string).collect();
    let names = names.join(" and ");
    let here = match own {
        OwnAddress::Held => "this interface has it as well",
        OwnAddress::Tentative => "this interface is about to take it",
        OwnAddress::DadFailed => "the kernel's own duplicate detection failed here",
        _ => "this interface does not have it",
    };
    match (report.is_duplicate(), names.as_str()) {
        (Some(true), "") => writeln!(out, "{bad}duplicate{bad:#}: {to}; {here}"),
        (Some(true), names) => {
            writeln!(out, "{bad}duplicate{bad:#}: {to} is in use by {names}; {here}")
        }
        _ if own == OwnAddress::Held => {
            writeln!(out, "{good}no duplicate{good:#}: nobody else has {to}")
        }
        _ => writeln!(out, "{good}no duplicate{good:#}: nobody has {to}"),
    }
}
