use std::collections::BTreeMap;
use std::time::Duration;

use super::dns::{here, resolution, resolver};
use super::text::{Draft, evidence};
use super::{Answer, Rule, RuleMeta, SAID_LAST};
use crate::doctor::greeting::millis;
use crate::doctor::scene::Scene;
use crate::doctor::{Cause, Severity, SubjectKind};
use crate::inventory::Sections;
use crate::probe::{ResolveOutcome, Tried};

const DOCS: &str = "\
A name was found only after many names made with the search list did not exist.

How it shows: each lookup of an outside name costs several queries, twice as many with IPv6; a busy
cluster DNS is mostly asked for names that cannot exist.
Why it happens: `ndots` is high (Kubernetes sets 5) and the name has fewer dots.
Where every answer is quick and fewer than six names were tried in vain, that is how Kubernetes means it to be: a note.
What to do: write the name with a final dot, or lower ndots for the workload.";

static META: RuleMeta =
    RuleMeta { cause: Cause::DnsSearchAmplification, needs: Sections::RESOLVER, docs: DOCS };

/// One or two wasted names are how a search list is meant to work.
const MANY: usize = 3;
/// So many were never meant: the C library took no more than six domains until 2017 (resolv.conf(5)).
const TOO_MANY: usize = 6;
/// What a person begins to feel.
pub(super) const FELT: Duration = Duration::from_millis(100);

pub(super) struct DnsSearchAmplification;

impl Rule for DnsSearchAmplification {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let Some(resolution) = resolution(scene) else { return Answer::NotApplicable };
        // Addresses of both kinds are asked for at the same time.
        let mut wasted: BTreeMap<String, Duration> = BTreeMap::new();
        // What was not answered at all is another matter.
        let vain = |tried: &&Tried| {
            tried.search.is_some() && tried.addresses.is_empty() && tried.rcode.is_some()
        };
        for tried in resolution.tried.iter().filter(vain) {
            let took = wasted.entry(tried.name.to_string().to_lowercase()).or_default();
            *took = tried.elapsed.max(*took);
        }
        if resolution.outcome != ResolveOutcome::Found || wasted.len() < MANY {
            return Answer::RuledOut(format!("{} names were tried in vain", wasted.len()));
        }
        let count = wasted.len();
        let took: Duration = wasted.values().sum();
        let hop = here(scene);
        let name = resolution.name.clone();
        let ndots = resolver(scene).map_or(1, |resolver| resolver.options.ndots);
        let summary = format!(
            "{}: {name} was found after {count} names that do not exist, in {} (ndots {ndots})",
            scene.target.name,
            millis(took)
        );
        let names: Vec<_> = wasted.into_keys().collect();
        let mut hit =
            Draft::new(META.cause, &hop, SubjectKind::Name { name: name.clone() }, summary)
                .evidence(evidence(&hop, hop.at, "names tried in vain", names.join(", ")))
                .prose(format!("write {name}. with a final dot, or lower ndots in resolv.conf"))
                .hit(SAID_LAST, 0);
        // As a list of search domains is meant to work where every answer is quick.
        let felt = count >= TOO_MANY || took >= FELT;
        hit.finding.severity = if felt { Severity::Warning } else { Severity::Note };
        Answer::Confirmed(vec![hit])
    }
}
