use super::dns::here;
use super::text::{Draft, evidence};
use super::tls::BEYOND;
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::case::ProxyRecord;
use crate::doctor::greeting::proxy;
use crate::doctor::scene::{Outcome, Scene};
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::Sections;
use crate::probe::TcpOutcome;

const DOCS: &str = "\
The proxy that a process is told to use takes no connections.

How it shows: all HTTP of the process fails, while direct connections work.
How it is proved: `http_proxy`, `https_proxy` or `all_proxy` in the environment of the process names
a host that no address is known of, or that takes no connection; `no_proxy` does not exempt the
destination. Asked for `http://` and `https://` only.
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
        let works =
            |(_, flow): &(usize, &crate::doctor::scene::Flow<'_>)| flow.outcome == Outcome::Works;
        let draft = finding(scene, record);
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
