//! A case file read as flows: who was asked for, along which hops, with what outcome. Pure.

use std::net::IpAddr;

use super::Service;
use super::case::{CaseFile, Vantage, VantageRole};
use super::flows::{anywhere, flows_of, unasked};
use super::wire::Wire;
use crate::base::{Family, Reason, Timestamp, Ttl};
use crate::inventory::{AddrFlags, Link, Neighbour, RefusalCause, Route, RouteAnswer, RouteKind};
use crate::probe::{IcmpError, NeighReport};

/// The whole case as the rules see it.
pub(super) struct Scene<'a> {
    pub(super) case: &'a CaseFile,
    pub(super) target: &'a Vantage,
    pub(super) flows: Vec<Flow<'a>>,
}

/// Packets from the target to one address for one purpose.
pub(super) struct Flow<'a> {
    pub(super) dst: IpAddr,
    pub(super) purpose: Purpose,
    pub(super) outcome: Outcome,
    /// It failed at first and works since the next hop was asked for: asking renewed the entry.
    pub(super) mended: bool,
    /// It was silent at first and answered when asked again, by what is seen for no reason.
    pub(super) faltered: bool,
    /// A gateway that answers for its address and to no packet: it may only be filtered.
    pub(super) doubtful: bool,
    pub(super) at: Timestamp,
    /// From the target on, as far as the way could be followed.
    pub(super) hops: Vec<Hop<'a>>,
    /// The way back, from the destination on.
    pub(super) back: Vec<Hop<'a>>,
}

/// Why packets go there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The user asked for it.
    Destination(Service),
    /// Names are resolved there.
    Nameserver,
    /// The default route leads there.
    Gateway,
    /// Programs of the namespace talk to each other there.
    Loopback,
    /// Nobody in particular: whether the namespace can send anything at all.
    Anywhere,
}

/// What became of a flow's probe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    /// An answer came.
    Works,
    /// The destination said no.
    Refused { icmp: Option<IcmpError>, ttl: Option<Ttl> },
    /// Somebody on the way, or the own kernel after a while, said that it cannot be reached.
    Unreachable(IcmpError),
    /// The own kernel said no at once.
    Local(Reason),
    /// Nothing came.
    Silent,
    /// Nothing was sent.
    Unasked,
}

impl Outcome {
    /// Tells whether a live probe showed a symptom.
    pub(super) fn failed(self) -> bool {
        !matches!(self, Self::Works | Self::Unasked)
    }

    /// Tells whether somebody said what is wrong.
    pub(super) fn is_told(self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Unreachable(_) | Self::Local(_))
    }
}

/// One namespace on a flow's way, and where it sends the packets next.
#[derive(Clone, Copy)]
pub(super) struct Hop<'a> {
    pub(super) vantage: &'a Vantage,
    /// The address this hop looks up.
    pub(super) towards: IpAddr,
    pub(super) answer: Option<&'a RouteAnswer>,
    pub(super) at: Timestamp,
}

impl<'a> Hop<'a> {
    pub(super) fn new(vantage: &'a Vantage, towards: IpAddr, fallback: Timestamp) -> Self {
        let record = vantage.route(towards);
        let at = record.map_or(fallback, |record| record.at);
        Self { vantage, towards, answer: record.map(|record| &record.answer), at }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.towards)
    }

    pub(super) fn route(&self) -> Option<&'a Route> {
        match self.answer? {
            RouteAnswer::Route(route) => Some(route),
            _ => None,
        }
    }

    pub(super) fn refusal(&self) -> Option<(RefusalCause, Reason)> {
        match self.answer? {
            RouteAnswer::Refused(refusal) => Some((refusal.cause, refusal.reason)),
            _ => None,
        }
    }

    pub(super) fn has_no_route(&self) -> bool {
        matches!(self.refusal(), Some((RefusalCause::NoRoute, _)))
    }

    /// Tells whether the packets end here.
    pub(super) fn is_local(&self) -> bool {
        self.route().is_some_and(|route| route.kind == RouteKind::Local)
    }

    pub(super) fn egress(&self) -> Option<&'a Link> {
        let route = self.route().filter(|route| route.kind != RouteKind::Local)?;
        self.vantage.link(route.oif_ifindex?)
    }

    /// The neighbour the packets are handed to.
    pub(super) fn next_hop(&self) -> Option<IpAddr> {
        self.egress().filter(|link| !link.is_loopback())?;
        Some(self.route()?.gateway.unwrap_or(self.towards))
    }

    pub(super) fn via_gateway(&self) -> bool {
        self.route().is_some_and(|route| route.gateway.is_some())
    }

    pub(super) fn entry(&self) -> Option<&'a Neighbour> {
        self.vantage.neighbour(self.egress()?.ifindex, self.next_hop()?)
    }

    /// What the table believed about the next hop before it was asked for.
    pub(super) fn believed(&self) -> Option<&'a Neighbour> {
        self.vantage.believed(self.egress()?.ifindex, self.next_hop()?)
    }

    pub(super) fn solicited(&self) -> Option<&'a NeighReport> {
        self.vantage.solicited(self.egress()?.ifindex, self.next_hop()?)
    }

    /// Tells whether the next hop was asked for more than once and never answered.
    fn asked_in_vain(&self) -> bool {
        self.solicited().is_some_and(|r| r.answers.is_empty() && r.requests.len() > 1)
    }

    /// Links that could carry the family's packets: up, and more than a loopback.
    pub(super) fn up_links(&self) -> impl Iterator<Item = &'a Link> + use<'a> {
        self.vantage.links().iter().filter(|link| link.is_up() && !link.is_loopback())
    }

    /// Tells whether some link that is up has an address others could answer to.
    pub(super) fn has_address(&self, family: Family) -> bool {
        self.up_links().any(|link| has_address(self.vantage, link, family))
    }
}

