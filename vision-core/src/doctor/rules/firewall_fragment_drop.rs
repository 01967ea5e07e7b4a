use super::filtered::{named, subject};
use super::mtu_veth_mismatch::full_sized;
use super::text::{Draft, evidence};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::case::FullSizeRecord;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::stop::{hop_of, walls_of};
use crate::doctor::walls::MetRule;
use crate::doctor::{Cause, Severity};
use crate::inventory::Sections;

const DOCS: &str = "\
A packet filter drops fragments before they are put together.

How it shows: small datagrams work; large ones (DNS answers, syslog, RADIUS) never arrive.
How it is proved: echo requests of one whole packet are answered, larger ones that are fragmented are
not, and a rule that looks at fragments counted packets meanwhile.
What to do: let fragments pass, or send datagrams that fit into one packet.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallFragmentDrop, needs: Sections::LINKS, docs: DOCS };

pub(super) struct FirewallFragmentDrop;

impl Rule for FirewallFragmentDrop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut passed) = (Vec::new(), false);
        for (n, flow, record) in full_sized(scene) {
            match record.loses_fragments() {
                true => hits.extend(finding(scene, n, flow, record)),
                false => passed |= record.fragmented.is_some(),
            }
        }
        Answer::from_hits(hits, || match passed {
            true => Answer::RuledOut("fragmented echo requests are answered".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// Tells whether a rule drops what has a fragment's offset or header, and did.
fn drops_fragments(rule: &&MetRule) -> bool {
    let about = rule.text.split([' ', '(', ')']).any(|word| ["frag-off", "frag"].contains(&word));
    rule.outcome == "drop" && about && rule.moved().is_none_or(|moved| moved > 0)
}

fn finding(scene: &Scene<'_>, n: usize, flow: &Flow<'_>, record: &FullSizeRecord) -> Option<Hit> {
    let mut all = scene.case.vantages.iter().enumerate();
    let (position, vantage, rule) = all.find_map(|(position, vantage)| {
        let mut met = walls_of(vantage)?.met.iter().filter(|rule| rule.dst == flow.dst);
        Some((position, vantage, met.find(drops_fragments)?))
    })?;
    let hop = hop_of(flow, vantage);
    let summary = format!(
        "{}: a rule in chain {} ({} {}) drops fragments: datagrams to {} that do not fit into {} bytes are lost",
        vantage.name, rule.chain, rule.family, rule.table, flow.dst, record.size_bytes
    );
    let target = flow.hops.first()?;
    let large = format!("{} answered", record.large.summary().received);
    let mut draft = Draft::new(META.cause, &hop, subject(rule), summary)
        .evidence(evidence(
            target,
            flow.at,
            format!("2 {}-byte echo requests to {}", record.size_bytes, flow.dst),
            large,
        ))
        .evidence(evidence(target, flow.at, "2 larger ones, fragmented", "no answer"))
        .evidence(evidence(&hop, flow.at, named(rule), rule.text.clone()));
    draft = match rule.packets {
        Some([before, after]) => draft.evidence(evidence(
            &hop,
            flow.at,
            "its counter, before and after",
            format!("{before} -> {after}"),
        )),
        None => draft.confidence(crate::doctor::Confidence::Likely),
    };
    draft.finding.severity = Severity::Warning;
    Some(draft.prose("let fragments pass there, or send smaller datagrams").hit(n, position))
}
