//! Which rule of a packet filter stopped a flow, and how well that is shown. Pure.

use std::net::IpAddr;

use super::Service;
use super::case::{ProbeRecord, Vantage, VantageRole};
use super::report::Confidence;
use super::scene::{Flow, Hop, Outcome, Purpose, Scene};
use super::train::{RETRIED, TrainRecord, was_retried};
use super::walls::{MetRule, UNREAD_QUEUE, Walls, Way};
use crate::inventory::CtEntry;
use crate::probe::TcpAttempt;

/// A rule that stopped a flow's packets.
pub(super) struct Stop<'a> {
    pub(super) hop: Hop<'a>,
    /// How far on the way of the packet or its answer.
    pub(super) position: usize,
    pub(super) rule: &'a MetRule,
    pub(super) kind: StopKind,
    pub(super) confidence: Confidence,
    /// What counted it.
    pub(super) counted: Counted,
    /// Packets that the target sent there in that round, at least.
    pub(super) sent: u64,
    /// A rule before it that lets some of the packets pass.
    pub(super) spared: Option<&'a MetRule>,
}

/// What shows that packets ended at a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Its own counter moved by so many.
    Rule(u64),
    /// It has none; so many packets reached the namespace's IP layer and did not leave it.
    Lost(u64),
    /// Nothing could be counted.
    Nothing,
}

/// The ways in which a rule stops packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopKind {
    Drop,
    Policy,
    Reject,
    Invalid,
    RateLimit,
    ConnectionLimit,
    AntiSpoof,
    /// A service proxy refuses for a service that nobody serves.
    NoEndpoints,
    /// It drops a share of the packets and lets the others pass.
    Share,
}

/// Packets of one kind that were sent in a round.
#[derive(Debug, Clone, Copy, Default)]
struct Sent {
    least: u64,
    most: u64,
}

/// Finds what stopped a failing flow, the best shown first.
pub(super) fn stops<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Vec<Stop<'a>> {
    if !flow.outcome.failed() && !is_lossy(scene, flow) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, vantage) in scene.case.vantages.iter().enumerate() {
        let Some(walls) = walls_of(vantage) else { continue };
        for rule in walls.met.iter().filter(|rule| rule.stops() && is_of(rule, flow)) {
            let roles = hooks(scene, vantage, flow, rule.way);
            // Which hooks of a bridge frames pass was seen to when they were walked.
            let passed = rule.family == "bridge" || roles.contains(&rule.hook.as_str());
            if passed && fits(flow, rule) {
                found.extend(weigh(scene, flow, (index, vantage), walls, rule));
            }
        }
    }
    found.sort_by_key(|stop| {
        let counted = !matches!(stop.counted, Counted::Rule(_));
        let exact = stop.counted != Counted::Rule(stop.sent);
        (stop.confidence, counted, stop.position, exact)
    });
    found
}

/// Tells whether packets of a flow are lost and others pass.
pub(super) fn is_lossy(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let asked = matches!(flow.purpose, Purpose::Destination(_));
    let train = scene.target.train(flow.dst).filter(|_| asked);
    train.is_some_and(TrainRecord::is_lossy) || !retried(scene, flow).is_empty()
}

/// The connects to a destination that works whose first SYN was lost, with how long they took, though others
/// took far less.
pub(super) fn retried<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> Vec<&'a TcpAttempt> {
    let asked = matches!(flow.purpose, Purpose::Destination(_));
    let reports = scene.target.probes().filter_map(|probe| match probe {
        ProbeRecord::Tcp(report) if report.to == flow.dst => Some(report),
        _ => None,
    });
    let late = reports.flat_map(|report| &report.attempts).filter(|it| was_retried(&it.outcome));
    let quick = scene
        .target
        .train(flow.dst)
        .is_some_and(|train| train.times().is_none_or(|[_, median, _]| median * 2 < RETRIED));
    // Else this process was kept waiting, not the packet.
    let counted = scene.target.moved("TcpExt", "TCPSynRetrans") != Some(0);
    let works = flow.outcome == Outcome::Works;
    late.filter(|_| asked && quick && counted && works).collect()
}

