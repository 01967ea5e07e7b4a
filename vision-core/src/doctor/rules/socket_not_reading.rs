use std::net::IpAddr;

use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::{Sections, Sock, SockTimer};

const DOCS: &str = "\
A client's connection has come to a stop because the service does not read: its receive buffer is
full and it has closed the window.

How it shows: connects succeed, transfers stall; the client's Send-Q and the server's Recv-Q stay.
How it is proved: the client's kernel probes the closed window of an open connection (timer
`persist`) and has sent no data for more than a second. Where the server is in sight, its Recv-Q is
shown as well. A reader that pauses for a moment is no fault.
What to do: see what the service is busy with: its connection is open, its thread is not reading.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketNotReading, needs: Sections::SOCKETS, docs: DOCS };

/// A reader may pause for so long.
const PAUSE_MS: u32 = 1000;

pub(super) struct SocketNotReading;

/// Connections to an address that wait for the far end to read.
pub(in crate::doctor) fn stalled(target: &Vantage, dst: IpAddr) -> impl Iterator<Item = &Sock> {
    let all = target.traffic().map_or(&[][..], |traffic| &traffic.unsent);
    all.iter().filter(move |sock| sock.remote.to_canonical() == dst && is_stalled(sock))
}

fn is_stalled(sock: &Sock) -> bool {
    let Some(details) = &sock.details else { return false };
    let silent = details.tcp.as_ref().and_then(|tcp| tcp.last_data_sent_ms);
    details.timer == Some(SockTimer::Persist) && silent.is_some_and(|ms| ms >= PAUSE_MS)
}

impl Rule for SocketNotReading {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for flow in scene.destinations() {
            let all: Vec<_> = stalled(scene.target, flow.dst).collect();
            if let Some(worst) = all.first() {
                let mut hit = finding(scene, flow, worst, all.len()).hit(SAID_LAST, 0);
                hit.finding.severity = Severity::Warning;
                hits.push(hit);
            }
        }
        let any = scene.target.traffic().is_some_and(|traffic| !traffic.unsent.is_empty());
        Answer::from_hits(hits, || match any {
            true => Answer::RuledOut("no connection waits for a closed window".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, sock: &Sock, count: usize) -> Draft {
    let target = &flow.hops[0];
    let (dst, port) = (flow.dst, sock.remote_port);
    let silent = sock.details.as_ref().and_then(|d| d.tcp.as_ref()?.last_data_sent_ms);
    let silent = silent.unwrap_or_default() / 1000;
    let connections =
        if count == 1 { "a connection".to_owned() } else { format!("{count} connections") };
    let place = &scene.target.name;
    let summary = format!(
        "the service at {dst} port {port} does not read: {connections} of {place} cannot send on, for {silent} s"
    );
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: dst, port };
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    draft = draft.evidence(evidence(
        target,
        flow.at,
        format!("connection from port {} to {dst} port {port}", sock.local_port),
        format!(
            "Send-Q {}, window closed (timer persist), no data sent for {silent} s",
            sock.send_q
        ),
    ));
    if let Some(owner) = scene.owner(dst) {
        let unread = owner.traffic().map_or(&[][..], |traffic| &traffic.unread);
        let peer =
            unread.iter().find(|s| s.remote_port == sock.local_port).filter(|s| s.recv_q > 0);
        if let Some(peer) = peer {
            draft.finding.subject.netns = Some(owner.netns);
            draft.finding.subject.place.clone_from(&owner.name);
            let asked = format!("the service's end, port {port}");
            let mut seen = evidence(target, flow.at, asked, format!("Recv-Q {}", peer.recv_q));
            seen.place.clone_from(&owner.name);
            draft = draft.evidence(seen);
        }
    }
    draft.prose(format!(
        "see what keeps the service on port {port} from reading: it is stuck or overloaded"
    ))
}
