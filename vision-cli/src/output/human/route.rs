use std::io::{self, Write};

use serde::Serialize;
use vision_core::inventory::{
    Consistency, NextHop, RefusalCause, Route, RouteAnswer, RouteFlags, RouteKind, RouteMetrics,
    RouteProtocol, RouteQuery, RouteRefusal, RouteTable, Rule, RuleAction, Scope,
};
use vision_core::{Family, Prefix, Untrusted};

use crate::output::{Human, Style, esc};

/// A route with the names of its interfaces.
#[derive(Debug, Serialize)]
pub struct RouteRow {
    #[serde(flatten)]
    route: Route,
    dev: Option<Untrusted>,
    #[serde(skip)]
    hops: Vec<Option<Untrusted>>,
}

impl RouteRow {
    /// Adds the names.
    pub fn new(route: Route, name: impl Fn(Option<u32>) -> Option<Untrusted>) -> Self {
        let hops = route.nexthops.iter().map(|hop| name(hop.oif_ifindex)).collect();
        Self { dev: name(route.oif_ifindex), hops, route }
    }
}

/// Writes a row as `ip route` does.
pub fn line(row: &RouteRow, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, name, .. } = style;
    let RouteRow { route, dev, hops } = row;
    if !matches!(route.kind, RouteKind::Unicast | RouteKind::Unspec) {
        write!(out, "{} ", route.kind)?;
    }
    write!(out, "{bold}{}{bold:#}", prefix(route.dst))?;
    if let Some(src) = route.src {
        write!(out, " from {}", prefix(src))?;
    }
    if let Some(gateway) = route.gateway {
        let other = if Family::of(gateway) == route.family { "" } else { "inet6 " };
        write!(out, " via {other}{gateway}")?;
    }
    match (dev, route.oif_ifindex) {
        (Some(dev), _) => write!(out, " dev {name}{}{name:#}", dev.escaped())?,
        (None, Some(index)) => write!(out, " dev if{index}")?,
        (None, None) => {}
    }
    attributes(route, out, style)?;
    writeln!(out)?;
    let pairs = route.nexthops.iter().zip(hops);
    pairs.into_iter().try_for_each(|(hop, dev)| hop_line(hop, dev.as_ref(), out, style))
}

fn attributes(route: &Route, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    if route.table != RouteTable::Main {
        write!(out, " table {}", route.table)?;
    }
    // What `ip` does not say either: the kernel's default, and nothing.
    if !matches!(route.protocol, RouteProtocol::Boot | RouteProtocol::Unspec) {
        write!(out, " proto {}", route.protocol)?;
    }
    if route.family == Family::V4 && route.scope != Scope::Global {
        write!(out, " scope {}", route.scope)?;
    }
    if let Some(source) = route.prefsrc {
        write!(out, " src {source}")?;
    }
    if let Some(metric) = route.metric {
        write!(out, " metric {metric}")?;
    }
    if let Some(mark) = route.mark {
        write!(out, " mark {mark:#x}")?;
    }
    if let Some(encap) = route.encap {
        write!(out, " encap {encap}")?;
    }
    if let Some(id) = route.nexthop_id {
        write!(out, " nhid {id}")?;
    }
    flags(route.flags, out, style)?;
    if let Some(metrics) = &route.metrics {
        limits(metrics, out)?;
    }
    if let Some(expires) = route.expires_ms {
        write!(out, " expires {}sec", expires / 1000)?;
    }
    if let Some(error) = route.error {
        write!(out, " error {error}")?;
    }
    match route.preference {
        Some(preference) => write!(out, " pref {preference}"),
        None => Ok(()),
    }
}

fn flags(flags: RouteFlags, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bad, .. } = style;
    flags.names().try_for_each(|flag| match flag {
        "dead" | "linkdown" | "unresolved" => write!(out, " {bad}{flag}{bad:#}"),
        flag => write!(out, " {flag}"),
    })
}

fn limits(metrics: &RouteMetrics, out: &mut dyn Write) -> io::Result<()> {
    let named = [
        ("mtu", metrics.mtu_bytes),
        ("advmss", metrics.advmss_bytes),
        ("window", metrics.window_bytes),
        ("cwnd", metrics.cwnd_segments),
        ("initcwnd", metrics.initcwnd_segments),
        ("hoplimit", metrics.hoplimit),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            write!(out, " {name} {value}")?;
        }
    }
    Ok(())
}

fn hop_line(
    hop: &NextHop,
    dev: Option<&Untrusted>,
    out: &mut dyn Write,
    style: &Style,
) -> io::Result<()> {
    let Style { name, .. } = style;
    write!(out, "\tnexthop")?;
    if let Some(gateway) = hop.gateway {
        write!(out, " via {gateway}")?;
    }
    if let Some(dev) = dev {
        write!(out, " dev {name}{}{name:#}", dev.escaped())?;
    }
    write!(out, " weight {}", hop.weight)?;
    flags(hop.flags, out, style)?;
    writeln!(out)
}