/// What the latest round saw.
pub(super) fn walls_of(vantage: &Vantage) -> Option<&Walls> {
    vantage.rounds.last()?.walls.as_ref()
}

/// Protocol and port of the packets of a flow.
pub(super) fn kinds(flow: &Flow<'_>) -> Vec<(u8, Option<u16>)> {
    let echo = (if flow.dst.is_ipv6() { 58 } else { 1 }, None);
    match flow.purpose {
        Purpose::Destination(Service::Host) => vec![echo],
        Purpose::Destination(Service::Udp(port)) => vec![(17, Some(port))],
        Purpose::Destination(service) => vec![(6, service.tcp_port())],
        Purpose::Nameserver => vec![(17, Some(53))],
        Purpose::Gateway => vec![echo],
        Purpose::Loopback => vec![(6, Some(1))],
        Purpose::Anywhere => Vec::new(),
    }
}

/// The rules that a flow's packets meet in a namespace on their way there.
pub(super) fn met<'a>(
    walls: &'a Walls,
    flow: &Flow<'_>,
) -> impl Iterator<Item = &'a MetRule> + use<'a> {
    let (dst, kinds) = (flow.dst, kinds(flow));
    walls.met.iter().filter(move |rule| {
        rule.dst == dst && rule.way == Way::There && kinds.contains(&(rule.protocol, rule.port))
    })
}

/// Connections of the flow's probes in a namespace.
pub(super) fn entries<'a>(
    walls: &'a Walls,
    flow: &Flow<'_>,
) -> impl Iterator<Item = &'a CtEntry> + use<'a> {
    let (dst, kinds) = (flow.dst, kinds(flow));
    let all = walls.tracking.iter().flat_map(|tracking| &tracking.entries);
    all.filter(move |entry| {
        let kind = (entry.protocol.raw(), entry.original.dst_port);
        entry.original.dst == dst && kinds.contains(&kind)
    })
}

fn is_of(rule: &MetRule, flow: &Flow<'_>) -> bool {
    rule.dst == flow.dst && kinds(flow).contains(&(rule.protocol, rule.port))
}

/// The hooks that a flow's packets, or their answers, come through in a namespace.
fn hooks<'h>(
    scene: &Scene<'_>,
    vantage: &Vantage,
    flow: &Flow<'_>,
    way: Way,
) -> &'h [&'static str] {
    if vantage.role == VantageRole::Bridge {
        return &["prerouting", "forward", "postrouting", "egress"];
    }
    let first = vantage.netns == scene.target.netns;
    // What is translated to another's address passes on.
    let led_away = walls_of(vantage).is_some_and(|walls| {
        let leads = |rule: &MetRule| rule.to.iter().any(|to| !vantage.owns(to.addr));
        walls.met.iter().any(|rule| is_of(rule, flow) && leads(rule))
    });
    let last = (vantage.owns(flow.dst) && !led_away) || flow.dst.is_loopback();
    match (first, last, way) {
        (true, true, _) => &["output", "postrouting", "prerouting", "input"],
        (true, false, Way::There) | (false, true, Way::Back) => {
            &["output", "postrouting", "egress"]
        }
        (true, false, Way::Back) | (false, true, Way::There) => &["ingress", "prerouting", "input"],
        // What is translated to another host's address may end here or pass.
        (false, false, _) => {
            &["ingress", "prerouting", "input", "forward", "postrouting", "egress"]
        }
    }
}

/// Whether the symptom is one that the rule makes.
fn fits(flow: &Flow<'_>, rule: &MetRule) -> bool {
    match (rule.outcome.as_str(), flow.outcome) {
        (_, Outcome::Silent) => true,
        // Of those that are lost, what was asked met one or not.
        ("drop" | UNREAD_QUEUE, Outcome::Works) => true,
        ("drop" | UNREAD_QUEUE, Outcome::Local(reason)) => reason.errno == nix::libc::EPERM,
        ("drop" | UNREAD_QUEUE, _) => false,
        (_, Outcome::Refused { .. } | Outcome::Unreachable(_) | Outcome::Local(_)) => true,
        _ => false,
    }
}