/// Tells whether a link has an address of the family that reaches beyond the link.
pub(super) fn has_address(vantage: &Vantage, link: &Link, family: Family) -> bool {
    vantage.addrs().iter().any(|addr| {
        let link_local = matches!(addr.local, IpAddr::V6(v6) if v6.is_unicast_link_local());
        addr.ifindex == link.ifindex && addr.family == family && !link_local
    })
}

/// Tells whether a service did not answer, and not because an address of the target had only just come. A host is
/// asked in more than one way, and may keep silent about some.
fn fell_silent(target: &Vantage, flow: &Flow<'_>) -> bool {
    let asked = matches!(flow.purpose, Purpose::Destination(service) if service != Service::Host);
    let addrs = target.rounds.iter().filter_map(|round| round.before.addrs.as_ref());
    let own = addrs.flat_map(|dump| &dump.items).filter(|it| it.family == Family::of(flow.dst));
    let mut flags = own.map(|addr| addr.flags);
    asked
        && flow.outcome == Outcome::Silent
        && !flags.any(|flags| flags.contains(AddrFlags::TENTATIVE))
}

impl<'a> Scene<'a> {
    pub(super) fn of(case: &'a CaseFile) -> Option<Self> {
        let target = case.target()?;
        let mut flows: Vec<Flow<'a>> = Vec::new();
        for flow in target.probes().rev().flat_map(|probe| flows_of(case, target, probe)) {
            let known = |f: &&mut Flow<'_>| f.dst == flow.dst && f.purpose == flow.purpose;
            match flows.iter_mut().find(known) {
                None => flows.push(flow),
                // The latest word counts, but routers limit their errors: silence after one is no news.
                Some(later) if later.outcome == Outcome::Silent && flow.outcome.is_told() => {
                    *later = flow;
                }
                // A neighbour that answers nobody told its address by asking itself when it was
                // looked at, or a router further on did.
                Some(later)
                    if later.outcome == Outcome::Works
                        && flow.outcome.failed()
                        && flow.hops.iter().any(Hop::asked_in_vain) =>
                {
                    *later = flow;
                }
                Some(later) if later.outcome == Outcome::Works && flow.outcome.failed() => {
                    let next = later.hops.first().and_then(Hop::next_hop);
                    later.mended |= next.is_some_and(|next| target.disputes(next));
                    later.faltered |= fell_silent(target, &flow) && !later.mended;
                }
                Some(_) => {}
            }
        }
        flows.reverse();
        flows.extend(unasked(case, target, &flows));
        flows.extend(anywhere(case, target, &flows));
        // What leaves the namespace matters more than what stays inside.
        flows.sort_by_key(|flow| flow.purpose == Purpose::Loopback);
        Some(Self { case, target, flows })
    }

    pub(super) fn failing(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.flows.iter().filter(|flow| flow.outcome.failed())
    }

    /// Every hop of every failing flow, there and back: the flow's number, the flow, the hop's
    /// position on the way, the hop.
    pub(super) fn failing_hops(&self) -> impl Iterator<Item = (usize, &Flow<'a>, usize, &Hop<'a>)> {
        let failing = self.flows.iter().enumerate().filter(|(_, flow)| flow.outcome.failed());
        failing.flat_map(|(n, flow)| {
            let hops = flow.hops.iter().chain(&flow.back).enumerate();
            hops.map(move |(position, hop)| (n, flow, position, hop))
        })
    }

    /// The way of the frames that a hop hands to its next hop.
    pub(super) fn wire(&self, hop: &Hop<'_>) -> Option<&'a Wire> {
        let (ifindex, next) = (hop.egress()?.ifindex, hop.next_hop()?);
        let ours = |w: &&Wire| (w.netns, w.ifindex) == (hop.vantage.netns, ifindex);
        self.case.wires.iter().filter(ours).find(|w| w.neighbour == next)
    }

    /// Tells whether a router that the target is attached to, and that answers arrive at, has no
    /// better way back to it than its default route, by another link.
    pub(super) fn leads_astray(&self, flow: &Flow<'_>, back: &Hop<'_>) -> bool {
        let hands_over = |other: &Hop<'_>| {
            let end = self.wire(other).and_then(|wire| wire.way.last());
            end.is_some_and(|end| {
                end.netns == back.vantage.netns && end.netns != other.vantage.netns
            })
        };
        if !flow.back.iter().any(hands_over) {
            return false;
        }
        let Some(route) = back.route().filter(|route| route.gateway.is_some()) else {
            return false;
        };
        let routes = back.vantage.state().and_then(|state| state.routes.as_ref());
        let Some(routes) = routes else { return false };
        let better = |it: &Route| !it.is_default() && it.dst.contains(back.towards);
        if routes.items.iter().any(better) {
            return false;
        }
        let wires = self.case.wires.iter().filter(|wire| wire.netns == self.target.netns);
        let ends = wires.filter_map(|wire| wire.way.last());
        let mut here = ends.filter(|end| end.netns == back.vantage.netns).map(|end| &end.link);
        here.any(|l| ![Some(l.ifindex), l.master_ifindex].contains(&route.oif_ifindex))
    }

    pub(super) fn destinations(&self) -> impl Iterator<Item = &Flow<'a>> {
        self.flows.iter().filter(|flow| matches!(flow.purpose, Purpose::Destination(_)))
    }

    /// The namespace that owns an address: the target itself, or one found on the same machine.
    pub(super) fn owner(&self, addr: IpAddr) -> Option<&'a Vantage> {
        if addr.is_loopback() || self.target.owns(addr) {
            return Some(self.target);
        }
        self.case.vantages.iter().find(|v| v.role == VantageRole::Destination && v.owns(addr))
    }
}
