use super::text::{Draft, evidence, link_state, link_subject, look_up, shown, symptom};
use super::wires::cut_off;
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Purpose, Scene, has_address};
use crate::doctor::{Cause, Confidence, Risk};
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
An interface that should carry the traffic is administratively down.

How it shows: connections fail at once with ENETUNREACH, because the kernel takes a link's routes
away with it; IPv6 addresses go as well, IPv4 addresses stay. Where a router has a wider route as well,
packets for what was behind the link go there instead, often round and round.
How it is told from a missing route: the link that is down covers the destination, or no other
link could carry the family at all. Links that are down and were never set up do not count.
What to do: `ip link set DEV up`; routes that were added by hand must be added again.";

static META: RuleMeta =
    RuleMeta { cause: Cause::LinkDown, needs: Sections::LINKS.union(Sections::ADDRS), docs: DOCS };

pub(super) struct LinkDown;

impl Rule for LinkDown {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            let found = culprit(flow, hop).filter(|(link, _)| !is_joining(hop.vantage, link));
            if let Some((link, confidence)) = found {
                hits.push(finding(flow, hop, link, confidence).hit(n, position));
            }
        }
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            if let Some((position, hop, link)) = cut_off(scene, flow) {
                let hit = finding(flow, hop, link, Confidence::Proved).hit(n, position);
                hits.push(Hit { overrides: true, ..hit });
            }
        }
        Answer::from_hits(hits, || {
            let down = scene.target.links().iter().filter(|l| !l.is_loopback() && !l.is_up());
            match down.count() {
                0 => Answer::RuledOut("every link is up".to_owned()),
                _ => Answer::RuledOut("the links that are down are not on the way".to_owned()),
            }
        })
    }
}

/// The link whose being down explains why the hop has no way, and how sure that is.
pub(super) fn culprit<'a>(flow: &Flow<'_>, hop: &Hop<'a>) -> Option<(&'a Link, Confidence)> {
    let anywhere = flow.purpose == Purpose::Anywhere;
    let down = || hop.vantage.links().iter().filter(|l| !l.is_up() && !l.is_loopback());
    let addrs = hop.vantage.addrs();
    let covers = |link: &&Link| {
        addrs.iter().any(|a| a.ifindex == link.ifindex && a.prefix().contains(hop.towards))
    };
    // Its connected route went with it: packets have no way, or leave by a wider route instead.
    let covered_elsewhere = || hop.up_links().any(|link| covers(&link));
    if let Some(link) = down().find(covers).filter(|_| !anywhere && !covered_elsewhere()) {
        return Some((link, Confidence::Proved)).filter(|_| !hop.is_local());
    }
    if !anywhere && !hop.has_no_route() {
        return None;
    }
    let configured = |link: &&Link| addrs.iter().any(|a| a.ifindex == link.ifindex);
    let candidate = down().find(configured).or_else(|| down().find(|l| is_meant_to_be_up(l)))?;
    let family = hop.family();
    let others = match anywhere {
        true => hop.up_links().count() > 0,
        false => hop.has_address(family),
    };
    match (others, configured(&candidate)) {
        (false, _) => Some((candidate, Confidence::Proved)),
        // Another link is in use; the one that is down had an address and may have had the route.
        (true, true) if !anywhere && has_address(hop.vantage, candidate, family) => {
            Some((candidate, Confidence::Likely))
        }
        _ => None,
    }
}

/// Tells whether a link is a bridge with ports: what is behind those is lost with it.
pub(super) fn is_joining(vantage: &Vantage, link: &Link) -> bool {
    let is_port = |port: &Link| port.master_ifindex == Some(link.ifindex);
    link.kind.as_deref() == Some("bridge") && vantage.links().iter().any(is_port)
}

/// Kernel modules leave one idle device of some kinds in every namespace.
fn is_meant_to_be_up(link: &Link) -> bool {
    let idle = [
        "sit",
        "ipip",
        "gre",
        "gretap",
        "ip6tnl",
        "ip6gre",
        "ip6gretap",
        "erspan",
        "ip6erspan",
        "vti",
        "vti6",
        "dummy",
        "ifb",
        "bond",
        "bridge",
        "nlmon",
    ];
    link.kind.as_deref().is_none_or(|kind| !idle.contains(&kind))
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link, confidence: Confidence) -> Draft {
    let name = shown(&link.name);
    let what = match flow.purpose {
        Purpose::Anywhere => "nothing can leave".to_owned(),
        _ => format!("there is no way to {}", flow.dst),
    };
    let summary = format!("{}: {name} is administratively down, so {what}", hop.vantage.name);
    let state = evidence(hop, hop.at, format!("state of link {name}"), link_state(link));
    let mut draft = Draft::new(META.cause, hop, link_subject(link), summary).confidence(confidence);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    if hop.answer.is_some() {
        draft = draft.evidence(look_up(hop));
    }
    draft.evidence(state).command(format!("ip link set dev {name} up"), Risk::Safe)
}
