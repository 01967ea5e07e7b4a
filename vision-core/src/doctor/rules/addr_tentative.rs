use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::{Addr, AddrFlags, Sections};

const DOCS: &str = "\
The only IPv6 address of a link is still tentative: duplicate detection has not ended, so nothing
may be sent from it.

How it shows: bind(2) fails with EADDRNOTAVAIL and connections have no source, mostly in the first
second or two of a container's life.
How it is told from a passing state: the doctor waits and asks again before it says so.
Why it stays: the link has no carrier, or dad_transmits is set very high.
What to do: wait, or switch detection off for containers (`accept_dad=0`), or use `nodad`.";

static META: RuleMeta =
    RuleMeta { cause: Cause::AddrTentative, needs: Sections::ADDRS, docs: DOCS };

pub(super) struct AddrTentative;

impl Rule for AddrTentative {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let Some(hop) = flow.hops.first().filter(|_| flow.dst.is_ipv6()) else { continue };
            if let Some(addr) = only_tentative(hop) {
                hits.push(finding(flow, hop, addr).hit(n, 0));
            }
        }
        let none = || {
            let mut all = scene.target.addrs().iter();
            !all.any(|addr| addr.flags.contains(AddrFlags::TENTATIVE))
        };
        Answer::from_hits(hits, || match none() {
            true => Answer::RuledOut("no address is tentative".to_owned()),
            false => Answer::RuledOut("another address of the family is usable".to_owned()),
        })
    }
}

/// A tentative address where no other of the family could be used.
fn only_tentative<'a>(hop: &Hop<'a>) -> Option<&'a Addr> {
    let global = |addr: &&Addr| match addr.local {
        std::net::IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
        std::net::IpAddr::V4(_) => false,
    };
    let mut usable = hop.vantage.addrs().iter().filter(global).filter(|addr| addr.is_usable());
    if usable.next().is_some() {
        return None;
    }
    let mut waiting = hop.vantage.addrs().iter().filter(global);
    waiting.find(|addr| {
        addr.flags.contains(AddrFlags::TENTATIVE) && !addr.flags.contains(AddrFlags::DADFAILED)
    })
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, addr: &Addr) -> Draft {
    let link = hop.vantage.link(addr.ifindex);
    let name = link.map_or_else(|| addr.ifindex.to_string(), |link| shown(&link.name));
    let (place, local) = (&hop.vantage.name, addr.local);
    let summary = format!("{place}: {local} on {name} is still tentative and cannot be used");
    let kind = SubjectKind::Address {
        link: link.map(|link| link.name.clone()),
        family: Family::V6,
        address: Some(local),
    };
    Draft::new(META.cause, hop, kind, summary)
        .evidence(symptom(flow, hop))
        .evidence(look_up(hop))
        .evidence(evidence(hop, hop.at, format!("flags of {local}"), "tentative"))
        .prose(format!("wait for duplicate detection, or add {local} with `nodad`"))
}
