//! One line per area: what was looked at and how it stands. Pure.

use super::case::Vantage;
use super::greeting::{Greeting, greeting};
use super::report::{Area, AreaState, Class, Finding, Severity, Unchecked, Verdict};
use super::scene::{Flow, Outcome, Purpose, Scene};
use super::stop::walls_of;
use super::{Question, Service};
use crate::inventory::Link;

pub(super) fn areas(
    scene: &Scene<'_>,
    verdict: Verdict,
    findings: &[Finding],
    unchecked: &[Unchecked],
) -> Vec<Area> {
    let all = [Class::Link, Class::Addr, Class::Route, Class::Neigh, Class::Dns, Class::Socket];
    let mut areas: Vec<Area> = all
        .into_iter()
        .map(|class| bad(findings, class).unwrap_or_else(|| quiet(scene, class)))
        .collect();
    areas.push(firewall(scene, verdict, findings, unchecked));
    areas.extend(spoken(scene, findings));
    // Of interest only where something is wrong with them.
    let seldom = [
        Class::Conntrack,
        Class::Nat,
        Class::Service,
        Class::Overlay,
        Class::Loss,
        Class::Latency,
        Class::App,
    ];
    areas.extend(seldom.into_iter().filter_map(|class| bad(findings, class)));
    areas
}

/// What was said over the connections, where the question is about that.
fn spoken(scene: &Scene<'_>, findings: &[Finding]) -> Option<Area> {
    let Question::Reach { service, .. } = scene.case.question else { return None };
    let (class, found) = match service {
        Service::Tls(_) => (Class::Tls, bad(findings, Class::Tls)),
        Service::Http(_) => (Class::Http, bad(findings, Class::Http)),
        Service::Https(_) => {
            (Class::Tls, bad(findings, Class::Tls).or_else(|| bad(findings, Class::Http)))
        }
        Service::Host | Service::Tcp(_) | Service::Udp(_) => return None,
    };
    if found.is_some() {
        return found;
    }
    let all = || scene.destinations().map(|flow| greeting(scene, flow));
    let good = all().find_map(|greeting| match greeting {
        Greeting::Good(text) => Some((AreaState::Ok, text)),
        _ => None,
    });
    let poor = || {
        all().find_map(|greeting| match greeting {
            Greeting::Bad(text) => Some((AreaState::Unchecked, text)),
            _ => None,
        })
    };
    let (state, text) = good.or_else(poor).unwrap_or_else(|| {
        (AreaState::Unchecked, "there was no connection to ask over".to_owned())
    });
    Some(Area { class, state, text })
}

/// An area with a finding that is more than a note.
fn bad(findings: &[Finding], class: Class) -> Option<Area> {
    let of = |f: &&Finding| f.cause.class() == class && f.severity != Severity::Note;
    let finding = findings.iter().find(of)?;
    let text = format!("{}: {}", finding.cause, finding.subject.place);
    Some(Area { class, state: AreaState::Bad, text })
}

/// An area without a finding: fine if something was seen, else not looked at.
fn quiet(scene: &Scene<'_>, class: Class) -> Area {
    let seen = match class {
        Class::Link => links(scene),
        Class::Addr => addrs(scene),
        Class::Route => routes(scene),
        Class::Neigh => neighbours(scene),
        Class::Dns => nameservers(scene),
        Class::Socket => sockets(scene),
        _ => Err("not looked at by this version".to_owned()),
    };
    match seen {
        Ok(text) => Area { class, state: AreaState::Ok, text },
        Err(text) => Area { class, state: AreaState::Unchecked, text },
    }
}

type Seen = Result<String, String>;

fn joined(parts: Vec<String>, nothing: &str) -> Seen {
    match parts.is_empty() {
        true => Err(nothing.to_owned()),
        false => Ok(parts.join(", ")),
    }
}

fn links(scene: &Scene<'_>) -> Seen {
    let state = |link: &Link| match (link.is_up(), link.has_carrier()) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) => "up",
    };
    let links = scene.target.links().iter();
    let shown = links.map(|link| format!("{} {}", link.name.escaped(), state(link)));
    joined(few(shown.collect()), "links could not be read")
}

fn addrs(scene: &Scene<'_>) -> Seen {
    let addrs = scene.target.addrs().iter().filter(|a| !a.local.is_loopback());
    let shown = addrs.map(|a| format!("{}/{}", a.local, a.prefix_bits));
    joined(few(shown.collect()), "there is none besides the loopback's")
}

/// A namespace may have hundreds.
fn few(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(6);
    if more > 0 {
        all.truncate(6);
        all.push(format!("{more} more"));
    }
    all
}

fn routes(scene: &Scene<'_>) -> Seen {
    let shown = scene.flows.iter().filter_map(|flow| {
        let hop = flow.hops.first()?;
        let route = hop.route()?;
        let way = match (route.gateway, hop.egress()) {
            (Some(gateway), _) => format!("via {gateway}"),
            (None, Some(link)) => format!("on {}", link.name.escaped()),
            (None, None) => route.kind.to_string(),
        };
        Some(format!("{} {way}", flow.dst))
    });
    joined(shown.collect(), "nothing was looked up")
}

