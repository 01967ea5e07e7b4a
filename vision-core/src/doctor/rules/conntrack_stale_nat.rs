use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit, Rule, RuleMeta, SAID_LAST};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::stop::{hop_of, met, walls_of};
use crate::doctor::{Cause, Confidence, Risk, Service, Severity, SubjectKind};
use crate::inventory::{CtEntry, Sections};

const DOCS: &str = "\
A UDP client keeps sending to a backend of the past: the entry of its connection was made when the
service led elsewhere, and every packet renews it.

How it shows: one client gets no answers, while the same question from a new source port is answered.
How it is proved: an entry from a socket that the target has open is unanswered and leads to an
address or port that no rule for the service leads to any more.
What to do: delete the entry; the client's next packet follows today's rules.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ConntrackStaleNat, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct ConntrackStaleNat;

impl Rule for ConntrackStaleNat {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut translated) = (Vec::new(), false);
        for flow in scene.destinations() {
            let Purpose::Destination(Service::Udp(_)) = flow.purpose else { continue };
            if !matches!(flow.outcome, Outcome::Works | Outcome::Silent) {
                continue;
            }
            for (position, vantage) in scene.case.vantages.iter().enumerate() {
                let Some(walls) = walls_of(vantage) else { continue };
                translated |= met(walls, flow).any(|rule| !rule.to.is_empty());
                let outdated = walls.tracking.iter().flat_map(|t| &t.outdated);
                let own = outdated.filter(|e| {
                    e.original.dst == flow.dst
                        && is_open(scene, e)
                        && (e.is_unreplied() || is_gone(flow, vantage, e))
                });
                if let Some(entry) = own.min_by_key(|entry| entry.id) {
                    hits.extend(finding(flow, position, vantage, entry));
                    break;
                }
            }
        }
        Answer::from_hits(hits, || match translated {
            true => Answer::RuledOut("no open socket is held to a backend of the past".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// Tells whether the target has a socket open that sends by the entry.
fn is_open(scene: &Scene<'_>, entry: &CtEntry) -> bool {
    let senders = scene.target.traffic().map_or(&[][..], |traffic| &traffic.senders);
    let (there, own) = (&entry.original, scene.target.owns(entry.original.src));
    own && senders.iter().any(|sock| {
        let remote = sock.remote.to_canonical();
        Some(sock.local_port) == there.src_port && (remote == there.dst || remote.is_unspecified())
    })
}

/// Tells whether the backend that once answered was asked for on its link, and nobody did.
fn is_gone(flow: &Flow<'_>, vantage: &Vantage, entry: &CtEntry) -> bool {
    let hop = Hop::new(vantage, entry.reply.src, flow.at);
    let asked = hop.solicited().filter(|_| !hop.via_gateway());
    asked.is_some_and(|report| report.answers.is_empty() && report.requests.len() > 1)
}

fn finding(flow: &Flow<'_>, position: usize, vantage: &Vantage, entry: &CtEntry) -> Option<Hit> {
    let hop = hop_of(flow, vantage);
    let rule = met(walls_of(vantage)?, flow).find(|rule| !rule.to.is_empty())?;
    let (from, to) = (entry.original.src, entry.original.dst);
    let (sport, dport) = (entry.original.src_port?, entry.original.dst_port?);
    let port = entry.reply.src_port.map_or_else(String::new, |port| format!(" port {port}"));
    let old = format!("{}{port}", entry.reply.src);
    let summary = format!(
        "{}: UDP from {from} port {sport} to {to} port {dport} still goes to {old}, where no rule leads any more",
        vantage.name
    );
    let kind = SubjectKind::Socket { protocol: "udp".to_owned(), address: to, port: dport };
    let place = |asked: String, seen: String| evidence(&hop, flow.at, asked, seen);
    let mut draft = Draft::new(META.cause, &hop, kind, summary)
        .evidence(symptom(flow, flow.hops.first()?))
        .evidence(place(
            format!("connection table, from port {sport}"),
            match entry.is_unreplied() {
                true => format!("leads to {old}, unanswered"),
                false => format!("leads to {old}, which answers no ARP or ND any more"),
            },
        ))
        .evidence(place(super::filtered::named(rule), rule.text.clone()));
    // That a new port is answered shows that the service itself is well.
    if flow.outcome != Outcome::Works {
        draft = draft.confidence(Confidence::Likely);
    }
    let command = format!("conntrack -D -p udp -s {from} --sport {sport} -d {to} --dport {dport}");
    let mut hit = draft.command(command, Risk::Safe).hit(SAID_LAST, position);
    hit.finding.severity = Severity::Warning;
    Some(hit)
}
