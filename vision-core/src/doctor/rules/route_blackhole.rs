use super::refusing::{Refusing, refusing};
use super::text::Draft;
use super::{Answer, Rule, RuleMeta};
use crate::doctor::Cause;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::inventory::{RefusalCause, Sections};

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
        for (n, flow, position, hop) in scene.failing_hops() {
            if matches!(hop.refusal(), Some((RefusalCause::Blackhole, _))) {
                hits.push(finding(flow, hop).hit(n, position));
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
    refusing(META.cause, flow, hop, &Refusing::BLACKHOLE)
}
