//! What the rules about services, tracked connections and translation share.

use std::net::IpAddr;

use super::filtered::{named, subject};
use super::socket_no_listener::listeners;
use super::text::{Draft, evidence, symptom};
use super::{Answer, Hit};
use crate::base::Prefix;
use crate::doctor::case::{Vantage, VantageRole};
use crate::doctor::scene::{Flow, Hop, Outcome, Scene};
use crate::doctor::stop::{entries, hop_of, is_lossy, met, walls_of};
use crate::doctor::walls::{Endpoint, MetRule, Walls};
use crate::doctor::{Cause, Confidence, Evidence, Severity, SubjectKind};
use crate::inventory::{CtEntry, SockProtocol};

/// A translation of a failing flow's destination in one namespace.
pub(super) struct Served<'a> {
    hop: Hop<'a>,
    position: usize,
    rule: &'a MetRule,
    targets: Vec<Endpoint>,
    /// The target that the probe was given, by the connection table.
    given: Option<&'a CtEntry>,
}

pub(super) fn served<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<Served<'a>> {
    let mut all = scene.case.vantages.iter().enumerate();
    all.find_map(|(position, vantage)| {
        let walls = walls_of(vantage)?;
        let mut targets: Vec<Endpoint> = Vec::new();
        let leading = || met(walls, flow).filter(|rule| !rule.redirects());
        for target in leading().flat_map(|rule| &rule.to) {
            if target.addr != flow.dst && !targets.contains(target) {
                targets.push(*target);
            }
        }
        // Of several connects, the one that failed tells.
        let led = || entries(walls, flow).filter(|entry| entry.reply.src != flow.dst);
        let given = led().find(|entry| entry.is_unreplied()).or_else(|| led().next());
        let leads = |rule: &&MetRule| {
            let to = given.map(|entry| entry.reply.src);
            rule.to.iter().any(|target| to.is_none_or(|to| to == target.addr))
        };
        let rule = leading().find(leads)?;
        let hop = hop_of(flow, vantage);
        Some(Served { hop, position, rule, targets, given })
    })
}

impl Served<'_> {
    /// Tells whether it is a port of the host's own address that leads to one target.
    fn is_published(&self, flow: &Flow<'_>) -> bool {
        self.targets.len() == 1 && self.hop.vantage.owns(flow.dst)
    }

    /// Tells whether a target was asked for on the link and nobody answered.
    fn is_silent(&self, target: IpAddr) -> bool {
        let vantage = self.hop.vantage;
        let hop = Hop::new(vantage, target, self.hop.at);
        let asked = hop.solicited().filter(|_| !hop.via_gateway());
        asked.is_some_and(|report| report.answers.is_empty() && report.requests.len() > 1)
    }

    /// The silent target that the probe was given, or any if all are silent or a share of the connects was lost.
    fn silent(&self, share: bool) -> Option<(IpAddr, Confidence)> {
        if let Some(entry) = self.given.filter(|entry| entry.is_unreplied()) {
            let target = entry.reply.src;
            return self.is_silent(target).then_some((target, Confidence::Proved));
        }
        let mut silent = self.targets.iter().filter(|target| self.is_silent(target.addr));
        let first = silent.next()?.addr;
        let all = silent.count() + 1 == self.targets.len();
        (all || share).then_some((first, Confidence::Proved))
    }

    /// The socket that an endpoint lacks.
    fn socket(&self, target: IpAddr) -> SubjectKind {
        let protocol = if self.rule.protocol == 17 { "udp" } else { "tcp" }.to_owned();
        let given = self.given.and_then(|entry| entry.reply.src_port);
        let named = self.targets.iter().find(|t| t.addr == target).and_then(|t| t.port);
        let port = given.or(named).unwrap_or_default();
        SubjectKind::Socket { protocol, address: target, port }
    }

    fn draft(&self, cause: Cause, flow: &Flow<'_>, summary: String) -> Draft {
        let mut draft = Draft::new(cause, &self.hop, subject(self.rule), summary);
        if let Some(target) = flow.hops.first() {
            draft = draft.evidence(symptom(flow, target));
        }
        let place = |asked: String, seen: String| evidence(&self.hop, flow.at, asked, seen);
        draft = draft.evidence(place(named(self.rule), self.rule.text.clone()));
        let Some(entry) = self.given else { return draft };
        let port = entry.reply.src_port.map_or_else(String::new, |port| format!(" port {port}"));
        let state = if entry.is_unreplied() { "unanswered" } else { "answered" };
        let seen = format!("leads to {}{port}, {state}", entry.reply.src);
        draft.evidence(place("connection table, the probe".to_owned(), seen))
    }
}

