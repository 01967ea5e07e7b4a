use std::io::{self, Write};

use serde::Serialize;
use vision_core::Untrusted;
use vision_core::inventory::qdisc::{FilterOptions, TcAction};
use vision_core::inventory::{Class, Consistency, Filter, Qdisc, TcHandle, TcStats};

use crate::command::names::Names;
use crate::output::{Human, Style, esc};

/// Disciplines by interface.
#[derive(Debug, Serialize)]
pub struct QdiscReport {
    /// In the order of their interfaces.
    pub devs: Vec<DevRow>,
    /// Whether all of it is one state of the kernel.
    pub consistent: Consistency,
}

/// What traffic control does on one interface.
#[derive(Debug, Serialize)]
pub struct DevRow {
    ifindex: u32,
    dev: Option<Untrusted>,
    qdiscs: Vec<Qdisc>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    classes: Vec<Class>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filters: Vec<FilterRow>,
}

#[derive(Debug, Serialize)]
struct FilterRow {
    #[serde(flatten)]
    filter: Filter,
    /// Where its `mirred` actions lead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    targets: Vec<Untrusted>,
}

impl DevRow {
    /// Gathers what belongs to one interface.
    pub fn new(
        ifindex: u32,
        qdiscs: Vec<Qdisc>,
        classes: Vec<Class>,
        filters: Vec<Filter>,
        names: &Names,
    ) -> Self {
        let row = |filter: Filter| {
            let targets = filter.actions.iter().filter_map(|a| names.get(a.target_ifindex));
            FilterRow { targets: targets.cloned().collect(), filter }
        };
        Self {
            ifindex,
            dev: names.get(Some(ifindex)).cloned(),
            qdiscs,
            classes,
            filters: filters.into_iter().map(row).collect(),
        }
    }
}

impl Human for QdiscReport {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        for row in &self.devs {
            let name = style.name;
            let dev = row.dev.as_ref().map(|dev| dev.escaped().to_string());
            let dev = dev.unwrap_or_else(|| format!("if{}", row.ifindex));
            writeln!(out, "{}: {name}{dev}{name:#}", row.ifindex)?;
            for qdisc in &row.qdiscs {
                write_qdisc(qdisc, out, style)?;
            }
            for class in &row.classes {
                write_class(class, out, style)?;
            }
            // Tables of rows match nothing themselves.
            let holds = |filter: &Filter| filter.kind == "u32" && filter.handle & 0xfffff == 0;
            let told = row
                .filters
                .iter()
                .filter(|row| style.verbose > 0 || (row.filter.handle != 0 && !holds(&row.filter)));
            for row in told {
                write_filter(row, out, style)?;
            }
        }
        Ok(())
    }
}

fn write_qdisc(qdisc: &Qdisc, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let bold = style.bold;
    write!(out, "  qdisc {bold}{}{bold:#}", esc(&qdisc.kind))?;
    if !qdisc.handle.is_none() {
        write!(out, " {}", qdisc.handle)?;
    }
    match qdisc.parent {
        TcHandle::ROOT => write!(out, " root")?,
        TcHandle::CLSACT => {}
        parent => write!(out, " parent {parent}")?,
    }
    for (word, block) in
        [("ingress_block", qdisc.ingress_block), ("egress_block", qdisc.egress_block)]
    {
        if let Some(block) = block {
            write!(out, " {word} {block}")?;
        }
    }
    if qdisc.offloaded == Some(true) {
        write!(out, " offloaded")?;
    }
    writeln!(out)?;
    let told = qdisc.options.as_ref().map(|options| options.fields()).unwrap_or_default();
    super::link::fields(out, &told, "      ")?;
    write_stats(&qdisc.stats, out, style, "      ")
}

fn write_class(class: &Class, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let bold = style.bold;
    write!(out, "  class {} {bold}{}{bold:#}", esc(&class.kind), class.handle)?;
    match class.parent {
        TcHandle::ROOT => write!(out, " root")?,
        parent => write!(out, " parent {parent}")?,
    }
    if let Some(leaf) = class.leaf {
        write!(out, " leaf {leaf}")?;
    }
    writeln!(out)?;
    let told = class.htb.as_ref().map(|htb| htb.fields()).unwrap_or_default();
    super::link::fields(out, &told, "      ")?;
    write_stats(&class.stats, out, style, "      ")
}

