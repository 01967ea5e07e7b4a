use std::io::{self, Write};

use serde::Serialize;
use vision_core::Timestamp;
use vision_core::inventory::{CtCpuStats, CtEntry, CtEvent, CtExpectation, CtTranslation};

use super::ct::CtRow;
use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Human, Row, Style, esc};

/// What each processor did with connections.
#[derive(Debug, Serialize)]
pub struct CpuStats {
    cpus: Vec<CpuRow>,
    /// What a number that is not zero means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    meanings: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct CpuRow {
    cpu: u16,
    #[serde(flatten)]
    stats: CtCpuStats,
}

impl CpuStats {
    /// Adds what the bad ones mean.
    pub fn new(cpus: Vec<(u16, CtCpuStats)>) -> Self {
        let any = |of: fn(&CtCpuStats) -> Option<u32>| cpus.iter().any(|(_, s)| of(s) > Some(0));
        let meanings = [
            (
                any(|s| s.insert_failed),
                "insert_failed: first packets of one connection went through at the same time and \
                 one was lost; DNS queries for A and AAAA over one socket do that",
            ),
            (
                any(|s| s.drop),
                "drop: packets were dropped because their connection could not be entered; see \
                 `vision ct --count`",
            ),
            (
                any(|s| s.early_drop),
                "early_drop: the table was full and connections were ended to make room; raise \
                 net.netfilter.nf_conntrack_max",
            ),
            (
                any(|s| s.invalid),
                "invalid: packets fit no connection: out of window, or of one that is forgotten",
            ),
        ];
        let meanings = meanings.into_iter().filter(|(any, _)| *any).map(|(_, text)| text).collect();
        let cpus = cpus.into_iter().map(|(cpu, stats)| CpuRow { cpu, stats });
        Self { cpus: cpus.collect(), meanings }
    }
}

impl Human for CpuStats {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for row in &self.cpus {
            write!(out, "cpu={}", row.cpu)?;
            for (name, value) in row.stats.fields() {
                let bad = ["insert_failed", "drop", "early_drop"].contains(&name) && value != "0";
                let paint = if bad { style.bad } else { Default::default() };
                write!(out, " {paint}{name}={}{paint:#}", esc(&value))?;
            }
            writeln!(out)?;
        }
        self.meanings.iter().try_for_each(|text| writeln!(out, "{text}"))
    }
}

/// A connection that was asked for, if there is one.
#[derive(Debug, Serialize)]
pub struct Found {
    connection: Option<CtEntry>,
    translation: Option<CtTranslation>,
}

impl Found {
    /// Adds what address translation does to it.
    pub fn new(connection: Option<CtEntry>) -> Self {
        Self { translation: connection.as_ref().and_then(CtEntry::translation), connection }
    }
}

impl Human for Found {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Some(entry) = &self.connection else {
            return writeln!(out, "no such connection is tracked");
        };
        let mut line = Vec::new();
        CtRow { entry, now: Timestamp::now(), nat: true }.line(&mut line, style)?;
        out.write_all(&line)
    }
}

/// Puts what becomes of a connection's packets.
pub(super) fn translation(out: &mut Vec<u8>, entry: &CtEntry) -> io::Result<()> {
    let Some(moved) = entry.translation() else { return Ok(()) };
    let mut put = |word: &str, from: (std::net::IpAddr, Option<u16>), to| {
        write!(out, "    {word} ")?;
        end(out, from);
        out.put(" becomes ");
        end(out, to);
        out.put("\n");
        io::Result::Ok(())
    };
    let original = &entry.original;
    if let Some(to) = moved.src {
        put("source", (original.src, original.src_port), to)?;
    }
    if let Some(to) = moved.dst {
        put("destination", (original.dst, original.dst_port), to)?;
    }
    Ok(())
}

