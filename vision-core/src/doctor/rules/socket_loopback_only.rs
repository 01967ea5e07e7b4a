use super::socket_no_listener::{listeners, reaction, refused_port};
use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Confidence, Evidence, SubjectKind};
use crate::inventory::{Sections, Sock};

const DOCS: &str = "\
A service listens on the port, but only on the loopback address, so nobody outside its own network
namespace can reach it.

How it shows: `curl localhost` works inside the container, everybody else is refused.
How it is proved: the destination's socket table has a listener on 127.0.0.1 or ::1 and none on
another address, and the destination sends a reset.
What to do: have the service listen on 0.0.0.0 or [::], or on the container's address.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketLoopbackOnly, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct SocketLoopbackOnly;

impl Rule for SocketLoopbackOnly {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let mut seen = false;
        for (n, flow) in scene.flows.iter().enumerate() {
            let Some((protocol, port)) = refused_port(flow) else { continue };
            let Some(owner) = scene.owner(flow.dst) else { continue };
            let all = listeners(owner, protocol, port);
            seen = true;
            // One that would have accepted speaks against this cause.
            if all.iter().any(|sock| sock.accepts(flow.dst)) {
                continue;
            }
            let narrow = all.iter().find(|sock| is_narrow(sock, flow));
            hits.extend(narrow.map(|sock| finding(flow, owner, sock).hit(n, flow.hops.len())));
        }
        Answer::from_hits(hits, || match seen {
            true => Answer::RuledOut("no listener on the port is limited so".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn is_narrow(sock: &Sock, flow: &Flow<'_>) -> bool {
    sock.local.is_loopback() && !flow.dst.is_loopback()
}

fn finding(flow: &Flow<'_>, owner: &Vantage, sock: &Sock) -> Draft {
    let target = &flow.hops[0];
    let (protocol, port) = (sock.protocol, sock.local_port);
    let summary = format!(
        "{}: the service on {protocol} port {port} listens on the loopback only ({})",
        owner.name, sock.local
    );
    let kind = SubjectKind::Socket { protocol: protocol.to_string(), address: sock.local, port };
    let counter = reaction(owner, protocol, flow);
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    if counter.is_none() {
        draft = draft.confidence(Confidence::Likely);
    }
    draft.finding.subject.netns = Some(owner.netns);
    draft.finding.subject.place.clone_from(&owner.name);
    let mut listener = evidence(
        target,
        target.at,
        format!("{protocol} listeners on port {port}"),
        sock.local.to_string(),
    );
    listener.place.clone_from(&owner.name);
    let counter: Option<Evidence> = counter;
    draft
        .evidence(listener)
        .all(counter)
        .prose(format!("have the service listen on all addresses instead of {}", sock.local))
}