pub(super) fn owner<'a>(scene: &Scene<'a>, addr: IpAddr) -> Option<&'a Vantage> {
    scene.case.vantages.iter().find(|vantage| vantage.owns(addr))
}

/// Asks every failing flow, and says what was seen where none is hit.
pub(super) fn each<'a>(
    scene: &Scene<'a>,
    otherwise: &str,
    test: impl Fn(&Flow<'a>) -> Option<(Draft, usize)>,
) -> Answer {
    let mut hits: Vec<Hit> = Vec::new();
    let ails = |flow: &Flow<'_>| flow.outcome.failed() || dead_share(scene, flow);
    for (n, flow) in scene.flows.iter().enumerate().filter(|(_, flow)| ails(flow)) {
        if let Some((draft, position)) = test(flow) {
            let proved = draft.finding.confidence == Confidence::Proved;
            let mut hit = draft.hit(n, position);
            if !flow.outcome.failed() {
                hit.finding.severity = Severity::Warning;
            }
            let weighed =
                [Cause::ServiceNoRule, Cause::ServiceStaleTarget, Cause::ServiceDeadEndpoint];
            hit.overrides = proved || weighed.contains(&hit.finding.cause);
            hits.push(hit);
        }
    }
    Answer::from_hits(hits, || match walls_of(scene.target) {
        Some(_) if scene.failing().next().is_some() => Answer::RuledOut(otherwise.to_owned()),
        _ => Answer::NotApplicable,
    })
}

/// Tells whether some connects of a flow failed, and others did not.
fn is_shared_out(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    is_lossy(scene, flow) || flow.faltered
}

/// Tells whether one of several targets of a service is dead: what is led to it is lost, and the rest passes.
pub(super) fn dead_share(scene: &Scene<'_>, flow: &Flow<'_>) -> bool {
    is_shared_out(scene, flow)
        && served(scene, flow)
            .is_some_and(|served| served.targets.len() > 1 && served.silent(true).is_some())
}

pub(super) fn stale(scene: &Scene<'_>, cause: Cause) -> Answer {
    each(scene, "nothing on the way leads to an address that nobody has", |flow| {
        let served = served(scene, flow).filter(|served| served.targets.len() == 1)?;
        let (target, seen, confidence) = unanswered(&served).or_else(|| nowhere(flow, &served))?;
        let held = scene.case.search.as_ref().is_some_and(|search| search.held.contains(&target));
        if held || owner(scene, target).is_some() {
            return None;
        }
        let place = &served.hop.vantage.name;
        let summary =
            format!("{place}: {} leads to {target}, which nobody has", asked(served.rule));
        let draft = served
            .draft(cause, flow, summary)
            .evidence(evidence(&served.hop, flow.at, seen.0, seen.1))
            .confidence(confidence)
            .prose("publish the port again: the container behind it has another address now");
        Some((draft, served.position))
    })
}

/// A target on the link that was asked for in vain.
fn unanswered(served: &Served<'_>) -> Option<(IpAddr, (String, String), Confidence)> {
    let (target, confidence) = served.silent(false)?;
    let asked = format!("{} for {target}", super::text::solicitation(target));
    Some((target, (asked, "no answer".to_owned()), confidence))
}

/// A target further on to which a router has no way, or sends the packets round.
fn nowhere(flow: &Flow<'_>, served: &Served<'_>) -> Option<(IpAddr, (String, String), Confidence)> {
    let target = served.targets.first()?.addr;
    let Outcome::Unreachable(icmp) = flow.outcome else { return None };
    // A router that has no way to it, or refuses it, is a cause of its own.
    let refused = |hop: &Hop<'_>| hop.towards == target && hop.refusal().is_some();
    if flow.hops.iter().any(refused) {
        return None;
    }
    let seen = (format!("packets to {target}"), icmp.text().to_owned());
    Some((target, seen, Confidence::Likely))
}

