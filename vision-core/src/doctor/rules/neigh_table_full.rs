use super::text::{Draft, evidence, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::case::Overflowed;
use crate::doctor::scene::{Hop, Outcome, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
The machine's neighbour table is full: entries for further neighbours are refused. All namespaces
share it.

How it shows: new peers fail at random on a busy node while known ones go on; the kernel logs
`neighbor table overflow`.
How it is proved: the table refused entries while the probes were under way (table_fulls), and the
next hop of the failing packets has no entry.
What to do: raise net.ipv4.neigh.default.gc_thresh3 (and gc_thresh2; net.ipv6 for IPv6), or split what
shares one link.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NeighTableFull, needs: Sections::NEIGHBOURS, docs: DOCS };

pub(super) struct NeighTableFull;

impl Rule for NeighTableFull {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            if !matches!(flow.outcome, Outcome::Silent | Outcome::Local(_)) {
                continue;
            }
            let without = hop.next_hop().filter(|_| hop.entry().is_none_or(|e| e.lladdr.is_none()));
            let Some((next, table)) = without.zip(overflowed(hop)) else { continue };
            let Some(target) = flow.hops.first() else { continue };
            let (place, limit) = (&hop.vantage.name, table.after.limit);
            let summary = format!(
                "{place}: the machine's neighbour table is full ({limit}): there is no entry for {next}"
            );
            let link = hop.egress().map(|link| link.name.clone()).unwrap_or_default();
            let asked = format!("neighbour table, {next} on {}", shown(&link));
            let answered: Vec<_> = hop.solicited().map(|r| r.holders()).unwrap_or_default();
            let kind = SubjectKind::Neighbour { address: next, link, believed: None, answered };
            let draft = Draft::new(META.cause, hop, kind, summary)
                .evidence(symptom(flow, target))
                .evidence(evidence(hop, hop.at, asked, "no entry"))
                .evidence(evidence(
                    hop,
                    flow.at,
                    "entries refused for want of room, before and after",
                    format!("{} -> {}", table.before.overflows, table.after.overflows),
                ))
                .evidence(evidence(hop, flow.at, sysctl(next.is_ipv6()), limit.to_string()));
            let confidence = match hop.entry() {
                None => Confidence::Proved,
                Some(_) => Confidence::Likely,
            };
            let prose = format!("raise {} and gc_thresh2", sysctl(next.is_ipv6()));
            let mut hit = draft.confidence(confidence).prose(prose).hit(n, position);
            hit.overrides = true;
            hits.push(hit);
        }
        let failing = scene.failing().next().is_some();
        Answer::from_hits(hits, || match failing {
            true => Answer::RuledOut("the neighbour tables refused no entry".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn sysctl(v6: bool) -> String {
    format!("net.ipv{}.neigh.default.gc_thresh3", if v6 { 6 } else { 4 })
}

/// The table of the next hop's family, if it refused entries in any round.
fn overflowed<'a>(hop: &Hop<'a>) -> Option<&'a Overflowed> {
    let family = hop.next_hop().map(Family::of)?;
    let mut all = hop.vantage.rounds.iter().flat_map(|round| &round.overflowed);
    all.rfind(|table| table.after.family == family)
}
