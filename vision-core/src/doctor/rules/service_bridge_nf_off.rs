use super::serving::each;
use super::text::{Draft, evidence, moved, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Hop, Outcome, Scene};
use crate::doctor::stop::{entries, hop_of, walls_of};
use crate::doctor::{Cause, Confidence, Risk, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
A service's backend is on the client's own bridge, and its answers go straight to the client: they
pass the host's translation by, and the client refuses what comes from an address it never asked.

How it shows: the service works unless the backend is on the same node as the client.
How it is proved: the host's entry of the probe leads to a neighbour on the bridge that the client is
on as well and stays unanswered, the client's kernel answers with resets (OutRsts), and
bridge-nf-call-iptables is 0.
What to do: set net.bridge.bridge-nf-call-iptables to 1, or masquerade what comes from the bridge.";

static META: RuleMeta =
    RuleMeta { cause: Cause::ServiceBridgeNfOff, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct ServiceBridgeNfOff;

impl Rule for ServiceBridgeNfOff {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        each(scene, "no translated answer goes past the translation", |flow| {
            if flow.outcome != Outcome::Silent {
                return None;
            }
            let mut all = scene.case.vantages.iter().enumerate().skip(1);
            let (position, vantage, entry) = all.find_map(|(position, vantage)| {
                let walls = walls_of(vantage).filter(|w| w.bridge_calls != Some(true))?;
                let entry = entries(walls, flow).find(|entry| {
                    let (there, back) = (&entry.original, &entry.reply);
                    // A masked client is answered by way of the host.
                    let plain = back.dst == there.src && scene.target.owns(there.src);
                    entry.is_unreplied() && back.src != there.dst && plain
                })?;
                Some((position, vantage, entry))
            })?;
            let (backend, client) = (entry.reply.src, entry.original.src);
            let towards = |addr| Hop::new(vantage, addr, flow.at).egress();
            let bridge = towards(backend).filter(|link| link.kind.as_deref() == Some("bridge"))?;
            if towards(client)?.ifindex != bridge.ifindex || scene.target.owns(backend) {
                return None;
            }
            let hop = hop_of(flow, vantage);
            let target = flow.hops.first()?;
            let summary = format!(
                "{}: {backend}, behind {}, answers {client} straight over the bridge: the answers are not translated back",
                vantage.name, flow.dst
            );
            let setting = match walls_of(vantage)?.bridge_calls {
                Some(_) => "0",
                None => "bridges do not call the rules for IP",
            };
            let resets = moved(target, "Tcp", "OutRsts");
            let proved = resets.is_some() && setting == "0";
            let draft = Draft::new(META.cause, &hop, SubjectKind::Namespace, summary)
                .evidence(symptom(flow, target))
                .evidence(evidence(
                    &hop,
                    flow.at,
                    "connection table, the probe",
                    format!("leads to {backend}, unanswered"),
                ))
                .evidence(evidence(&hop, flow.at, "net.bridge.bridge-nf-call-iptables", setting))
                .all(resets)
                .confidence(if proved { Confidence::Proved } else { Confidence::Likely })
                .command("sysctl -w net.bridge.bridge-nf-call-iptables=1".to_owned(), Risk::Manual);
            Some((draft, position))
        })
    }
}