pub(super) fn dead(scene: &Scene<'_>, cause: Cause) -> Answer {
    each(scene, "no endpoint that the probes were given is dead", |flow| {
        let served = served(scene, flow)?;
        let (target, what, seen, confidence) = match served.silent(is_shared_out(scene, flow)) {
            Some((target, confidence)) => {
                let asked = super::text::solicitation(target);
                (
                    target,
                    "does not answer",
                    (format!("{asked} for {target}"), "no answer"),
                    confidence,
                )
            }
            None => refusing(scene, flow, &served).or_else(|| led_nowhere(scene, flow, &served))?,
        };
        // Of a published port whose only target is in sight, what ails that one is the cause.
        if served.is_published(flow) && owner(scene, target).is_some() {
            return None;
        }
        let place = &served.hop.vantage.name;
        let n = served.targets.len();
        let one = if n == 1 { "the endpoint".to_owned() } else { format!("one of {n} endpoints") };
        let summary = format!("{place}: {target}, {one} of {}, {what}", asked(served.rule));
        let mut draft = served
            .draft(cause, flow, summary)
            .evidence(evidence(&served.hop, flow.at, seen.0, seen.1))
            .confidence(confidence);
        // One that refuses is at fault where it lives.
        if let Some(owner) = owner(scene, target).filter(|_| what == REFUSES) {
            draft.finding.subject.netns = Some(owner.netns);
            draft.finding.subject.place.clone_from(&owner.name);
            draft.finding.subject.kind = served.socket(target);
        }
        let prose = match what == REFUSES {
            true => format!(
                "correct the service's target port, or start what should listen there; else take {target} out of the service"
            ),
            false => format!("take {target} out of the service or bring it back"),
        };
        Some((draft.prose(prose), served.position))
    })
}

type Dead = (IpAddr, &'static str, (String, &'static str), Confidence);

const REFUSES: &str = "refuses";

/// Who has, in sight, the endpoint that a translated flow was led to.
pub(super) fn led_to<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<(&'a Vantage, IpAddr, u16)> {
    end_of(scene, &served(scene, flow)?)
}

fn end_of<'a>(scene: &Scene<'a>, served: &Served<'a>) -> Option<(&'a Vantage, IpAddr, u16)> {
    let target = match (served.given, served.targets.as_slice()) {
        (Some(entry), _) => Endpoint { addr: entry.reply.src, port: entry.reply.src_port },
        (None, [only]) => *only,
        _ => return None,
    };
    Some((owner(scene, target.addr)?, target.addr, target.port?))
}

/// One of several endpoints to which a router has no way, or sends the packets round: the one that the
/// probe was given, or the only one that nobody in sight has.
fn led_nowhere<'a>(scene: &Scene<'a>, flow: &Flow<'a>, served: &Served<'a>) -> Option<Dead> {
    let Outcome::Unreachable(icmp) = flow.outcome else { return None };
    let held = |addr| scene.case.search.as_ref().is_some_and(|search| search.held.contains(&addr));
    let nobodys = |addr: &IpAddr| !held(*addr) && owner(scene, *addr).is_none();
    let mut lost = served.targets.iter().map(|target| target.addr).filter(nobodys);
    let given = served.given.filter(|entry| entry.is_unreplied()).map(|entry| entry.reply.src);
    let target = given.filter(nobodys).or_else(|| lost.next().filter(|_| lost.next().is_none()))?;
    let refused = |hop: &Hop<'_>| hop.towards == target && hop.refusal().is_some();
    if served.targets.len() < 2 || flow.hops.iter().any(refused) {
        return None;
    }
    let seen = (format!("packets to {target}"), icmp.text());
    Some((target, "is nobody's address in sight", seen, Confidence::Likely))
}

/// Who has, in sight, the only target of a published port that was asked for.
pub(super) fn published<'a>(
    scene: &Scene<'a>,
    flow: &Flow<'a>,
) -> Option<(&'a Vantage, IpAddr, u16)> {
    let served = served(scene, flow).filter(|served| served.is_published(flow))?;
    end_of(scene, &served)
}

