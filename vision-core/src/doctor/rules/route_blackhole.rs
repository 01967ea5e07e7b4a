use super::text::{Draft, evidence, look_up, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk, SubjectKind};
use crate::inventory::{RefusalCause, Route, RouteKind, Rule as PolicyRule, RuleAction, Sections};

const DOCS: &str = "\
A route of type blackhole, or a policy rule with that action, throws the packets away silently.

How it shows: on this host connections fail at once with EINVAL and no counter moves; on a router
further on they time out without any ICMP.
Why it happens: blackhole routes are set on purpose to keep an aggregate from looping, and by
network plugins for address blocks whose pods are gone; a more specific route is then missing.
What to do: delete the route if nothing needs it, or add the more specific one.";

static META: RuleMeta = RuleMeta {
    cause: Cause::RouteBlackhole,
    needs: Sections::ROUTES.union(Sections::RULES),
    docs: DOCS,
};

pub(super) struct RouteBlackhole;

impl Rule for RouteBlackhole {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().chain(&flow.back).enumerate() {
                if matches!(hop.refusal(), Some((RefusalCause::Blackhole, _))) {
                    hits.push(finding(flow, hop).hit(n, position));
                }
            }
        }
        let asked = || scene.flows.iter().any(|f| f.hops.iter().any(|h| h.answer.is_some()));
        Answer::from_hits(hits, || match asked() {
            true => Answer::RuledOut("no look-up on the way answers blackhole".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>) -> Draft {
    let place = &hop.vantage.name;
    let (what, kind, fix) = object(hop);
    let summary = format!("{place}: {what} throws packets to {} away", hop.towards);
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    draft = draft.evidence(look_up(hop)).evidence(evidence(hop, hop.at, "the tables", what));
    match fix {
        Some(command) => draft.command(command, Risk::Disruptive),
        None => draft.prose("delete the blackhole route or rule, or add a more specific route"),
    }
}

/// The route or rule that decided, as text, as a subject, and how it would be deleted.
fn object(hop: &Hop<'_>) -> (String, SubjectKind, Option<String>) {
    let v6 = if hop.towards.is_ipv6() { "-6 " } else { "" };
    if let Some(rule) = deciding_rule(hop) {
        let text = format!("policy rule {}", rule.priority);
        let kind = SubjectKind::Rule { priority: rule.priority, rule: rule_text(rule) };
        return (text, kind, Some(format!("ip {v6}rule del priority {}", rule.priority)));
    }
    let route = deciding_route(hop);
    let text = route.map(|r| format!("blackhole {}", destination(r)));
    let shown =
        text.clone().map_or_else(|| "a blackhole route".to_owned(), |t| format!("route `{t}`"));
    let kind = SubjectKind::Route { destination: hop.towards, route: text.clone() };
    let table = route.map_or_else(String::new, |r| format!(" table {}", r.table));
    (shown, kind, text.map(|t| format!("ip {v6}route del {t}{table}")))
}

fn destination(route: &Route) -> String {
    match route.is_default() {
        true => "default".to_owned(),
        false => route.dst.to_string(),
    }
}

fn rule_text(rule: &PolicyRule) -> String {
    let from = rule.src.map_or_else(|| "all".to_owned(), |src| src.to_string());
    let to = rule.dst.map_or_else(String::new, |dst| format!(" to {dst}"));
    format!("from {from}{to} {}", rule.action)
}

fn deciding_rule<'a>(hop: &Hop<'a>) -> Option<&'a PolicyRule> {
    let rules = hop.vantage.state()?.rules.as_ref()?;
    let mut matching: Vec<_> = rules
        .items
        .iter()
        .filter(|r| r.family == hop.family() && r.action == RuleAction::Blackhole)
        .filter(|r| r.dst.is_none_or(|dst| dst.contains(hop.towards)))
        .collect();
    matching.sort_by_key(|rule| rule.priority);
    // A route that covers the destination more closely than "all" would have decided first only
    // if its table came first; a rule for this very destination is the better explanation.
    let best = matching.into_iter().next()?;
    match deciding_route(hop) {
        Some(_) if best.dst.is_none() && best.src.is_none() && best.priority > 32_000 => None,
        _ => Some(best),
    }
}

fn deciding_route<'a>(hop: &Hop<'a>) -> Option<&'a Route> {
    let routes = hop.vantage.state()?.routes.as_ref()?;
    let covering = routes.items.iter().filter(|route| {
        route.kind == RouteKind::Blackhole
            && route.family == hop.family()
            && route.dst.contains(hop.towards)
    });
    covering.max_by_key(|route| route.dst.bits())
}
