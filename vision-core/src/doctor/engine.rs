//! Turns what the rules say into a diagnosis: the root first, its consequences under it. Pure.

use std::collections::HashSet;
use std::time::Duration;

use super::areas::areas;
use super::case::{CaseFile, FullSizeRecord, ProbeRecord, Probing};
use super::greeting::{Greeting, fault, greeting, handshake, is_beyond, proxy, small_only};
use super::report::{
    Class, Confidence, Consequence, Diagnosis, Finding, RuledOut, Severity, Unchecked, Verdict,
};
use super::rules::{self, Answer, Hit, SAID_LAST};
use super::scene::{Flow, Outcome, Purpose, Scene};
use super::{Cause, Question, Service};
use crate::inventory::{Route, Sections};
use crate::probe::{CertificateFault, ResolveOutcome};

/// Says what a case means. The same case always gives the same diagnosis.
pub fn judge(case: &CaseFile) -> Diagnosis {
    let Some(scene) = Scene::of(case) else {
        return nothing_seen(case);
    };
    let heard = hear(&scene);
    let roots = roots(&scene, heard.hits);
    let consequences = consequences(&scene, roots.first());
    let findings: Vec<Finding> = roots.into_iter().map(|(_, finding)| finding).collect();
    let verdict = verdict(&scene, &findings);
    let mut unchecked = heard.unchecked;
    unchecked.extend(unseen(&scene, verdict, &findings));
    Diagnosis {
        verdict,
        areas: areas(&scene, verdict, &findings, &unchecked),
        ruled_out: heard.ruled_out,
        unchecked,
        consequences,
        findings,
        probes_sent: case.probes_sent,
        elapsed: case.elapsed,
    }
}

fn nothing_seen(case: &CaseFile) -> Diagnosis {
    let why = "the case holds no evidence".to_owned();
    Diagnosis {
        verdict: Verdict::Inconclusive,
        findings: Vec::new(),
        ruled_out: Vec::new(),
        unchecked: vec![Unchecked { what: "everything".to_owned(), why, needs: None }],
        consequences: Vec::new(),
        areas: Vec::new(),
        probes_sent: case.probes_sent,
        elapsed: Duration::ZERO,
    }
}

/// What the rules said, sorted by kind of answer.
#[derive(Default)]
struct Heard {
    /// With the rule's rank.
    hits: Vec<(usize, Hit)>,
    ruled_out: Vec<RuledOut>,
    unchecked: Vec<Unchecked>,
}

fn hear(scene: &Scene<'_>) -> Heard {
    let mut heard = Heard::default();
    for (rank, rule) in rules::ALL.iter().enumerate() {
        let meta = rule.meta();
        if let Some(missing) = missing_section(scene, meta.needs) {
            let what = meta.cause.slug().to_owned();
            heard.unchecked.push(Unchecked { what, why: missing, needs: None });
            continue;
        }
        match rule.check(scene) {
            Answer::Confirmed(hits) => {
                let hits = hits.into_iter().filter(|hit| is_weighty(scene, hit));
                heard.hits.extend(hits.map(|hit| (rank, hit)));
            }
            Answer::RuledOut(why) => heard.ruled_out.push(RuledOut { cause: meta.cause, why }),
            Answer::CouldNotCheck(unchecked) => heard.unchecked.push(unchecked),
            Answer::NotApplicable => {}
        }
    }
    heard
}

/// Of a gateway that answers for its address and to no packet, only what its frames meet is a fault:
/// all else speaks for a filter of its own.
fn is_weighty(scene: &Scene<'_>, hit: &Hit) -> bool {
    let doubtful = scene.flows.get(hit.flow).is_some_and(|flow| flow.doubtful);
    !doubtful || matches!(hit.finding.cause.class(), Class::Bridge | Class::Neigh)
}

/// Names a table that a rule needs and that could not be read.
fn missing_section(scene: &Scene<'_>, needs: Sections) -> Option<String> {
    let gaps = &scene.target.rounds.last()?.before.gaps;
    let gap = gaps.iter().find(|gap| needs.names().any(|name| name == gap.what))?;
    Some(gap.to_string())
}

