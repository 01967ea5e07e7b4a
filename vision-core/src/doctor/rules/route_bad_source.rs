use std::net::IpAddr;

use super::route_none::fails_to_answer;
use super::serving::left_plain;
use super::text::{Draft, evidence, look_up, shown, symptom};
use super::way::source_of;
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::{Addr, Sections};

const DOCS: &str = "\
Packets leave with a source address that the other side has no way back to, though the link they
leave by has an address that it has.

How it shows: connections time out; with the other source address (ping -I ADDRESS) they work.
Why it happens: a route with a wrong `src`, or an address of another network chosen as the preferred one.
How it is proved: the source is not of the network of the next hop while another address of the link
is, and the kernel of a namespace on the way back has no route to the source and counts what it
could not send. It is likely where a host that masks others passes it on as it is.
What to do: correct the `src` of the route.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteBadSource, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteBadSource;

impl Rule for RouteBadSource {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen) = (Vec::new(), false);
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let Some(hop) = flow.hops.first() else { continue };
            seen |= !flow.back.is_empty();
            let found = finding(scene, flow, hop);
            hits.extend(found.map(|d| Hit { overrides: true, ..d.hit(n, 0) }));
        }
        Answer::from_hits(hits, || match seen {
            true => Answer::RuledOut("answers to the source address find their way".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding<'a>(scene: &Scene<'a>, flow: &Flow<'a>, hop: &Hop<'a>) -> Option<Draft> {
    let (source, link, next) = (source_of(flow)?, hop.egress()?, hop.next_hop()?);
    let addrs = hop.vantage.addrs();
    // An address of the link alone is no source for what lies beyond it.
    let confined = |addr: IpAddr| match addr {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let fits = |addr: &&Addr| {
        addr.ifindex == link.ifindex && addr.prefix().contains(next) && !confined(addr.local)
    };
    let better = addrs.iter().find(fits).filter(|addr| addr.local != source)?;
    if addrs.iter().filter(fits).any(|addr| addr.local == source) {
        return None;
    }
    let kind = SubjectKind::Address {
        link: Some(link.name.clone()),
        family: hop.family(),
        address: Some(source),
    };
    let (place, name, dst) = (&hop.vantage.name, shown(&link.name), flow.dst);
    let asked = format!("source address towards {dst}");
    let draft = |what: String| {
        let would = format!("{} on {name} would do", better.local);
        let summary = format!("{place} sends to {dst} from {source}, {what}; {would}");
        Draft::new(META.cause, hop, kind, summary)
            .evidence(symptom(flow, hop))
            .evidence(evidence(hop, hop.at, asked, source.to_string()))
            .prose(format!("let the route to {dst} have `src {}`", better.local))
    };
    let lost = flow.back.iter().find(|back| back.has_no_route() && fails_to_answer(back));
    if let Some(lost) = lost {
        let what = format!("to which {} has no route", lost.vantage.name);
        return Some(draft(what).evidence(look_up(lost)));
    }
    // Others are masked on their way, and this one is not meant to be seen out there.
    let plain = left_plain(scene, flow)?;
    let others = plain.mask.map_or("", |_| " as it does others");
    let what = format!("which {} does not mask{others}", plain.hop.vantage.name);
    Some(draft(what).all(plain.evidence(flow)).confidence(Confidence::Likely))
}
