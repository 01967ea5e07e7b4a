use super::dns::{about_server, exchange, reports, resolver};
use super::{Answer, Rule, RuleMeta, SAID_FIRST};
use crate::doctor::scene::{Purpose, Scene};
use crate::doctor::{Cause, Severity};
use crate::inventory::Sections;
use crate::probe::DnsAttempt;

const DOCS: &str = "\
The first nameserver of resolv.conf does not answer, a later one does: every lookup works, after
the timeout of the first (five seconds unless set otherwise).

How it shows: everything that looks names up is slow by the same number of seconds.
How it is proved: queries to the first stay unanswered, the same query to the next is answered.
What to do: bring the first server back, or take it out of resolv.conf.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsFirstServerDead, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsFirstServerDead;

impl Rule for DnsFirstServerDead {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let servers = resolver(scene).map_or(&[][..], |r| &r.nameservers);
        let (Some(first), true) = (servers.first(), servers.len() > 1) else {
            return Answer::NotApplicable;
        };
        let all = reports(scene);
        let attempts =
            || all.iter().flat_map(|report| report.attempts.iter().map(move |a| (*report, a)));
        let is_first = |a: &DnsAttempt| a.server.ip() == first.addr;
        let tried = attempts().any(|(_, a)| is_first(a));
        let heard = attempts().any(|(_, a)| is_first(a) && a.answer().is_some());
        let next = attempts().find(|(_, a)| !is_first(a) && a.answer().is_some());
        let Some((_, next)) = next.filter(|_| tried && !heard) else {
            return match tried {
                true => Answer::RuledOut(format!("{} answers, or no other does", first.addr)),
                false => Answer::NotApplicable,
            };
        };
        let (place, server, other) = (&scene.target.name, first.addr, next.server.ip());
        let summary = format!(
            "{place}: the first nameserver {server} does not answer, so every lookup waits for {other}"
        );
        let steps = attempts().filter(|(_, a)| is_first(a) || a.server == next.server).take(4);
        let draft = about_server(scene, META.cause, server, summary)
            .all(steps.map(|(report, a)| exchange(scene, report, a)))
            .prose(format!("bring {server} back, or take it out of resolv.conf"));
        let flow =
            scene.flows.iter().position(|f| f.purpose == Purpose::Nameserver && f.dst == server);
        let mut hit = draft.hit(flow.unwrap_or(SAID_FIRST), 0);
        hit.overrides = true;
        hit.finding.severity = Severity::Warning;
        Answer::Confirmed(vec![hit])
    }
}
