use std::io::{self, Write};

use serde::Serialize;
use vision_core::inventory::{Comparison, Difference, Section, Side, Unequal};
use vision_core::{NetnsId, Timestamp};

use crate::output::{Human, Style, esc};

/// What differs between two namespaces.
#[derive(Debug, Serialize)]
pub struct NsDiff {
    /// What the first was called.
    pub first: String,
    /// Its namespace.
    pub first_netns: NetnsId,
    /// When it was looked at.
    pub first_at: Timestamp,
    /// What the second was called.
    pub second: String,
    /// Its namespace.
    pub second_netns: NetnsId,
    /// When it was looked at.
    pub second_at: Timestamp,
    /// What was compared and what was found.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Human for NsDiff {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, bad, good, warn, dim, .. } = style;
        writeln!(out, "{bad}---{bad:#} {} {dim}{}{dim:#}", esc(&self.first), self.first_netns)?;
        writeln!(out, "{good}+++{good:#} {} {dim}{}{dim:#}", esc(&self.second), self.second_netns)?;
        let comparison = &self.comparison;
        let mut same = Vec::new();
        for section in &comparison.compared {
            let of = |one: &&Unequal| one.section == *section;
            let unequal: Vec<_> = comparison.unequal.iter().filter(of).collect();
            if unequal.is_empty() {
                same.push(section.name());
                continue;
            }
            writeln!(out, "{bold}{}{bold:#}", section.name())?;
            unequal.iter().try_for_each(|one| line(one, out, style))?;
        }
        if !same.is_empty() {
            writeln!(out, "the same: {}", same.join(", "))?;
        }
        comparison.gaps.iter().try_for_each(|gap| {
            writeln!(out, "{warn}not compared{warn:#}  {}", esc(&gap.to_string()))
        })
    }
}

fn line(one: &Unequal, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let (sign, paint) = match one.side {
        Side::First => ("-", style.bad),
        Side::Second => ("+", style.good),
        Side::Both => ("~", style.warn),
    };
    write!(out, "  {paint}{sign}{paint:#} {}", esc(&one.what))?;
    let text: Vec<_> =
        one.differences.iter().map(|d| difference(one.section, one.side, d)).collect();
    match text.is_empty() {
        true => writeln!(out),
        false => writeln!(out, "  {}", text.join(", ")),
    }
}

/// On one side only, a thing is described; on both, its change.
fn difference(section: Section, side: Side, difference: &Difference) -> String {
    let Difference { field, from, to, .. } = difference;
    let name = if section == Section::Sysctls { String::new() } else { format!("{field} ") };
    match side {
        Side::First => format!("{name}{}", esc(from)),
        Side::Second => format!("{name}{}", esc(to)),
        Side::Both => {
            let shown = |value: &str| {
                if value.is_empty() { "none".to_owned() } else { esc(value).to_string() }
            };
            format!("{name}{} -> {}", shown(from), shown(to))
        }
    }
}