/// An endpoint in sight that has no listener on its port, and said so.
fn refusing<'a>(scene: &Scene<'a>, flow: &Flow<'a>, served: &Served<'a>) -> Option<Dead> {
    let Outcome::Refused { .. } = flow.outcome else { return None };
    let (protocol, group, name) = match served.rule.protocol {
        17 => (SockProtocol::Udp, "Udp", "NoPorts"),
        _ => (SockProtocol::Tcp, "Tcp", "OutRsts"),
    };
    let deaf = |(owner, addr, port): &(&Vantage, IpAddr, u16)| {
        !listeners(owner, protocol, *port).iter().any(|sock| sock.accepts(*addr))
    };
    // An entry that was refused is gone at once: the only one of them that nobody listens at is meant, then.
    let all = served.targets.iter();
    let known = |to: &Endpoint| Some((owner(scene, to.addr)?, to.addr, to.port?));
    let mut others = all.filter_map(known).filter(deaf);
    let (owner, addr, port) = match end_of(scene, served) {
        Some(end) if deaf(&end) || served.targets.len() < 2 => end,
        _ => others.next().filter(|_| others.next().is_none())?,
    };
    let none = deaf(&(owner, addr, port));
    let moved = owner.moved(group, name).is_some_and(|moved| moved > 0);
    let asked = format!("{protocol} listeners on port {port} of {}", owner.name);
    let confidence = if moved { Confidence::Proved } else { Confidence::Likely };
    none.then_some((addr, REFUSES, (asked, "none"), confidence))
}

/// The address that was asked for, as a noun phrase.
fn asked(rule: &MetRule) -> String {
    match rule.port {
        Some(port) => format!("{} port {port}", rule.dst),
        None => rule.dst.to_string(),
    }
}

pub(super) fn table_full(scene: &Scene<'_>, cause: Cause) -> Answer {
    each(scene, "connection tracking dropped nothing for want of room", |flow| {
        let mut all = scene.case.vantages.iter().enumerate();
        let (position, vantage, tracking) = all.find_map(|(position, vantage)| {
            let tracking = walls_of(vantage)?.tracking.as_ref()?;
            let full = tracking.after.max > 0
                && tracking.before.count.max(tracking.after.count) >= tracking.after.max;
            let dropped = tracking.after.drop > tracking.before.drop;
            (full && dropped).then_some((position, vantage, tracking))
        })?;
        if !matches!(flow.outcome, Outcome::Silent | Outcome::Local(_)) {
            return None;
        }
        let hop = hop_of(flow, vantage);
        let place = &vantage.name;
        let summary =
            format!("{place}: the connection table is full and new connections are dropped");
        let mut draft = Draft::new(cause, &hop, SubjectKind::Namespace, summary);
        if let Some(target) = flow.hops.first() {
            draft = draft.evidence(symptom(flow, target));
        }
        let (before, after) = (tracking.before, tracking.after);
        let fill = format!("{} of {}", after.count, after.max);
        let drops = format!("{} -> {}", before.drop, after.drop);
        let draft = draft
            .evidence(evidence(&hop, flow.at, "connections tracked", fill))
            .evidence(evidence(&hop, flow.at, "dropped for want of room, before and after", drops))
            .prose("raise net.netfilter.nf_conntrack_max, or end what opens so many connections");
        Some((draft, position))
    })
}

/// A private source that a host which masks others passed on as it was.
pub(super) struct Plain<'a> {
    pub(super) hop: Hop<'a>,
    position: usize,
    source: IpAddr,
    /// Whom the host masks, if anybody.
    pub(super) mask: Option<&'a str>,
    /// The connection table has the probe untranslated and unanswered.
    tracked: bool,
    /// The destination has no route to the source.
    lost: bool,
}

pub(super) fn left_plain<'a>(scene: &Scene<'a>, flow: &Flow<'a>) -> Option<Plain<'a>> {
    let source = flow.hops.first()?.route()?.prefsrc.filter(|addr| is_private(*addr))?;
    let all = scene.case.vantages.iter().enumerate().skip(1);
    let routed = all.filter(|(_, vantage)| vantage.role != VantageRole::Bridge);
    let mut masking = routed.filter_map(|(position, vantage)| {
        Some((position, vantage, Some(walls_of(vantage)?.masks.as_deref()?)))
    });
    let (position, vantage, mask) = masking.next().or_else(|| door(flow, source))?;
    let walls = walls_of(vantage)?;
    let translated =
        met(walls, flow).any(|rule| rule.hook == "postrouting" && rule.outcome == "translate");
    let tracked = entries(walls, flow).any(|entry| {
        entry.is_unreplied() && entry.reply.dst == source && entry.reply.src == flow.dst
    });
    let end = scene.case.vantages.iter().find(|v| v.owns(flow.dst));
    let lost = end.is_some_and(|end| Hop::new(end, source, flow.at).has_no_route());
    let silent = matches!(flow.outcome, Outcome::Silent);
    let hop = hop_of(flow, vantage);
    // What the host could hand to nobody never left.
    let unheard = hop.solicited().is_some_and(|report| report.answers.is_empty());
    let kept = unheard || hop.egress().is_some_and(|link| !link.has_carrier());
    // Of one that masks nobody it takes a destination that cannot answer to show that it should; so it does of
    // one that can be seen, for the packets may be lost for other reasons.
    let astray = flow.back.iter().any(Hop::has_no_route);
    let public = !is_private(flow.dst);
    let lost = lost || astray && public;
    let open = end.is_none() || astray || public;
    let shown = lost || tracked && mask.is_some() && open;
    if kept || translated || !silent || !shown || vantage.owns(flow.dst) {
        return None;
    }
    if !public && is_exempt(walls, flow, mask) {
        return None;
    }
    Some(Plain { hop, position, source, mask, tracked, lost })
}