/// As `ip` writes it: `default`, an address alone if it is a whole one.
fn prefix(prefix: Prefix) -> String {
    match prefix.bits() {
        0 => "default".to_owned(),
        bits if bits == prefix.family().bits() => prefix.addr().to_string(),
        _ => prefix.to_string(),
    }
}

/// What the kernel said about a way.
#[derive(Debug, Serialize)]
pub struct Answer {
    query: RouteQuery,
    /// The answer.
    pub answer: RouteAnswer,
    dev: Option<Untrusted>,
    #[serde(skip)]
    row: Option<RouteRow>,
}

impl Answer {
    /// Adds the names of interfaces.
    pub fn new(
        query: RouteQuery,
        answer: RouteAnswer,
        name: impl Fn(Option<u32>) -> Option<Untrusted>,
    ) -> Self {
        let row = answer.route().map(|route| RouteRow::new(route.clone(), name));
        Self { dev: row.as_ref().and_then(|row| row.dev.clone()), query, answer, row }
    }
}

impl Human for Answer {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bad, .. } = style;
        match (&self.answer, &self.row) {
            (RouteAnswer::Refused(refusal), _) => {
                let why = refused(refusal);
                writeln!(out, "{}: {bad}{why}{bad:#} ({})", self.query.dst, refusal.reason)
            }
            (_, Some(row)) => line(row, out, style),
            _ => Ok(()),
        }
    }
}

fn refused(refusal: &RouteRefusal) -> &'static str {
    match refusal.cause {
        RefusalCause::NoRoute => "no route",
        RefusalCause::Unreachable => "an unreachable route or rule",
        RefusalCause::Blackhole => "a blackhole route or rule",
        RefusalCause::Prohibit => "a prohibit route or rule",
        RefusalCause::SourceNotLocal => "the source is no address of this namespace",
        RefusalCause::ReversePath => "the source would be reached another way (rp_filter)",
        RefusalCause::Martian => "cannot come in through that interface, or a blackhole route",
        _ => "refused",
    }
}

/// Policy rules.
#[derive(Debug, Serialize)]
pub struct Rules {
    /// By family and priority.
    pub rules: Vec<Rule>,
    /// Whether they are one state of the kernel.
    pub consistent: Consistency,
}

impl Human for Rules {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        self.rules.iter().try_for_each(|rule| write_rule(rule, out, style))
    }
}

fn write_rule(rule: &Rule, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, .. } = style;
    let family = if rule.family == Family::V6 { "  [IPv6]" } else { "" };
    write!(out, "{}:\t", rule.priority)?;
    if rule.invert {
        write!(out, "not ")?;
    }
    write!(out, "from {}", rule.src.map_or_else(|| "all".to_owned(), prefix))?;
    if let Some(dst) = rule.dst {
        write!(out, " to {}", prefix(dst))?;
    }
    for (what, name) in [("iif", &rule.iif), ("oif", &rule.oif)] {
        if let Some(name) = name {
            write!(out, " {what} {}", name.escaped())?;
        }
    }
    write!(out, "{}", selectors(rule))?;
    match (rule.action, rule.table, rule.goto_priority) {
        (RuleAction::Lookup, Some(table), _) => write!(out, " lookup {bold}{table}{bold:#}")?,
        (RuleAction::Goto, _, Some(priority)) => write!(out, " goto {priority}")?,
        (action, ..) => write!(out, " {action}")?,
    }
    for flag in rule.flags.names().filter(|flag| *flag != "permanent") {
        write!(out, " [{flag}]")?;
    }
    if let Some(bits) = rule.suppress_prefix_bits {
        write!(out, " suppress_prefixlength {bits}")?;
    }
    writeln!(out, "{}", esc(family))
}

fn selectors(rule: &Rule) -> String {
    let mut text = String::new();
    let mut add = |part: String| text = format!("{text} {part}");
    match (rule.fwmark, rule.fwmask) {
        (Some(mark), Some(mask)) if mask != u32::MAX => add(format!("fwmark {mark:#x}/{mask:#x}")),
        (Some(mark), _) => add(format!("fwmark {mark:#x}")),
        _ => {}
    }
    if rule.tos != 0 {
        add(format!("tos {:#x}", rule.tos));
    }
    if let Some((first, last)) = rule.uid_range {
        add(format!("uidrange {first}-{last}"));
    }
    if let Some(protocol) = rule.ip_protocol {
        add(format!("ipproto {protocol}"));
    }
    for (name, range) in [("sport", rule.sport), ("dport", rule.dport)] {
        match range {
            Some((first, last)) if first == last => add(format!("{name} {first}")),
            Some((first, last)) => add(format!("{name} {first}-{last}")),
            None => {}
        }
    }
    if rule.l3mdev {
        add("l3mdev".to_owned());
    }
    text
}
