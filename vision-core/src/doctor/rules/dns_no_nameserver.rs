use super::dns::{here, resolution, resolver, said_first};
use super::text::{Draft, evidence};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Purpose, Scene};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;
use crate::probe::ResolveOutcome;

const DOCS: &str = "\
The target's resolv.conf names no nameserver, or there is no such file, so the C library asks
127.0.0.1, where usually nobody listens.

How it shows: every lookup fails at once, addresses work.
What to do: write `nameserver ADDRESS` into the file, or give the container its DNS settings
(`--dns`, dnsPolicy).";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsNoNameserver, needs: Sections::LINKS, docs: DOCS };

pub(super) struct DnsNoNameserver;

impl Rule for DnsNoNameserver {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        let named = resolver(scene).map_or(0, |resolver| resolver.nameservers.len());
        if named > 0 || resolution.outcome == ResolveOutcome::Found {
            return Answer::RuledOut(format!("resolv.conf names {named} nameservers"));
        }
        let seen = match resolver(scene) {
            Some(_) => "no nameserver line",
            None => "no such file",
        };
        let (hop, name) = (here(scene), resolution.name.clone());
        let summary = format!("{}: resolv.conf names no nameserver", scene.target.name);
        let asked = format!("the name {name}");
        let draft = Draft::new(META.cause, &hop, SubjectKind::Name { name }, summary)
            .evidence(evidence(&hop, hop.at, asked, "could not be resolved"))
            .evidence(evidence(&hop, hop.at, "/etc/resolv.conf", seen))
            .prose("write a line `nameserver ADDRESS` into the target's /etc/resolv.conf");
        // Where nothing can leave at all, a nameserver would not help.
        let stuck = scene.failing().any(|flow| flow.purpose == Purpose::Anywhere);
        Answer::Confirmed(vec![match stuck {
            true => draft.hit(scene.flows.len(), 0),
            false => said_first(draft),
        }])
    }
}
