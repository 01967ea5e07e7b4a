use super::filtered::{named, subject};
use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::case::VantageRole;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::stop::{hop_of, met, walls_of};
use crate::doctor::walls::MetRule;
use crate::doctor::{Cause, Confidence, Risk, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Packets leave with a time to live, or hop limit, that is too small for the way, and a router throws
them away.

How it shows: near hosts work, far ones fail with EHOSTUNREACH; ICMP time-exceeded comes back. Where the
destination is the one that sets it, its answers are lost and the errors arrive there.
How it is told from a route loop: the namespace's own default is far below the usual 64, or a rule of a packet
filter on the way sets it, and counted.
What to do: set net.ipv4.ip_default_ttl, or net.ipv6.conf.*.hop_limit, back to 64; take such a rule out.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteTtlTooSmall, needs: Sections::SYSCTLS, docs: DOCS };

/// No path through a real network is shorter on purpose; defaults are 64 and more.
pub(super) const SMALL: u8 = 30;

pub(super) struct RouteTtlTooSmall;

impl Rule for RouteTtlTooSmall {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate() {
            let forth =
                flow.hops.first().filter(|_| told_to_us(flow)).and_then(|h| finding(flow, h));
            let answers = || flow.back.first().filter(|hop| told_to_them(flow, hop));
            let back = || answers().and_then(|hop| finding(flow, hop));
            hits.extend(forth.or_else(back).map(|draft| draft.hit(n, 0)));
            hits.extend(
                rewritten(scene, flow)
                    .map(|(draft, at)| Hit { overrides: true, ..draft.hit(n, at) }),
            );
        }
        let exceeded = scene.flows.iter().any(|f| match f.outcome {
            Outcome::Unreachable(icmp) => icmp.is_time_exceeded(),
            _ => false,
        });
        Answer::from_hits(hits, || match exceeded {
            true => Answer::RuledOut("the own time to live is not small".to_owned()),
            false => Answer::RuledOut("no router reported an exceeded time to live".to_owned()),
        })
    }
}

/// A rule of a packet filter that set it, and counted.
fn rewritten(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<(Draft, usize)> {
    let target = flow.hops.first().filter(|_| told_to_us(flow))?;
    let mut all = scene.case.vantages.iter().enumerate();
    let (at, vantage, rule, ttl) = all.find_map(|(at, vantage)| {
        let small = |rule: &'_ MetRule| set_to(&rule.text).filter(|ttl| *ttl < SMALL);
        let counted = |rule: &&MetRule| rule.moved().map_or(rule.certain, |moved| moved > 0);
        let mut rules = met(walls_of(vantage)?, flow).filter(counted);
        rules.find_map(|rule| Some((at, vantage, rule, small(rule)?)))
    })?;
    let (place, dst) = (&vantage.name, flow.dst);
    let summary = format!(
        "{place}: a rule in chain {} ({} {}) sets the time to live of packets to {ttl}, too small for {dst}",
        rule.chain, rule.family, rule.table
    );
    let hop = hop_of(flow, vantage);
    let counted = rule.packets.map(|[before, after]| {
        evidence(&hop, flow.at, "its counter, before and after", format!("{before} -> {after}"))
    });
    let proved = rule.moved().is_some();
    let draft = Draft::new(META.cause, &hop, subject(rule), summary)
        .evidence(symptom(flow, target))
        .evidence(evidence(&hop, flow.at, named(rule), rule.text.clone()))
        .all(counted)
        .confidence(if proved { Confidence::Proved } else { Confidence::Likely })
        .prose("take the rule out, or have it set 64");
    Some((draft, at))
}

/// What a rule sets the time to live to, in nft's words or in those of iptables.
fn set_to(text: &str) -> Option<u8> {
    let words = ["ip ttl set ", "ip6 hoplimit set ", "--ttl-set ", "--hl-set "];
    let behind = words.iter().find_map(|word| text.split_once(word))?.1;
    behind.split([' ', ']']).next()?.parse().ok()
}

fn told_to_us(flow: &Flow<'_>) -> bool {
    matches!(flow.outcome, Outcome::Unreachable(icmp) if icmp.is_time_exceeded())
}

/// Tells whether a router threw the destination's answers away while we asked.
fn told_to_them(flow: &Flow<'_>, hop: &Hop<'_>) -> bool {
    let group = match hop.family() {
        Family::V4 => "Icmp",
        Family::V6 => "Icmp6",
    };
    let told = hop.vantage.moved(group, "InTimeExcds").unwrap_or(0) > 0;
    told && flow.outcome.failed() && hop.vantage.role == VantageRole::Destination
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (key, ttl) = own_ttl(hop).filter(|(_, ttl)| *ttl < SMALL)?;
    let (place, towards) = (&hop.vantage.name, hop.towards);
    let summary =
        format!("{place}: packets leave with a time to live of {ttl}, too small for {towards}");
    let draft = Draft::new(META.cause, hop, SubjectKind::Namespace, summary)
        .evidence(symptom(flow, flow.hops.first()?))
        .evidence(evidence(hop, hop.at, key.clone(), ttl.to_string()));
    Some(match key.starts_with("net.") {
        true => draft.command(format!("sysctl -w {key}=64"), Risk::Safe),
        false => draft.prose("take the hoplimit off the route"),
    })
}

/// The setting that decides about the family's time to live, and its value.
pub(super) fn own_ttl(hop: &Hop<'_>) -> Option<(String, u8)> {
    let metric = hop.route().and_then(|route| route.metrics.as_ref()?.hoplimit);
    if let Some(ttl) = metric.and_then(|ttl| u8::try_from(ttl).ok()) {
        return Some((format!("hoplimit of the route to {}", hop.towards), ttl));
    }
    let sysctls = hop.vantage.state()?.sysctls.as_ref()?;
    match hop.family() {
        Family::V4 => Some(("net.ipv4.ip_default_ttl".to_owned(), sysctls.ip_default_ttl?)),
        Family::V6 => {
            let link = hop.egress()?;
            let own = sysctls.interfaces.iter().find(|i| i.name == link.name)?;
            let key = format!("net.ipv6.conf.{}.hop_limit", link.name.escaped());
            Some((key, own.ipv6.as_ref()?.hop_limit?))
        }
    }
}
