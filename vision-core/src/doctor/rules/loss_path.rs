use std::net::IpAddr;

use super::filtered;
use super::latency_queue::{congested, queues};
use super::route_multipath_dead_hop::is_split;
use super::serving::dead_share;
use super::text::{Draft, evidence, link_subject, shown, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::case::FullSizeRecord;
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::stop::{StopKind, is_lossy, stops};
use crate::doctor::train::{FEW, Tally, TrainRecord};
use crate::doctor::{Cause, Confidence, Evidence, ProbeRecord, Severity, SubjectKind, Unchecked};
use crate::inventory::{Link, Sections};
use crate::probe::PingReport;

const DOCS: &str = "\
A share of the packets is lost on the way, and the others pass.

How it shows: some connects take one or three seconds, transfers are slow, names resolve at the second try.
How it is told: of paced echo requests some are never answered, and of connects to the port asked about as
well: hosts that limit their answers to echo requests are not taken for it.
How it is proved: a rule, a queue or a link on the way counted packets that it dropped meanwhile. Where none is
in sight it is `likely`, and the routers that answer all of theirs are named as the part of the way that is well.
What to do: look at the part of the way that is named: its cables, its load, its filters.";

static META: RuleMeta = RuleMeta { cause: Cause::LossPath, needs: Sections::LINKS, docs: DOCS };

/// After all that is somewhere in particular.
pub(super) const LAST: usize = usize::MAX - 1;

pub(super) struct LossPath;

impl Rule for LossPath {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = match filtered::check(scene, META.cause, StopKind::Share) {
            Answer::Confirmed(hits) => hits,
            _ => Vec::new(),
        };
        for hit in &mut hits {
            let flow = &scene.flows[hit.flow];
            let train = scene.target.train(flow.dst).filter(|_| is_lossy(scene, flow));
            let lost = train.map(|train| counted(&flow.hops[0], flow, train));
            hit.finding.evidence.splice(1..1, lost.into_iter().flatten());
        }
        let mut passed = None;
        for (n, flow) in scene.flows.iter().enumerate() {
            let Some(train) = scene.target.train(flow.dst) else { continue };
            let lossy = train.is_lossy() || is_full(scene, flow);
            if !lossy || !matches!(flow.purpose, Purpose::Destination(_)) {
                passed = Some(train);
            } else if is_split(flow) || dead_share(scene, flow) {
                passed = None;
            } else if stops(scene, flow).is_empty() && congested(scene, flow).is_none() {
                hits.push(measured(scene, n, flow, train));
            }
        }
        Answer::from_hits(hits, || match passed {
            Some(train) => passes(train),
            None => Answer::NotApplicable,
        })
    }
}

/// Tells whether a queue on the way drops packets and no full-size one passed: it has room for small ones alone.
pub(super) fn is_full(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let swallowed = scene.target.full_size(flow.dst).is_some_and(FullSizeRecord::is_swallowed);
    let train = scene.target.train(flow.dst).filter(|_| swallowed);
    train.is_some_and(|train| by_queue(flow, lost(train)).is_some())
}

/// Packets of a train that were lost.
fn lost(train: &TrainRecord) -> usize {
    train.echo_tally().lost + train.connect_tally().lost
}

/// What a train says that does not show any loss of the network's.
fn passes(train: &TrainRecord) -> Answer {
    let (echoes, connects) = (train.echo_tally(), train.connect_tally());
    let unknown = |why: String| {
        Answer::CouldNotCheck(Unchecked { what: META.cause.slug().to_owned(), why, needs: None })
    };
    match (echoes.sent, echoes.answered, connects.answered) {
        // Why is said where it was tried.
        (0, _, 0) => Answer::NotApplicable,
        (_, 0, 0) => unknown("echo requests are not answered".to_owned()),
        (_, _, 0) if echoes.lost >= FEW => unknown(format!(
            "of paced echo requests {}: by the network, or by a limit",
            echoes.text()
        )),
        (_, _, 0) => Answer::RuledOut(format!("of paced echo requests {}", echoes.text())),
        _ => Answer::RuledOut(format!(
            "of paced connects {}, of echo requests {}",
            connects.text(),
            echoes.text()
        )),
    }
}

fn measured(scene: &Scene<'_>, n: usize, flow: &Flow<'_>, train: &TrainRecord) -> Hit {
    let total = lost(train);
    let (at, draft) = by_queue(flow, total)
        .or_else(|| by_link(flow, total))
        .unwrap_or_else(|| (LAST, by_routers(scene, flow, train)));
    let target = &flow.hops[0];
    let mut draft = draft.evidence(symptom(flow, target)).all(counted(target, flow, train));
    if flow.outcome == Outcome::Works {
        draft.finding.severity = Severity::Warning;
    }
    let mut hit = draft.hit(n, at);
    // What is lost by the share says more than what was asked in vain once.
    hit.overrides = flow.outcome != Outcome::Works;
    hit
}

/// What of the train was lost.
fn counted(target: &Hop<'_>, flow: &Flow<'_>, train: &TrainRecord) -> Vec<Evidence> {
    let of = |what: &str, tally: Tally| {
        let asked = format!("paced {what} to {}", flow.dst);
        (tally.sent > 0).then(|| evidence(target, flow.at, asked, tally.text()))
    };
    let all = [of("echo requests", train.echo_tally()), of("connects", train.connect_tally())];
    all.into_iter().flatten().collect()
}

