//! What the rules about packet filters share.

use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{Counted, Stop, StopKind, invalid, is_lossy, met, stops, walls_of};
use crate::doctor::walls::{Endpoint, MetRule, UNREAD_QUEUE, Way};
use crate::doctor::{Cause, Confidence, Risk, Severity, SubjectKind};

/// Finds the failing flows that a rule of one kind stopped.
pub(super) fn check(scene: &Scene<'_>, cause: Cause, kind: StopKind) -> Answer {
    let mut hits = Vec::new();
    for (n, flow) in scene.flows.iter().enumerate() {
        // What is shown best stands for all: a packet is stopped once.
        let best = stops(scene, flow).into_iter().next();
        if let Some(stop) = best.filter(|stop| stop.kind == kind) {
            hits.push(hit(flow, n, cause, &stop));
        }
    }
    Answer::from_hits(hits, || match walls_of(scene.target) {
        None => Answer::NotApplicable,
        Some(_)
            if !scene.flows.iter().any(|flow| flow.outcome.failed() || is_lossy(scene, flow)) =>
        {
            Answer::RuledOut("the probes passed".to_owned())
        }
        Some(_) => Answer::RuledOut("no such rule that was read stopped the probes".to_owned()),
    })
}

fn hit(flow: &Flow<'_>, n: usize, cause: Cause, stop: &Stop<'_>) -> Hit {
    let rule = stop.rule;
    let mut draft =
        Draft::new(cause, &stop.hop, subject(rule), summary(stop)).confidence(stop.confidence);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    let place = |asked: String, seen: String| evidence(&stop.hop, flow.at, asked, seen);
    draft = draft.evidence(place(named(rule), rule.text.clone()));
    if let Some(comment) = &rule.comment {
        draft = draft.evidence(place("its comment".to_owned(), comment.clone()));
    }
    if let Some(spared) = stop.spared {
        draft = draft.evidence(place(named(spared), spared.text.clone()));
    }
    let packets = |n: u64| if n == 1 { "1 packet".to_owned() } else { format!("{n} packets") };
    let counted = match (stop.counted, rule.packets) {
        (Counted::Rule(n), Some([before, after])) => Some(place(
            "its counter, before and after".to_owned(),
            match stop.kind {
                // Of all that was sent on the way.
                StopKind::Share => format!("{before} -> {after}: {}", packets(n)),
                _ => format!("{before} -> {after}: {}, {} sent", packets(n), stop.sent),
            },
        )),
        (Counted::Lost(n), _) => Some(place(
            "IP counters: came in and did not go on".to_owned(),
            format!("{}, {} sent; the rule has no counter", packets(n), stop.sent),
        )),
        _ => None,
    };
    draft = draft.all(counted);
    if stop.kind == StopKind::Invalid {
        let seen = walls_of(stop.hop.vantage).map_or(0, invalid);
        let asked = "connection tracking: invalid".to_owned();
        draft = draft.evidence(place(asked, format!("moved by {seen}")));
    }
    let draft = match stop.kind {
        _ if rule.outcome == UNREAD_QUEUE => {
            draft.prose("start the program that reads the queue, or have the rule say `bypass`")
        }
        StopKind::Drop | StopKind::Policy | StopKind::Reject => match owner(rule) {
            Some((program, source)) => draft.prose(format!(
                "change the {source} that {program} wrote the rule for: what is put into its chains by hand is overwritten"
            )),
            None => draft.command(exception(rule, translated(stop, flow)), Risk::Manual),
        },
        StopKind::NoEndpoints => draft.prose(
            "start what serves it, or correct which pods the service selects and their readiness",
        ),
        StopKind::Invalid => draft.prose("let both ways of the connection pass this filter"),
        StopKind::RateLimit => draft.prose("raise the limit of the rule"),
        StopKind::ConnectionLimit => {
            draft.prose("raise the number of connections, or end those that are not needed")
        }
        StopKind::Share => draft.prose("take the rule out, or let what matters pass before it"),
        StopKind::AntiSpoof => {
            draft.prose("give this host a route back to the source by the link it comes in by")
        }
    };
    let mut hit = draft.hit(n, stop.position);
    // What is lost in part works in part.
    if flow.outcome == Outcome::Works {
        hit.finding.severity = Severity::Warning;
    }
    hit.overrides = stop.confidence == Confidence::Proved;
    hit
}

pub(super) fn subject(rule: &MetRule) -> SubjectKind {
    SubjectKind::Filter {
        family: rule.family.clone(),
        table: rule.table.clone(),
        chain: rule.chain.clone(),
        hook: rule.hook.clone(),
        handle: rule.handle,
        rule: rule.text.clone(),
    }
}

/// Which rule of the chain it is.
pub(super) fn named(rule: &MetRule) -> String {
    match rule.handle {
        Some(handle) => format!("chain {}, rule with handle {handle}", rule.chain),
        None => format!("chain {}, {} priority {}", rule.chain, rule.hook, rule.priority),
    }
}

/// The packets that meet a rule, as a noun phrase.
pub(super) fn packets(rule: &MetRule) -> String {
    let dst = rule.dst;
    let what = match (rule.protocol, rule.port) {
        (6, Some(port)) => format!("TCP to {dst} port {port}"),
        (17, Some(port)) => format!("UDP to {dst} port {port}"),
        (1 | 58, _) => format!("echo requests to {dst}"),
        (protocol, _) => format!("protocol {protocol} to {dst}"),
    };
    match rule.way {
        Way::There => what,
        Way::Back => format!("the answers to {what}"),
    }
}