fn end(out: &mut Vec<u8>, (addr, port): (std::net::IpAddr, Option<u16>)) {
    match (addr, port) {
        (addr, None) => out.ip(addr),
        (addr, Some(port)) => {
            out.put(if addr.is_ipv6() { "[" } else { "" });
            out.ip(addr);
            out.put(if addr.is_ipv6() { "]:" } else { ":" });
            out.uint(port.into());
        }
    }
}

/// A connection that a helper has announced.
#[derive(Debug)]
pub struct ExpectRow<'e>(pub &'e CtExpectation);

impl Row for ExpectRow<'_> {
    fn line(&self, out: &mut Vec<u8>, _: &Style) -> io::Result<()> {
        let Self(expect) = *self;
        write!(out, "{} proto={}", expect.timeout_s.unwrap_or(0), expect.protocol)?;
        let parts = [("", &expect.tuple), ("mask-", &expect.mask), ("master-", &expect.master)];
        for (prefix, tuple) in parts {
            write!(out, " {prefix}src={} {prefix}dst={}", tuple.src, tuple.dst)?;
            if let (Some(src), Some(dst)) = (tuple.src_port, tuple.dst_port) {
                write!(out, " {prefix}sport={src} {prefix}dport={dst}")?;
            }
        }
        if let Some(class) = expect.class {
            write!(out, " class={class}")?;
        }
        if let Some(helper) = &expect.helper {
            write!(out, " helper={}", esc(helper))?;
        }
        for flag in expect.flags.names() {
            write!(out, " {}", flag.to_uppercase())?;
        }
        if let Some(zone) = expect.zone {
            write!(out, " zone={zone}")?;
        }
        out.put("\n");
        Ok(())
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.members(self.0)
    }
}

/// A change of a connection.
#[derive(Debug, Serialize)]
pub struct EventRow<'e> {
    change: &'static str,
    connection: Option<&'e CtEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    translation: Option<CtTranslation>,
    #[serde(skip)]
    now: Timestamp,
}

impl<'e> EventRow<'e> {
    /// Names the change.
    pub fn new(event: &'e CtEvent, now: Timestamp) -> Self {
        let connection = event.entry();
        let translation = connection.and_then(CtEntry::translation);
        Self { change: name(event), connection, translation, now }
    }

    /// Writes it as `conntrack -E` does.
    ///
    /// # Errors
    /// What writing says.
    pub fn write(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Some(entry) = self.connection else {
            let bad = style.bad;
            return writeln!(
                out,
                "{bad}[OVERRUN]{bad:#} the kernel dropped events that were not read in time"
            );
        };
        let mut line = Vec::new();
        write!(line, "{:>9} ", format!("[{}]", self.change.to_uppercase()))?;
        CtRow { entry, now: self.now, nat: false }.line(&mut line, style)?;
        out.write_all(&line)
    }
}

fn name(event: &CtEvent) -> &'static str {
    match event {
        CtEvent::New(_) => "new",
        CtEvent::Update(_) => "update",
        CtEvent::Destroy(_) => "destroy",
        _ => "overrun",
    }
}

/// How many changes were seen.
#[derive(Debug, Default, Serialize)]
pub struct Followed {
    new: u64,
    update: u64,
    destroy: u64,
    /// How often events were dropped; nobody knows how many.
    overruns: u64,
}

impl Followed {
    /// Counts one.
    pub fn add(&mut self, event: &CtEvent) {
        *match event {
            CtEvent::New(_) => &mut self.new,
            CtEvent::Update(_) => &mut self.update,
            CtEvent::Destroy(_) => &mut self.destroy,
            _ => &mut self.overruns,
        } += 1;
    }
}

impl Human for Followed {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let bad = if self.overruns > 0 { style.bad } else { Default::default() };
        write!(out, "{} new, {} updated, {} ended", self.new, self.update, self.destroy)?;
        match self.overruns {
            0 => writeln!(out),
            n => writeln!(out, ", {bad}{n} overruns: events are missing{bad:#}"),
        }
    }
}
