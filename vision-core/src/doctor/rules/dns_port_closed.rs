use super::dns::{about_server, here};
use super::text::symptom;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::{Outcome, Purpose, Scene};
use crate::inventory::Sections;

const DOCS: &str = "\
The nameserver's host refuses: nothing listens on its port 53.

How it shows: lookups fail within milliseconds; an ICMP port-unreachable comes back from the
nameserver's own address.
How it is told from a silent server: silence takes the whole timeout, a closed port does not.
What to do: start the DNS server, or correct the address in resolv.conf.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsPortClosed, needs: Sections::RESOLVER, docs: DOCS };

pub(super) struct DnsPortClosed;

impl Rule for DnsPortClosed {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let servers =
            || scene.flows.iter().enumerate().filter(|(_, f)| f.purpose == Purpose::Nameserver);
        let closed = servers()
            .filter(|(_, f)| matches!(f.outcome, Outcome::Refused { .. }) && !f.dst.is_loopback());
        let mut hits = Vec::new();
        for (n, flow) in closed {
            let (place, server) = (&scene.target.name, flow.dst);
            let summary = format!("{place}: nothing listens on port 53 of the nameserver {server}");
            let draft = about_server(scene, META.cause, server, summary)
                .evidence(symptom(flow, &here(scene)))
                .prose(format!("start a DNS server on {server}, or correct resolv.conf"));
            hits.push(draft.hit(n, flow.hops.len()));
        }
        Answer::from_hits(hits, || match servers().next() {
            Some(_) => Answer::RuledOut("no nameserver refused".to_owned()),
            None => Answer::NotApplicable,
        })
    }
}
