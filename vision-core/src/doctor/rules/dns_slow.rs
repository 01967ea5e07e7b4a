use std::time::Duration;

use super::dns::{about_server, exchange, reports};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Severity};
use crate::inventory::Sections;
use crate::probe::DnsOutcome;

const DOCS: &str = "\
A nameserver answers, but takes long.

How it shows: connections by name start late; by address they do not.
How it is proved: the time from the query to its answer, per query; half a second counts as slow.
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
