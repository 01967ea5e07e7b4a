use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::{Cause, Service, SubjectKind};
use crate::inventory::{Sections, Sock, SockProtocol};

const DOCS: &str = "\
The datagrams arrive and the service does not read them: its receive buffer is full and the kernel
drops what comes after.

How it shows: UDP is lost at the receiver though the network is fine.
How it is proved: RcvbufErrors of the receiving namespace moved with the probe, and the service's
socket holds unread data and has dropped packets.
What to do: see what keeps the service from reading; a larger buffer (SO_RCVBUF,
net.core.rmem_max) only helps against bursts.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketReceiveBufferFull, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct SocketReceiveBufferFull;

impl Rule for SocketReceiveBufferFull {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut room) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate() {
            let Purpose::Destination(Service::Udp(port)) = flow.purpose else { continue };
            let Some(owner) = scene.owner(flow.dst).filter(|_| flow.outcome == Outcome::Silent)
            else {
                continue;
            };
            let all = owner.traffic().map_or(&[][..], |traffic| &traffic.unread).iter();
            let mut own = all.filter(|s| s.protocol == SockProtocol::Udp && s.accepts(flow.dst));
            let full = own.find(|s| s.recv_q > 0 && drops(s) > 0);
            match full.zip(lost(owner, flow)) {
                Some((sock, by)) => {
                    hits.push(finding(owner, flow, sock, by).hit(n, flow.hops.len()));
                }
                None => room = Some(port),
            }
        }
        Answer::from_hits(hits, || match room {
            Some(port) => Answer::RuledOut(format!(
                "no datagram was dropped for a full buffer of port {port}"
            )),
            None => Answer::NotApplicable,
        })
    }
}

fn drops(sock: &Sock) -> u32 {
    let memory = sock.details.as_ref().and_then(|details| details.memory.as_ref());
    memory.and_then(|memory| memory.drops).unwrap_or_default()
}

fn group(flow: &Flow<'_>) -> &'static str {
    if flow.dst.is_ipv6() { "Udp6" } else { "Udp" }
}

fn lost(owner: &Vantage, flow: &Flow<'_>) -> Option<u64> {
    owner.moved(group(flow), "RcvbufErrors").filter(|by| *by > 0)
}

fn finding(owner: &Vantage, flow: &Flow<'_>, sock: &Sock, by: u64) -> Draft {
    let target = &flow.hops[0];
    let port = sock.local_port;
    let summary = format!(
        "{}: the service on udp port {port} does not read: its receive buffer is full, datagrams are dropped",
        owner.name
    );
    let kind = SubjectKind::Socket { protocol: "udp".to_owned(), address: sock.local, port };
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    draft.finding.subject.netns = Some(owner.netns);
    draft.finding.subject.place.clone_from(&owner.name);
    let queue = format!("Recv-Q {}, {} dropped", sock.recv_q, drops(sock));
    for (asked, seen) in [
        (format!("socket on udp port {port}"), queue),
        (format!("counter {} RcvbufErrors", group(flow)), format!("moved by {by}")),
    ] {
        let mut seen = evidence(target, flow.at, asked, seen);
        seen.place.clone_from(&owner.name);
        draft = draft.evidence(seen);
    }
    draft.prose("see why the service does not read: stuck or overloaded")
}
