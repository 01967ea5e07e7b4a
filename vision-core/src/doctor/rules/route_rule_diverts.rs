use super::text::{Draft, evidence, look_up, moved, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::fib::{longest_match, ways};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::{Route, RouteKind, RouteTable, Rule as PolicyRule, Sections};

const DOCS: &str = "\
A policy routing rule sends the packets through another table than the main one, and that way does
not work, while the main table's would.

How it shows: `ip route` looks right, yet packets take another gateway or interface; `ip route get`
shows it.
How it is proved: the look-up answers from another table, its next hop does not lead there, and the
next hop of the main table answers on its link.
What to do: delete the rule, narrow its selector, or correct the routes of its table.";

static META: RuleMeta = RuleMeta {
    cause: Cause::RouteRuleDiverts,
    needs: Sections::ROUTES.union(Sections::RULES),
    docs: DOCS,
};

pub(super) struct RouteRuleDiverts;

impl Rule for RouteRuleDiverts {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().chain(&flow.back).enumerate() {
                if let Some(draft) = finding(flow, hop) {
                    hits.push(draft.hit(n, position));
                }
            }
        }
        let routed = scene.flows.iter().any(|f| f.hops.iter().any(|h| h.route().is_some()));
        Answer::from_hits(hits, || match routed {
            true => Answer::RuledOut("rules and main table agree on the way".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Option<Draft> {
    let taken = hop.route().filter(|route| route.kind == RouteKind::Unicast)?;
    let usual = [RouteTable::Main, RouteTable::Local, RouteTable::Default];
    if usual.contains(&taken.table) {
        return None;
    }
    let routes = &hop.vantage.state()?.routes.as_ref()?.items;
    let main = longest_match(routes, RouteTable::Main, hop.towards)?;
    let same = ways(main).contains(&(taken.gateway, taken.oif_ifindex?));
    if same || main.kind != RouteKind::Unicast {
        return None;
    }
    let rule = deciding_rule(hop, taken)?;
    let answered = ways(main).into_iter().any(|(gateway, ifindex)| {
        let next = gateway.unwrap_or(hop.towards);
        hop.vantage.solicited(ifindex, next).is_some_and(|report| !report.answers.is_empty())
    });
    // Where the answers of a server go astray it sends them again (SYN-ACKs count as well).
    let again = moved(hop, "TcpExt", "TCPSynRetrans").filter(|_| is_server(flow, hop));
    let confidence =
        if answered || again.is_some() { Confidence::Proved } else { Confidence::Likely };
    let summary = format!(
        "{}: rule {} sends packets to {} through table {} instead of the main table",
        hop.vantage.name, rule.priority, hop.towards, taken.table
    );
    let text = format!("{}: lookup {}", rule.priority, taken.table);
    let kind = SubjectKind::Rule { priority: rule.priority, rule: text };
    let via = main.gateway.map_or_else(|| "on-link".to_owned(), |gateway| format!("via {gateway}"));
    let mut draft = Draft::new(META.cause, hop, kind, summary).confidence(confidence);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    draft = draft.all(again);
    let seen = if answered { format!("{via}, and its next hop answers") } else { via };
    Some(
        draft.evidence(look_up(hop)).evidence(evidence(hop, hop.at, "the main table", seen)).prose(
            format!(
                "see whether rule {} is meant for this traffic: ip rule del priority {}",
                rule.priority, rule.priority
            ),
        ),
    )
}

/// Tells whether the flow's packets end there.
fn is_server(flow: &Flow<'_>, hop: &Hop<'_>) -> bool {
    flow.back.first().is_some_and(|back| back.vantage.netns == hop.vantage.netns)
}

/// The first rule that leads into the table the look-up answered from.
fn deciding_rule<'a>(hop: &Hop<'a>, taken: &Route) -> Option<&'a PolicyRule> {
    let rules = &hop.vantage.state()?.rules.as_ref()?.items;
    let leading = rules.iter().filter(|r| r.family == hop.family() && r.table == Some(taken.table));
    leading.min_by_key(|rule| rule.priority)
}
