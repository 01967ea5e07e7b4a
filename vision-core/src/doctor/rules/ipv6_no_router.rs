use super::text::{Draft, evidence, look_up, shown, symptom};
use super::{Answer, Rule, RuleMeta};
use crate::base::Family;
use crate::doctor::scene::{Flow, Hop, Scene};
use crate::doctor::{Cause, Risk, SubjectKind};
use crate::inventory::{Addr, InterfaceSysctls, Lifetime, Link, Route, Sections};

const DOCS: &str = "\
The namespace has an IPv6 address from a router advertisement and no default route, which comes the
same way. Mostly forwarding was switched on (by a container engine, a VPN): from then on advertisements are
no longer heeded unless `accept_ra` is 2, and the default routes they brought are removed at once.

How it shows: neighbours on the link are reachable, connections to all else fail at once with ENETUNREACH.
How it is told from its neighbours: an address that somebody configured says nothing about
advertisements; without its route that is `route.none`.
What to do: `sysctl -w net.ipv6.conf.IFACE.accept_ra=2`, or have the router advertise itself as a default router.";

static META: RuleMeta = RuleMeta {
    cause: Cause::Ipv6NoRouter,
    needs: Sections::ADDRS.union(Sections::ROUTES).union(Sections::SYSCTLS),
    docs: DOCS,
};

pub(super) struct Ipv6NoRouter;

impl Rule for Ipv6NoRouter {
    fn meta(&self) -> &'static RuleMeta {
        &META
    }

    fn check(&self, scene: &Scene<'_>) -> Answer {
        let mut hits = Vec::new();
        let v6 = scene.flows.iter().enumerate().filter(|(_, f)| f.dst.is_ipv6());
        for (n, flow) in v6.filter(|(_, f)| f.outcome.failed()) {
            let first = flow.hops.first().filter(|hop| hop.has_no_route());
            if let Some((hop, link, addr)) =
                first.and_then(|hop| advertised(hop).or_else(|| unheeded(hop)))
            {
                hits.push(finding(flow, hop, link, addr).hit(n, 0));
            }
        }
        Answer::from_hits(hits, || match scene.flows.iter().any(|f| f.dst.is_ipv6()) {
            true => {
                Answer::RuledOut("no default route from an advertisement is missing".to_owned())
            }
            false => Answer::NotApplicable,
        })
    }
}

/// A link with an address that was advertised, in a namespace without any IPv6 default route.
fn advertised<'a>(hop: &'a Hop<'a>) -> Option<(&'a Hop<'a>, &'a Link, &'a Addr)> {
    let routes = hop.vantage.state()?.routes.as_ref()?;
    if routes.items.iter().any(|route| route.family == Family::V6 && route.is_default()) {
        return None;
    }
    hop.up_links().find_map(|link| {
        let mut own = hop.vantage.addrs().iter().filter(|addr| addr.ifindex == link.ifindex);
        // A whole prefix that ends by itself; DHCPv6 gives single addresses (RFC 4862, RFC 8415).
        let addr = own.find(|addr| {
            let lasting = addr.valid == Lifetime::Forever;
            addr.family == Family::V6 && !lasting && addr.prefix_bits < Family::V6.bits()
        })?;
        Some((hop, link, addr))
    })
}

/// Router advertisements that a namespace was sent since it exists.
fn heard(hop: &Hop<'_>) -> u64 {
    let counters = hop.vantage.state().and_then(|state| state.counters.as_ref());
    counters.and_then(|it| it.get("Icmp6", "InRouterAdvertisements")).unwrap_or(0)
}

/// A link with an address set by hand in a namespace that heeds no advertisements, though it was sent some.
fn unheeded<'a>(hop: &'a Hop<'a>) -> Option<(&'a Hop<'a>, &'a Link, &'a Addr)> {
    let state = hop.vantage.state()?;
    let routes = state.routes.as_ref()?;
    let default = |route: &Route| route.family == Family::V6 && route.is_default();
    if heard(hop) == 0 || routes.items.iter().any(default) {
        return None;
    }
    let settings = state.sysctls.as_ref()?;
    hop.up_links().find_map(|link| {
        settings.interface(link.name.as_bytes()).filter(|own| is_deaf(own))?;
        let wide = |addr: &&Addr| match addr.local {
            std::net::IpAddr::V6(v6) => addr.ifindex == link.ifindex && !v6.is_unicast_link_local(),
            std::net::IpAddr::V4(_) => false,
        };
        Some((hop, link, hop.vantage.addrs().iter().find(wide)?))
    })
}

fn finding(flow: &Flow<'_>, hop: &Hop<'_>, link: &Link, addr: &Addr) -> Draft {
    let (name, place) = (shown(&link.name), &hop.vantage.name);
    let settings = hop.vantage.state().and_then(|state| state.sysctls.as_ref());
    let own = settings.and_then(|s| s.interface(link.name.as_bytes()));
    let deaf = own.is_some_and(is_deaf);
    let why = match deaf {
        true => "forwarding is on, so router advertisements are not heeded",
        false => "no router advertises itself as the way on",
    };
    let summary = format!("{place}: no IPv6 default route on {name}: {why}");
    let kind = SubjectKind::Route { destination: hop.towards, route: None };
    let mut draft = Draft::new(META.cause, hop, kind, summary);
    draft = draft.all(flow.hops.first().map(|target| symptom(flow, target))).evidence(look_up(hop));
    draft = draft.evidence(match addr.valid {
        Lifetime::Seconds(left) => {
            let seen = format!("{}, valid for {left} s more", addr.local);
            evidence(hop, hop.at, format!("advertised address of {name}"), seen)
        }
        Lifetime::Forever => {
            evidence(hop, hop.at, "counter Icmp6 InRouterAdvertisements", heard(hop).to_string())
        }
    });
    if !deaf {
        return draft.prose(format!(
            "have the router on {name} advertise itself with a lifetime, or add a default route"
        ));
    }
    let key = |name: &str, what: &str| format!("net.ipv6.conf.{name}.{what}");
    draft
        .evidence(evidence(hop, hop.at, key(&name, "forwarding"), "1"))
        .evidence(evidence(hop, hop.at, key(&name, "accept_ra"), "1"))
        .command(format!("sysctl -w {}=2", key(&name, "accept_ra")), Risk::Safe)
}

/// Whether advertisements are not heeded because the link forwards (net/ipv6/ndisc.c `ipv6_accept_ra`).
fn is_deaf(settings: &InterfaceSysctls) -> bool {
    settings.ipv6.as_ref().is_some_and(|v6| v6.forwarding == Some(true) && v6.accept_ra == Some(1))
}
