use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use vision_core::inventory::{Addr, Difference, Lifetime, Link, RouteProtocol};
use vision_core::watch::{
    Change, Event, Happening, Learned, Namespace, Overrun, Row, RowEvent, Table,
};
use vision_core::{Gap, Timestamp};

use super::ct::CtRow;
use super::neigh::NeighRow;
use super::route::{RouteRow, write_rule};
use crate::command::names::Names;
use crate::output::{Human, Row as _, Style, esc};

/// Writes one event in a line.
///
/// # Errors
/// What writing says.
pub fn event(event: &Event, names: &Names, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { dim, bad, .. } = style;
    write!(out, "{dim}{}{dim:#} ", clock(event.at))?;
    match &event.what {
        Happening::Row(row) => row_event(row, event.at, names, out, style),
        Happening::Overrun(overrun) => overrun_line(overrun, out, style),
        Happening::TargetEnded => writeln!(out, "{bad}the target ended{bad:#}"),
        _ => writeln!(out, "something this version has no words for"),
    }
}

/// Interfaces a row mentions besides its own.
pub fn mentioned(row: &Row) -> Vec<u32> {
    match row {
        Row::Route(route) => route.nexthops.iter().filter_map(|hop| hop.oif_ifindex).collect(),
        Row::Link(link) => {
            let lower = link.link_ifindex.filter(|_| link.link_netnsid.is_none());
            link.master_ifindex.into_iter().chain(lower).collect()
        }
        _ => Vec::new(),
    }
}

/// The time of day in UTC, to the microsecond.
pub fn clock(at: Timestamp) -> String {
    let nanos = at.as_unix_nanos().rem_euclid(86_400 * 1_000_000_000);
    let (second, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    format!("{:02}:{:02}:{:02}.{:06}", second / 3600, second / 60 % 60, second % 60, rest / 1000)
}

fn row_event(
    event: &RowEvent,
    at: Timestamp,
    names: &Names,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let paint = match event.change {
        Change::Added => style.good,
        Change::Removed | Change::Moved => style.bad,
        Change::Changed => style.warn,
        _ => style.dim,
    };
    write!(out, "{:<5} {paint}{:<8}{paint:#} ", event.row.table(), event.change)?;
    let mut text = Vec::new();
    row(&event.row, at, names, &mut text, style)?;
    // What follows the first line explains a row; here the next event follows.
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    out.write_all(line)?;
    if !event.differences.is_empty() {
        let list: Vec<_> = event.differences.iter().map(|d| difference(d, names)).collect();
        write!(out, "  [{}]", list.join("; "))?;
    }
    match event.learned {
        Learned::Told => writeln!(out),
        Learned::Silent => writeln!(out, "  (the kernel does not tell; found by reading again)"),
        _ => writeln!(out, "  (found by reading again after the overrun)"),
    }
}

fn row(
    row: &Row,
    now: Timestamp,
    names: &Names,
    out: &mut Vec<u8>,
    style: &Style,
) -> io::Result<()> {
    match row {
        Row::Link(link) => link_line(link, names, out, style),
        Row::Addr(addr) => addr_line(addr, names, out, style),
        Row::Route(route) => {
            RouteRow::new(route, names).line(out, style)?;
            match route.nexthops.is_empty() {
                true => Ok(()),
                false => {
                    // The paths are lines of their own in a list; here they stay on this one.
                    out.iter_mut().for_each(|byte| {
                        if matches!(byte, b'\n' | b'\t') {
                            *byte = b' ';
                        }
                    });
                    Ok(())
                }
            }
        }
        Row::Rule(rule) => {
            let mut text = Vec::new();
            write_rule(rule, &mut text, style)?;
            text.retain(|byte| *byte != b'\n');
            out.extend(text.iter().map(|byte| if *byte == b'\t' { b' ' } else { *byte }));
            Ok(())
        }
        Row::Neigh(neigh) => NeighRow::new(neigh, names.get(Some(neigh.ifindex))).line(out, style),
        Row::Ct(entry) => CtRow { entry, now, nat: false }.line(out, style),
        Row::Ns(namespace) => namespace_line(namespace, out, style),
        _ => Ok(()),
    }
}

fn link_line(link: &Link, names: &Names, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
    let Style { name, .. } = style;
    write!(out, "{name}{}{name:#} ({})", link.name.escaped(), link.ifindex)?;
    if let Some(kind) = &link.kind {
        write!(out, " {}", esc(kind))?;
    }
    if let Some(state) = link.operstate {
        write!(out, " {state}")?;
    }
    if let Some(mtu) = link.mtu_bytes {
        write!(out, " mtu {mtu}")?;
    }
    if let Some(address) = link.address {
        write!(out, " lladdr {address}")?;
    }
    if let Some(master) = link.master_ifindex {
        match names.get(Some(master)) {
            Some(name) => write!(out, " master {}", name.escaped())?,
            None => write!(out, " master if{master}")?,
        }
    }
    let other = if link.kind.as_deref() == Some("veth") { "peer" } else { "over" };
    match (link.link_ifindex, link.link_netnsid) {
        (Some(index), Some(nsid)) => write!(out, " {other} if{index} in nsid {nsid}"),
        (Some(index), None) => match names.get(Some(index)) {
            Some(name) => write!(out, " {other} {}", name.escaped()),
            None => write!(out, " {other} if{index}"),
        },
        _ => Ok(()),
    }
}

fn addr_line(addr: &Addr, names: &Names, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
    let Style { bold, .. } = style;
    write!(out, "{bold}{}/{}{bold:#}", addr.local, addr.prefix_bits)?;
    if let Some(peer) = addr.peer {
        write!(out, " peer {peer}")?;
    }
    super::dev(out, names.get(Some(addr.ifindex)), Some(addr.ifindex), style)?;
    write!(out, " scope {}", addr.scope)?;
    for flag in addr.flags.names() {
        write!(out, " {flag}")?;
    }
    match (addr.valid, addr.protocol) {
        (Lifetime::Seconds(seconds), _) => write!(out, " valid {seconds}sec"),
        (_, Some(protocol)) if protocol != RouteProtocol::Unspec => {
            write!(out, " proto {protocol}")
        }
        _ => Ok(()),
    }
}

fn namespace_line(namespace: &Namespace, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
    let Style { name: paint, .. } = style;
    match (namespace.nsid, &namespace.name) {
        (Some(nsid), Some(name)) => {
            write!(out, "nsid {nsid} is {paint}{}{paint:#}", name.escaped())?;
        }
        (Some(nsid), None) => write!(out, "nsid {nsid}")?,
        (None, Some(name)) => write!(out, "name {paint}{}{paint:#}", name.escaped())?,
        (None, None) => {}
    }
    match namespace.id {
        Some(id) => write!(out, " {id}"),
        None => Ok(()),
    }
}

/// `field from -> to`; of flags only those that came and went, interfaces by name.
fn difference(difference: &Difference, names: &Names) -> String {
    let Difference { field, from, to, .. } = difference;
    if matches!(field.as_str(), "flags" | "status") {
        let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        let (before, now) = (words(from), words(to));
        let gone = before.iter().filter(|flag| !now.contains(flag)).map(|flag| format!("-{flag}"));
        let come = now.iter().filter(|flag| !before.contains(flag)).map(|flag| format!("+{flag}"));
        let all: Vec<_> = come.chain(gone).filter(|flag| flag.len() > 1).collect();
        return all.join(" ");
    }
    let Some(field) = field.strip_suffix("_ifindex") else {
        return difference.to_string();
    };
    let name = |index: &str| match names.get(index.parse().ok()) {
        Some(name) => name.escaped().to_string(),
        None if index.is_empty() => "none".to_owned(),
        None => format!("if{index}"),
    };
    format!("{field} {} -> {}", name(from), name(to))
}

fn overrun_line(overrun: &Overrun, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bad, .. } = style;
    let lost = match overrun.lost {
        Some(lost) => format!("{lost} events were lost"),
        None => "events were lost".to_owned(),
    };
    let tables: Vec<_> = overrun.tables.iter().map(|table| table.name()).collect();
    write!(out, "{bad}overrun{bad:#} {lost}; read {} again, ", tables.join(", "))?;
    match overrun.found {
        0 => writeln!(out, "nothing is different")?,
        1 => writeln!(out, "1 difference follows")?,
        found => writeln!(out, "{found} differences follow")?,
    }
    overrun.gaps.iter().try_for_each(|gap| {
        writeln!(out, "                not compared: {}", esc(&gap.to_string()))
    })
}

