use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Outcome, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Every local port is in use towards the destination: the kernel has none for another connection.

How it shows: connect fails at once with EADDRNOTAVAIL; other destinations work.
How it is proved: the connect failed so, and as many sockets lead to the destination's port as
net.ipv4.ip_local_port_range has ports. Sockets in TIME-WAIT hold theirs for a minute.
What to do: keep connections open and reuse them; a wider range or a second destination address
gives room.";

static META: RuleMeta =
    RuleMeta { cause: Cause::SocketPortsExhausted, needs: Sections::SYSCTLS, docs: DOCS };

pub(super) struct SocketPortsExhausted;

impl Rule for SocketPortsExhausted {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let target = scene.target;
        let range = target.state().and_then(|s| s.sysctls.as_ref()?.ip_local_port_range);
        let (mut hits, mut room) = (Vec::new(), None);
        let Some((first, last)) = range else { return Answer::NotApplicable };
        let size = u32::from(last.saturating_sub(first)) + 1;
        for (n, flow) in scene.flows.iter().enumerate() {
            let Outcome::Local(reason) = flow.outcome else { continue };
            let Some(hop) = flow.hops.first().filter(|_| reason.errno == nix::libc::EADDRNOTAVAIL)
            else {
                continue;
            };
            let crowds = target.traffic().map_or(&[][..], |traffic| &traffic.crowds);
            let Some(crowd) = crowds.iter().find(|crowd| crowd.addr == flow.dst) else { continue };
            // Half of the range is for who binds first (odd and even); both are tried by connect.
            if crowd.ports < size {
                room = Some((crowd.ports, size));
                continue;
            }
            let (name, dst, port) = (&target.name, flow.dst, crowd.port);
            let summary = format!(
                "{name}: all {size} local ports are in use towards {dst} port {port}, {} of them in TIME-WAIT",
                crowd.time_wait
            );
            let kind = SubjectKind::Socket { protocol: "tcp".to_owned(), address: dst, port };
            let range = format!("{first}-{last}, {size} ports");
            let draft = Draft::new(META.cause, hop, kind, summary)
                .evidence(symptom(flow, hop))
                .evidence(evidence(hop, hop.at, "net.ipv4.ip_local_port_range", range))
                .evidence(evidence(
                    hop,
                    flow.at,
                    format!("sockets to {dst} port {port}"),
                    format!("{}, {} in TIME-WAIT", crowd.ports, crowd.time_wait),
                ))
                .prose("reuse connections instead of opening new ones, or widen net.ipv4.ip_local_port_range");
            hits.push(draft.hit(n, 0));
        }
        Answer::from_hits(hits, || match room {
            Some((used, size)) => {
                Answer::RuledOut(format!("{used} of {size} local ports are in use"))
            }
            None => Answer::NotApplicable,
        })
    }
}
