use super::refusing::{Refusing, refusing};
use super::{Answer, Rule, RuleMeta, told};
use crate::doctor::Cause;
use crate::doctor::scene::Scene;
use crate::inventory::{RefusalCause, Sections};

const DOCS: &str = "\
A route of type unreachable or prohibit, or a policy rule with that action, refuses the packets
and says so.

How it shows: here, connections fail at once with EHOSTUNREACH (unreachable) or EACCES (prohibit)
and no counter moves; on a router further on, an ICMP host-unreachable or prohibited comes back.
Why it happens: such routes are set on purpose, to keep an aggregate from looping or a network out
of reach.
What to do: delete the route or rule if it is not wanted, or add a more specific route.";

static META: RuleMeta = RuleMeta {
    cause: Cause::RouteUnreachable,
    needs: Sections::ROUTES.union(Sections::RULES),
    docs: DOCS,
};

pub(super) struct RouteUnreachable;

impl Rule for RouteUnreachable {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        for (n, flow, position, hop) in scene.failing_hops() {
            let refused = hop.refusal().map(|(cause, _)| cause);
            if matches!(refused, Some(RefusalCause::Unreachable | RefusalCause::Prohibit)) {
                let draft = refusing(META.cause, flow, hop, &Refusing::UNREACHABLE);
                hits.push(draft.hit(n, position));
            }
        }
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let told = told::unreachable(scene, flow, META.cause);
            hits.extend(told.map(|draft| draft.hit(n, flow.hops.len())));
        }
        let asked = || scene.flows.iter().any(|f| f.hops.iter().any(|h| h.answer.is_some()));
        Answer::from_hits(hits, || match asked() {
            true => Answer::RuledOut("no look-up on the way is refused on purpose".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}