fn summary(stop: &Stop<'_>) -> String {
    let (rule, place) = (stop.rule, &stop.hop.vantage.name);
    let chain = format!("chain {} ({} {})", rule.chain, rule.family, rule.table);
    let packets = packets(rule);
    let stops = match rule.outcome.as_str() {
        "reject" => "refuses",
        _ => "drops",
    };
    if rule.outcome == UNREAD_QUEUE {
        return format!(
            "{place}: a rule in {chain} hands {packets} to a program that is not there: no one reads its queue"
        );
    }
    match stop.kind {
        StopKind::Drop | StopKind::Reject => {
            format!("{place}: a rule in {chain} {stops} {packets}")
        }
        StopKind::Policy => {
            format!("{place}: no rule accepts {packets}, and the policy of {chain} is drop")
        }
        StopKind::Invalid => format!(
            "{place}: a rule in {chain} {stops} {packets}: they belong to no connection it tracks"
        ),
        StopKind::RateLimit => format!("{place}: a rate limit in {chain} {stops} {packets}"),
        StopKind::ConnectionLimit => {
            format!("{place}: a limit of connections in {chain} {stops} {packets}")
        }
        StopKind::NoEndpoints => {
            format!("{place}: the service has no endpoints: {chain} refuses {packets}")
        }
        StopKind::Share => format!("{place}: a rule in {chain} {stops} a share of {packets}"),
        StopKind::AntiSpoof => format!(
            "{place}: {chain} takes the source of {packets} for forged: the way back leads elsewhere"
        ),
    }
}

/// The program that writes the rules of a chain again and again, by the names it gives, and what it writes them for.
fn owner(rule: &MetRule) -> Option<(&'static str, &'static str)> {
    const BY_PREFIX: [(&str, &str, &str); 8] = [
        ("KUBE-POD-FW-", "kube-router", "NetworkPolicy"),
        ("KUBE-NWPLCY-", "kube-router", "NetworkPolicy"),
        ("KUBE-ROUTER-", "kube-router", "NetworkPolicy"),
        ("KUBE-", "kube-proxy", "service"),
        ("cali-", "Calico", "policy"),
        ("CILIUM_", "Cilium", "policy"),
        ("WEAVE-NPC", "Weave", "NetworkPolicy"),
        ("ISTIO_", "Istio", "mesh's setting"),
    ];
    let named = BY_PREFIX.iter().find(|(prefix, ..)| rule.chain.starts_with(prefix));
    let own = (rule.table == "kube-proxy").then_some(("kube-proxy", "service"));
    own.or(named.map(|(_, program, source)| (*program, *source)))
}

/// What the namespace makes of the destination before the rule is met, where that is one address.
fn translated(stop: &Stop<'_>, flow: &Flow<'_>) -> Option<Endpoint> {
    let behind = ["input", "forward", "postrouting"].contains(&stop.rule.hook.as_str());
    let walls = walls_of(stop.hop.vantage).filter(|_| behind)?;
    let mut all = met(walls, flow).flat_map(|rule| &rule.to).filter(|to| to.addr != flow.dst);
    let first = all.next()?;
    all.all(|other| other == first).then_some(*first)
}

/// A rule that would let the flow pass, put where it is met in time.
fn exception(rule: &MetRule, translated: Option<Endpoint>) -> String {
    // Behind a translation the rule sees the address it was translated to.
    let led = rule.led.or(translated);
    let dst = led.map_or(rule.dst, |led| led.addr);
    let port = led.and_then(|led| led.port).or(rule.port);
    let v6 = dst.is_ipv6();
    let (saddr, sport) = match rule.way {
        Way::There => ("daddr", "dport"),
        Way::Back => ("saddr", "sport"),
    };
    if matches!(rule.family.as_str(), "ip" | "ip6") && rule.table == "filter" {
        let tool = if v6 { "ip6tables" } else { "iptables" };
        let (side, port_side) = match rule.way {
            Way::There => ("-d", "--dport"),
            Way::Back => ("-s", "--sport"),
        };
        let protocol = match (rule.protocol, port) {
            (6, Some(port)) => format!("-p tcp {port_side} {port}"),
            (17, Some(port)) => format!("-p udp {port_side} {port}"),
            (58, _) => "-p icmpv6".to_owned(),
            _ => "-p icmp".to_owned(),
        };
        return format!("{tool} -I {} {side} {dst} {protocol} -j ACCEPT", rule.chain);
    }
    let protocol = match (rule.protocol, port) {
        (6, Some(port)) => format!("tcp {sport} {port}"),
        (17, Some(port)) => format!("udp {sport} {port}"),
        (58, _) => "meta l4proto ipv6-icmp".to_owned(),
        _ => "meta l4proto icmp".to_owned(),
    };
    let ip = if v6 { "ip6" } else { "ip" };
    let chain = format!("{} {} {}", rule.family, rule.table, rule.chain);
    match rule.handle {
        Some(handle) => format!(
            "nft insert rule {chain} position {handle} {ip} {saddr} {dst} {protocol} accept"
        ),
        None => format!("nft add rule {chain} {ip} {saddr} {dst} {protocol} accept"),
    }
}
