use super::text::{Draft, evidence, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Outcome, Purpose, Scene};
use crate::doctor::traffic::Holder;
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::{Sections, Sock};

const DOCS: &str = "\
The service cannot accept: its process has as many file descriptors open as it may.

How it shows: connects succeed or hang, and are never answered; the service logs `too many open
files` or spins.
How it is proved: connections wait at the listener after the probe, and the process that holds it
has reached RLIMIT_NOFILE (/proc/PID/limits, /proc/PID/fd).
What to do: raise the limit (`ulimit -n`, LimitNOFILE=, --ulimit nofile), or find the leak.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketFdLimit, needs: Sections::SOCKETS, docs: DOCS };

pub(super) struct SocketFdLimit;

impl Rule for SocketFdLimit {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut room) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate() {
            let Purpose::Destination(_) = flow.purpose else { continue };
            if !matches!(flow.outcome, Outcome::Silent | Outcome::Works) {
                continue;
            }
            let Some(traffic) = scene.owner(flow.dst).and_then(|owner| owner.traffic()) else {
                continue;
            };
            let waiting = |sock: &&Sock| sock.recv_q > 0 && sock.accepts(flow.dst);
            for sock in traffic.listeners.iter().filter(waiting) {
                let mut own = traffic.holders.iter().filter(|h| h.inode == sock.inode).peekable();
                let first = own.peek().copied();
                // Another process of the service could accept.
                match first.filter(|_| own.all(|holder| holder.open >= holder.limit)) {
                    Some(holder) => hits.push((n, flow, sock, holder)),
                    None => room = first,
                }
            }
        }
        let hits = hits.into_iter().map(|(n, flow, sock, holder)| {
            let mut hit = finding(scene, flow, sock, holder).hit(n, flow.hops.len());
            hit.overrides = true;
            if flow.outcome == Outcome::Works {
                hit.finding.severity = Severity::Warning;
            }
            hit
        });
        Answer::from_hits(hits.collect(), || match room {
            Some(holder) => Answer::RuledOut(format!(
                "{} has {} of {} descriptors open",
                shown(&holder.comm),
                holder.open,
                holder.limit
            )),
            None => Answer::NotApplicable,
        })
    }
}

fn finding(scene: &Scene<'_>, flow: &Flow<'_>, sock: &Sock, holder: &Holder) -> Draft {
    let target = &flow.hops[0];
    let owner = scene.owner(flow.dst).unwrap_or(scene.target);
    let (port, process) =
        (sock.local_port, format!("{} (pid {})", shown(&holder.comm), holder.pid));
    let summary = format!(
        "{}: {process} cannot accept on tcp port {port}: it has all {} file descriptors open",
        owner.name, holder.limit
    );
    let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: sock.local, port };
    let mut draft = Draft::new(META.cause, target, kind, summary).evidence(symptom(flow, target));
    draft.finding.subject.netns = Some(owner.netns);
    draft.finding.subject.place.clone_from(&owner.name);
    let queue = format!("{} connections wait, {} may", sock.recv_q, sock.send_q);
    let files = format!("{} open, {} allowed", holder.open, holder.limit);
    for (asked, seen) in [
        (format!("listener on tcp port {port}"), queue),
        (format!("file descriptors of {process}"), files),
    ] {
        let mut seen = evidence(target, flow.at, asked, seen);
        seen.place.clone_from(&owner.name);
        draft = draft.evidence(seen);
    }
    draft.prose(
        "raise the process' limit of open files (RLIMIT_NOFILE), or find what it leaves open",
    )
}