/// Keeps, of each failing flow, what the packet meets first; the rest of that flow follows from it.
/// Each finding comes with the flow it was seen on.
fn roots(scene: &Scene<'_>, mut hits: Vec<(usize, Hit)>) -> Vec<(usize, Finding)> {
    // A name comes before any flow, then the flows' own order: the hop first, then the layer.
    // That a neighbour is silent says less than why.
    hits.sort_by_key(|(rank, hit)| {
        (hit.flow.wrapping_add(1), !hit.overrides, is_vague(hit), hit.hop, *rank)
    });
    let mut explained = HashSet::new();
    let mut found: Vec<(usize, Finding)> = Vec::new();
    let (beyond, hits): (Vec<_>, Vec<_>) =
        hits.into_iter().partition(|(_, hit)| is_beyond(hit.finding.cause));
    for (_, mut hit) in hits {
        // Of what breaks nothing, each stands for itself.
        if hit.flow != SAID_LAST && !explained.insert(hit.flow) {
            continue;
        }
        // A rule that says warning or note has weighed what works itself.
        if hit.finding.severity == Severity::Error {
            hit.finding.severity = severity(scene, &hit);
        }
        let same = |f: &Finding| f.cause == hit.finding.cause && f.subject == hit.finding.subject;
        if !found.iter().any(|(_, f)| same(f)) {
            found.push((hit.flow, hit.finding));
        }
    }
    beyond.into_iter().for_each(|(_, hit)| add_beyond(&mut found, hit));
    // Stable: within a severity the order of the flows stays.
    found.sort_by_key(|(_, finding)| finding.severity);
    found
}

/// What is said over a connection is no reason where the connection has a fault of its own.
fn add_beyond(found: &mut Vec<(usize, Finding)>, hit: Hit) {
    let cause = hit.finding.cause;
    let silent = cause == Cause::TlsSilent
        || cause == Cause::AppSlow && hit.finding.severity == Severity::Error;
    // Who does not accept or read does not answer, nor does an answer come that is too large for the way or to a
    // question that was dropped: that breaks what was asked, then.
    let deaf = |f: &Finding| {
        let sockets = [Cause::SocketFdLimit, Cause::SocketAcceptQueueFull, Cause::SocketNotReading];
        let lost = f.cause.class() == Class::Mtu && f.severity != Severity::Note;
        let filters = [Cause::FirewallRuleDrop, Cause::FirewallCtInvalid];
        let dropped = filters.contains(&f.cause) && f.severity == Severity::Warning;
        lost || dropped || sockets.contains(&f.cause)
    };
    if let Some((_, reason)) = found.iter_mut().find(|(_, f)| silent && deaf(f)) {
        reason.severity = Severity::Error;
        return;
    }
    // Programs that use the proxy meet nothing else.
    let own = |cause: Cause| is_beyond(cause) && cause != Cause::HttpProxyDead;
    let explained = found.iter().any(|(flow, f)| {
        let broken =
            f.severity == Severity::Error && !is_beyond(f.cause) || own(f.cause) && own(cause);
        let same = f.cause == hit.finding.cause && f.subject == hit.finding.subject;
        *flow == hit.flow && broken || same
    });
    if !explained {
        found.push((hit.flow, hit.finding));
    }
}

/// What is concluded from nothing else being seen, or says less than why.
fn is_vague(hit: &Hit) -> bool {
    let vague = [Cause::NeighNoAnswer, Cause::NatMasqueradeMissing];
    vague.contains(&hit.finding.cause) && hit.finding.confidence == Confidence::Likely
}

