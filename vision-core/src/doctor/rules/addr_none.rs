use std::net::IpAddr;

use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::{Link, Sections};

const DOCS: &str = "\
A link is up, but the namespace has no address of the family that others could answer to.

How it shows: connections of that family fail at once with ENETUNREACH, because without an address
there are no routes either. A link-local IPv6 address (fe80::) does not count.
Why it happens: the address was never assigned (DHCP or the network plugin failed), was removed,
or the container has IPv4 only and an IPv6 destination was asked for.
What to do: give the link an address, or use the other family.";

static META: RuleMeta =
    RuleMeta { cause: Cause::AddrNone, needs: Sections::LINKS.union(Sections::ADDRS), docs: DOCS };

pub(super) struct AddrNone;

impl Rule for AddrNone {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            if let Some(link) = bare_link(flow, position, hop) {
                hits.push(finding(flow, hop, link).hit(n, position));
            }
        }
        Answer::from_hits(hits, || {
            let locals = scene.target.addrs().iter().filter(|a| !a.local.is_loopback());
            let locals: Vec<_> = locals.map(|a| a.local.to_string()).collect();
            match locals.is_empty() {
                true => Answer::NotApplicable,
                false => Answer::RuledOut(format!("there is {}", locals.join(", "))),
            }
        })
    }
}

/// A link that is up in a namespace without any address of the flow's family.
fn bare_link<'a>(flow: &Flow<'_>, position: usize, hop: &Hop<'a>) -> Option<&'a Link> {
    if flow.purpose == Purpose::Anywhere {
        let none = Family::BOTH.into_iter().all(|family| !hop.has_address(family));
        return hop.up_links().find(|link| link.has_carrier()).filter(|_| none);
    }
    let stays_on_link = match hop.towards {
        IpAddr::V4(to) => to.is_loopback(),
        IpAddr::V6(to) => to.is_loopback() || to.is_unicast_link_local(),
    };
    // A route may outlive the address; then packets carry a source nobody can answer to.
    // A router needs no address to pass packets on.
    // A refusal by the destination shows that it was reached all the same.
    let arrived = matches!(flow.outcome, Outcome::Refused { .. });
    let routed = position == 0 && hop.egress().is_some() && !arrived;
    let matters = hop.has_no_route() || routed;
    if stays_on_link || !matters || hop.has_address(hop.family()) {
        return None;
    }
    let egress = hop.egress().filter(|link| !link.is_loopback());
    egress.or_else(|| hop.up_links().find(|l| l.has_carrier())).or_else(|| hop.up_links().next())
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link) -> Draft {
    let (name, family) = (shown(&link.name), hop.family());
    let (what, family_text) = match flow.purpose {
        Purpose::Anywhere => (String::new(), "IP".to_owned()),
        _ => (format!(", so there is no way to {}", flow.dst), family.to_string()),
    };
    let place = &hop.vantage.name;
    let summary = format!("{place}: {name} is up but has no {family_text} address{what}");
    let kind = SubjectKind::Address { link: Some(link.name.clone()), family, address: None };
    let on_link = hop.vantage.addrs().iter().filter(|a| a.ifindex == link.ifindex);
    let on_link: Vec<_> = on_link.map(|a| a.local.to_string()).collect();
    let seen = match on_link.is_empty() {
        true => "none".to_owned(),
        false => on_link.join(", "),
    };
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    if hop.answer.is_some() {
        draft = draft.evidence(look_up(hop));
    }
    draft
        .evidence(evidence(hop, hop.at, format!("addresses of {name}"), seen))
        .prose(format!("give {name} its address: ip addr add ADDRESS/BITS dev {name}"))
}