/// What ended the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An error.
    #[default]
    Error,
    /// As many events as were asked for.
    Count,
    /// The time allowed.
    Budget,
    /// The user.
    Interrupted,
    /// The end of the target.
    TargetEnded,
}

/// What a stream of events came to.
#[derive(Debug, Default, Serialize)]
pub struct WatchSummary {
    /// How long it was watched, in nanoseconds.
    pub elapsed_ns: u64,
    /// Events by table and change, those that were not shown included.
    pub events: BTreeMap<Table, BTreeMap<Change, u64>>,
    /// How often events were lost.
    pub overruns: u64,
    /// How many were lost, as far as the kernel tells.
    pub lost: u64,
    /// Messages that could not be read.
    pub unreadable: u64,
    /// What was not watched although it was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What ended it.
    pub ended_by: Ending,
}

impl WatchSummary {
    /// Takes an event into account.
    pub fn count(&mut self, event: &Event) {
        match &event.what {
            Happening::Row(row) => {
                let changes = self.events.entry(row.row.table()).or_default();
                *changes.entry(row.change).or_default() += 1;
            }
            Happening::Overrun(_) => self.overruns += 1,
            _ => {}
        }
    }
}

impl Human for WatchSummary {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bad, bold, .. } = style;
        let seconds = Duration::from_nanos(self.elapsed_ns).as_secs_f64();
        let all: u64 = self.events.values().flat_map(BTreeMap::values).sum();
        let events = if all == 1 { "event" } else { "events" };
        write!(out, "{bold}{all} {events} in {seconds:.1} s{bold:#}")?;
        for (table, changes) in &self.events {
            let list: Vec<_> = changes.iter().map(|(change, n)| format!("{n} {change}")).collect();
            write!(out, "; {table} {}", list.join(", "))?;
        }
        writeln!(out)?;
        if self.overruns > 0 {
            let Self { lost, overruns, .. } = self;
            writeln!(
                out,
                "{bad}{lost} events lost in {overruns} overruns{bad:#}, made good by reading the tables again"
            )?;
        }
        if self.unreadable > 0 {
            writeln!(out, "{bad}{} messages could not be read{bad:#}", self.unreadable)?;
        }
        Ok(())
    }
}