/// A fault that does not break what was asked is a note; one of several servers is a warning.
fn severity(scene: &Scene<'_>, hit: &Hit) -> Severity {
    let Some(flow) = scene.flows.get(hit.flow) else {
        return Severity::Error;
    };
    let works = |f: &&Flow<'_>| f.outcome == Outcome::Works;
    if scene.case.probing == Probing::Passive {
        return Severity::Note;
    }
    if flow.mended {
        return Severity::Error;
    }
    if let Some(other) = scene.destinations().find(works) {
        return match is_hanging(scene, flow, other) {
            true => Severity::Warning,
            false => Severity::Note,
        };
    }
    let sibling = scene.flows.iter().filter(|f| f.purpose == flow.purpose).any(|f| works(&f));
    match flow.purpose {
        Purpose::Nameserver if sibling => Severity::Warning,
        Purpose::Gateway if is_spare(scene, flow) => Severity::Note,
        _ => Severity::Error,
    }
}

/// Tells whether programs try an address first that never answers, before one of the other family that does.
pub(super) fn is_hanging(scene: &Scene<'_>, flow: &Flow<'_>, other: &Flow<'_>) -> bool {
    let asked = matches!(flow.purpose, Purpose::Destination(_)) && flow.outcome == Outcome::Silent;
    let mut named = scene.target.probes().filter_map(|probe| match probe {
        ProbeRecord::Resolve(report) => Some(&report.addresses),
        _ => None,
    });
    let both = [flow.dst, other.dst];
    let first = named.find_map(|addrs| addrs.iter().find(|addr| both.contains(addr)));
    asked && flow.dst.is_ipv6() != other.dst.is_ipv6() && first == Some(&flow.dst)
}

/// Tells whether another gateway is preferred to this one, and answers.
fn is_spare(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    let routes = scene.target.state().and_then(|state| state.routes.as_ref());
    let all = routes.map_or(&[][..], |dump| &dump.items).iter();
    let defaults: Vec<_> =
        all.filter(|r| r.is_default() && r.dst.contains(flow.dst) && r.gateway.is_some()).collect();
    let metric = |route: &&Route| route.metric.unwrap_or(0);
    let Some(least) = defaults.iter().map(metric).min() else { return false };
    let first = || defaults.iter().filter(|route| metric(route) == least);
    let works = |addr| scene.flows.iter().any(|f| f.dst == addr && f.outcome == Outcome::Works);
    first().all(|route| route.gateway != Some(flow.dst))
        && first().any(|route| route.gateway.is_some_and(works))
}

fn verdict(scene: &Scene<'_>, findings: &[Finding]) -> Verdict {
    if findings.iter().any(|finding| finding.severity != Severity::Note) {
        return Verdict::Faulty;
    }
    match scene.case.question {
        Question::Reach { .. } => {
            let vanish = |flow: &Flow<'_>| {
                scene.target.full_size(flow.dst).is_some_and(FullSizeRecord::is_swallowed)
            };
            let spoke = |flow: &Flow<'_>| {
                !matches!(greeting(scene, flow), Greeting::Bad(_))
                    && small_only(scene, flow).is_none()
            };
            let works = |flow: &Flow<'_>| {
                flow.outcome == Outcome::Works && !flow.faltered && !vanish(flow) && spoke(flow)
            };
            match scene.destinations().any(works) {
                true => Verdict::Healthy,
                false => Verdict::Inconclusive,
            }
        }
        Question::Health => {
            let explained = |purpose: Purpose| {
                let mut flows = scene.flows.iter().filter(|f| f.purpose == purpose);
                flows.any(|f| f.outcome == Outcome::Works)
            };
            let open = scene.failing().any(|f| !f.doubtful && !explained(f.purpose));
            let tables =
                scene.target.state().is_some_and(|s| s.links.is_some() && s.addrs.is_some());
            match open || !tables {
                true => Verdict::Inconclusive,
                false => Verdict::Healthy,
            }
        }
    }
}

