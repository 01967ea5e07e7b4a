use std::net::{IpAddr, Ipv4Addr};

use super::dns::{about_server, here, resolver};
use super::text::{evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::{Flow, Purpose, Scene};
use crate::doctor::stop::{met, walls_of};
use crate::inventory::{Sections, Sock, SockProtocol};

const DOCS: &str = "\
Docker's own resolver waits in the container on another port than 53, and the rules that lead queries
there are gone.

How it shows: names of other containers, and all others, fail at once, while addresses work.
Why it happens: a script in the container cleared its nat table, or the rules were written by a version of
iptables that the kernel does not heed.
How it is proved: queries to 127.0.0.11 port 53 are refused, a socket of this namespace is bound to
127.0.0.11 on another port, and no rule that was read translates them.
What to do: restart the container; Docker writes the rules anew.";

static META: RuleMeta = RuleMeta {
    cause: Cause::DnsDockerRedirectMissing,
    needs: Sections::RESOLVER.union(Sections::SOCKETS),
    docs: DOCS,
};

/// Where Docker's resolver is to be asked (libnetwork, resolver.go).
const DOCKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));

pub(super) struct DnsDockerRedirectMissing;

impl Rule for DnsDockerRedirectMissing {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut failing = scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed());
        let found = failing.find_map(|(n, flow)| Some((n, flow, unled(scene, flow)?)));
        if let Some((n, flow, sock)) = found {
            let (place, port) = (&scene.target.name, sock.local_port);
            let summary = format!(
                "{place}: no rule leads queries to {DOCKER} to Docker's resolver on port {port}"
            );
            let hop = here(scene);
            let bound = format!("{DOCKER} port {port}, none on port 53");
            let draft = about_server(scene, META.cause, DOCKER, summary)
                .evidence(symptom(flow, &hop))
                .evidence(evidence(&hop, hop.at, "UDP sockets of Docker's resolver", bound))
                .evidence(evidence(&hop, flow.at, format!("rules for {DOCKER}"), "none"))
                .prose("restart the container, so that Docker writes its rules again");
            return Answer::Confirmed(vec![draft.hit(n, 0)]);
        }
        match resolver(scene).is_some_and(|r| r.nameservers.iter().any(|s| s.addr == DOCKER)) {
            true => Answer::RuledOut("Docker's resolver is reached".to_owned()),
            false => Answer::NotApplicable,
        }
    }
}

/// The socket of Docker's resolver that no rule leads a failing query to.
pub(super) fn unled<'a>(scene: &Scene<'a>, flow: &Flow<'_>) -> Option<&'a Sock> {
    if flow.purpose != Purpose::Nameserver || flow.dst != DOCKER {
        return None;
    }
    let sockets = &scene.target.state()?.sockets.as_ref()?.items;
    let mut own = sockets.iter().filter(|s| s.protocol == SockProtocol::Udp && s.local == DOCKER);
    let walls = walls_of(scene.target).filter(|walls| !walls.unread)?;
    if met(walls, flow).any(|rule| !rule.to.is_empty()) || own.clone().any(|s| s.local_port == 53) {
        return None;
    }
    own.next()
}
