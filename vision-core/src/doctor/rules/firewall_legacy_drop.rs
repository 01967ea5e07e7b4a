use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit, Rule, RuleMeta};
use crate::doctor::case::{Vantage, VantageRole};
use crate::doctor::scene::{Flow, Outcome, Scene};
use crate::doctor::stop::{hop_of, kinds, swallowed, walls_of};
use crate::doctor::walls::LegacyStop;
use crate::doctor::{Cause, Confidence, SubjectKind};
use crate::inventory::Sections;

const DOCS: &str = "\
Rules of the legacy iptables drop the packets; nft does not show them.

How it shows: as a rule that drops, while `nft list ruleset` is clean.
How it is proved: packets reached the namespace's IP layer and did not leave it, no rule of nf_tables
explains it, and one rule of its legacy tables counted as many packets meanwhile. Where the tables may
not be read, or other packets met the rule as well, it is `likely`.
What to do: look with `iptables-legacy -vnL`; keep to one of the two.";

static META: RuleMeta =
    RuleMeta { cause: Cause::FirewallLegacyDrop, needs: Sections::COUNTERS, docs: DOCS };

pub(super) struct FirewallLegacyDrop;

impl Rule for FirewallLegacyDrop {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let failing = || scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed());
        for (n, flow) in failing() {
            let Some((position, vantage, lost)) = swallowed(scene, flow) else {
                hits.extend(refused(scene, n, flow));
                continue;
            };
            let family = if flow.dst.is_ipv6() { "ip6 " } else { "ip " };
            let tables = walls_of(vantage).map_or(&[][..], |walls| &walls.legacy);
            let tables: Vec<_> = tables.iter().filter_map(|t| t.strip_prefix(family)).collect();
            if tables.is_empty() {
                continue;
            }
            let hop = hop_of(flow, vantage);
            let place = &vantage.name;
            let dst = flow.dst;
            let summary =
                format!("{place}: packets to {dst} vanish where only legacy iptables rules are");
            let tool = if dst.is_ipv6() { "ip6tables-legacy" } else { "iptables-legacy" };
            let stop = stop(vantage, family.trim_end(), lost);
            let (summary, kind, confidence) = match stop {
                Some(stop) => (
                    format!(
                        "{place}: a rule of legacy iptables drops packets to {dst}: {}",
                        stop.rule
                    ),
                    subject(stop),
                    if stop.moved() == lost { Confidence::Proved } else { Confidence::Likely },
                ),
                None => (summary, SubjectKind::Namespace, Confidence::Likely),
            };
            let mut draft = Draft::new(META.cause, &hop, kind, summary).confidence(confidence);
            if let Some(target) = flow.hops.first() {
                draft = draft.evidence(symptom(flow, target));
            }
            if let Some(stop) = stop {
                let [before, after] = stop.packets;
                let counter = format!("{} of table {}", stop.rule, stop.table);
                let seen = format!("{before} -> {after}");
                draft = draft.evidence(evidence(&hop, flow.at, counter, seen));
            }
            let packets = if lost == 1 { "1 packet".to_owned() } else { format!("{lost} packets") };
            let counted = (vantage.role != VantageRole::Bridge).then(|| {
                evidence(&hop, flow.at, "IP counters: came in and did not go on", packets)
            });
            let draft = draft
                .evidence(evidence(&hop, flow.at, "tables of legacy iptables", tables.join(", ")))
                .evidence(evidence(&hop, flow.at, "rules of nf_tables", "none that stops them"))
                .all(counted)
                .prose(format!("find the rule with `{tool} -vnL` and let the flow pass before it"));
            hits.push(draft.hit(n, position));
        }
        let legacy = scene.case.vantages.iter().filter_map(walls_of).any(|w| !w.legacy.is_empty());
        Answer::from_hits(hits, || match (legacy, failing().next().is_some()) {
            (false, true) if walls_of(scene.target).is_some() => {
                Answer::RuledOut("no table of legacy iptables was seen".to_owned())
            }
            (true, true) => Answer::RuledOut("no packet vanished where such rules are".to_owned()),
            _ => Answer::NotApplicable,
        })
    }
}

