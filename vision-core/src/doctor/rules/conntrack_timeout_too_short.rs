use super::text::{Draft, evidence};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::case::Vantage;
use crate::doctor::forgetful::{TRIED, left_alone, short};
use crate::doctor::greeting::millis;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::stop::{hop_of, invalid, walls_of};
use crate::doctor::{Cause, Confidence, Evidence, Risk, Severity, SubjectKind, Unchecked};
use crate::inventory::Sections;
use crate::probe::{IdleOutcome, IdleReport};

const DOCS: &str = "\
Connection tracking forgets an established connection after a pause that programs make: what comes after it belongs
to no connection and is dropped.

How it shows: connections that are kept open, to a database or over SSH, hang or are reset when they are used again;
new ones work.
How it is proved: a connection was left alone for longer than the setting and no keepalive probe was answered any
more, and meanwhile the tracker counted packets that belong to no connection, or a rule there dropped some. Pauses of
up to 8 seconds are tried out; a longer setting of up to five minutes is a note.
What to do: raise net.netfilter.nf_conntrack_tcp_timeout_established (the kernel's own choice is 432000, five days),
or have the programs send keepalive probes more often than that.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ConntrackTimeoutTooShort, needs: Sections::SYSCTLS, docs: DOCS };

const SETTING: &str = "net.netfilter.nf_conntrack_tcp_timeout_established";

/// Keepalive probes of a connection that was left alone.
const ASKED: u64 = 2;

pub(super) struct ConntrackTimeoutTooShort;

impl Rule for ConntrackTimeoutTooShort {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut fine, mut open) = (Vec::new(), None, None);
        for (n, flow) in scene.flows.iter().enumerate() {
            let Purpose::Destination(service) = flow.purpose else { continue };
            if flow.outcome != Outcome::Works || service.tcp_port().is_none() {
                continue;
            }
            let record = left_alone(scene.target, flow.dst);
            match record.map(|record| (&record.outcome, record)) {
                Some((IdleOutcome::Lost { .. }, report)) => {
                    hits.extend(lost(scene, flow, report).map(|draft| draft.hit(n, 0)));
                }
                Some((IdleOutcome::Alive, report)) => fine = Some(report.idle),
                Some((IdleOutcome::Closed { after }, _)) => {
                    open = Some(format!(
                        "{} ended an idle connection after {}",
                        flow.dst,
                        millis(*after)
                    ));
                }
                Some(_) => {
                    open = Some("the connection to be left alone did not come about".to_owned())
                }
                None => hits.extend(untried(scene, flow).map(|draft| draft.hit(SAID_LAST, 0))),
            }
        }
        Answer::from_hits(hits, || match (fine, open) {
            (Some(idle), _) => {
                Answer::RuledOut(format!("a connection idle for {} s went on", idle.as_secs()))
            }
            (None, Some(why)) => {
                let what = META.cause.slug().to_owned();
                Answer::CouldNotCheck(Unchecked { what, why, needs: None })
            }
            (None, None) => Answer::NotApplicable,
        })
    }
}

/// The namespaces of the way that forget a connection within a pause, those where packets ended first.
fn forgetful<'a>(scene: &Scene<'a>) -> Option<(&'a Vantage, u64)> {
    let all = scene.case.vantages.iter().filter_map(|v| Some((short(v)?, v)));
    let (_, place) =
        all.max_by_key(|(timeout, v)| (reaction(v).is_some(), std::cmp::Reverse(*timeout)))?;
    Some((place, short(place)?.as_secs()))
}

/// What shows that packets of no connection ended there.
fn reaction(place: &Vantage) -> Option<(String, String)> {
    let walls = walls_of(place)?;
    let strays = invalid(walls);
    if strays >= ASKED {
        return Some(("connection tracking: invalid".to_owned(), format!("moved by {strays}")));
    }
    let mut rules =
        walls.met.iter().filter(|rule| ["drop", "reject"].contains(&rule.outcome.as_str()));
    rules.find_map(|rule| {
        let moved = rule.moved().filter(|moved| *moved >= ASKED)?;
        Some((rule.text.clone(), format!("moved by {moved}")))
    })
}

fn draft(flow: &Flow<'_>, summary: String, place: &Vantage) -> Draft {
    let hop = hop_of(flow, place);
    let port = match flow.purpose {
        Purpose::Destination(service) => service.tcp_port().unwrap_or_default(),
        _ => 0,
    };
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: flow.dst, port };
    let setting = short(place).map_or_else(String::new, |timeout| timeout.as_secs().to_string());
    let at = place.state().map_or(flow.at, |state| state.at);
    let seen = Evidence { asked: SETTING.to_owned(), place: place.name.clone(), seen: setting, at };
    Draft::new(META.cause, &hop, kind, summary).evidence(seen)
}

fn lost(scene: &Scene<'_>, flow: &Flow<'_>, report: &IdleReport) -> Option<Draft> {
    let (place, seconds) = forgetful(scene).filter(|(_, s)| *s <= report.idle.as_secs())?;
    let (name, dst, target) = (&place.name, flow.dst, flow.hops.first()?);
    let summary = format!(
        "{name}: connection tracking forgets a connection to {dst} after {seconds} s without a packet: it is dead then"
    );
    let IdleOutcome::Lost { reason, .. } = &report.outcome else { return None };
    let asked =
        format!("keepalive probes to {} after {} s of silence", report.to, report.idle.as_secs());
    let symptom = evidence(target, report.started_at.unwrap_or(flow.at), asked, reason.to_string());
    let reaction = reaction(place);
    let confidence = if reaction.is_some() { Confidence::Proved } else { Confidence::Likely };
    let mut draft = draft(flow, summary, place).confidence(confidence);
    draft.finding.evidence.insert(0, symptom);
    draft.finding.severity = Severity::Warning;
    let hop = hop_of(flow, place);
    let seen = reaction.map(|(asked, seen)| evidence(&hop, flow.at, asked, seen));
    Some(draft.all(seen).command(format!("sysctl -w {SETTING}=432000"), Risk::Safe))
}

/// The setting is short, and too long to be tried out.
fn untried(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Draft> {
    let (place, seconds) = forgetful(scene).filter(|(_, s)| *s > TRIED.as_secs())?;
    let name = &place.name;
    let summary = format!(
        "{name}: connection tracking forgets connections after {seconds} s without a packet; it was not tried out"
    );
    let mut draft = draft(flow, summary, place).confidence(Confidence::Likely);
    draft.finding.severity = Severity::Note;
    Some(draft.command(format!("sysctl -w {SETTING}=432000"), Risk::Safe))
}