fn weigh<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'a>,
    (index, vantage): (usize, &'a Vantage),
    walls: &'a Walls,
    rule: &'a MetRule,
) -> Option<Stop<'a>> {
    let spared = spared(walls, rule);
    let kind = match kind_of(rule, spared) {
        // What stopped all would have stopped these.
        StopKind::Drop if flow.outcome == Outcome::Works => StopKind::Share,
        kind => kind,
    };
    let sent = sent(scene.target, rule);
    let measured =
        matches!(kind, StopKind::RateLimit | StopKind::ConnectionLimit | StopKind::Share);
    let partly = measured || rule.way == Way::Back || rule.stray;
    let need = if partly { 1 } else { sent.least.max(1) };
    let matching = |n: u64| n >= need && n <= sent.most.max(need);
    let certain = rule.certain && !rule.stray;
    let refused_here = matches!(flow.outcome, Outcome::Local(r) if r.errno == nix::libc::EPERM);
    // What a bridge stops, the counters of IP do not show.
    let bridged = rule.family == "bridge";
    let lost = lost(vantage, &rule.hook, flow.dst).filter(|_| !bridged);
    let (confidence, counted) = match (rule.moved(), lost) {
        (Some(n), _) if n < need => return None,
        (Some(n), _) if certain || matching(n) => (Confidence::Proved, Counted::Rule(n)),
        (Some(n), _) => (Confidence::Likely, Counted::Rule(n)),
        // The own kernel said on sending that a filter forbids it.
        (None, _) if certain && refused_here => (Confidence::Proved, Counted::Nothing),
        (None, Some(n)) if n < need && rule.outcome != "reject" => return None,
        (None, Some(n)) if certain => (Confidence::Proved, Counted::Lost(n)),
        (None, Some(n)) if rule.stray && invalid(walls) >= need => {
            (Confidence::Proved, Counted::Lost(n))
        }
        (None, Some(n)) if matching(n) && (spared.is_some() || kind == StopKind::Share) => {
            (Confidence::Proved, Counted::Lost(n))
        }
        (None, Some(n)) if matching(n) && !rule.stray => (Confidence::Likely, Counted::Lost(n)),
        (None, None) if certain => (Confidence::Likely, Counted::Nothing),
        _ => return None,
    };
    // What else drops a part of them may count those of others.
    let shown = kind != StopKind::Share || draws_lots(rule);
    let confidence = match named_source(flow, vantage, rule) && shown {
        true => confidence,
        false => Confidence::Likely,
    };
    let hop = hop_of(flow, vantage);
    let position = match rule.way {
        Way::There => index,
        Way::Back => scene.case.vantages.len() * 2 - index,
    };
    Some(Stop { hop, position, rule, kind, confidence, counted, sent: sent.least, spared })
}

/// The hop of a flow in a namespace; one behind a translation is on no look-up's way.
pub(super) fn hop_of<'a>(flow: &Flow<'a>, vantage: &'a Vantage) -> Hop<'a> {
    let known = flow.hops.iter().find(|hop| hop.vantage.netns == vantage.netns);
    known.copied().unwrap_or_else(|| Hop::new(vantage, flow.dst, flow.at))
}

/// An ICMP error names who sent it: a rule elsewhere did not.
fn named_source(flow: &Flow<'_>, vantage: &Vantage, rule: &MetRule) -> bool {
    let from = match flow.outcome {
        Outcome::Refused { icmp: Some(icmp), .. } | Outcome::Unreachable(icmp) => icmp.from,
        _ => None,
    };
    rule.outcome != "reject" || from.is_none_or(|from| vantage.owns(from) || from == flow.dst)
}

/// How many packets of no connection were seen.
pub(super) fn invalid(walls: &Walls) -> u64 {
    let tracking = walls.tracking.as_ref();
    tracking.map_or(0, |t| t.after.invalid.saturating_sub(t.before.invalid))
}

