use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use vision_core::Gap;
use vision_core::watch::{DropGroup, DroppedPacket, IgnoredDrops, drop_meaning};

use super::watch::clock;
use crate::output::{Human, Style, esc};

/// What the kernel dropped.
#[derive(Debug, Serialize)]
pub struct DropsReport {
    /// How long was looked, in nanoseconds.
    pub elapsed_ns: u64,
    /// The exit code of the command that was run meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_code: Option<i32>,
    /// How many packets were dropped, those that are no fault included.
    pub dropped: u64,
    /// By reason and place, the most frequent first.
    pub groups: Vec<DropGroup>,
    /// Those that every healthy machine has.
    pub ignored: Vec<IgnoredDrops>,
    /// How many drops were not seen because too many came at once.
    pub lost: u64,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// Writes one drop in a line.
///
/// # Errors
/// What writing says.
pub fn one(packet: &DroppedPacket, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { dim, bad, .. } = style;
    let reason = esc(packet.reason.as_deref().unwrap_or("no reason given")).to_string();
    write!(out, "{dim}{}{dim:#} {bad}{reason}{bad:#}", clock(packet.at))?;
    write!(out, " in {}", esc(&packet.location.to_string()))?;
    if let Some(protocol) = packet.protocol {
        write!(out, ", {}", ethertype(protocol))?;
    }
    if packet.pid != 0 {
        write!(out, ", while pid {} ran", packet.pid)?;
    }
    match packet.reason.as_deref().and_then(drop_meaning) {
        Some(meaning) => writeln!(out, ": {}", meaning.what),
        None => writeln!(out),
    }
}

impl Human for DropsReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bold, bad, warn, dim, .. } = style;
        let ignored: u64 = self.ignored.iter().map(|one| one.count).sum();
        let faults = self.dropped - ignored;
        let seconds = Duration::from_nanos(self.elapsed_ns).as_secs_f64();
        let packets = if faults == 1 { "packet" } else { "packets" };
        writeln!(out, "{bold}{faults} {packets} dropped in {seconds:.1} s{bold:#}")?;
        self.groups.iter().try_for_each(|group| write_group(group, out, style))?;
        for one in &self.ignored {
            writeln!(out, "{dim}{:>8}  not counted: {}{dim:#}", one.count, esc(&one.why))?;
        }
        if self.lost > 0 {
            writeln!(out, "{bad}{} more came too fast to be seen{bad:#}", self.lost)?;
        }
        self.gaps
            .iter()
            .try_for_each(|gap| writeln!(out, "{warn}not seen{warn:#}  {}", esc(&gap.to_string())))
    }
}

fn write_group(group: &DropGroup, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, bad, dim, .. } = style;
    let reason = group.reason.as_deref().unwrap_or("no reason given");
    write!(out, "{bold}{:>8}{bold:#}  {bad}{}{bad:#}", group.count, esc(reason))?;
    write!(out, " in {}", esc(&group.location.to_string()))?;
    match group.of_process {
        Some(own) if own == group.count => write!(out, ", {bold}caused by the command{bold:#}")?,
        Some(own) if own > 0 => write!(out, ", {bold}{own} caused by the command{bold:#}")?,
        _ => {}
    }
    let protocols: Vec<_> = group
        .protocols
        .iter()
        .map(|(protocol, n)| format!("{n} {}", ethertype(*protocol)))
        .collect();
    writeln!(out, "  {dim}({}){dim:#}", protocols.join(", "))?;
    let Some(meaning) = group.meaning else {
        return writeln!(
            out,
            "          this version does not know the reason; see include/net/dropreason-core.h"
        );
    };
    writeln!(out, "          {}", meaning.what)?;
    writeln!(out, "          next: {}", meaning.next)
}

/// The name of what a frame holds (linux/if_ether.h).
fn ethertype(number: u16) -> String {
    let name = match number {
        0 => "not known yet",
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x86dd => "IPv6",
        0x8100 => "VLAN",
        0x88cc => "LLDP",
        0x0003 => "any",
        other => return format!("ethertype {other:#06x}"),
    };
    name.to_owned()
}
