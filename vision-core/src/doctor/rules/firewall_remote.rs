use super::text::{Draft, evidence, look_up, moved, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::ProbeRecord;
use crate::doctor::flows::of_ping;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::stop::walls_of;
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
A filter beyond this machine drops the packets, as far as can be told from here.

How it shows: TCP connects to one port time out while the same host answers echo requests.
How it is told: the SYNs left this machine (OutTransmits), every filter on the way that could be read let
them pass, the destination is not on this machine, and its host answers otherwise. It is always `likely`:
a service whose queue is full is silent as well.
What to do: ask whoever runs the network or the host about the port.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallRemote, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallRemote;

impl Rule for FirewallRemote {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate() {
            if let Some(draft) = remote(scene, flow) {
                hits.push(draft.hit(n, flow.hops.len() + flow.back.len()));
            }
        }
        Answer::from_hits(hits, || match scene.failing().next() {
            Some(_) => Answer::NotApplicable,
            None => Answer::RuledOut("the probes passed".to_owned()),
        })
    }
}

fn remote(scene: &Scene<'_>, flow: &Flow<'_>) -> Option<Draft> {
    let Purpose::Destination(service) = flow.purpose else { return None };
    let port = service.tcp_port().filter(|_| flow.outcome == Outcome::Silent)?;
    let hop = flow.hops.first()?;
    let last = flow.hops.last()?;
    let here = scene.case.vantages.iter().any(|v| v.owns(flow.dst));
    let translated =
        scene.case.vantages.iter().filter_map(walls_of).any(|walls| {
            walls.met.iter().chain(&walls.beside).any(|rule| {
                rule.dst == flow.dst && rule.outcome == "translate" && !rule.to.is_empty()
            })
        });
    // Without every filter read on this machine the blame may be at home.
    let read = flow.hops.iter().all(|hop| {
        walls_of(hop.vantage)
            .is_some_and(|walls| walls.left_out == 0 && !walls.unread && walls.legacy.is_empty())
    });
    let refused = scene.case.search.as_ref().is_none_or(|search| search.refused > 0);
    if here || translated || !read || refused {
        return None;
    }
    let alive = hop.vantage.probes().any(|probe| match probe {
        ProbeRecord::Ping(report) => report.to == flow.dst && of_ping(report) == Outcome::Works,
        _ => false,
    });
    let group = if flow.dst.is_ipv6() { "Ip6" } else { "Ip" };
    let left = moved(last, group, "OutTransmits").filter(|_| alive)?;
    let place = &last.vantage.name;
    let summary = format!(
        "TCP to {} port {port} leaves {place} and is not answered, though the host is there: a filter further on",
        flow.dst
    );
    let mut draft = Draft::new(META.cause, last, SubjectKind::Namespace, summary)
        .confidence(Confidence::Likely)
        .evidence(symptom(flow, hop))
        .evidence(evidence(hop, flow.at, format!("echo request to {}", flow.dst), "answered"))
        .evidence(look_up(last))
        .evidence(left)
        .prose(format!(
            "ask whoever runs {} or the network before it about TCP port {port}",
            flow.dst
        ));
    // It is in no namespace that is known here.
    draft.finding.subject.netns = None;
    draft.finding.subject.place = format!("beyond {place}");
    Some(draft)
}
