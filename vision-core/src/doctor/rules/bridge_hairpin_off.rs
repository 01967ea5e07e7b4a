use super::filtered::named;
use super::serving::each;
use super::text::{Draft, evidence, link_subject, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Outcome, Scene};
use crate::doctor::stop::{hop_of, met, walls_of};
use crate::doctor::{Cause, Confidence, Risk};
use crate::inventory::{LinkRole, Sections};

const DOCS: &str = "\
A container asks a service that leads back to itself, and its bridge port does not send frames out by
the port they came in by.

How it shows: a container reaches the service unless it is its only backend, or sometimes.
How it is proved: the host's rule leads the service to the container's own address, bridges call the
rules for IP, the probe stays unanswered, and hairpin mode of the container's bridge port is off.
What to do: switch hairpin mode on for the port, as the container engine can (hairpinMode, CNI).";

static META: RuleMeta =
    RuleMeta { cause: Cause::BridgeHairpinOff, needs: Sections::LINKS, docs: DOCS };

pub(super) struct BridgeHairpinOff;

impl Rule for BridgeHairpinOff {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        each(scene, "no service leads the target back to itself over a bridge", |flow| {
            if flow.outcome != Outcome::Silent {
                return None;
            }
            let mut all = scene.case.vantages.iter().enumerate().skip(1);
            let (position, vantage, rule, own) = all.find_map(|(position, vantage)| {
                // Routed, and not bridged, the packets leave by the bridge's own device.
                let walls = walls_of(vantage).filter(|w| w.bridge_calls == Some(true))?;
                let mut rules = met(walls, flow).filter(|rule| rule.moved() != Some(0));
                rules.find_map(|rule| {
                    let to = rule.to.iter().find(|to| scene.target.owns(to.addr))?;
                    Some((position, vantage, rule, to.addr))
                })
            })?;
            let target = flow.hops.first()?;
            let mut way = scene.wire(target)?.way.iter();
            let (port, hairpin) = way.find_map(|step| match step.link.role.as_ref()? {
                LinkRole::BridgePort(port) => Some((step, port.hairpin?)),
                _ => None,
            })?;
            if hairpin {
                return None;
            }
            let name = shown(&port.link.name);
            let summary = format!(
                "{}: {} leads {} back to itself ({own}), and hairpin mode of its bridge port {name} is off",
                vantage.name, flow.dst, scene.target.name
            );
            let hop = hop_of(flow, vantage);
            let mut draft = Draft::new(META.cause, &hop, link_subject(&port.link), summary)
                .evidence(symptom(flow, target))
                .evidence(evidence(&hop, flow.at, named(rule), rule.text.clone()))
                .evidence(evidence(&hop, flow.at, format!("hairpin mode of {name}"), "off"));
            draft.finding.subject.netns = Some(port.netns);
            // Unmasked, the container would refuse packets that seem to be its own; with several
            // backends, another may have been given.
            let masked = met(walls_of(vantage)?, flow)
                .any(|rule| rule.hook == "postrouting" && rule.outcome == "translate");
            let all = met(walls_of(vantage)?, flow).flat_map(|rule| &rule.to);
            if !masked || all.into_iter().any(|to| to.addr != own) {
                draft = draft.confidence(Confidence::Likely);
            }
            let command = format!("bridge link set dev {name} hairpin on");
            Some((draft.command(command, Risk::Manual), position))
        })
    }
}
