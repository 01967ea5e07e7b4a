use std::time::Duration;

use super::dns::{about_server, exchange, reports, resolution};
use super::{Answer, Hit, Rule, RuleMeta, SAID_LAST};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Severity};
use crate::inventory::Sections;
use crate::probe::{DnsAttempt, DnsOutcome, Resolution, ResolveOutcome, Tried};

const DOCS: &str = "\
A nameserver answers, but takes long.

How it shows: connections by name start late; by address they do not.
How it is proved: the time from the query to its answer, per query; half a second counts as slow. Where a name is
found by one kind of address, a question for the other kind that nobody answers is as slow.
Why it happens: the server is overloaded, or its own upstream is slow for this name.
What to do: compare with another server (`vision dns NAME @SERVER`), look at the server's load.";

static META: RuleMeta = RuleMeta { cause: Cause::DnsSlow, needs: Sections::LINKS, docs: DOCS };

/// An answer from a cache takes milliseconds, one from far away a tenth of a second.
const SLOW: Duration = Duration::from_millis(500);

pub(super) struct DnsSlow;

impl Rule for DnsSlow {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let all = reports(scene);
        let attempts =
            || all.iter().flat_map(|report| report.attempts.iter().map(move |a| (*report, a)));
        let took = |outcome: &DnsOutcome| match outcome {
            DnsOutcome::Answer { rtt, .. } => Some(*rtt),
            _ => None,
        };
        let slow: Vec<_> =
            attempts().filter(|(_, a)| took(&a.outcome).is_some_and(|rtt| rtt >= SLOW)).collect();
        let Some((_, worst)) = slow.first() else {
            if let Some(hit) = resolution(scene).and_then(|found| half_silent(scene, found)) {
                return Answer::Confirmed(vec![hit]);
            }
            return match attempts().any(|(_, a)| took(&a.outcome).is_some()) {
                true => Answer::RuledOut("every answer came within half a second".to_owned()),
                false => Answer::NotApplicable,
            };
        };
        let (place, server) = (&scene.target.name, worst.server.ip());
        let millis = took(&worst.outcome).unwrap_or_default().as_millis();
        let summary = format!("{place}: the nameserver {server} takes {millis} ms to answer");
        let mut hit = about_server(scene, META.cause, server, summary)
            .all(slow.iter().take(4).map(|(report, a)| exchange(scene, report, a)))
            .prose(format!("look at the load and the upstream of {server}, or ask another server"))
            .hit(SAID_LAST, 0);
        hit.finding.severity = Severity::Warning;
        Answer::Confirmed(vec![hit])
    }
}

/// A name was found by one kind of address, and the question for the other kind was never answered: programs that
/// ask for both wait for that one as long as for a dead server (resolv.conf(5), `timeout` and `attempts`).
fn half_silent(scene: &Scene<'_>, resolution: &Resolution) -> Option<Hit> {
    if resolution.outcome != ResolveOutcome::Found {
        return None;
    }
    let silent = |attempt: &DnsAttempt| matches!(attempt.outcome, DnsOutcome::TimedOut { .. });
    let tried = resolution.tried.iter().find(|tried| {
        let attempts = &tried.report.attempts;
        tried.rcode.is_none() && !attempts.is_empty() && attempts.iter().all(silent)
    })?;
    let last = tried.report.attempts.last()?;
    let answered = |it: &&Tried| it.name == tried.name && it.server == Some(last.server);
    let other = resolution.tried.iter().find(answered)?;
    let (place, server) = (&scene.target.name, last.server.ip());
    let summary = format!(
        "{place}: the nameserver {server} does not answer for {} {}, and at once for {}: lookups of both wait in vain",
        tried.name, tried.rtype, other.rtype
    );
    let mut hit = about_server(scene, Cause::DnsSlow, server, summary)
        .all(tried.report.attempts.iter().take(2).map(|a| exchange(scene, &tried.report, a)))
        .all(other.report.attempts.last().map(|a| exchange(scene, &other.report, a)))
        .prose(format!(
            "see why {server} stays silent for {} records, and what filters on the way",
            tried.rtype
        ))
        .hit(SAID_LAST, 0);
    hit.finding.severity = Severity::Warning;
    Some(hit)
}
