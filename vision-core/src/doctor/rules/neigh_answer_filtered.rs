use std::net::IpAddr;

use super::filtered::{named, subject};
use super::neigh_no_answer::is_silent;
use super::text::{Draft, evidence, shown, solicitation, symptom};
use super::wires::{Stretch, along};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::stop::walls_of;
use crate::doctor::walls::{MetRule, Way};
use crate::doctor::wire::WireLink;
use crate::doctor::{Cause, Confidence, Evidence, Risk};
use crate::inventory::{NeighState, Sections};

const DOCS: &str = "\
The neighbour is on the segment and has the address, but ARP or neighbour discovery for it is kept from it,
or its answers are.

How it shows: as if the machine were absent, EHOSTUNREACH after three seconds, though it sends other frames.
Why it happens: arp_ignore, as load balancers set it for addresses on the loopback; a rule of the arp
family; or a filter for IPv6 that lets no neighbour discovery pass.
How it is proved: the way of the frames leads to the link, or to the namespace, that has the address; it was
asked live and stayed silent; and its arp_ignore says that it does not answer such questions, or a rule at
one of the two ends or of a bridge between them drops them and counted them. A rule without a counter is `likely`.
What to do: set net.ipv4.conf.IFACE.arp_ignore and net.ipv4.conf.all.arp_ignore to 0, or let ARP and the ICMPv6
types 135 and 136 pass.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighAnswerFiltered, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighAnswerFiltered;

impl Rule for NeighAnswerFiltered {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let answer = along(scene, "those who have the address answer for it", |stretch| {
            ignored(stretch).or_else(|| filtered(scene, stretch))
        });
        // What the asker itself throws away shows without a look at anybody else.
        let own = || {
            let first = scene.failing_hops().filter(|(_, _, position, _)| *position == 0);
            first.filter_map(|(n, flow, _, hop)| Some((n, own_filter(flow, hop)?)))
        };
        match answer {
            Answer::Confirmed(hits) => Answer::Confirmed(hits),
            other => Answer::from_hits(
                own().map(|(n, draft)| Hit { overrides: true, ..draft.hit(n, 0) }).collect(),
                || other,
            ),
        }
    }
}

/// A rule of the asking namespace itself that drops its questions for the next hop, or the answers.
fn own_filter(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let (addr, link) = (hop.next_hop().filter(|_| is_silent(flow, hop))?, hop.egress()?);
    let rule = stopping(hop.vantage, addr, hooks(Way::Back), hooks(Way::There))?;
    let summary = summary_of(&hop.vantage.name, rule, addr);
    let place = |asked: String, seen: String| evidence(hop, hop.at, asked, seen);
    let mut draft = Draft::new(META.cause, hop, subject(rule), summary)
        .evidence(symptom(flow, hop))
        .evidence(place(named(rule), rule.text.clone()));
    let asked = format!("{} for {addr} on {}", solicitation(addr), shown(&link.name));
    draft = draft.evidence(place(asked, "no answer".to_owned()));
    Some(counted(draft, rule, place).prose(fix(addr)))
}

/// The counter of a rule as evidence; without one it is likely.
fn counted(draft: Draft, rule: &MetRule, fact: impl Fn(String, String) -> Evidence) -> Draft {
    match rule.packets {
        Some([before, after]) => {
            let asked = "its counter, before and after".to_owned();
            draft.evidence(fact(asked, format!("{before} -> {after}")))
        }
        None => draft.confidence(Confidence::Likely),
    }
}

fn summary_of(place: &str, rule: &MetRule, addr: IpAddr) -> String {
    let what = match (addr.is_ipv6(), rule.way) {
        (false, Way::There) => "ARP requests for",
        (false, Way::Back) => "ARP replies from",
        (true, Way::There) => "neighbour solicitations for",
        (true, Way::Back) => "neighbour advertisements from",
    };
    let chain = format!("chain {} ({} {})", rule.chain, rule.family, rule.table);
    format!("{place}: a rule in {chain} drops {what} {addr}")
}

fn fix(addr: IpAddr) -> &'static str {
    match addr.is_ipv6() {
        true => "let ICMPv6 types 135 and 136 pass before the rule",
        false => "let ARP for the own addresses pass before the rule",
    }
}

