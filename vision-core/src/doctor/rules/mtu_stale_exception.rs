use super::mtu_veth_mismatch::full_sized;
use super::text::{Draft, evidence, look_up};
use super::{Answer, Rule, RuleMeta};
use crate::doctor::case::FullSizeRecord;
use crate::doctor::scene::{Flow, Scene};
use crate::doctor::{Cause, Risk, Severity, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
The kernel remembers a smaller MTU for the destination than the path carries by now.

How it shows: all works, with more and smaller packets than need be; datagrams that may not be fragmented are
refused (EMSGSIZE). It passes by itself after ten minutes (net.ipv4.route.mtu_expires).
Why it happens: the path was narrow for a while, as during a change, and a router said so.
How it is proved: the look-up shows the remembered MTU with its time to live, and packets as large as the
first link takes, sent past that memory, are answered.
What to do: forget it: ip route flush cache.";

static META: RuleMeta =
    RuleMeta { cause: Cause::MtuStaleException, needs: Sections::ROUTES, docs: DOCS };

pub(super) struct MtuStaleException;

impl Rule for MtuStaleException {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let (mut hits, mut seen) = (Vec::new(), false);
        for (n, flow, record) in full_sized(scene) {
            seen = true;
            hits.extend(finding(flow, record).map(|draft| draft.hit(n, 0)));
        }
        Answer::from_hits(hits, || match seen {
            true => Answer::RuledOut("no smaller MTU than the path's is remembered".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

fn finding(flow: &Flow<'_>, record: &FullSizeRecord) -> Option<Draft> {
    let (target, size) = (flow.hops.first()?, record.size_bytes);
    let past = record.past.as_deref().filter(|past| past.summary().received > 0)?;
    let route = target.route()?;
    let remembered = route.metrics.as_ref()?.mtu_bytes.filter(|mtu| *mtu < size)?;
    route.expires_ms?;
    let (place, dst) = (&target.vantage.name, flow.dst);
    let summary = format!(
        "{place} remembers an MTU of {remembered} bytes for {dst}, and packets of {size} pass by now"
    );
    let family = if dst.is_ipv6() { "-6 " } else { "" };
    let kind = SubjectKind::Route { destination: dst, route: None };
    let passed = format!("{} of {} answered", past.summary().received, past.echoes.len());
    let asked = format!("packets of {size} bytes to {dst}, past that memory");
    let mut draft = Draft::new(META.cause, target, kind, summary)
        .evidence(look_up(target))
        .evidence(evidence(target, target.at, "remembered MTU", format!("{remembered} bytes")))
        .evidence(evidence(target, target.at, asked, passed))
        .command(format!("ip {family}route flush cache"), Risk::Safe);
    draft.finding.severity = Severity::Warning;
    Some(draft)
}