/// What is dropped stands out.
fn write_stats(
    stats: &TcStats,
    out: &mut dyn Write,
    style: &Style,
    indent: &str,
) -> io::Result<()> {
    let bad = if stats.drops > 0 { style.bad } else { Default::default() };
    write!(out, "{indent}sent {} bytes {} packets", stats.bytes, stats.packets)?;
    write!(out, ", {bad}dropped {}{bad:#}", stats.drops)?;
    write!(out, ", overlimits {}, requeues {}", stats.overlimits, stats.requeues)?;
    let (bytes, packets) = (stats.backlog_bytes, stats.backlog_packets);
    write!(out, "; waiting {bytes} bytes {packets} packets")?;
    if let Some((bits, packets)) = stats.rate_bps.zip(stats.rate_pps) {
        write!(out, "; {bits} bit/s {packets} packets/s")?;
    }
    writeln!(out)
}

fn write_filter(row: &FilterRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let filter = &row.filter;
    let bold = style.bold;
    let parent = match filter.parent {
        TcHandle::INGRESS => "ingress".to_owned(),
        TcHandle::EGRESS => "egress".to_owned(),
        parent => format!("parent {parent}"),
    };
    write!(out, "  filter {bold}{}{bold:#} {parent}", esc(&filter.kind))?;
    write!(out, " prio {} protocol {}", filter.priority, ethertype(filter.ethertype))?;
    if let Some(chain) = filter.chain.filter(|chain| *chain != 0) {
        write!(out, " chain {chain}")?;
    }
    if filter.handle != 0 {
        write!(out, " handle {:#x}", filter.handle)?;
    }
    write_options(&filter.options, out)?;
    writeln!(out)?;
    let mut targets = row.targets.iter();
    for action in &filter.actions {
        let target = action.target_ifindex.and_then(|_| targets.next());
        write_action(action, target, out, style)?;
    }
    Ok(())
}

fn write_options(options: &FilterOptions, out: &mut dyn Write) -> io::Result<()> {
    for key in &options.u32_keys {
        write!(out, " match {}", esc(key))?;
    }
    for (word, network) in [("src", options.src), ("dst", options.dst)] {
        if let Some(network) = network {
            write!(out, " {word} {network}")?;
        }
    }
    let numbers = [
        ("proto", options.ip_protocol.map(u32::from)),
        ("sport", options.src_port.map(u32::from)),
        ("dport", options.dst_port.map(u32::from)),
    ];
    for (word, number) in numbers {
        if let Some(number) = number {
            write!(out, " {word} {number}")?;
        }
    }
    if let Some(name) = &options.bpf_name {
        write!(out, " {}", esc(name))?;
    }
    if options.bpf_direct_action == Some(true) {
        write!(out, " direct-action")?;
    }
    if let Some(id) = options.bpf_id {
        write!(out, " id {id}")?;
    }
    if let Some(tag) = &options.bpf_tag {
        write!(out, " tag {}", esc(tag))?;
    }
    if let Some(class) = options.class {
        write!(out, " -> class {class}")?;
    }
    Ok(())
}

fn write_action(
    action: &TcAction,
    target: Option<&Untrusted>,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    write!(out, "      action {}", esc(&action.kind))?;
    if let Some(rate) = action.rate_bytes_per_s {
        write!(out, " rate {rate} bytes/s")?;
    }
    match (target, action.target_ifindex) {
        (Some(target), _) => write!(out, " to {}", target.escaped())?,
        (None, Some(index)) => write!(out, " to if{index}")?,
        (None, None) => {}
    }
    if let Some(verdict) = action.verdict {
        write!(out, " {verdict}")?;
    }
    writeln!(out)?;
    write_stats(&action.stats, out, style, "        ")
}

fn ethertype(number: u16) -> String {
    match number {
        0x0003 => "all".to_owned(),
        0x0800 => "ip".to_owned(),
        0x0806 => "arp".to_owned(),
        0x86dd => "ipv6".to_owned(),
        0x8100 => "802.1Q".to_owned(),
        other => format!("{other:#06x}"),
    }
}