/// The rule of a namespace that stops questions for a neighbour at some hooks, or answers at others.
fn stopping<'a>(
    vantage: &'a Vantage,
    addr: IpAddr,
    there: &[&str],
    back: &[&str],
) -> Option<&'a MetRule> {
    let here = |rule: &&MetRule| {
        let hooks = if rule.way == Way::There { there } else { back };
        rule.is_discovery() && rule.dst == addr && hooks.contains(&rule.hook.as_str())
    };
    let stops =
        |rule: &&MetRule| rule.stops() && rule.moved().map_or(rule.certain, |moved| moved > 0);
    walls_of(vantage)?.met.iter().filter(here).find(stops)
}

/// Never answers, or not for addresses of other links (ip-sysctl.rst, `arp_ignore`).
fn mute<'a>(stretch: &'a Stretch<'a>) -> Option<(&'a WireLink, u8)> {
    let wire = stretch.wire;
    let setting = |step: &WireLink| step.answering.and_then(|a| a.arp_ignore);
    if let Some(end) = wire.end() {
        return setting(end).filter(|mode| *mode == 8).map(|mode| (end, mode));
    }
    let holder = wire.owner.first()?;
    let mut heard = wire.way.iter().skip(1).filter(|step| step.netns == holder.netns);
    heard.find_map(|step| Some((step, setting(step).filter(|m| [1, 2, 8].contains(m))?)))
}

fn ignored(stretch: &Stretch<'_>) -> Option<Draft> {
    if stretch.hop.via_gateway() || stretch.wire.neighbour.is_ipv6() {
        return None;
    }
    let (step, mode) = mute(stretch)?;
    let (name, addr) = (shown(&step.link.name), stretch.wire.neighbour);
    let summary = format!(
        "{} has {addr} and does not answer ARP for it: arp_ignore of {name} is {mode}",
        step.place
    );
    let key = format!("net.ipv4.conf.{name}.arp_ignore");
    let fact = stretch.fact(step, format!("arp_ignore of {name} and `all`"), mode.to_string());
    let draft = stretch.accuse(META.cause, step, summary).evidence(fact);
    Some(draft.command(format!("sysctl -w {key}=0"), Risk::Disruptive))
}

/// The hooks that a bridge hands frames through.
const PASSING: &[&str] = &["prerouting", "forward", "postrouting", "egress"];

/// The hooks of questions at an end that they come into by `inward`, or of answers at the other.
fn hooks(inward: Way) -> &'static [&'static str] {
    match inward {
        Way::There => &["ingress", "prerouting", "input"],
        Way::Back => &["output", "egress"],
    }
}

fn turned(way: Way) -> Way {
    match way {
        Way::There => Way::Back,
        Way::Back => Way::There,
    }
}

/// A rule at one of the two ends, or of a bridge between them, keeps the question or its answer.
fn filtered(scene: &Scene<'_>, stretch: &Stretch<'_>) -> Option<Draft> {
    let (start, end, addr) = (stretch.wire.start()?, stretch.wire.end()?, stretch.wire.neighbour);
    let unresolved = |state| matches!(state, NeighState::Failed | NeighState::Incomplete);
    let unheard = stretch.hop.solicited().is_some_and(|report| report.answers.is_empty())
        || stretch.hop.entry().is_none_or(|entry| unresolved(entry.state));
    if !unheard && !is_silent(stretch.flow, stretch.hop) {
        return None;
    }
    let ends = [(end, Way::There), (start, Way::Back)];
    let ends = ends.map(|(step, inward)| (step, hooks(inward), hooks(turned(inward))));
    let bridges = stretch.wire.crossings().into_iter();
    let bridges = bridges.map(|crossing| (crossing.bridge, PASSING, PASSING));
    let (vantage, step, rule) =
        ends.into_iter().chain(bridges).find_map(|(step, there, back)| {
            let vantage = scene.case.vantages.iter().find(|v| v.netns == step.netns)?;
            let rule = stopping(vantage, addr, there, back)?;
            Some((vantage, step, rule))
        })?;
    let mut draft = stretch.accuse(META.cause, step, summary_of(&vantage.name, rule, addr));
    draft.finding.subject.kind = subject(rule);
    draft = draft.evidence(stretch.fact(step, named(rule), rule.text.clone()));
    let fact = |asked: String, seen: String| stretch.fact(step, asked, seen);
    Some(counted(draft, rule, fact).prose(fix(addr)))
}
