use std::io::{self, Write};
use std::net::IpAddr;

use vision_core::probe::{NeighAnswer, NeighReport};

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
        match self.holders().as_slice() {
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
