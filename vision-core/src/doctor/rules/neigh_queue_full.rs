use super::text::{Draft, evidence, shown};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, ProbeRecord, Risk, Severity, SubjectKind, UnresolvedRecord};
use crate::inventory::Sections;

const DOCS: &str = "\
Only so much may wait for a neighbour's address, and it is too little: of what is sent before the neighbour has
answered, the oldest packets are dropped.

How it shows: the first packets to a host are lost, or the first large datagram; all later ones pass. The kernel's
drop reason is NEIGH_QUEUEFULL.
How it is proved: while the neighbour's address was not known, an echo request in more pieces than may wait was
lost, and one like it was answered a second later. Where the address was known before, nothing can be told.
What to do: raise net.ipv4.neigh.LINK.unres_qlen_bytes (net.ipv6 for IPv6) to the kernel's own choice of 212992.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighQueueFull, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighQueueFull;

impl Rule for NeighQueueFull {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut passed) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate() {
            match record(scene, flow) {
                Some(record) if record.lost_the_first() => {
                    hits.extend(finding(flow, record).map(|draft| draft.hit(n, 0)));
                }
                Some(record) => passed = Some(record.pieces),
                None => {}
            }
        }
        Answer::from_hits(hits, || match passed {
            Some(pieces) => Answer::RuledOut(format!(
                "{pieces} pieces that had to wait were not the cause of a loss"
            )),
            None => Answer::NotApplicable,
        })
    }
}

fn record<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> Option<&'a UnresolvedRecord> {
    scene.target.probes().rev().find_map(|probe| match probe {
        ProbeRecord::Unresolved(record) if record.to == flow.dst => Some(record),
        _ => None,
    })
}

fn finding(flow: &Flow<'_>, record: &UnresolvedRecord) -> Option<Draft> {
    let hop = flow.hops.first()?;
    let UnresolvedRecord { to, neighbour, queue, pieces, .. } = record;
    let (place, link) = (&hop.vantage.name, hop.vantage.link(queue.ifindex)?.name.clone());
    let (name, limit) = (shown(&link), queue.limit_bytes);
    let summary = format!(
        "{place}: packets that wait for the link-layer address of {neighbour} are dropped: {name} keeps {limit} bytes of them"
    );
    let family = if neighbour.is_ipv6() { 6 } else { 4 };
    let setting = format!("net.ipv{family}.neigh.{name}.unres_qlen_bytes");
    let kind =
        SubjectKind::Neighbour { address: *neighbour, link, believed: None, answered: Vec::new() };
    let asked = format!("echo request in {pieces} pieces to {to}, {neighbour} not resolved");
    let later = format!("the same to {to} a second later, {neighbour} resolved");
    let mut draft = Draft::new(META.cause, hop, kind, summary)
        .evidence(evidence(hop, flow.at, asked, "no answer"))
        .evidence(evidence(hop, flow.at, later, "answered"))
        .evidence(evidence(hop, flow.at, setting.clone(), limit.to_string()))
        .command(format!("sysctl -w {setting}=212992"), Risk::Safe);
    draft.finding.severity = Severity::Warning;
    Some(draft)
}
