use super::serving::led_to;
use super::socket_no_listener::listeners;
use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::{Sections, Sock, SockProtocol};

const DOCS: &str = "\
A service listens, but does not accept: its queue of finished connections is full, and the kernel
drops further handshakes.

How it shows: connects hang and are retried, or succeed after seconds; the service is stuck or
overloaded.
How it is proved: the listener's Recv-Q is above its Send-Q, the limit, and ListenOverflows moves
with the probes.
What to do: see why the service does not call accept(2); a larger backlog only delays the problem.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketAcceptQueueFull, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct SocketAcceptQueueFull;

impl Rule for SocketAcceptQueueFull {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut room) = (Vec::new(), None);
        for (n, flow) in
            scene.flows.iter().enumerate().filter(|(_, f)| f.outcome == Outcome::Silent)
        {
            let Purpose::Destination(service) = flow.purpose else { continue };
            let Some(port) = service.tcp_port() else { continue };
            // What was translated came to another's port.
            let direct = || Some((scene.owner(flow.dst)?, flow.dst, port));
            let Some((owner, addr, port)) = led_to(scene, flow).or_else(direct) else { continue };
            let all = listeners(owner, SockProtocol::Tcp, port);
            let Some(sock) = all.into_iter().find(|sock| sock.accepts(addr)) else { continue };
            match sock.recv_q > sock.send_q {
                true => hits.push(finding(flow, owner, sock).hit(n, flow.hops.len())),
                false => room = Some(port),
            }
        }
        Answer::from_hits(hits, || match room {
            Some(port) => Answer::RuledOut(format!("the queue of port {port} has room")),
            None => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, owner: &Vantage, sock: &Sock) -> Draft {
    let target = &flow.hops[0];
    let port = sock.local_port;
    let overflows = owner.moved("TcpExt", "ListenOverflows").filter(|by| *by > 0);
    let summary = format!(
        "{}: the service on tcp port {port} does not accept: {} connections wait, {} may",
        owner.name, sock.recv_q, sock.send_q
    );
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: sock.local, port };
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    draft.finding.subject.netns = Some(owner.netns);
    draft.finding.subject.place.clone_from(&owner.name);
    let mut queue = evidence(
        target,
        target.at,
        format!("listener on tcp port {port}"),
        format!("Recv-Q {}, Send-Q {}", sock.recv_q, sock.send_q),
    );
    queue.place.clone_from(&owner.name);
    draft = draft.evidence(queue);
    match overflows {
        Some(by) => {
            let mut moved = evidence(
                target,
                flow.at,
                "counter TcpExt ListenOverflows",
                format!("moved by {by}"),
            );
            moved.place.clone_from(&owner.name);
            draft = draft.evidence(moved);
        }
        None => draft = draft.confidence(Confidence::Likely),
    }
    draft.prose(
        "see why the service does not accept connections: stuck, overloaded, or out of descriptors",
    )
}
