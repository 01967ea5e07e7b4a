use std::collections::HashSet;

use super::dns::{here, resolution, resolver};
use super::text::{Draft, evidence};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::Sections;
use crate::probe::ResolveOutcome;

const DOCS: &str = "\
A name was found only after many names made with the search list did not exist.

How it shows: each lookup of an outside name costs several queries, twice as many with IPv6; a busy
cluster DNS is mostly asked for names that cannot exist.
Why it happens: `ndots` is high (Kubernetes sets 5) and the name has fewer dots.
What to do: write the name with a final dot, or lower ndots for the workload.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsSearchAmplification, needs: Sections::RESOLVER, docs: DOCS };

/// One or two wasted names are how a search list is meant to work.
const MANY: usize = 3;

pub(super) struct DnsSearchAmplification;

impl Rule for DnsSearchAmplification {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        let wasted: HashSet<_> = resolution
            .tried
            .iter()
            .filter(|tried| tried.search.is_some() && tried.addresses.is_empty())
            .map(|tried| tried.name.to_string().to_lowercase())
            .collect();
        if resolution.outcome != ResolveOutcome::Found || wasted.len() < MANY {
            return Answer::RuledOut(format!("{} names were tried in vain", wasted.len()));
        }
        let hop = here(scene);
        let name = resolution.name.clone();
        let ndots = resolver(scene).map_or(1, |resolver| resolver.options.ndots);
        let summary = format!(
            "{}: {name} was found after {} names that do not exist (ndots {ndots})",
            scene.target.name,
            wasted.len()
        );
        let mut names: Vec<_> = wasted.into_iter().collect();
        names.sort_unstable();
        let mut hit =
            Draft::new(META.cause, &hop, SubjectKind::Name { name: name.clone() }, summary)
                .evidence(evidence(&hop, hop.at, "names tried in vain", names.join(", ")))
                .prose(format!("write {name}. with a final dot, or lower ndots in resolv.conf"))
                .hit(SAID_LAST, 0);
        hit.finding.severity = Severity::Warning;
        Answer::Confirmed(vec![hit])
    }
}
