//! Routes and rules that refuse on purpose, and which of them decided.

use super::text::{Draft, evidence, look_up, symptom};
use crate::doctor::scene::{Flow, Hop};
use crate::doctor::{Cause, Risk, SubjectKind};
use crate::inventory::{Route, RouteKind, Rule as PolicyRule, RuleAction};

/// What kinds of route and rule refuse in one way, and what they do.
pub(super) struct Refusing {
    kinds: &'static [RouteKind],
    actions: &'static [RuleAction],
    verb: &'static str,
}

impl Refusing {
    pub(super) const BLACKHOLE: Self = Self {
        kinds: &[RouteKind::Blackhole],
        actions: &[RuleAction::Blackhole],
        verb: "throws packets away that go",
    };
    pub(super) const UNREACHABLE: Self = Self {
        kinds: &[RouteKind::Unreachable, RouteKind::Prohibit],
        actions: &[RuleAction::Unreachable, RuleAction::Prohibit],
        verb: "refuses packets",
    };
}

/// Describes the route or rule of a hop that refuses.
pub(super) fn refusing(cause: Cause, flow: &Flow<'_>, hop: &Hop<'_>, what: &Refusing) -> Draft {
    let (text, kind, fix) = object(hop, what);
    let summary = format!("{}: {text} {} to {}", hop.vantage.name, what.verb, hop.towards);
    let mut draft = Draft::new(cause, hop, kind, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    draft = draft.evidence(look_up(hop)).evidence(evidence(hop, hop.at, "the tables", text));
    match fix {
        Some(command) => draft.command(command, Risk::Disruptive),
        None => draft.prose("delete the route or rule that refuses, or add a more specific route"),
    }
}

/// The route or rule that decided, as text, as a subject, and how it would be deleted.
fn object(hop: &Hop<'_>, what: &Refusing) -> (String, SubjectKind, Option<String>) {
    let v6 = if hop.towards.is_ipv6() { "-6 " } else { "" };
    let route = deciding_route(hop, what);
    if let Some(rule) = deciding_rule(hop, what, route) {
        let text = format!("policy rule {}", rule.priority);
        let kind = SubjectKind::Rule { priority: rule.priority, rule: rule_text(rule) };
        return (text, kind, Some(format!("ip {v6}rule del priority {}", rule.priority)));
    }
    let text = route.map(|r| format!("{} {}", r.kind, destination(r)));
    let shown =
        text.clone().map_or_else(|| "a route that refuses".to_owned(), |t| format!("route `{t}`"));
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

fn deciding_rule<'a>(
    hop: &Hop<'a>,
    what: &Refusing,
    route: Option<&Route>,
) -> Option<&'a PolicyRule> {
    let rules = hop.vantage.state()?.rules.as_ref()?;
    let matching = rules
        .items
        .iter()
        .filter(|r| r.family == hop.family() && what.actions.contains(&r.action))
        .filter(|r| r.dst.is_none_or(|dst| dst.contains(hop.towards)));
    let first = matching.min_by_key(|rule| rule.priority)?;
    // Behind the main table's rule a route of that table has decided already.
    let main_decides = route.is_some() && first.priority > MAIN_RULE;
    Some(first).filter(|_| !main_decides)
}

/// Priority of the rule that looks into the main table (net/ipv4/fib_rules.c).
const MAIN_RULE: u32 = 32_766;

fn deciding_route<'a>(hop: &Hop<'a>, what: &Refusing) -> Option<&'a Route> {
    let routes = hop.vantage.state()?.routes.as_ref()?;
    let covering = routes.items.iter().filter(|route| {
        what.kinds.contains(&route.kind)
            && route.family == hop.family()
            && route.dst.contains(hop.towards)
    });
    covering.max_by_key(|route| route.dst.bits())
}
