use super::dns::{about_server, exchange, resolution, said_first};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::Sections;
use crate::probe::{DnsAttempt, DnsCause, DnsReport, ResolveOutcome};

const DOCS: &str = "\
The nameserver's answer does not fit a datagram, and the connection that the rest is fetched by is not answered.

How it shows: most names resolve; those with long answers hang, for a minute or two with glibc, and fail.
Why it happens: a filter lets only UDP port 53 pass, or the server does not listen for TCP.
How it is proved: the answer over UDP says that it was cut, and the same question over TCP to the same server
was refused or stayed without an answer.
What to do: let TCP port 53 pass to the nameserver, or have it listen there.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsTcpBlocked, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsTcpBlocked;

impl Rule for DnsTcpBlocked {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        let decided = [ResolveOutcome::Found, ResolveOutcome::NoSuchName];
        let mut blocked = resolution.tried.iter().filter_map(|tried| unfetched(&tried.report));
        let Some((report, cut, lost)) =
            blocked.next().filter(|_| !decided.contains(&resolution.outcome))
        else {
            return Answer::RuledOut("no answer was cut and could not be had whole".to_owned());
        };
        let (place, server) = (&scene.target.name, cut.server.ip());
        let summary = format!(
            "{place}: the answer of {server} for {} needs TCP, and TCP port 53 is not answered",
            resolution.name
        );
        let draft = about_server(scene, META.cause, server, summary)
            .all([cut, lost].map(|attempt| {
                let mut seen = exchange(scene, report, attempt);
                let over = if attempt.cause == DnsCause::Truncated { "TCP" } else { "UDP" };
                seen.asked = format!("{} over {over}", seen.asked);
                if over == "UDP" {
                    seen.seen.push_str(", cut to fit a datagram");
                }
                seen
            }))
            .prose(format!("let TCP port 53 pass to {server}, or have it listen there"));
        Answer::Confirmed(vec![said_first(draft)])
    }
}

/// An answer that was cut, and the attempt to have it whole that failed.
fn unfetched(report: &DnsReport) -> Option<(&DnsReport, &DnsAttempt, &DnsAttempt)> {
    let lost = report
        .attempts
        .iter()
        .find(|attempt| attempt.cause == DnsCause::Truncated && attempt.answer().is_none())?;
    let is_cut = |attempt: &&DnsAttempt| {
        attempt.server == lost.server && attempt.answer().is_some_and(|m| m.header.flags.tc)
    };
    Some((report, report.attempts.iter().find(is_cut)?, lost))
}
