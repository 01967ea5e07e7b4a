use super::dns::{about_server, here, resolver};
use super::dns_docker_redirect_missing::unled;
use super::text::{evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::{Purpose, Scene};
use crate::inventory::{Sections, SockProtocol};

const DOCS: &str = "\
resolv.conf names a nameserver on the loopback (127.0.0.53, 127.0.0.1, ::1), but in this network
namespace nobody listens there: the host's resolver is on the host's loopback, not on this one.

How it shows: lookups fail at once; the same file works on the host.
Why it happens: the container was given the host's resolv.conf, which points to a local stub.
What to do: name a server that can be reached from the container, or run one inside.";

static META: RuleMeta = RuleMeta {
    cause: Cause::DnsLoopbackNameserver,
    needs: Sections::RESOLVER.union(Sections::SOCKETS),
    docs: DOCS,
};

pub(super) struct DnsLoopbackNameserver;

impl Rule for DnsLoopbackNameserver {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let named = |addr| {
            resolver(scene).is_some_and(|r| r.nameservers.iter().any(|server| server.addr == addr))
        };
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let own = flow.dst.is_loopback() && named(flow.dst);
            let told = is_listened_on(scene, flow.dst) || unled(scene, flow).is_some();
            if flow.purpose != Purpose::Nameserver || !own || told {
                continue;
            }
            let hop = here(scene);
            let (place, server) = (&scene.target.name, flow.dst);
            let summary = format!(
                "{place}: the nameserver {server} is a loopback address where nobody listens"
            );
            let sockets = evidence(&hop, hop.at, "UDP listeners on port 53", "none");
            let draft = about_server(scene, META.cause, server, summary)
                .evidence(symptom(flow, &hop))
                .evidence(sockets)
                .prose("name a server in resolv.conf that can be reached from this namespace");
            hits.push(draft.hit(n, 0));
        }
        Answer::from_hits(hits, || match resolver(scene) {
            Some(r) if r.nameservers.iter().any(|s| s.addr.is_loopback()) => {
                Answer::RuledOut("the nameserver on the loopback is listened on".to_owned())
            }
            Some(_) => Answer::RuledOut("no nameserver is a loopback address".to_owned()),
            None => Answer::NotApplicable,
        })
    }
}

fn is_listened_on(scene: &Scene<'_>, addr: std::net::IpAddr) -> bool {
    let sockets = scene.target.state().and_then(|s| s.sockets.as_ref());
    let mut all = sockets.map_or(&[][..], |dump| &dump.items).iter();
    all.any(|s| s.protocol == SockProtocol::Udp && s.local_port == 53 && s.accepts(addr))
}
