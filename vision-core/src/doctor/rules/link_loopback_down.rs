use super::text::{Draft, evidence, link_state, link_subject, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Purpose, Scene};
use crate::doctor::{Cause, Risk};
use crate::inventory::Sections;

const DOCS: &str = "\
The loopback interface is down, so nothing inside the namespace can talk to itself: neither
localhost nor the namespace's own addresses.

How it shows: connections to 127.0.0.1 fail with ENETUNREACH, connections to the own address time
out; other destinations work.
Why it happens: a new network namespace starts with the loopback down, and nobody set it up.
What to do: `ip link set lo up`.";

static META: RuleMeta =
    RuleMeta { cause: Cause::LinkLoopbackDown, needs: Sections::LINKS, docs: DOCS };

pub(super) struct LinkLoopbackDown;

impl Rule for LinkLoopbackDown {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let loopback = scene.target.links().iter().find(|link| link.is_loopback());
        let Some(link) = loopback.filter(|link| !link.is_up()) else {
            return Answer::RuledOut("the loopback is up".to_owned());
        };
        let mut hits = Vec::new();
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            let Some(hop) = flow.hops.first() else { continue };
            let own = flow.dst.is_loopback() || scene.target.owns(flow.dst);
            if !own && flow.purpose != Purpose::Loopback {
                continue;
            }
            let summary = format!("{}: the loopback interface is down", hop.vantage.name);
            let name = link.name.escaped();
            let seen = evidence(hop, hop.at, format!("state of link {name}"), link_state(link));
            let draft = Draft::new(META.cause, hop, link_subject(link), summary)
                .evidence(symptom(flow, hop))
                .evidence(seen)
                .command(format!("ip link set dev {name} up"), Risk::Safe);
            hits.push(draft.hit(n, 0));
        }
        Answer::from_hits(hits, || Answer::RuledOut("nothing was asked of the loopback".to_owned()))
    }
}