/// A rule of the same chain that accepts a measured share of the packets.
fn spared<'a>(walls: &'a Walls, stop: &MetRule) -> Option<&'a MetRule> {
    let same = |rule: &&MetRule| {
        (rule.dst, rule.protocol, rule.port, rule.way)
            == (stop.dst, stop.protocol, stop.port, stop.way)
            && (&rule.family, &rule.table, &rule.hook, rule.priority)
                == (&stop.family, &stop.table, &stop.hook, stop.priority)
    };
    let before = walls.met.iter().take_while(|rule| !std::ptr::eq(*rule, stop)).filter(same);
    let mut measured = before.filter(|rule| {
        rule.outcome == "accept" && !rule.stray && (is_rate(rule) || is_connection_limit(rule))
    });
    measured.next()
}

/// kube-proxy says it in the rule's comment, or has a table of its own.
fn is_of_proxy(rule: &MetRule) -> bool {
    let said = rule.comment.as_ref().is_some_and(|text| text.contains("has no endpoints"));
    // What nobody has at all is refused in a chain of its own.
    said || rule.table == "kube-proxy" && rule.chain != "cluster-ips-check"
}

/// Tells whether a rule picks its packets by chance or by turns.
fn draws_lots(rule: &MetRule) -> bool {
    rule.has(&["numgen", "statistic"])
}

fn is_rate(rule: &MetRule) -> bool {
    rule.has(&["limit", "hashlimit", "recent"]) || measures(rule, " limit rate ")
}

fn is_connection_limit(rule: &MetRule) -> bool {
    rule.has(&["connlimit"]) || measures(rule, " ct count ")
}

/// Tells whether a rule measures each element of a set by itself.
fn measures(rule: &MetRule, what: &str) -> bool {
    rule.has(&["dynset"]) && rule.text.contains(what)
}

fn kind_of(rule: &MetRule, spared: Option<&MetRule>) -> StopKind {
    let any = |test: fn(&MetRule) -> bool| test(rule) || spared.is_some_and(test);
    match () {
        () if rule.stray => StopKind::Invalid,
        () if any(is_rate) => StopKind::RateLimit,
        () if any(is_connection_limit) => StopKind::ConnectionLimit,
        () if rule.has(&["rpfilter"]) || rule.text.contains("fib saddr") => StopKind::AntiSpoof,
        () if rule.outcome == "reject" && is_of_proxy(rule) => StopKind::NoEndpoints,
        () if rule.outcome == "reject" => StopKind::Reject,
        () if draws_lots(rule) => StopKind::Share,
        () if rule.handle.is_none() => StopKind::Policy,
        () => StopKind::Drop,
    }
}

/// Packets of a failing flow that a namespace's filters swallowed without a rule of nf_tables that
/// explains it: the namespace, its place on the way, and how many.
pub(super) fn swallowed<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'a>,
) -> Option<(usize, &'a Vantage, u64)> {
    let (protocol, port) = kinds(flow).into_iter().next()?;
    if flow.outcome != Outcome::Silent || !stops(scene, flow).is_empty() {
        return None;
    }
    let need = sent_to(scene.target, flow.dst, protocol, port).least.max(1);
    scene.case.vantages.iter().enumerate().find_map(|(index, vantage)| {
        let hook = match (index, vantage.owns(flow.dst)) {
            (0, _) => "output",
            (_, true) => "input",
            (_, false) => "forward",
        };
        let lost = match vantage.role {
            VantageRole::Bridge => handed_to_legacy(vantage, flow.dst)?,
            _ => lost(vantage, hook, flow.dst)?,
        };
        (lost >= need).then_some((index, vantage, lost))
    })
}

/// Packets that a rule of the legacy iptables stopped on their way from port to port of a bridge.
fn handed_to_legacy(vantage: &Vantage, dst: IpAddr) -> Option<u64> {
    let family = if dst.is_ipv6() { "ip6" } else { "ip" };
    let stops = walls_of(vantage)?.legacy_stops.iter().filter(|stop| stop.family == family);
    stops.map(super::walls::LegacyStop::moved).max()
}

