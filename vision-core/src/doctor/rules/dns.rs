//! What the rules about name resolution share.

use std::net::IpAddr;

use super::text::{Draft, evidence};
use super::{Answer, Hit, SAID_FIRST};
use crate::doctor::case::ProbeRecord;
use crate::doctor::scene::{Hop, Scene};
use crate::doctor::{Cause, Evidence, SubjectKind};
use crate::inventory::Resolver;
use crate::probe::{DnsAttempt, DnsOutcome, DnsReport, Resolution, ResolveOutcome, Tried};
use crate::wire::dns::Rcode;

/// The latest resolution of the name asked about.
pub(super) fn resolution<'a>(scene: &Scene<'a>) -> Option<&'a Resolution> {
    scene.target.probes().rev().find_map(|probe| match probe {
        ProbeRecord::Resolve(resolution) => Some(resolution),
        _ => None,
    })
}

/// Every exchange with a nameserver.
pub(super) fn reports<'a>(scene: &Scene<'a>) -> Vec<&'a DnsReport> {
    let of = |probe: &'a ProbeRecord| -> Vec<&'a DnsReport> {
        match probe {
            ProbeRecord::Dns(report) => vec![report],
            ProbeRecord::Resolve(r) => r.tried.iter().map(|tried| &tried.report).collect(),
            _ => Vec::new(),
        }
    };
    scene.target.probes().flat_map(of).collect()
}

/// The target's resolv.conf.
pub(super) fn resolver<'a>(scene: &Scene<'a>) -> Option<&'a Resolver> {
    scene.target.rounds.first()?.before.resolver.as_ref()
}

/// The target as a hop, for findings that are about no packet's way.
pub(super) fn here<'a>(scene: &Scene<'a>) -> Hop<'a> {
    let towards = std::net::Ipv4Addr::UNSPECIFIED.into();
    Hop { vantage: scene.target, towards, answer: None, at: scene.case.at }
}

/// A finding about a nameserver.
pub(super) fn about_server(
    scene: &Scene<'_>,
    cause: Cause,
    server: IpAddr,
    summary: String,
) -> Draft {
    Draft::new(cause, &here(scene), SubjectKind::Nameserver { server }, summary)
}

/// A finding that comes before every flow.
pub(super) fn said_first(draft: Draft) -> Hit {
    draft.hit(SAID_FIRST, 0)
}

/// One exchange as evidence.
pub(super) fn exchange(scene: &Scene<'_>, report: &DnsReport, attempt: &DnsAttempt) -> Evidence {
    let question = &report.question;
    let asked = format!("{} {} at {}", question.name, question.rtype, attempt.server.ip());
    let seen = match &attempt.outcome {
        DnsOutcome::Answer { message, rtt, .. } => {
            format!("{} after {:.1} ms", message.header.rcode, rtt.as_secs_f64() * 1e3)
        }
        DnsOutcome::TimedOut { .. } => match attempt.ignored.wrong_source {
            0 => "no answer".to_owned(),
            n => format!("no answer that could be believed; {n} from another address"),
        },
        DnsOutcome::PortClosed { .. } => "port closed".to_owned(),
        DnsOutcome::Unreachable { icmp, .. } => icmp.text().to_owned(),
        DnsOutcome::LocalError { reason } => format!("refused by this kernel: {reason}"),
        _ => "cut short".to_owned(),
    };
    evidence(&here(scene), attempt.sent_at, asked, seen)
}

/// The cause that a name was left undecided because a server answered with an error.
pub(super) fn answered_with(scene: &Scene<'_>, cause: Cause, rcode: Rcode) -> Answer {
    let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
    let settled = [ResolveOutcome::Found, ResolveOutcome::NoSuchName, ResolveOutcome::NoAddress];
    if settled.contains(&resolution.outcome) {
        return Answer::RuledOut("the name was decided on".to_owned());
    }
    let broken: Vec<_> = broken_search(resolution).collect();
    let rest = resolution.tried.iter().filter(|tried| !broken.iter().any(|b| b.name == tried.name));
    let attempts = rest.flat_map(|tried| {
        tried.report.attempts.iter().map(move |attempt| (&tried.report, attempt))
    });
    let guilty: Vec<_> = attempts
        .filter(|(_, a)| a.answer().is_some_and(|message| message.header.rcode == rcode))
        .collect();
    let Some((_, first)) = guilty.first() else {
        return Answer::RuledOut(format!("no server answered {rcode}"));
    };
    let (place, server, name) = (&scene.target.name, first.server.ip(), &resolution.name);
    let summary = format!("{place}: the nameserver {server} answers {rcode} for {name}");
    let draft = about_server(scene, cause, server, summary)
        .all(guilty.iter().take(4).map(|(report, a)| exchange(scene, report, a)))
        .prose(format!("ask another server: vision dns {name} @SERVER"));
    Answer::Confirmed(vec![said_first(draft)])
}

/// Names made with a search domain that were answered with an error or not at all, where the servers answer other
/// names properly.
pub(super) fn broken_search(resolution: &Resolution) -> impl Iterator<Item = &Tried> {
    let failed = |tried: &Tried| {
        let failures = [Rcode::ServFail, Rcode::Refused, Rcode::NotImp, Rcode::FormErr];
        let silent = |attempt: &DnsAttempt| matches!(attempt.outcome, DnsOutcome::TimedOut { .. });
        match tried.rcode {
            Some(rcode) => failures.contains(&rcode),
            None => !tried.report.attempts.is_empty() && tried.report.attempts.iter().all(silent),
        }
    };
    let proper = resolution.tried.iter().any(|tried| tried.rcode.is_some() && !failed(tried));
    let all = resolution.tried.iter().filter(move |_| proper);
    all.filter(move |tried| tried.search.is_some() && failed(tried))
}
