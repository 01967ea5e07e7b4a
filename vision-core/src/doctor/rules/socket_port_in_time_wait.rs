use super::socket_no_listener::refused_port;
use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Confidence, Severity, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Nobody listens on the port, and what is left of closed connections holds it: a server that binds it without
SO_REUSEADDR is told EADDRINUSE and does not start.

How it shows: a service that was stopped or has crashed does not come back for a minute, then it does; its log
says `Address already in use`.
How it is told: connects are refused, the destination's socket table has no listener on the port, and has
connections to it in TIME-WAIT. Whether somebody tries to bind the port is not in any table: it is `likely`, beside
the missing listener.
Why it happens: the side that closes a connection first keeps its end for 60 seconds (tcp(7), RFC 9293 3.3.2).
What to do: set SO_REUSEADDR on the listening socket before bind, or wait.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketPortInTimeWait, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct SocketPortInTimeWait;

impl Rule for SocketPortInTimeWait {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut free) = (Vec::new(), None);
        for flow in &scene.flows {
            let Some((protocol, port)) = refused_port(flow) else { continue };
            let Some((target, owner)) = flow.hops.first().zip(scene.owner(flow.dst)) else {
                continue;
            };
            let Some(lingering) = owner.traffic().and_then(|traffic| traffic.lingering) else {
                let read = owner.state().is_some_and(|state| state.sockets.is_some());
                free = free.or(read.then_some(port));
                continue;
            };
            let (name, count) = (&owner.name, lingering.sockets);
            let seconds = lingering.longest.as_secs() + 1;
            let held = match count {
                1 => "a closed connection holds".to_owned(),
                _ => format!("{count} closed connections hold"),
            };
            let summary = format!(
                "{name}: {held} {protocol} port {port} for up to {seconds} s more: a server that binds it \
                 without SO_REUSEADDR cannot start"
            );
            let kind =
                SubjectKind::Socket { protocol: protocol.to_string(), address: flow.dst, port };
            let mut draft = Draft::new(META.cause, target, kind, summary)
                .confidence(Confidence::Likely)
                .evidence(symptom(flow, target));
            draft.finding.subject.netns = Some(owner.netns);
            draft.finding.subject.place.clone_from(name);
            draft.finding.severity = Severity::Warning;
            let mut seen = evidence(
                target,
                flow.at,
                format!("{protocol} sockets of port {port} in TIME-WAIT"),
                format!("{count}, no listener"),
            );
            seen.place.clone_from(name);
            let draft = draft.evidence(seen);
            let fix = "set SO_REUSEADDR on the listening socket before it is bound";
            hits.push(draft.prose(fix).hit(SAID_LAST, 0));
        }
        Answer::from_hits(hits, || match free {
            Some(port) => Answer::RuledOut(format!("no closed connection holds port {port}")),
            None => Answer::NotApplicable,
        })
    }
}
