use super::dns::{about_server, exchange, resolution, said_first};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::ResolveOutcome;
use crate::wire::dns::Rcode;

const DOCS: &str = "\
The nameserver answered SERVFAIL: it tried and failed to find out.

How it shows: lookups fail, often after a while; other names may work.
Why it happens: the server's own upstream is unreachable, a zone's servers are lame, or validation
with DNSSEC failed.
What to do: ask the server's operator, or try another server: `vision dns NAME @SERVER`.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsServfail, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsServfail;

impl Rule for DnsServfail {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        let settled =
            [ResolveOutcome::Found, ResolveOutcome::NoSuchName, ResolveOutcome::NoAddress];
        if settled.contains(&resolution.outcome) {
            return Answer::RuledOut("the name was decided on".to_owned());
        }
        let attempts = resolution
            .tried
            .iter()
            .flat_map(|tried| tried.report.attempts.iter().map(move |attempt| (tried, attempt)));
        let said = |a: &crate::probe::DnsAttempt| {
            a.answer().is_some_and(|message| message.header.rcode == Rcode::ServFail)
        };
        let guilty: Vec<_> = attempts.filter(|(_, attempt)| said(attempt)).collect();
        let Some((_, first)) = guilty.first() else {
            return Answer::RuledOut("no server answered SERVFAIL".to_owned());
        };
        let (place, server) = (&scene.target.name, first.server.ip());
        let summary =
            format!("{place}: the nameserver {server} answers SERVFAIL for {}", resolution.name);
        let steps = guilty.iter().take(4).map(|(tried, a)| exchange(scene, &tried.report, a));
        let draft = about_server(scene, META.cause, server, summary)
            .all(steps)
            .prose(format!("ask another server: vision dns {} @SERVER", resolution.name));
        Answer::Confirmed(vec![said_first(draft)])
    }
}