/// The only rule on the way that refuses, and did so meanwhile in the way that was seen.
fn refused(scene: &Scene<'_>, n: usize, flow: &Flow<'_>) -> Option<Hit> {
    let icmp = match flow.outcome {
        Outcome::Refused { icmp, .. } => icmp,
        Outcome::Unreachable(icmp) => Some(icmp),
        _ => return None,
    };
    let family = if flow.dst.is_ipv6() { "ip6" } else { "ip" };
    let says = |vantage: &Vantage, stop: &LegacyStop| {
        let resets = stop.rule.contains("tcp-reset");
        let sender = icmp.and_then(|icmp| icmp.from).is_none_or(|from| vantage.owns(from));
        let meant = kinds(flow).into_iter().any(|kind| fits(&stop.rule, kind));
        stop.rule.contains("-j REJECT") && resets == icmp.is_none() && sender && meant
    };
    let all = scene.case.vantages.iter().enumerate().flat_map(|(position, vantage)| {
        let stops = walls_of(vantage).map_or(&[][..], |walls| &walls.legacy_stops);
        let stops = stops.iter().filter(|stop| stop.family == family && stop.moved() > 0);
        stops.filter(move |stop| says(vantage, stop)).map(move |stop| (position, vantage, stop))
    });
    let all: Vec<_> = all.collect();
    let &[(position, vantage, stop)] = all.as_slice() else { return None };
    let hop = hop_of(flow, vantage);
    let summary = format!(
        "{}: a rule of legacy iptables refuses packets to {}: {}",
        vantage.name, flow.dst, stop.rule
    );
    let [before, after] = stop.packets;
    let counter = format!("{} of table {}", stop.rule, stop.table);
    let draft = Draft::new(META.cause, &hop, subject(stop), summary)
        .all(flow.hops.first().map(|target| symptom(flow, target)))
        .evidence(evidence(&hop, flow.at, counter, format!("{before} -> {after}")))
        .prose("let the flow pass before the rule, or take it away if nothing needs it");
    let mut hit = draft.hit(n, position);
    hit.overrides = true;
    Some(hit)
}

/// Tells whether a rule is for packets of a protocol and port, as far as it names them.
fn fits(rule: &str, (protocol, port): (u8, Option<u16>)) -> bool {
    let behind = |option: &str| {
        let mut words = rule.split(' ').skip_while(|word| *word != option);
        words.nth(1)
    };
    let named = match protocol {
        6 => "tcp",
        17 => "udp",
        58 => "ipv6-icmp",
        _ => "icmp",
    };
    let ports = behind("--dport").map(|text| {
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        (first.parse().unwrap_or(0), last.parse().unwrap_or(u16::MAX))
    });
    behind("-p").is_none_or(|own| own == named)
        && ports.is_none_or(|(first, last)| port.is_some_and(|p| (first..=last).contains(&p)))
}

/// The only rule that can have stopped as many packets.
fn stop<'a>(vantage: &'a Vantage, family: &str, lost: u64) -> Option<&'a LegacyStop> {
    let all = walls_of(vantage).map_or(&[][..], |walls| &walls.legacy_stops).iter();
    let able: Vec<_> = all.filter(|s| s.family == family && s.moved() >= lost).collect();
    match able.as_slice() {
        [only] => Some(only),
        several => {
            let mut exact = several.iter().filter(|stop| stop.moved() == lost);
            exact.next().filter(|_| exact.next().is_none()).copied()
        }
    }
}

fn subject(stop: &LegacyStop) -> SubjectKind {
    SubjectKind::Filter {
        family: stop.family.clone(),
        table: stop.table.clone(),
        chain: stop.chain.clone(),
        hook: stop.chain.to_lowercase(),
        handle: None,
        rule: stop.rule.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_rule_for_another_port_or_protocol_is_not_meant() {
        let web = (6, Some(80));
        for (rule, expected) in [
            ("-A INPUT -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset", true),
            ("-A INPUT -p tcp -m tcp --dport 70:90 -j REJECT", true),
            ("-A FORWARD -j REJECT --reject-with icmp-host-prohibited", true),
            ("-A INPUT -p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset", false),
            ("-A INPUT -p udp -m udp --dport 80 -j REJECT", false),
        ] {
            assert_eq!(fits(rule, web), expected, "{rule}");
        }
        assert!(!fits("-A INPUT -p tcp --dport 80 -j REJECT", (1, None)));
    }
}
