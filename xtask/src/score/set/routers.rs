//! Routers and destinations in sight whose routes are at fault: the cause has to be found there.

use vision_lab::{Fault, Lab};

use super::Built;
use crate::score::{
    container::{beside, beside_v6, listen},
    scenario::{Scenario, Site},
};

const REFUSES: &str = "route.unreachable";
const DIVERTS: &str = "route.rule-diverts";
const GATEWAY: &str = "neigh.gateway-no-answer";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault("route.none", "first router of two lacks the route, v4", none_on_router).seen(),
    Scenario::fault("route.none", "second router lacks the route, v6 TCP", none_on_second).seen(),
    Scenario::fault("route.none", "destination has no way back", no_way_back)
        .or(&["route.return-missing"])
        .seen(),
    Scenario::fault("route.none", "router has no way back", no_way_back_on_router)
        .or(&["route.return-missing"])
        .seen(),
    Scenario::unnamed("router has no way back", &["route.return-missing"], no_way_back_on_router),
    Scenario::fault("route.blackhole", "on the router, v4 TCP", hole_on_router).seen(),
    Scenario::fault("route.blackhole", "on the bridge host, nothing comes back", hole_on_host)
        .seen(),
    Scenario::fault("route.blackhole", "on the destination, for us", hole_on_destination).seen(),
    Scenario::unnamed(
        "blackhole on the destination, for us",
        &["route.blackhole", "route.return-missing"],
        hole_on_destination,
    ),
    Scenario::fault(REFUSES, "on the router, v4 TCP", refused_by_router).seen(),
    Scenario::unnamed("router's route is unreachable, v4 TCP", &[REFUSES], refused_by_router),
    Scenario::fault(REFUSES, "prohibit on the second router, v6", prohibited_by_second).seen(),
    Scenario::unnamed(
        "prohibit on the second router, v6",
        &[REFUSES, "firewall.reject"],
        prohibited_by_second,
    ),
    Scenario::fault(DIVERTS, "on the router, by source, to a dead gateway", diverted_on_router)
        .or(&[GATEWAY])
        .seen(),
    Scenario::fault(GATEWAY, "first router's next hop is nobody, v4 TCP", dead_next_hop).seen(),
    Scenario::unnamed("first router's next hop is nobody", &[GATEWAY], dead_next_hop),
    Scenario::fault(GATEWAY, "second router does not answer the first", second_silent).seen(),
];

fn none_on_router(lab: &Lab) -> Built {
    let [a, r, _, b] = lab.chain(["a", "r1", "r2", "b"])?;
    r.try_sh(&format!("ip route del {}/24", beside(&b, 0)))?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r))
}

fn none_on_second(lab: &Lab) -> Built {
    let [a, _, s, _, b] = lab.chain(["a", "r1", "r2", "r3", "b"])?;
    let server = listen(&b, 443)?;
    s.try_sh(&format!("ip -6 route del {}/64", beside_v6(&b, 0)))?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443).blame(&s))
}

fn no_way_back(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    b.try_sh("ip route del default")?;
    Ok(Site::at(&a).ask(b.v4()).blame(&b))
}

fn no_way_back_on_router(lab: &Lab) -> Built {
    let [a, _, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    let server = listen(&b, 443)?;
    s.try_sh(&format!("ip route del {}/24", beside(&a, 0)))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&s))
}

fn hole_on_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!("ip route add blackhole {}/32", b.v4()))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn hole_on_host(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    bridge.host.try_sh(&format!("ip -6 route add blackhole {}/128", outside.v6()))?;
    Ok(Site::at(bridge.container("web")).ask(outside.v6()).blame(&bridge.host))
}

fn hole_on_destination(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    b.try_sh(&format!("ip route add blackhole {}/32", a.v4()))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&b))
}

fn refused_by_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!("ip route add unreachable {}/32", b.v4()))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn prohibited_by_second(lab: &Lab) -> Built {
    let [a, _, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    s.try_sh(&format!("ip -6 route add prohibit {}/128", b.v6()))?;
    Ok(Site::at(&a).ask(b.v6()).blame(&s))
}

/// The rule goes by the source, as those of machines with two uplinks do.
fn diverted_on_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!(
        "ip route add default via {} dev eth1 table 200
         ip rule add from {}/24 iif eth0 to {}/32 lookup 200 priority 500",
        beside(&b, 250),
        beside(&a, 0),
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn dead_next_hop(lab: &Lab) -> Built {
    let [a, r, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    let server = listen(&b, 80)?;
    let to = beside(&b, 0);
    r.try_sh(&format!("ip route replace {to}/24 via {} dev eth1", beside(&s, 250)))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

/// It still asks for others itself, and whoever is asked learns its address.
fn second_silent(lab: &Lab) -> Built {
    let [a, r, s, b] = lab.chain(["a", "r1", "r2", "b"])?;
    lab.fault(&s, Fault::ArpSilent { dev: "eth0" })?;
    r.try_sh("ip neigh flush dev eth1")?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r))
}
