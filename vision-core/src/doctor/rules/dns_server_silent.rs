use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::ProbeRecord;
use crate::doctor::flows::of_ping;
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::{Cause, Evidence, SubjectKind, Unchecked};
use crate::inventory::Sections;
use crate::probe::TcpOutcome;

const DOCS: &str = "\
A nameserver from resolv.conf does not answer, although its host is there.

How it shows: every lookup takes the whole timeout times the attempts, then fails.
How it is proved: queries leave, nothing comes back, and the server's host answers something else:
an echo request, a TCP connect to port 53 (open or refused), or neighbour solicitation on the link.
How it is told from its neighbours: a closed port answers with ICMP; a dead host or a broken way
there shows in the routes and neighbours first.
What to do: see whether the server runs and listens on that address, and whether a filter drops
UDP port 53.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsServerSilent, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsServerSilent;

impl Rule for DnsServerSilent {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let servers =
            || scene.flows.iter().enumerate().filter(|(_, f)| f.purpose == Purpose::Nameserver);
        let mut hits = Vec::new();
        let mut unknown = None;
        for (n, flow) in servers().filter(|(_, f)| f.outcome == Outcome::Silent) {
            let Some(hop) = flow.hops.first() else {
                continue;
            };
            match sign_of_life(hop, flow) {
                Some(alive) => hits.push(finding(flow, hop, alive).hit(n, flow.hops.len())),
                None => unknown = Some(flow.dst),
            }
        }
        let answered = servers().find(|(_, f)| f.outcome == Outcome::Works).map(|(_, f)| f.dst);
        Answer::from_hits(hits, || match (unknown, answered) {
            (Some(server), _) => Answer::CouldNotCheck(Unchecked {
                what: META.cause.slug().to_owned(),
                why: format!(
                    "{server} answers nothing at all, so its host may be dead or filtered"
                ),
                needs: None,
            }),
            (None, Some(server)) => Answer::RuledOut(format!("{server} answers")),
            (None, None) => Answer::NotApplicable,
        })
    }
}

/// Anything the server's host answered, other than DNS.
fn sign_of_life(hop: &Hop<'_>, flow: &Flow<'_>) -> Option<Evidence> {
    let told = hop.vantage.probes().find_map(|probe| match probe {
        ProbeRecord::Ping(report) if report.to == flow.dst => (of_ping(report) == Outcome::Works)
            .then(|| (format!("echo request to {}", flow.dst), "answered".to_owned())),
        ProbeRecord::Tcp(report) if report.to == flow.dst => report.attempts.iter().find_map(|a| {
            let seen = match a.outcome {
                TcpOutcome::Open { .. } => "open",
                TcpOutcome::Refused { .. } => "refused",
                _ => return None,
            };
            Some((format!("TCP connect to {} port {}", flow.dst, a.port), seen.to_owned()))
        }),
        ProbeRecord::Neigh(report) if report.to == flow.dst => {
            report.holders().first().map(|mac| {
                (super::text::solicitation(flow.dst).to_owned(), format!("answered from {mac}"))
            })
        }
        _ => None,
    });
    told.map(|(asked, seen)| evidence(hop, flow.at, asked, seen))
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, alive: Evidence) -> Draft {
    let server = flow.dst;
    let summary = format!(
        "{}: the nameserver {server} does not answer, though its host is there",
        hop.vantage.name
    );
    Draft::new(META.cause, hop, SubjectKind::Nameserver { server }, summary)
        .evidence(symptom(flow, hop))
        .evidence(alive)
        .prose(format!(
            "see whether a DNS server runs on {server} and whether UDP port 53 is filtered"
        ))
}