/// The symptoms that the first finding accounts for beyond the flow it was seen on.
fn consequences(scene: &Scene<'_>, root: Option<&(usize, Finding)>) -> Vec<Consequence> {
    let Some((own, root)) = root.filter(|(_, f)| f.severity == Severity::Error) else {
        return Vec::new();
    };
    let mut said: Vec<String> = Vec::new();
    let name = scene.target.probes().find_map(|probe| match probe {
        ProbeRecord::Resolve(r)
            if !matches!(r.outcome, ResolveOutcome::Found | ResolveOutcome::NoSuchName) =>
        {
            Some(format!("the name {} could not be resolved", r.name))
        }
        _ => None,
    });
    said.extend(name.filter(|_| root.cause != Cause::DnsNxdomain));
    for (n, flow) in scene.flows.iter().enumerate().filter(|(_, f)| f.outcome.failed()) {
        if n != *own && flow.purpose != Purpose::Anywhere {
            said.push(format!("{}: {}", rules::question(flow), rules::outcome(flow)));
        }
    }
    said.dedup();
    said.into_iter().map(|summary| Consequence { summary, of: root.cause }).collect()
}

/// What was not said over the connections, or not understood.
fn unspoken(scene: &Scene<'_>, findings: &[Finding]) -> Vec<Unchecked> {
    let Question::Reach { service, .. } = scene.case.question else { return Vec::new() };
    let what = match service {
        Service::Tls(_) => "tls",
        Service::Http(_) | Service::Https(_) => "http",
        Service::Host | Service::Tcp(_) | Service::Udp(_) => return Vec::new(),
    };
    let unchecked =
        |why: &str| Unchecked { what: what.to_owned(), why: why.to_owned(), needs: None };
    let mut all = Vec::new();
    let mut spoken = scene.destinations().map(|flow| greeting(scene, flow));
    if spoken.all(|greeting| matches!(greeting, Greeting::Unasked)) {
        all.push(unchecked("only the TCP connection was tried"));
    }
    for flow in scene.destinations() {
        let named = findings.iter().any(|finding| is_beyond(finding.cause));
        if let (Greeting::Bad(why), false) = (greeting(scene, flow), named) {
            all.push(unchecked(&why));
        }
        let certificate = handshake(scene, flow).and_then(|report| report.certificate.as_ref());
        if certificate.is_some_and(|it| it.faults.contains(&CertificateFault::CommonNameOnly)) {
            let words = fault(&CertificateFault::CommonNameOnly);
            all.push(unchecked(&format!("the certificate is {words}")));
        }
    }
    if let Some(proxy) = proxy(scene).filter(|proxy| !proxy.is_dead()) {
        let (variable, host) = (&proxy.variable, &proxy.host);
        all.push(unchecked(&format!(
            "programs that heed {variable} go by {host}; what it reaches was not asked"
        )));
    }
    all
}

/// Destinations that were silent at first and answered when asked again.
fn faltered(scene: &Scene<'_>) -> impl Iterator<Item = Unchecked> {
    let faltered = scene.destinations().filter(|flow| flow.faltered);
    faltered.map(|flow| Unchecked {
        what: rules::question(flow),
        why: "there was no answer at first, and one when asked again; nothing seen explains it"
            .to_owned(),
        needs: None,
    })
}

/// What no rule of this version looks at, and what stood in the way of looking.
fn unseen(scene: &Scene<'_>, verdict: Verdict, findings: &[Finding]) -> Vec<Unchecked> {
    let mut unseen = super::areas::unread_filters(scene, verdict);
    unseen.extend(unspoken(scene, findings));
    if verdict == Verdict::Inconclusive {
        unseen.extend(faltered(scene));
    }
    let rounds = scene.case.vantages.iter().flat_map(|v| &v.rounds);
    let gaps = rounds.flat_map(|round| &round.gaps);
    let gaps = gaps.chain(scene.case.search.iter().flat_map(|search| &search.gaps));
    // What came through was let through.
    let gaps = gaps.filter(|gap| verdict != Verdict::Healthy || gap.what != "firewall");
    for gap in gaps {
        let next = Unchecked { what: gap.what.clone(), why: gap.why.clone(), needs: gap.needs };
        if !unseen.contains(&next) {
            unseen.push(next);
        }
    }
    unseen
}
