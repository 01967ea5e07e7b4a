use std::net::IpAddr;

use super::filtered::named;
use super::redirected::{Redirected, at_home, nowhere};
use super::serving::published;
use super::text::{Draft, evidence, look_up, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::case::{ProbeRecord, Vantage};
use crate::doctor::scene::{Flow, Hop, Outcome, Purpose, Scene};
use crate::doctor::stop::hop_of;
use crate::doctor::{Cause, Confidence, Evidence, Service, SubjectKind};
use crate::inventory::{Sections, Sock, SockProtocol};
use crate::probe::EchoOutcome;

const DOCS: &str = "\
Nobody listens on the port: the destination's kernel refuses.

How it shows: TCP connects fail at once with ECONNREFUSED and the destination sends resets
(OutRsts); UDP gets an ICMP port-unreachable (NoPorts).
How it is proved: the destination's own socket table, where it can be seen, has no listener on the
port, and its counter moved with the probe. From outside alone it is `likely`: a filter may refuse
in the destination's name. A TCP port that is refused by ICMP was refused by a filter, not by a
missing listener.
Where a rule redirects the packets to a port of the namespace itself, as a sidecar's does, it is that port.
What to do: start the service or the sidecar, or correct the port.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketNoListener, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct SocketNoListener;

impl Rule for SocketNoListener {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let (mut listening, mut forged) = (None, None);
        for (n, flow) in scene.flows.iter().enumerate() {
            if let Some(found) = nowhere(scene, flow) {
                let position = found.position;
                let draft = at_the_end_of_a_rule(flow, &found);
                hits.push(Hit { overrides: true, ..draft.hit(n, position) });
                continue;
            }
            if let Some(counter) = at_home(scene, flow) {
                hits.extend(by_its_own_rule(flow, counter).map(|draft| draft.hit(n, 0)));
                continue;
            }
            let Some((protocol, port)) = refused_port(flow) else {
                continue;
            };
            let Some(target) = flow.hops.first() else {
                continue;
            };
            let (owner, addr, port) = match published(scene, flow) {
                Some((owner, addr, port)) => (Some(owner), addr, port),
                None => (scene.owner(flow.dst), flow.dst, port),
            };
            let all = owner.map_or_else(Vec::new, |owner| listeners(owner, protocol, port));
            if let Some(sock) = all.iter().find(|s| s.accepts(addr) || is_narrow(s, addr)) {
                let (addr, port) = sock.local_endpoint();
                listening = Some(format!("{addr} port {port} is listened on"));
            } else if owner.is_none() && is_forged(flow, target)
                || owner.is_some_and(|owner| kept_still(owner, protocol, flow))
            {
                forged = Some(flow.dst);
            } else {
                let draft = finding(flow, target, owner, (protocol, addr, port));
                hits.push(draft.hit(n, flow.hops.len()));
            }
        }
        Answer::from_hits(hits, || match (listening, forged) {
            (Some(seen), _) => Answer::RuledOut(seen),
            (None, Some(dst)) => Answer::RuledOut(format!("it was not {dst} itself that refused")),
            (None, None) => {
                let works = scene.destinations().any(|f| f.outcome == Outcome::Works);
                match works {
                    true => Answer::RuledOut("the destination answers".to_owned()),
                    false => Answer::NotApplicable,
                }
            }
        })
    }
}

/// The protocol and port that were refused by the destination itself.
pub(super) fn refused_port(flow: &Flow<'_>) -> Option<(SockProtocol, u16)> {
    let Purpose::Destination(service) = flow.purpose else {
        return None;
    };
    match (flow.outcome, service) {
        (Outcome::Refused { icmp: None, .. }, service) => {
            Some((SockProtocol::Tcp, service.tcp_port()?))
        }
        (Outcome::Refused { icmp: Some(icmp), .. }, Service::Udp(port)) => {
            (icmp.from == Some(flow.dst)).then_some((SockProtocol::Udp, port))
        }
        _ => None,
    }
}

/// A listener that is there but for others: a cause of its own.
fn is_narrow(sock: &Sock, dst: IpAddr) -> bool {
    let inside = sock.local.is_loopback() && !dst.is_loopback();
    inside || Family::of(sock.local) != Family::of(dst)
}

/// Tells whether the owner's counters were read and show that it refused nothing.
fn kept_still(owner: &Vantage, protocol: SockProtocol, flow: &Flow<'_>) -> bool {
    let (group, name) = refusals(protocol, flow);
    owner.moved(group, name) == Some(0)
}

/// Tells whether a reset came from nearer or farther than the host it speaks for.
fn is_forged(flow: &Flow<'_>, target: &Hop<'_>) -> bool {
    let Outcome::Refused { ttl: Some(reset), .. } = flow.outcome else { return false };
    let own = target.vantage.probes().find_map(|probe| match probe {
        ProbeRecord::Ping(report) if report.to == flow.dst => {
            report.echoes.iter().find_map(|echo| match echo.outcome {
                EchoOutcome::Reply { ttl, .. } => ttl,
                _ => None,
            })
        }
        _ => None,
    });
    own.is_some_and(|own| own != reset)
}

