use super::dns::{about_server, exchange, resolution, said_first};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::ResolveOutcome;
use crate::wire::dns::Rcode;

const DOCS: &str = "\
The nameserver answered REFUSED: it does not serve this client or this name.

How it shows: lookups fail at once.
Why it happens: an authoritative server was configured as a resolver, or its access list does not
contain this client's address.
What to do: name a resolver in resolv.conf that serves this network, or extend its access list.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsRefused, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsRefused;

impl Rule for DnsRefused {
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
            a.answer().is_some_and(|message| message.header.rcode == Rcode::Refused)
        };
        let guilty: Vec<_> = attempts.filter(|(_, attempt)| said(attempt)).collect();
        let Some((_, first)) = guilty.first() else {
            return Answer::RuledOut("no server answered REFUSED".to_owned());
        };
        let (place, server) = (&scene.target.name, first.server.ip());
        let summary =
            format!("{place}: the nameserver {server} answers REFUSED for {}", resolution.name);
        let steps = guilty.iter().take(4).map(|(tried, a)| exchange(scene, &tried.report, a));
        let draft = about_server(scene, META.cause, server, summary)
            .all(steps)
            .prose(format!("ask another server: vision dns {} @SERVER", resolution.name));
        Answer::Confirmed(vec![said_first(draft)])
    }
}