/// Tells whether a counter moved by enough to explain what was lost; half of it may have been lost in another round.
fn explains(moved: impl Into<u64>, total: usize) -> bool {
    usize::try_from(moved.into()).is_ok_and(|moved| moved >= FEW && 2 * moved >= total)
}

/// A queue on the way that dropped about as many packets as were lost.
fn by_queue(flow: &Flow<'_>, total: usize) -> Option<(usize, Draft)> {
    let (at, hop, link, record) =
        queues(flow).find(|(.., record)| explains(record.drops(), total))?;
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let summary = format!(
        "{place}: the queue of {name} drops a share of the packets of the way to {}",
        flow.dst
    );
    let asked = format!("queue of {name} ({}): drops", record.after.kind);
    let seen = format!("moved by {}", record.drops());
    let draft = Draft::new(META.cause, hop, link_subject(link), summary);
    let draft = draft.evidence(evidence(hop, flow.at, asked, seen));
    Some((at, draft.prose(format!("raise the rate of {name}, or send less through it"))))
}

/// A link on the way that counted about as many packets as were lost.
fn by_link(flow: &Flow<'_>, total: usize) -> Option<(usize, Draft)> {
    let hops = flow.hops.iter().chain(&flow.back).enumerate();
    let links = hops.filter_map(|(at, hop)| Some((at, hop, hop.egress()?)));
    let (at, hop, link, counter, by) = links
        .filter_map(|(at, hop, link)| {
            let (counter, by) = drops(hop, link)?;
            Some((at, hop, link, counter, by))
        })
        .find(|(.., by)| explains(*by, total))?;
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let summary =
        format!("{place}: {name} loses a share of the packets of the way to {}", flow.dst);
    let draft = Draft::new(META.cause, hop, link_subject(link), summary);
    let asked = format!("{counter} of {name}");
    let draft = draft.evidence(evidence(hop, flow.at, asked, format!("moved by {by}")));
    Some((at, draft.prose(format!("look at {name}: `vision link {name} --nic-stats`"))))
}

/// The counter of lost packets of a link that moved most.
fn drops(hop: &Hop<'_>, link: &Link) -> Option<(&'static str, u64)> {
    let after = hop.vantage.rounds.last()?.after.as_ref()?.links.as_ref()?;
    let after = after.items.iter().find(|it| it.ifindex == link.ifindex)?.stats.as_ref()?;
    let before = link.stats.as_ref()?;
    let moved = [
        ("rx_errors", after.rx_errors.saturating_sub(before.rx_errors)),
        ("rx_dropped", after.rx_dropped.saturating_sub(before.rx_dropped)),
        ("tx_errors", after.tx_errors.saturating_sub(before.tx_errors)),
        ("tx_dropped", after.tx_dropped.saturating_sub(before.tx_dropped)),
    ];
    moved.into_iter().filter(|(_, by)| *by > 0).max_by_key(|(_, by)| *by)
}

/// An address, with the name of who has it where that is in sight.
pub(super) fn called(scene: &Scene<'_>, addr: IpAddr) -> String {
    match scene.owner(addr) {
        Some(owner) => format!("{} ({addr})", owner.name),
        None => addr.to_string(),
    }
}

/// What the routers on the way answered, in the round in which they were asked.
pub(super) fn routers<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> &'a [PingReport] {
    let asked = scene.target.probes().find_map(|probe| match probe {
        ProbeRecord::Train(it) if it.to == flow.dst && !it.routers.is_empty() => Some(&it.routers),
        _ => None,
    });
    asked.map_or(&[], Vec::as_slice)
}

/// Of the routers on the way, the last that answers all and the first that does not.
fn by_routers(scene: &Scene<'_>, flow: &Flow<'_>, train: &TrainRecord) -> Draft {
    let target = &flow.hops[0];
    let loses = |tally: Tally| tally.lost > 1;
    let routers = routers(scene, flow);
    let well = routers.iter().take_while(|report| !loses(Tally::of_echoes(report))).count();
    let called = |addr| called(scene, addr);
    let from = match well.checked_sub(1).and_then(|at| routers.get(at)) {
        Some(report) => called(report.to),
        None => target.vantage.name.clone(),
    };
    let to = called(routers.get(well).map_or(flow.dst, |report| report.to));
    let share = match train.connect_tally() {
        tally if tally.answered > 0 => format!("of connects {}", tally.text()),
        _ => format!("of echo requests {}", train.echo_tally().text()),
    };
    let summary = format!("packets to {} are lost between {from} and {to}: {share}", flow.dst);
    let kind = SubjectKind::Route { destination: flow.dst, route: None };
    let mut draft = Draft::new(META.cause, target, kind, summary).confidence(Confidence::Likely);
    draft.finding.subject.netns = None;
    draft.finding.subject.place = format!("between {from} and {to}");
    draft = draft.all(routers.iter().map(|report| {
        let asked = format!("paced echo requests to router {}", report.to);
        evidence(target, flow.at, asked, Tally::of_echoes(report).text())
    }));
    draft
        .prose(format!("look at the way between {from} and {to}: its links, its load, its filters"))
}
