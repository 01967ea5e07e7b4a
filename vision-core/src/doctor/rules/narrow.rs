//! Listeners that are there, but not for whoever asks.

use super::Answer;
use super::redirected::end;
use super::serving::led_to;
use super::socket_no_listener::{listeners, reaction, refused_port};
use super::text::{Draft, evidence, symptom};
use crate::doctor::case::Vantage;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sock;

/// In which way a listener is limited.
pub(super) struct Narrow {
    pub(super) cause: Cause,
    /// Tells whether a socket is limited so, seen from the flow that was refused.
    pub(super) applies: fn(&Sock, &Flow<'_>) -> bool,
    /// What the listener does, as a clause.
    pub(super) does: &'static str,
    /// What it should do instead.
    pub(super) fix: &'static str,
}

/// Finds refused flows whose port has a listener of the limited kind and none that would accept.
pub(super) fn check(scene: &Scene<'_>, narrow: &Narrow) -> Answer {
    let mut hits = Vec::new();
    let mut seen = false;
    for (n, flow) in scene.flows.iter().enumerate() {
        let asked = refused_port(flow).zip(flow.hops.first());
        let Some(((protocol, port), target)) = asked else { continue };
        // What was translated came to another's port.
        let direct = scene.owner(flow.dst).map(|owner| (owner, flow.dst, port));
        let led = || led_to(scene, flow).or_else(|| end(scene, flow));
        let Some((owner, addr, port)) = led().or(direct) else { continue };
        let all = listeners(owner, protocol, port);
        seen = true;
        // One that would have accepted speaks against this cause.
        if all.iter().any(|sock| sock.accepts(addr)) {
            continue;
        }
        let limited = all.iter().find(|sock| (narrow.applies)(sock, flow));
        hits.extend(
            limited.map(|sock| finding(narrow, flow, target, owner, sock).hit(n, flow.hops.len())),
        );
    }
    Answer::from_hits(hits, || match seen {
        true => Answer::RuledOut("no listener on the port is limited so".to_owned()),
        false => Answer::NotApplicable,
    })
}

fn finding(
    narrow: &Narrow,
    flow: &Flow<'_>,
    target: &Hop<'_>,
    owner: &Vantage,
    sock: &Sock,
) -> Draft {
    let (protocol, port) = (sock.protocol, sock.local_port);
    let summary = format!(
        "{}: the service on {protocol} port {port} {} ({})",
        owner.name, narrow.does, sock.local
    );
    let kind = SubjectKind::Socket { protocol: protocol.to_string(), address: sock.local, port };
    let counter = reaction(owner, protocol, flow);
    let mut draft = Draft::new(narrow.cause, target, kind, summary).evidence(symptom(flow, target));
    if counter.is_none() {
        draft = draft.confidence(Confidence::Likely);
    }
    draft.finding.subject.netns = Some(owner.netns);
    draft.finding.subject.place.clone_from(&owner.name);
    let asked = format!("{protocol} listeners on port {port}");
    let mut listener = evidence(target, target.at, asked, sock.local.to_string());
    listener.place.clone_from(&owner.name);
    let prose = format!("{}; now it is on {}", narrow.fix, sock.local);
    draft.evidence(listener).all(counter).prose(prose)
}
