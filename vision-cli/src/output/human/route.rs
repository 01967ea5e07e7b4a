use std::io::{self, Write};

use serde::Serialize;
use vision_core::inventory::{
    Consistency, NextHop, RefusalCause, Route, RouteAnswer, RouteFlags, RouteKind, RouteMetrics,
    RouteProtocol, RouteQuery, RouteRefusal, RouteTable, Rule, RuleAction, Scope,
};
use vision_core::{Family, Prefix, Untrusted};

use super::word;
use crate::command::names::Names;
use crate::output::json::{self, Object};
use crate::output::text::Put;
use crate::output::{Human, Row, Style, esc};

/// A route with the names of its interfaces.
#[derive(Debug)]
pub struct RouteRow<'n> {
    route: &'n Route,
    names: &'n Names,
}

impl<'n> RouteRow<'n> {
    /// Adds the names.
    pub fn new(route: &'n Route, names: &'n Names) -> Self {
        Self { route, names }
    }
}

impl Row for RouteRow<'_> {
    /// Writes it as `ip route` does.
    fn line(&self, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
        let Self { route, names } = *self;
        if !matches!(route.kind, RouteKind::Unicast | RouteKind::Unspec) {
            word(out, route.kind.name(), route.kind.raw())?;
            out.put(" ");
        }
        Style::paint(out, style.bold, |out| {
            prefix(out, route.dst);
            Ok(())
        })?;
        if let Some(src) = route.src {
            out.put(" from ");
            prefix(out, src);
        }
        if let Some(gateway) = route.gateway {
            let same = Family::of(gateway) == route.family;
            out.put(if same { " via " } else { " via inet6 " });
            out.ip(gateway);
        }
        super::dev(out, names.get(route.oif_ifindex), route.oif_ifindex, style)?;
        attributes(route, out, style)?;
        out.put("\n");
        let dev = |hop: &NextHop| names.get(hop.oif_ifindex);
        route.nexthops.iter().try_for_each(|hop| hop_line(hop, dev(hop), out, style))
    }

    fn members(&self, object: &mut Object<'_>) -> io::Result<()> {
        if !object.begin_with(|out| json::route::open(out, self.route)) {
            object.members(self.route)?;
        }
        object.member("dev", &self.names.get(self.route.oif_ifindex))
    }
}

#[inline]
fn attributes(route: &Route, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
    if route.table != RouteTable::Main {
        out.put(" table ");
        word(out, route.table.name(), route.table.raw())?;
    }
    // What `ip` does not say either: the kernel's default, and nothing.
    if !matches!(route.protocol, RouteProtocol::Boot | RouteProtocol::Unspec) {
        out.put(" proto ");
        word(out, route.protocol.name(), route.protocol.raw())?;
    }
    if route.family == Family::V4 && route.scope != Scope::Global {
        out.put(" scope ");
        word(out, route.scope.name(), route.scope.raw())?;
    }
    if let Some(source) = route.prefsrc {
        out.put(" src ");
        out.ip(source);
    }
    if let Some(metric) = route.metric {
        out.put(" metric ");
        out.uint(metric.into());
    }
    let plain = route.flags.is_empty()
        && route.mark.is_none()
        && route.encap.is_none()
        && route.nexthop_id.is_none();
    let lasting = route.metrics.is_none() && route.expires_ms.is_none() && route.error.is_none();
    match plain && lasting && route.preference.is_none() {
        true => Ok(()),
        false => rare(route, out, style),
    }
}

#[cold]
fn rare(route: &Route, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
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

fn flags(flags: RouteFlags, out: &mut Vec<u8>, style: &Style) -> io::Result<()> {
    let Style { bad, .. } = style;
    flags.names().try_for_each(|flag| match flag {
        "dead" | "linkdown" | "unresolved" => write!(out, " {bad}{flag}{bad:#}"),
        flag => write!(out, " {flag}"),
    })
}

fn limits(metrics: &RouteMetrics, out: &mut Vec<u8>) -> io::Result<()> {
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
    out: &mut Vec<u8>,
    style: &Style,
) -> io::Result<()> {
    out.put("\tnexthop");
    if let Some(gateway) = hop.gateway {
        out.put(" via ");
        out.ip(gateway);
    }
    super::dev(out, dev, None, style)?;
    write!(out, " weight {}", hop.weight)?;
    flags(hop.flags, out, style)?;
    out.put("\n");
    Ok(())
}

/// As `ip` writes it: `default`, an address alone if it is a whole one.
#[inline]
fn prefix(out: &mut Vec<u8>, prefix: Prefix) {
    match prefix.bits() {
        0 => out.put("default"),
        bits if bits == prefix.family().bits() => out.ip(prefix.addr()),
        _ => out.prefix(prefix),
    }
}

/// What the kernel said about a way.
#[derive(Debug, Serialize)]
pub struct Answer<'n> {
    query: RouteQuery,
    /// The answer.
    pub answer: RouteAnswer,
    dev: Option<&'n Untrusted>,
    #[serde(skip)]
    names: &'n Names,
}

impl<'n> Answer<'n> {
    /// Adds the names of interfaces.
    pub fn new(query: RouteQuery, answer: RouteAnswer, names: &'n Names) -> Self {
        let dev = names.get(answer.route().and_then(|route| route.oif_ifindex));
        Self { query, answer, dev, names }
    }
}

impl Human for Answer<'_> {
    fn human(&self, out: &mut dyn Write, style: &Style) -> io::Result<()> {
        let Style { bad, .. } = style;
        match (&self.answer, self.answer.route()) {
            (RouteAnswer::Refused(refusal), _) => {
                let why = refused(refusal);
                writeln!(out, "{}: {bad}{why}{bad:#} ({})", self.query.dst, refusal.reason)
            }
            (_, Some(route)) => {
                let mut text = Vec::new();
                RouteRow::new(route, self.names).line(&mut text, style)?;
                out.write_all(&text)
            }
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

/// Writes a rule as `ip rule` does.
pub fn write_rule(rule: &Rule, out: &mut dyn Write, style: &Style) -> io::Result<()> {
    let Style { bold, .. } = style;
    let family = if rule.family == Family::V6 { "  [IPv6]" } else { "" };
    write!(out, "{}:\t", rule.priority)?;
    if rule.invert {
        write!(out, "not ")?;
    }
    write!(out, "from {}", rule.src.map_or_else(|| "all".to_owned(), shown))?;
    if let Some(dst) = rule.dst {
        write!(out, " to {}", shown(dst))?;
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

fn shown(net: Prefix) -> String {
    let mut text = Vec::new();
    prefix(&mut text, net);
    String::from_utf8(text).unwrap_or_default()
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
