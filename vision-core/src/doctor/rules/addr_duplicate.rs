use std::net::IpAddr;

use super::text::{Draft, evidence, list, shown, solicitation};
use super::{Answer, Hit, Rule, RuleMeta, SAID_LAST};
use crate::base::{Family, LinkAddr};
use crate::doctor::case::ProbeRecord;
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::{Addr, AddrFlags, Sections};
use crate::probe::NeighReport;

const DOCS: &str = "\
Two machines on the link claim the same address.

How it shows: connections work for some and break or are reset for others; an IPv6 address found
to be a duplicate is not used at all (`dadfailed`).
How it is proved: one ARP request is answered by two link-layer addresses, or somebody answers for
an address of this namespace, or the kernel's own duplicate detection failed. Where all works, two answers
are a note, for one machine may answer through two links; a warning where two namespaces in sight have it.
What to do: find the other machine by its link-layer address and give one of the two another address.";

static META: RuleMeta = RuleMeta {
    cause: Cause::AddrDuplicate,
    needs: Sections::ADDRS.union(Sections::LINKS),
    docs: DOCS,
};

pub(super) struct AddrDuplicate;

impl Rule for AddrDuplicate {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let here = Hop {
            vantage: scene.target,
            towards: std::net::Ipv4Addr::UNSPECIFIED.into(),
            answer: None,
            at: scene.case.at,
        };
        let mut hits: Vec<Hit> = Vec::new();
        let mut asked = 0;
        for probe in scene.target.probes() {
            let ProbeRecord::Neigh(report) = probe else { continue };
            asked += 1;
            let own = scene.target.owns(report.to);
            // A machine with two interfaces on one segment answers through both (ARP flux).
            let mine =
                |mac: &LinkAddr| scene.target.links().iter().any(|link| link.address == Some(*mac));
            let holders: Vec<LinkAddr> =
                report.holders().into_iter().filter(|mac| !own || !mine(mac)).collect();
            if holders.len() > 1 || own && !holders.is_empty() {
                let (flow, severity) = flow_about(scene, report.to);
                let mut shared = scene.case.search.iter().flat_map(|search| &search.shared);
                let shared = shared.find(|shared| shared.addr == report.to);
                let draft = two_holders(&here, report, own).all(shared.map(|shared| {
                    let asked = format!("namespaces that have {}", report.to);
                    evidence(&here, scene.case.at, asked, shared.places.join(", "))
                }));
                let mut hit = draft.hit(flow, 0);
                // One machine may answer through two of its links; two machines in sight are a fault.
                hit.finding.severity = match shared {
                    Some(_) => severity.min(Severity::Warning),
                    None => severity,
                };
                hits.push(hit);
            }
        }
        let failed = scene.target.addrs().iter().filter(|a| a.flags.contains(AddrFlags::DADFAILED));
        for addr in failed {
            let (flow, severity) = flow_about(scene, addr.local);
            // Another address that can be used makes it a blemish.
            let spare =
                has_spare(scene, addr) || scene.destinations().any(|f| f.outcome == Outcome::Works);
            let severity = if spare { severity.max(Severity::Note) } else { severity };
            let mut hit = refused_by_the_kernel(&here, addr.ifindex, addr.local).hit(flow, 0);
            hit.finding.severity = severity;
            hits.push(hit);
        }
        Answer::from_hits(hits, || match asked {
            0 => Answer::NotApplicable,
            _ => Answer::RuledOut("no address was answered for by two machines".to_owned()),
        })
    }
}

/// The flow that suffers, if one does; a duplicate that breaks nothing asked is a warning.
fn flow_about(scene: &Scene<'_>, addr: IpAddr) -> (usize, Severity) {
    let same_family = |dst: IpAddr| dst.is_ipv6() == addr.is_ipv6();
    let about =
        |f: &Flow<'_>| f.dst == addr || f.hops.first().and_then(Hop::next_hop) == Some(addr);
    let failing = |f: &Flow<'_>| f.outcome.failed();
    let flows = || scene.flows.iter().enumerate();
    let own = scene.target.owns(addr);
    let exact = flows().find(|(_, f)| failing(f) && about(f)).map(|(n, _)| n);
    let suffering = exact
        .or_else(|| flows().find(|(_, f)| own && failing(f) && same_family(f.dst)).map(|(n, _)| n));
    match suffering {
        Some(n) => (n, Severity::Error),
        None => {
            let working = flows().find(|(_, f)| f.outcome == Outcome::Works && about(f));
            // An address of somebody else that works all the same is only worth knowing: one machine
            // may answer through two of its links.
            let severity = if own { Severity::Warning } else { Severity::Note };
            (working.map_or(SAID_LAST, |(n, _)| n), severity)
        }
    }
}

/// Tells whether another address of the family, beyond the link, is usable.
fn has_spare(scene: &Scene<'_>, failed: &Addr) -> bool {
    let beyond_the_link = |addr: &IpAddr| match addr {
        IpAddr::V4(v4) => !v4.is_loopback(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_loopback(),
    };
    let mut others = scene.target.addrs().iter().filter(|a| a.local != failed.local);
    others.any(|a| a.family == failed.family && a.is_usable() && beyond_the_link(&a.local))
}

fn two_holders(here: &Hop<'_>, report: &NeighReport, own: bool) -> Draft {
    let (addr, place, link) = (report.to, &here.vantage.name, shown(&report.interface));
    let holders = list(&report.holders());
    let summary = match own {
        true => format!("{place}: its own address {addr} is also held by {holders} on {link}"),
        false => format!("{place}: {addr} is held by several machines on {link}: {holders}"),
    };
    let kind = SubjectKind::Neighbour {
        address: addr,
        link: report.interface.clone(),
        believed: None,
        answered: report.holders(),
    };
    let at = report.requests.first().copied().unwrap_or(here.at);
    let asked = format!("{} for {addr} on {link}", solicitation(addr));
    Draft::new(META.cause, here, kind, summary)
        .evidence(evidence(here, at, asked, format!("answered from {holders}")))
        .prose(format!(
            "find the machine with that link-layer address and change one of the two {addr}"
        ))
}

fn refused_by_the_kernel(here: &Hop<'_>, ifindex: u32, addr: IpAddr) -> Draft {
    let link = here.vantage.link(ifindex);
    let name = link.map_or_else(|| ifindex.to_string(), |link| shown(&link.name));
    let place = &here.vantage.name;
    let summary = format!("{place}: {addr} on {name} is not used: another machine holds it");
    let kind = SubjectKind::Address {
        link: link.map(|link| link.name.clone()),
        family: Family::of(addr),
        address: Some(addr),
    };
    Draft::new(META.cause, here, kind, summary)
        .evidence(evidence(here, here.at, format!("flags of {addr}"), "dadfailed"))
        .prose(format!("change the address of one of the two machines that hold {addr}"))
}