/// Tells whether the destination is not masked on purpose: it is of the network that is masked, or a rule passes it.
fn is_exempt(walls: &Walls, flow: &Flow<'_>, mask: Option<&str>) -> bool {
    let masked = mask
        .and_then(|text| text.split_once("saddr "))
        .and_then(|(_, behind)| behind.split(' ').next()?.parse::<Prefix>().ok());
    let passes = |rule: &MetRule| {
        let ends = rule.outcome == "return" || rule.outcome == "accept";
        rule.hook == "postrouting" && rule.certain && ends && rule.text.contains("daddr")
    };
    masked.is_some_and(|network| network.contains(flow.dst)) || met(walls, flow).any(passes)
}

/// The host by which the packets leave a network of its own for others: it masks nobody and has the
/// source on a bridge and the destination next to it, or the destination is no private address.
fn door<'a>(flow: &Flow<'a>, source: IpAddr) -> Option<(usize, &'a Vantage, Option<&'a str>)> {
    let (position, hop) = flow.hops.iter().enumerate().nth(1)?;
    walls_of(hop.vantage)?;
    let mut addrs = hop.vantage.addrs().iter().filter(|addr| addr.prefix().contains(source));
    let bridged = addrs.any(|addr| {
        let link = hop.vantage.link(addr.ifindex);
        link.is_some_and(|link| link.kind.as_deref() == Some("bridge"))
    });
    let beside = hop.next_hop() == Some(flow.dst);
    (!is_private(flow.dst) || bridged && beside).then_some((position, hop.vantage, None))
}

impl Plain<'_> {
    /// What shows it.
    pub(super) fn evidence(&self, flow: &Flow<'_>) -> impl Iterator<Item = Evidence> {
        let fact = |asked: &str, seen: String| evidence(&self.hop, flow.at, asked, seen);
        let masked = fact("masked sources", self.mask.unwrap_or("none").to_owned());
        let tracked = self.tracked.then(|| {
            let seen = format!("from {}, untranslated, unanswered", self.source);
            fact("connection table, the probe", seen)
        });
        let lost = self.lost.then(|| {
            fact("the way back", format!("the destination has no route to {}", self.source))
        });
        [Some(masked), tracked, lost].into_iter().flatten()
    }
}

pub(super) fn unmasked(scene: &Scene<'_>, cause: Cause) -> Answer {
    each(scene, "no host in sight that masks others passed the packets on unmasked", |flow| {
        let plain = left_plain(scene, flow)?;
        let (place, source) = (&plain.hop.vantage.name, plain.source);
        let summary = format!("{place}: {source} leaves for {} without masquerading", flow.dst);
        let mut draft = Draft::new(cause, &plain.hop, SubjectKind::Namespace, summary);
        if let Some(target) = flow.hops.first() {
            draft = draft.evidence(symptom(flow, target));
        }
        let proved = plain.lost && (plain.tracked || plain.mask.is_none());
        let confidence = if proved { Confidence::Proved } else { Confidence::Likely };
        let draft = draft
            .all(plain.evidence(flow))
            .confidence(confidence)
            .prose(match plain.mask {
                Some(_) => format!("add the network of {source} to the rule that masquerades"),
                None => format!("masquerade what leaves {place} from the network of {source}, or give {} a route back", flow.dst),
            });
        Some((draft, plain.position))
    })
}

/// Addresses that others use as well (RFC 1918, RFC 6598, RFC 4193).
pub(super) fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(v4) => v4.is_private() || (v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64),
        IpAddr::V6(v6) => v6.is_unique_local(),
    }
}