/// The sockets that wait on a port, whatever address they are bound to.
pub(super) fn listeners(owner: &Vantage, protocol: SockProtocol, port: u16) -> Vec<&Sock> {
    let sockets = owner.state().and_then(|s| s.sockets.as_ref());
    let all = sockets.map_or(&[][..], |dump| &dump.items).iter();
    all.filter(|s| s.protocol == protocol && s.local_port == port && s.is_listening()).collect()
}

fn finding(
    flow: &Flow<'_>,
    target: &Hop<'_>,
    owner: Option<&Vantage>,
    (protocol, addr, port): (SockProtocol, IpAddr, u16),
) -> Draft {
    let seen = owner.filter(|owner| owner.state().is_some_and(|s| s.sockets.is_some()));
    let place = seen.map_or_else(|| addr.to_string(), |owner| owner.name.clone());
    let summary = match addr.is_loopback() || seen.is_none() {
        true => format!("nobody listens on {protocol} port {port} of {addr}"),
        false => format!("nobody listens on {protocol} port {port} in {place} ({addr})"),
    };
    let kind = SubjectKind::Socket { protocol: protocol.to_string(), address: addr, port };
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    let counter = seen.and_then(|owner| reaction(owner, protocol, flow));
    let proved = seen.is_some() && counter.is_some();
    draft = draft.confidence(if proved { Confidence::Proved } else { Confidence::Likely });
    if let Some(owner) = seen {
        draft.finding.subject.netns = Some(owner.netns);
        draft.finding.subject.place.clone_from(&owner.name);
        let at = owner.state().map_or(flow.at, |s| s.at);
        draft = draft.evidence(Evidence {
            asked: format!("{protocol} listeners on port {port}"),
            place: owner.name.clone(),
            seen: "none".to_owned(),
            at,
        });
    } else {
        draft.finding.subject.netns = None;
        draft.finding.subject.place = addr.to_string();
        draft = draft.evidence(look_up(target)).evidence(evidence(
            target,
            flow.at,
            format!("socket table of {}", flow.dst),
            "not in sight from this machine",
        ));
    }
    draft
        .all(counter)
        .prose(format!("start the service that should listen on port {port}, or correct the port"))
}

/// The own namespace refused what was meant for another: a rule redirects it, as a sidecar's do.
fn by_its_own_rule(flow: &Flow<'_>, counter: Evidence) -> Option<Draft> {
    let hop = flow.hops.first()?;
    let (place, dst) = (&hop.vantage.name, flow.dst);
    let summary = format!(
        "{place} itself refuses what it sends to {dst}: a rule redirects it to a port on which nobody listens"
    );
    let draft = Draft::new(META.cause, hop, SubjectKind::Namespace, summary)
        .confidence(Confidence::Likely)
        .evidence(symptom(flow, hop))
        .evidence(counter)
        .prose("start the proxy or sidecar that should listen there; `vision fw` shows the rule to whoever may read it");
    Some(draft)
}

/// Nobody listens where a rule leads the packets.
fn at_the_end_of_a_rule(flow: &Flow<'_>, found: &Redirected<'_>) -> Draft {
    let (place, port, protocol) = (&found.vantage.name, found.port, found.protocol);
    let summary = format!(
        "{place}: nobody listens on {protocol} port {port}, to which a rule redirects {}",
        flow.dst
    );
    let hop = hop_of(flow, found.vantage);
    let kind = SubjectKind::Socket { protocol: protocol.to_string(), address: flow.dst, port };
    let proved = found.counter.is_some();
    let asked = format!("{protocol} listeners on port {port}");
    Draft::new(META.cause, &hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(&hop, flow.at, named(found.rule), found.rule.text.clone()))
        .evidence(evidence(&hop, hop.at, asked, "none"))
        .all(found.counter.clone())
        .confidence(if proved { Confidence::Proved } else { Confidence::Likely })
        .prose(format!("start the proxy that should listen on port {port}, or delete the rule"))
}

/// The counter by which the destination's kernel says that it refused.
pub(super) fn reaction(
    owner: &Vantage,
    protocol: SockProtocol,
    flow: &Flow<'_>,
) -> Option<Evidence> {
    let (group, name) = refusals(protocol, flow);
    let by = owner.moved(group, name).filter(|by| *by > 0)?;
    Some(Evidence {
        asked: format!("counter {group} {name}"),
        place: owner.name.clone(),
        seen: format!("moved by {by}"),
        at: flow.at,
    })
}

/// The counter of refusals, by protocol and family.
fn refusals(protocol: SockProtocol, flow: &Flow<'_>) -> (&'static str, &'static str) {
    match (protocol, flow.dst.is_ipv6()) {
        (SockProtocol::Udp, false) => ("Udp", "NoPorts"),
        (SockProtocol::Udp, true) => ("Udp6", "NoPorts"),
        _ => ("Tcp", "OutRsts"),
    }
}
