use super::text::{Draft, evidence};
use super::{Answer, Hit, Rule, RuleMeta, SAID_FIRST};
use crate::doctor::case::ProbeRecord;
use crate::doctor::scene::{Hop, Scene};
use crate::doctor::{Cause, Evidence, Finding, SubjectKind};
use crate::inventory::Sections;
use crate::probe::{Resolution, ResolveOutcome};

const DOCS: &str = "\
The name does not exist: the nameservers answered NXDOMAIN for it and for every search domain.

How it shows: `Name or service not known` at once.
Why it happens: a typing error, a missing search domain (a short service name used from another
Kubernetes namespace), or a record that was never made.
What to do: compare the names that were tried, listed in the evidence, with the one that exists.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsNxdomain, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsNxdomain;

impl Rule for DnsNxdomain {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let resolution = scene.target.probes().rev().find_map(|probe| match probe {
            ProbeRecord::Resolve(resolution) => Some(resolution),
            _ => None,
        });
        match resolution {
            None => Answer::NotApplicable,
            Some(r) if r.outcome == ResolveOutcome::NoSuchName => {
                let finding = finding(scene, r);
                // There is nobody to send to: this comes before every flow.
                Answer::Confirmed(vec![Hit { flow: SAID_FIRST, hop: 0, overrides: false, finding }])
            }
            Some(r) if r.outcome == ResolveOutcome::Found => {
                let found: Vec<_> = r.addresses.iter().map(ToString::to_string).collect();
                Answer::RuledOut(format!("{} is {}", r.name, found.join(", ")))
            }
            Some(_) => Answer::RuledOut("no server said that the name does not exist".to_owned()),
        }
    }
}

fn finding(scene: &Scene<'_>, resolution: &Resolution) -> Finding {
    let name = resolution.name.clone();
    let here = Hop {
        vantage: scene.target,
        towards: std::net::Ipv4Addr::UNSPECIFIED.into(),
        answer: None,
        at: scene.case.at,
    };
    let count = resolution.tried.iter().map(|t| &t.name).collect::<std::collections::HashSet<_>>();
    let tried = match count.len() {
        0 | 1 => String::new(),
        n => format!(", nor do the {} names with a search domain", n - 1),
    };
    let summary = format!("{}: the name {name} does not exist{tried}", scene.target.name);
    let steps = resolution.tried.iter().map(|tried| Evidence {
        asked: format!("{} {}", tried.name, tried.rtype),
        place: scene.target.name.clone(),
        seen: match (tried.rcode, tried.server) {
            (Some(rcode), Some(server)) => format!("{rcode} from {server}"),
            (Some(rcode), None) => rcode.to_string(),
            (None, _) => "no answer".to_owned(),
        },
        at: tried.report.attempts.first().map_or(scene.case.at, |a| a.sent_at),
    });
    let origin = evidence(&here, scene.case.at, "hosts file", "no such name");
    Draft::new(META.cause, &here, SubjectKind::Name { name: name.clone() }, summary)
        .evidence(origin)
        .all(steps)
        .prose(format!("check the spelling of {name} and the search list of resolv.conf"))
        .finding
}
