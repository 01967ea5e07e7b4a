use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Serialize, Serializer};
use vision_core::inventory::{CounterMeaning, SoftnetCpu};

use crate::output::{Human, Style, esc};

/// Counters, sockets, processors.
#[derive(Debug, Serialize)]
pub struct StatReport {
    /// The time within which they grew, if it is a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// By name, as `nstat` writes them.
    pub counters: Vec<CounterRow>,
    /// Group, name, number.
    #[serde(serialize_with = "groups")]
    pub sockets: Vec<(String, String, i64)>,
    /// What processors did for all namespaces.
    pub softnet: Vec<CpuRow>,
    /// Whether only faults are told.
    #[serde(skip)]
    pub explained: bool,
}

/// One counter.
#[derive(Debug, Serialize)]
pub struct CounterRow {
    /// Group and name in one word.
    pub name: String,
    /// Its value, or what it grew by.
    pub value: i64,
    /// What it means, where that is of interest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<CounterMeaning>,
}

/// One processor.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CpuRow {
    /// Its number.
    pub cpu: u32,
    /// Packets taken.
    pub processed: u32,
    /// Packets dropped.
    pub dropped: u32,
    /// How often work was left over.
    pub time_squeeze: u32,
    /// How often it was woken by another one.
    pub received_rps: u32,
    /// Packets dropped because one flow had too many.
    pub flow_limit: u32,
}

impl From<SoftnetCpu> for CpuRow {
    fn from(cpu: SoftnetCpu) -> Self {
        Self {
            cpu: cpu.cpu,
            processed: cpu.processed,
            dropped: cpu.dropped,
            time_squeeze: cpu.time_squeeze,
            received_rps: cpu.received_rps,
            flow_limit: cpu.flow_limit,
        }
    }
}

impl CpuRow {
    /// What it did since; the kernel's counters wrap.
    pub fn since(self, before: &Self) -> Self {
        Self {
            cpu: self.cpu,
            processed: self.processed.wrapping_sub(before.processed),
            dropped: self.dropped.wrapping_sub(before.dropped),
            time_squeeze: self.time_squeeze.wrapping_sub(before.time_squeeze),
            received_rps: self.received_rps.wrapping_sub(before.received_rps),
            flow_limit: self.flow_limit.wrapping_sub(before.flow_limit),
        }
    }
}

fn groups<S: Serializer>(rows: &[(String, String, i64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut groups: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for (group, name, value) in rows {
        groups.entry(group).or_default().insert(name, *value);
    }
    groups.serialize(serializer)
}

impl Human for StatReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bad, dim, .. } = style;
        let widest = self.counters.iter().map(|row| row.name.len()).max().unwrap_or(0);
        for row in &self.counters {
            let fault = row.meaning.filter(|meaning| meaning.is_fault && row.value != 0);
            let paint = if fault.is_some() { *bad } else { Default::default() };
            writeln!(out, "{:widest$}  {paint}{}{paint:#}", esc(&row.name).to_string(), row.value)?;
            if let Some(meaning) = row.meaning.filter(|_| self.explained || style.verbose > 0) {
                writeln!(out, "    {}", meaning.text)?;
            }
        }
        let mut last = "";
        for (group, name, value) in &self.sockets {
            match last == group {
                true => write!(out, " {} {value}", esc(name))?,
                false if last.is_empty() => {
                    write!(out, "{}: {} {value}", esc(group), esc(name))?;
                }
                false => write!(out, "\n{}: {} {value}", esc(group), esc(name))?,
            }
            last = group;
        }
        if !last.is_empty() {
            writeln!(out)?;
        }
        for cpu in &self.softnet {
            write_cpu(cpu, out, style)?;
        }
        if self.explained && self.counters.is_empty() && self.softnet.is_empty() {
            writeln!(out, "{dim}no counter tells of a fault{dim:#}")?;
        }
        Ok(())
    }
}

/// Told for the machine: processors know no namespaces.
fn write_cpu(cpu: &CpuRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let paint = |n: u32| if n > 0 { style.bad } else { Default::default() };
    let bad = paint(cpu.dropped);
    write!(out, "cpu {} (all namespaces): {} packets", cpu.cpu, cpu.processed)?;
    write!(out, ", {bad}dropped {}{bad:#}", cpu.dropped)?;
    write!(out, ", squeezed {}", cpu.time_squeeze)?;
    for (word, count) in [("steered", cpu.received_rps), ("flow-limited", cpu.flow_limit)] {
        if count > 0 {
            write!(out, ", {word} {count}")?;
        }
    }
    writeln!(out)
}
