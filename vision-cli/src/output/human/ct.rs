use std::io::{self, Write};

use serde::Serialize;
use vision_core::Timestamp;
use vision_core::inventory::{CtCount, CtCounters, CtEntry, CtProtocol, CtStatus, CtTuple};

use crate::output::json::Object;
use crate::output::text::Put;
use crate::output::{Human, Row, Style, esc};

/// A tracked connection.
#[derive(Debug)]
pub struct CtRow<'e> {
    /// As the kernel lists it.
    pub entry: &'e CtEntry,
    /// When the list was asked for.
    pub now: Timestamp,
    /// Whether to spell out what address translation does.
    pub nat: bool,
}

impl Row for CtRow<'_> {
    /// Writes it as `conntrack -L` does.
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let CtRow { entry, now, nat } = *self;
        let start = out.len();
        out.put(entry.protocol.name().unwrap_or("unknown"));
        out.left(start, 8);
        number(out, " ", entry.protocol.raw());
        if let Some(timeout) = entry.timeout_s {
            number(out, " ", timeout);
        }
        state(out, entry);
        tuple(out, &entry.original, entry.protocol);
        if let Some(zone) = entry.original.zone {
            number(out, " zone-orig=", zone);
        }
        counters(out, entry.original_counters);
        if entry.is_unreplied() {
            out.put(" ");
            Style::paint(out, style.warn, |out| {
                out.put("[UNREPLIED]");
                Ok(())
            })?;
        }
        tuple(out, &entry.reply, entry.protocol);
        if let Some(zone) = entry.reply.zone {
            number(out, " zone-reply=", zone);
        }
        counters(out, entry.reply_counters);
        flag(out, entry.status);
        if let Some(mark) = entry.mark {
            number(out, " mark=", mark);
        }
        rare(out, entry, now, style)?;
        if let Some(uses) = entry.uses {
            number(out, " use=", uses);
        }
        labels(out, entry, style)?;
        out.put("\n");
        match nat {
            true => super::ct_more::translation(out, entry),
            false => Ok(()),
        }
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        object.members(self.entry)?;
        match self.entry.translation().filter(|_| self.nat) {
            Some(translation) => object.member("translation", &translation),
            None => Ok(()),
        }
    }
}

#[inline]
fn number(out: &mut Vec<u8>, name: &str, value: impl Into<u64>) {
    out.put(name);
    out.uint(value.into());
}

#[inline]
fn state(out: &mut Vec<u8>, entry: &CtEntry) {
    let name = match (&entry.tcp, &entry.sctp, &entry.dccp) {
        (Some(tcp), ..) => tcp.state.name(),
        (_, Some(sctp), _) => sctp.state.name(),
        (_, _, Some(dccp)) => dccp.state.name(),
        (None, None, None) => return,
    };
    out.put(" ");
    out.put(name.unwrap_or("unknown"));
}

#[inline]
fn tuple(out: &mut Vec<u8>, tuple: &CtTuple, protocol: CtProtocol) {
    out.put(" src=");
    out.ip(tuple.src);
    out.put(" dst=");
    out.ip(tuple.dst);
    if let (Some(src), Some(dst)) = (tuple.src_port, tuple.dst_port) {
        if protocol == CtProtocol::Gre {
            // A vector takes all.
            return drop(write!(out, " srckey={src:#x} dstkey={dst:#x}"));
        }
        number(out, " sport=", src);
        number(out, " dport=", dst);
    }
    if let Some(icmp) = tuple.icmp {
        number(out, " type=", icmp.kind);
        number(out, " code=", icmp.code);
        number(out, " id=", icmp.id);
    }
}

#[inline]
fn counters(out: &mut Vec<u8>, counters: Option<CtCounters>) {
    if let Some(CtCounters { packets, bytes, .. }) = counters {
        number(out, " packets=", packets);
        number(out, " bytes=", bytes);
    }
}

/// The one that says most.
#[inline]
fn flag(out: &mut Vec<u8>, status: CtStatus) {
    for (flag, text) in [
        (CtStatus::HW_OFFLOAD, " [HW_OFFLOAD]"),
        (CtStatus::OFFLOAD, " [OFFLOAD]"),
        (CtStatus::ASSURED, " [ASSURED]"),
    ] {
        if status.contains(flag) {
            return out.put(text);
        }
    }
}

#[inline]
fn rare(out: &mut Vec<u8>, entry: &CtEntry, now: Timestamp, style: &Style) -> io::Result<()> {
    if let Some(context) = &entry.secctx {
        write!(out, " secctx={}", context.escaped())?;
    }
    if let Some(id) = entry.id.filter(|_| style.verbose > 0) {
        number(out, " id=", id);
    }
    if let Some(zone) = entry.zone {
        number(out, " zone=", zone);
    }
    if let Some(start) = entry.started_at {
        let nanos = now.as_unix_nanos().saturating_sub(start.as_unix_nanos()).max(0);
        number(out, " delta-time=", nanos.unsigned_abs() / 1_000_000_000);
    }
    if let Some(helper) = &entry.helper {
        write!(out, " helper={}", esc(helper))?;
    }
    Ok(())
}

fn labels(out: &mut Vec<u8>, entry: &CtEntry, style: &Style) -> io::Result<()> {
    let mut labels = entry.labels.iter().filter(|_| style.verbose > 0);
    if let Some(first) = labels.next() {
        write!(out, " labels={first}")?;
    }
    labels.try_for_each(|label| write!(out, ",{label}"))
}

/// How full the table is.
#[derive(Debug, Serialize)]
pub struct Count {
    #[serde(flatten)]
    count: CtCount,
    percent: Option<f64>,
}

impl Count {
    /// Adds the share.
    pub fn new(count: CtCount) -> Self {
        Self { percent: count.percent(), count }
    }
}

impl Human for Count {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let CtCount { count, max, .. } = self.count;
        let Some((max, percent)) = max.zip(self.percent) else {
            return writeln!(out, "{count} connections, no limit");
        };
        let paint = match percent {
            90.0.. => style.bad,
            70.0.. => style.warn,
            _ => style.good,
        };
        writeln!(out, "{count} of {max} connections, {paint}{percent:.1} %{paint:#}")
    }
}
