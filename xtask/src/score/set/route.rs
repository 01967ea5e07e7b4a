//! Routes: `route.none` and `route.blackhole`.

use vision_lab::{Family, Fault, Lab, RouteKind};

use super::Built;
use crate::score::{
    container::{listen, nameserver, with_dns, with_hosts},
    scenario::{Scenario, Site},
};

const NONE: &str = "route.none";
const HOLE: &str = "route.blackhole";
const NO_DEFAULT_V4: Fault<'_> = Fault::NoDefaultRoute { family: Family::V4 };
const NO_DEFAULT_V6: Fault<'_> = Fault::NoDefaultRoute { family: Family::V6 };

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(NONE, "chain, no default route, v4", none_v4),
    Scenario::fault(NONE, "chain, no default route, v6 TCP, by pid", none_v6),
    Scenario::fault(NONE, "wire, destination off the subnet", none_off_link),
    Scenario::fault(NONE, "bridge, no default route, name in hosts", none_by_name),
    Scenario::fault(NONE, "bridge, nothing asked, nameserver beyond", none_health),
    Scenario::fault(NONE, "chain of four, first router lacks the route", none_on_router),
    Scenario::fault(HOLE, "wire, host route, v4", hole_host_v4),
    Scenario::fault(HOLE, "chain, prefix, v6 TCP, by pid", hole_prefix_v6),
    Scenario::fault(HOLE, "bridge, name in hosts, UDP", hole_by_name),
    Scenario::fault(HOLE, "chain, in a table that a rule selects", hole_in_table),
    Scenario::fault(HOLE, "bridge, default route, nothing asked", hole_health),
];

fn none_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&a, NO_DEFAULT_V4)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn none_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.fault(&a, NO_DEFAULT_V6)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443))
}

fn none_off_link(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    Ok(Site::at(&a).ask_tcp([203, 0, 113, 5], 443))
}

fn none_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 5432)?;
    let process = with_hosts(web, &[&format!("{} db.example db", bridge.outside().v4())])?;
    lab.fault(web, NO_DEFAULT_V4)?;
    Ok(Site::in_process(process).keep(server).ask("db:5432"))
}

fn none_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    lab.fault(web, NO_DEFAULT_V4)?;
    lab.fault(web, NO_DEFAULT_V6)?;
    Ok(Site::in_process(process).keep(dns))
}

/// The router says so itself: network unreachable.
fn none_on_router(lab: &Lab) -> Built {
    let [a, r, _, b] = lab.chain(["a", "r1", "r2", "b"])?;
    let [x, y, z, _] = b.v4().octets();
    r.try_sh(&format!("ip route del {x}.{y}.{z}.0/24"))?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn hole_host_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let prefix = format!("{}/32", b.v4());
    lab.fault(&a, Fault::Route { kind: RouteKind::Blackhole, prefix: &prefix })?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn hole_prefix_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.fault(&a, Fault::Route { kind: RouteKind::Blackhole, prefix: "fd00::/16" })?;
    // The prefix of the link is longer; the one of `b` is not there.
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443))
}

fn hole_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let process = with_hosts(web, &[&format!("{} log.example", bridge.outside().v4())])?;
    let prefix = format!("{}/32", bridge.outside().v4());
    lab.fault(web, Fault::Route { kind: RouteKind::Blackhole, prefix: &prefix })?;
    Ok(Site::in_process(process).ask("udp:log.example:514"))
}

fn hole_in_table(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip route add blackhole default table 100; ip rule add to {}/24 lookup 100 priority 1000",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn hole_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    lab.fault(web, NO_DEFAULT_V4)?;
    web.try_sh("ip route add blackhole default")?;
    Ok(Site::in_process(process).keep(dns))
}
