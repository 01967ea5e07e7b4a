use super::text::{Draft, evidence, moved, shown, symptom};
use super::way::{Entry, entries};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Confidence, Risk, SubjectKind};
use crate::inventory::{RefusalCause, RouteAnswer, Sections};

const DOCS: &str = "\
The reverse path filter drops packets: they come in by another link than answers to their source
would leave by.

How it shows: packets arrive and nothing answers, on machines with several links or asymmetric routes;
IPv4 only.
How it is told from a harmless setting: rp_filter=1 with symmetric routes drops nothing.
How it is proved: the filter of the link the packets come in by is strict and the kernel's answer for
their source names another link (or it is loose and there is no answer), and IPReversePathFilter
moves with the probes.
What to do: make the routes symmetric, or set rp_filter to 2 (loose) on that link and on `all`.";

static META: RuleMeta =
    RuleMeta { cause: Cause::RouteRpFilter, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct RouteRpFilter;

impl Rule for RouteRpFilter {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen) = (Vec::new(), None);
        for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
            for entry in entries(scene, flow).iter().filter(|e| !e.hop.towards.is_ipv6()) {
                match finding(flow, entry) {
                    Some(draft) => hits.push(draft.hit(n, entry.position)),
                    None => seen = Some(entry.source),
                }
            }
        }
        Answer::from_hits(hits, || match seen {
            Some(source) => Answer::RuledOut(format!("no filter on the way drops {source}")),
            None => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, entry: &Entry<'_>) -> Option<Draft> {
    let mode = entry.sysctls()?.rp_filter(entry.ingress.name.as_bytes()).filter(|m| *m > 0)?;
    let answer = &entry.hop.vantage.route(entry.source)?.answer;
    let name = shown(&entry.ingress.name);
    let way_back = match (answer, mode) {
        (RouteAnswer::Route(route), 1) => {
            let link = entry.hop.vantage.link(route.oif_ifindex?)?;
            let other = link.ifindex != entry.ingress.ifindex && !link.is_loopback();
            other.then(|| format!("dev {}", shown(&link.name)))?
        }
        (RouteAnswer::Refused(refusal), _) if refusal.cause == RefusalCause::NoRoute => {
            "no route".to_owned()
        }
        _ => return None,
    };
    let (place, source) = (&entry.hop.vantage.name, entry.source);
    let summary = format!(
        "{place}: the reverse path filter of {name} drops packets from {source}: the way back is {way_back}"
    );
    let kind = super::text::link_subject(entry.ingress);
    let kind = if entry.hop.vantage.links().is_empty() { SubjectKind::Namespace } else { kind };
    let key = format!("rp_filter of {name}");
    let mut draft = Draft::new(META.cause, entry.hop, kind, summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(entry.hop, entry.hop.at, key, mode.to_string()))
        .evidence(evidence(entry.hop, entry.hop.at, format!("route get {source}"), way_back));
    draft = match moved(entry.hop, "TcpExt", "IPReversePathFilter") {
        Some(counter) => draft.evidence(counter),
        None if entry.hop.vantage.moved("TcpExt", "IPReversePathFilter").is_some() => return None,
        None => draft.confidence(Confidence::Likely),
    };
    let key = format!("net.ipv4.conf.{name}.rp_filter");
    Some(match mode {
        1 => draft.command(format!("sysctl -w {key}=2"), Risk::Disruptive),
        _ => draft.prose(format!("add a route to {source} on {place}")),
    })
}
