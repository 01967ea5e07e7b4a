use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
The namespace has no interface besides the loopback, so nothing can leave it.

How it shows: every connection fails at once with ENETUNREACH; `vision link` lists `lo` alone.
Why it happens: the container was started without a network (`--net none`), its network plugin
failed or was not run, or the other end of its veth pair was deleted, which deletes both.
What to do: see why the plugin did not attach the container; recreate it with a network.";

static META: RuleMeta = RuleMeta { cause: Cause::LinkMissing, needs: Sections::LINKS, docs: DOCS };

pub(super) struct LinkMissing;

impl Rule for LinkMissing {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let real: Vec<_> = scene.target.links().iter().filter(|l| !l.is_loopback()).collect();
        if !real.is_empty() {
            let names: Vec<_> = real.iter().map(|l| l.name.escaped().to_string()).collect();
            return Answer::RuledOut(format!("there is {}", names.join(", ")));
        }
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let Some(hop) = flow.hops.first() else {
                continue;
            };
            // A destination on this very host needs no link.
            if hop.is_local() || flow.dst.is_loopback() {
                continue;
            }
            let summary = format!("{} has no network interface besides lo", scene.target.name);
            let seen = evidence(hop, hop.at, "list of links", "lo alone");
            let draft = Draft::new(META.cause, hop, SubjectKind::Namespace, summary)
                .evidence(symptom(flow, hop))
                .evidence(seen)
                .prose("attach the container to a network, or see why its network plugin failed");
            hits.push(draft.hit(n, 0));
        }
        Answer::from_hits(hits, || Answer::NotApplicable)
    }
}