fn neighbours(scene: &Scene<'_>) -> Seen {
    let mut shown: Vec<String> = Vec::new();
    for hop in scene.flows.iter().filter_map(|flow| flow.hops.first()) {
        let heard = hop.solicited().filter(|report| !report.answers.is_empty());
        if let (Some(next), Some(report)) = (hop.next_hop(), heard) {
            let holder = report.holders().first().map(ToString::to_string).unwrap_or_default();
            let text = format!("{next} answers from {holder}");
            if !shown.contains(&text) {
                shown.push(text);
            }
        } else if let (Some(next), Some(entry)) = (hop.next_hop(), hop.entry()) {
            let lladdr = entry.lladdr.map(|lladdr| format!(" {lladdr}")).unwrap_or_default();
            let text = format!("{next}{lladdr} {}", entry.state);
            if !shown.contains(&text) {
                shown.push(text);
            }
        }
    }
    joined(shown, "no next hop was asked for")
}

fn nameservers(scene: &Scene<'_>) -> Seen {
    let flows = || scene.flows.iter().filter(|flow| flow.purpose == Purpose::Nameserver);
    let works = |flow: &&Flow<'_>| flow.outcome == Outcome::Works;
    let answering = flows().filter(works).map(|flow| format!("{} answers", flow.dst));
    let failing: Vec<_> = flows()
        .filter(|flow| !works(flow))
        .map(|flow| format!("{}: {}", flow.dst, super::rules::outcome(flow)))
        .collect();
    match failing.is_empty() {
        true => joined(answering.collect(), "no nameserver was asked"),
        false => joined(answering.collect(), &failing.join(", ")),
    }
}

fn sockets(scene: &Scene<'_>) -> Seen {
    let works = scene.destinations().filter(|flow| flow.outcome == Outcome::Works);
    let shown = works.map(|flow| format!("{}: answered", super::rules::question(flow)));
    // What was tried and what came of it: where no cause is named, the symptom is all there is.
    let failed = scene.destinations().filter(|flow| flow.outcome != Outcome::Works);
    let failed = failed
        .map(|flow| format!("{}: {}", super::rules::question(flow), super::rules::outcome(flow)));
    let nothing = match (failed.collect::<Vec<_>>(), &scene.case.question) {
        (failed, _) if !failed.is_empty() => few(failed).join(", "),
        (_, Question::Health) => "no destination was given".to_owned(),
        (_, Question::Reach { .. }) => "the destination's address is not known".to_owned(),
    };
    joined(shown.collect(), &nothing)
}

/// What came through shows that filters let it through; else what was read of them.
fn firewall(
    scene: &Scene<'_>,
    verdict: Verdict,
    findings: &[Finding],
    unchecked: &[Unchecked],
) -> Area {
    let class = Class::Firewall;
    if let Some(area) = bad(findings, class) {
        return area;
    }
    let passed = scene.flows.iter().any(|flow| {
        let crosses = matches!(flow.purpose, Purpose::Destination(_) | Purpose::Nameserver);
        crosses && flow.outcome == Outcome::Works
    });
    let read: Vec<String> = scene.case.vantages.iter().filter_map(rules_read).collect();
    // What would be read with more rights comes before what is out of sight.
    let said = unchecked.iter().filter(|u| u.what == class.name());
    let why = said.min_by_key(|u| u.needs.is_none()).map(|u| u.why.clone());
    let (state, text) = match (why, verdict == Verdict::Healthy && passed) {
        (_, true) => (AreaState::Ok, "the probes passed".to_owned()),
        (Some(why), false) => (AreaState::Unchecked, why),
        (None, false) if read.is_empty() => {
            (AreaState::Unchecked, "nothing was sent that a filter could stop".to_owned())
        }
        (None, false) => {
            (AreaState::Ok, format!("{}; none stopped the probes", few(read).join(", ")))
        }
    };
    Area { class, state, text }
}

fn rules_read(vantage: &Vantage) -> Option<String> {
    let walls = walls_of(vantage)?;
    let rules = if walls.rules == 1 { "rule" } else { "rules" };
    Some(format!("{}: {} {rules}", vantage.name, walls.rules))
}

/// Filters on the way of a failing flow that nobody here could read.
pub(super) fn unread_filters(scene: &Scene<'_>, verdict: Verdict) -> Vec<Unchecked> {
    if verdict == Verdict::Healthy {
        return Vec::new();
    }
    let leaves = |flow: &&Flow<'_>| flow.purpose != Purpose::Anywhere && !flow.dst.is_loopback();
    let all = || scene.case.vantages.iter();
    // What is translated goes no further by its own address.
    let served = |flow: &Flow<'_>| {
        let mut rules = all().filter_map(walls_of).flat_map(|walls| &walls.met);
        rules.any(|rule| rule.dst == flow.dst && !rule.to.is_empty())
    };
    let ends_here = |flow: &Flow<'_>| served(flow) || all().any(|v| v.owns(flow.dst));
    let Some(flow) = scene.failing().filter(leaves).find(|flow| !ends_here(flow)) else {
        return Vec::new();
    };
    let last = flow.hops.last().map_or(scene.target, |hop| hop.vantage);
    let how = match scene.case.search {
        Some(_) => "is not in sight",
        None => "was not followed",
    };
    let why = format!("the way to {} beyond {} {how}", flow.dst, last.name);
    vec![Unchecked { what: Class::Firewall.name().to_owned(), why, needs: None }]
}
