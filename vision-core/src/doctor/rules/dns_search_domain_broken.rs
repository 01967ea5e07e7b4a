use super::dns::{about_server, broken_search, exchange, resolution, said_first};
use super::dns_search_amplification::FELT;
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::greeting::millis;
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Confidence, Severity};
use crate::inventory::Sections;
use crate::probe::ResolveOutcome;

const DOCS: &str = "\
A search domain of resolv.conf is answered with an error instead of `no such name`, so names that are tried
with it stay undecided.

How it shows: short names fail with `temporary failure`, names with a trailing dot work.
Why it happens: the domain is of a network that the nameserver cannot reach, or does not serve.
How it is proved: the name with that domain got SERVFAIL, REFUSED, NOTIMP or FORMERR, another name got a proper
answer from the same resolution, and no address was found. It is likely where the walk ended in a name that
does not exist. Where an address was found in the end, a search domain for which nobody answered at all held the
name up: a warning.
What to do: take the domain out of the search list, or have the server answer for it.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsSearchDomainBroken, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsSearchDomainBroken;

impl Rule for DnsSearchDomainBroken {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        let decided = [ResolveOutcome::Found, ResolveOutcome::NoAddress];
        let decided = decided.contains(&resolution.outcome);
        // Where the name is found in the end, whoever is silent about another holds every lookup up.
        let mut broken = broken_search(resolution);
        let broken =
            broken.find(|tried| !decided || tried.rcode.is_none() && tried.elapsed >= FELT);
        let Some((tried, domain)) = broken.and_then(|tried| Some((tried, tried.search.as_ref()?)))
        else {
            return Answer::RuledOut("no search domain keeps the name undecided".to_owned());
        };
        let asked = tried.report.attempts.last().map(|attempt| attempt.server);
        let Some(server) = tried.server.or(asked) else { return Answer::NotApplicable };
        let said = match tried.rcode {
            Some(rcode) => format!("answers {rcode}"),
            None => "does not answer".to_owned(),
        };
        let (place, name, server) = (&scene.target.name, &resolution.name, server.ip());
        let what = match decided {
            true => format!("holds {name} up for {}", millis(tried.elapsed)),
            false => format!("leaves {name} undecided"),
        };
        let summary = format!(
            "{place}: the search domain {domain} {what}: {server} {said} for {}",
            tried.name
        );
        let all = || resolution.tried.iter().map(|tried| &tried.report);
        let exchanges = all().flat_map(|report| report.attempts.iter().map(move |a| (report, a)));
        let draft = about_server(scene, META.cause, server, summary)
            .confidence(match resolution.outcome {
                // The name as it was given does not exist; the one that was meant may.
                ResolveOutcome::NoSuchName => Confidence::Likely,
                _ => Confidence::Proved,
            })
            .all(exchanges.take(4).map(|(report, attempt)| exchange(scene, report, attempt)))
            .prose(format!("take {domain} out of the search list in resolv.conf"));
        if decided {
            let mut hit = draft.hit(SAID_LAST, 0);
            hit.finding.severity = Severity::Warning;
            return Answer::Confirmed(vec![hit]);
        }
        Answer::Confirmed(vec![said_first(draft)])
    }
}