/// Packets of the rule's kind in the target's latest round; a SYN may be sent twice.
fn sent(target: &Vantage, rule: &MetRule) -> Sent {
    sent_to(target, rule.dst, rule.protocol, rule.port)
}

fn sent_to(target: &Vantage, dst: IpAddr, protocol: u8, port: Option<u16>) -> Sent {
    let mut sent = Sent::default();
    for probe in target.rounds.last().map_or(&[][..], |round| &round.probes) {
        let (least, most) = match (probe, protocol) {
            (ProbeRecord::Tcp(r), 6) if r.to == dst => {
                let matches = |asked: u16| port.is_none_or(|wanted| wanted == asked);
                let own = r.attempts.iter().filter(|a| matches(a.port)).count();
                (own, 2 * r.attempts.len())
            }
            (ProbeRecord::Udp(r), 17) if r.to.ip() == dst => (r.sent.len(), r.sent.len()),
            (ProbeRecord::Train(r), _) if r.to == dst => in_train(r, protocol),
            (ProbeRecord::Ping(r), 1 | 58) if r.to == dst => (r.echoes.len(), r.echoes.len()),
            (ProbeRecord::Dns(r), 17) => asked_of([r], dst),
            (ProbeRecord::Resolve(r), 17) => {
                asked_of(r.tried.iter().map(|tried| &tried.report), dst)
            }
            _ => (0, 0),
        };
        sent.least += u64::try_from(least).unwrap_or(u64::MAX);
        sent.most += u64::try_from(most).unwrap_or(u64::MAX);
    }
    // The port a filter sees may be asked for by other probes of the round as well.
    sent.most *= 2;
    sent
}

/// Of a train, each kind; the rule may count the others as well.
fn in_train(record: &TrainRecord, protocol: u8) -> (usize, usize) {
    let (echoes, connects) = (record.echo_tally().sent, record.connect_tally().sent);
    let own = match protocol {
        6 => connects,
        1 | 58 => echoes,
        _ => 0,
    };
    (own, echoes + 2 * connects)
}

fn asked_of<'r>(
    reports: impl IntoIterator<Item = &'r crate::probe::DnsReport>,
    server: IpAddr,
) -> (usize, usize) {
    let attempts = reports.into_iter().flat_map(|report| &report.attempts);
    let own = attempts.filter(|attempt| attempt.server.ip() == server).count();
    (own, own)
}

/// Packets that reached the IP layer before a hook and did not come out behind it
/// (net/ipv4/ip_input.c, ip_output.c, ip_forward.c; `OutTransmits` since 6.8).
fn lost(vantage: &Vantage, hook: &str, dst: IpAddr) -> Option<u64> {
    let (group, forwarded) = match dst.is_ipv6() {
        false => ("Ip", "ForwDatagrams"),
        true => ("Ip6", "OutForwDatagrams"),
    };
    // What a bridge hands on, its IP layer does not count.
    if vantage.role == VantageRole::Bridge {
        return None;
    }
    let round = vantage.rounds.last()?;
    let of = |group: &str, name: &str| {
        let before = round.before.counters.as_ref()?.get(group, name)?;
        Some(round.after.as_ref()?.counters.as_ref()?.get(group, name)?.saturating_sub(before))
    };
    let moved = |name: &str| of(group, name);
    let passed = moved(forwarded)?;
    match hook {
        "output" | "forward" | "postrouting" => {
            let meant = moved("OutRequests")? + passed;
            Some(meant.saturating_sub(moved("OutTransmits")?))
        }
        "prerouting" | "input" => {
            let refused = ["InAddrErrors", "InHdrErrors", "InDiscards"];
            let other = refused.iter().filter_map(|name| moved(name)).sum::<u64>()
                + of("TcpExt", "IPReversePathFilter").unwrap_or(0);
            let taken = moved("InDelivers")? + passed + other;
            Some(moved("InReceives")?.saturating_sub(taken))
        }
        _ => None,
    }
}
