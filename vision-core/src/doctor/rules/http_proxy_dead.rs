use super::dns::here;
use super::text::{Draft, evidence};
use super::tls::BEYOND;
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::ProxyRecord;
use crate::doctor::greeting::proxy;
use crate::doctor::scene::{Outcome, Scene};
use crate::doctor::{Cause, Confidence, Severity, SubjectKind, Unchecked};
use crate::inventory::Sections;
use crate::probe::TcpOutcome;

const DOCS: &str = "\
The proxy that a process is told to use takes no connections.

How it shows: all HTTP of the process fails, while direct connections work.
How it is proved: `http_proxy`, `https_proxy` or `all_proxy` in the environment of the process names
a host that does not exist, or that refuses connections; `no_proxy` does not exempt the destination.
Where nothing answers it is only likely. Asked for `http://` and `https://` only.
Why it happens: the proxy moved or is down, or the variable was inherited from elsewhere.
What to do: correct or unset the variable, add the destination to `no_proxy`, or start the proxy.";

static META: RuleMeta = RuleMeta { cause: Cause::HttpProxyDead, needs: Sections::NONE, docs: DOCS };

pub(super) struct HttpProxyDead;

impl Rule for HttpProxyDead {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(record) = proxy(scene) else { return Answer::NotApplicable };
        if !record.is_dead() {
            return Answer::RuledOut(format!("{} takes connections", record.host));
        }
        let mut outcomes = record.connects.iter().flat_map(|r| &r.attempts).map(|a| &a.outcome);
        let kept_here = |it: &TcpOutcome| matches!(it, TcpOutcome::LocalError { .. });
        if !record.connects.is_empty() && outcomes.clone().all(kept_here) {
            let why = format!("packets to the proxy {} do not leave this namespace", record.host);
            let what = META.cause.slug().to_owned();
            return Answer::CouldNotCheck(Unchecked { what, why, needs: None });
        }
        // Some programs heed the name in small letters only; and silence may be a filter's.
        let refused = |it: &TcpOutcome| matches!(it, TcpOutcome::Refused { icmp: None, .. });
        let confidence = match record.variable != "HTTP_PROXY" && outcomes.all(refused) {
            true => Confidence::Proved,
            false => Confidence::Likely,
        };
        let works =
            |(_, flow): &(usize, &crate::doctor::scene::Flow<'_>)| flow.outcome == Outcome::Works;
        let draft = finding(scene, record).confidence(confidence);
        let direct = scene.flows.iter().enumerate().find(works);
        let hit = match direct {
            Some((n, _)) => draft.hit(n, BEYOND),
            // The direct way has a cause of its own.
            None => {
                let mut hit = draft.hit(SAID_LAST, 0);
                hit.finding.severity = Severity::Warning;
                hit
            }
        };
        Answer::Confirmed(vec![hit])
    }
}

fn finding(scene: &Scene<'_>, record: &ProxyRecord) -> Draft {
    let ProxyRecord { variable, pid, host, port, .. } = record;
    let (place, here) = (&scene.target.name, here(scene));
    let summary = match record.connects.is_empty() {
        true => format!("{place}: {variable} names the proxy {host}, which has no address"),
        false => {
            format!(
                "{place}: {variable} names the proxy {host} port {port}, which takes no connections"
            )
        }
    };
    let kind = SubjectKind::Variable { name: variable.clone(), pid: *pid };
    let mut draft = Draft::new(META.cause, &here, kind, summary);
    draft = draft.evidence(evidence(
        &here,
        scene.case.at,
        match pid {
            Some(pid) => format!("environment of process {pid}"),
            None => "own environment".to_owned(),
        },
        format!("{variable} names {host} port {port}"),
    ));
    for report in &record.connects {
        for attempt in &report.attempts {
            let seen = match &attempt.outcome {
                TcpOutcome::Refused { .. } => "refused".to_owned(),
                TcpOutcome::Unreachable { icmp, .. } => icmp.text().to_owned(),
                TcpOutcome::LocalError { reason, .. } => {
                    format!("refused by this kernel: {reason}")
                }
                _ => "no answer".to_owned(),
            };
            let at = attempt.started_at.unwrap_or(scene.case.at);
            let asked = format!("TCP connect to {} port {}", report.to, attempt.port);
            draft = draft.evidence(evidence(&here, at, asked, seen));
        }
    }
    draft.prose(format!("correct or unset {variable}, or add the destination to no_proxy"))
}
