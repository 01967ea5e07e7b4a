use super::serving::each;
use super::text::{Draft, evidence, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Outcome, Scene};
use crate::doctor::stop::{hop_of, met, walls_of};
use crate::doctor::{Cause, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Every source port that a translation may use towards the destination is taken: packets of another
connection cannot be told apart and are dropped.

How it shows: the nth connection to one busy destination hangs; other destinations work.
How it is proved: connection tracking could not insert the probe's entry (insert_failed moved), and
the translated connections to that destination use nine tenths of the ports between the lowest and
the highest of them, or more.
What to do: translate to more addresses or to a wider range of ports, or reuse connections.";

static META: RuleMeta =
    RuleMeta { cause: Cause::NatPortExhaustion, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct NatPortExhaustion;

impl Rule for NatPortExhaustion {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        each(scene, "every translated connection found a port", |flow| {
            if flow.outcome != Outcome::Silent {
                return None;
            }
            let mut all = scene.case.vantages.iter().enumerate();
            let (position, vantage, tracking, pool) = all.find_map(|(position, vantage)| {
                let tracking = walls_of(vantage)?.tracking.as_ref()?;
                let pool = tracking.pool.filter(|pool| pool.to.addr == flow.dst)?;
                Some((position, vantage, tracking, pool))
            })?;
            let span = u32::from(pool.last.saturating_sub(pool.first)) + 1;
            let (before, after) = (tracking.before.insert_failed, tracking.after.insert_failed);
            // Ports in use here and there are no pool that is used up.
            if after <= before || pool.used * 10 < span * 9 {
                return None;
            }
            let mask = met(walls_of(vantage)?, flow)
                .find(|rule| rule.hook == "postrouting" && rule.outcome == "translate");
            let hop = hop_of(flow, vantage);
            let to = match pool.to.port {
                Some(port) => format!("{} port {port}", pool.to.addr),
                None => pool.to.addr.to_string(),
            };
            let summary = format!(
                "{}: all {} source ports of {} that connections to {to} are translated to are in use",
                vantage.name, pool.used, pool.addr
            );
            let kind = mask.map_or(SubjectKind::Namespace, super::filtered::subject);
            let place = |asked: String, seen: String| evidence(&hop, flow.at, asked, seen);
            let mut draft = Draft::new(META.cause, &hop, kind, summary)
                .evidence(symptom(flow, flow.hops.first()?));
            if let Some(rule) = mask {
                draft = draft.evidence(place(super::filtered::named(rule), rule.text.clone()));
            }
            let ports = format!("{} of {}-{}", pool.used, pool.first, pool.last);
            let draft = draft
                .evidence(place(format!("ports of {} towards {to}", pool.addr), ports))
                .evidence(place(
                    "connection tracking: insert_failed, before and after".to_owned(),
                    format!("{before} -> {after}"),
                ))
                .prose("translate to more ports or more addresses, or keep connections open and reuse them");
            Some((draft, position))
        })
    }
}
