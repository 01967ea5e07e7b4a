use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
IPv6 is switched off in the namespace (`net.ipv6.conf.all.disable_ipv6=1`, or the interface's own).

How it shows: connections to IPv6 addresses fail at once with ENETUNREACH or EADDRNOTAVAIL; the
interface has no IPv6 address, not even a link-local one.
Why it happens: many container engines switch it off unless the network has an IPv6 subnet.
What to do: use IPv4, or create the network with IPv6 and switch it on.";

static META: RuleMeta = RuleMeta {
    cause: Cause::Ipv6Disabled,
    needs: Sections::SYSCTLS.union(Sections::LINKS),
    docs: DOCS,
};

pub(super) struct Ipv6Disabled;

impl Rule for Ipv6Disabled {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let v6 = scene.flows.iter().enumerate().filter(|(_, f)| f.dst.is_ipv6());
        for (n, flow) in v6.filter(|(_, f)| f.outcome.failed()) {
            for (position, hop) in flow.hops.iter().chain(&flow.back).enumerate() {
                if let Some(name) = switched_off(hop) {
                    hits.push(finding(flow, hop, &name).hit(n, position));
                }
            }
        }
        Answer::from_hits(hits, || match scene.flows.iter().any(|f| f.dst.is_ipv6()) {
            true => Answer::RuledOut("IPv6 is on".to_owned()),
            false => Answer::NotApplicable,
        })
    }
}

/// The link for which IPv6 is off, where no link could carry the family.
fn switched_off(hop: &Hop<'_>) -> Option<String> {
    if hop.has_address(Family::V6) || hop.egress().is_some() && !hop.is_local() {
        return None;
    }
    let sysctls = hop.vantage.state()?.sysctls.as_ref()?;
    let mut links = hop.up_links().map(|link| &link.name);
    links.find_map(|name| {
        let own = sysctls.interfaces.iter().find(|i| i.name == *name)?;
        own.ipv6.as_ref()?.disable_ipv6.filter(|off| *off).map(|_| shown(name))
    })
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, name: &str) -> Draft {
    let summary = format!("{}: IPv6 is switched off on {name}", hop.vantage.name);
    let key = format!("net.ipv6.conf.{name}.disable_ipv6");
    let mut draft = Draft::new(META.cause, hop, SubjectKind::Namespace, summary);
    if let Some(target) = flow.hops.first() {
        draft = draft.evidence(symptom(flow, target));
    }
    draft
        .evidence(look_up(hop))
        .evidence(evidence(hop, hop.at, key.clone(), "1"))
        .command(format!("sysctl -w {key}=0"), Risk::Disruptive)
}
