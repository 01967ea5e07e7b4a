//! Interfaces: `link.down` and `link.peer-down`.

use vision_lab::{Fault, Lab};

use super::Built;
use crate::score::{
    container::{container, nameserver, with_hosts},
    scenario::{Scenario, Site},
};

const DOWN: &str = "link.down";
const PEER: &str = "link.peer-down";
const ETH0_DOWN: Fault<'_> = Fault::LinkDown { dev: "eth0" };

/// Without its link a container has no routes either, and cannot resolve anything.
const AFTER: &[&str] = &["route.none", "addr.none"];

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(DOWN, "wire, v4 on-link", down_on_link_v4).related(AFTER),
    Scenario::fault(DOWN, "chain, v6 routed, TCP, by pid", down_routed_v6).related(AFTER),
    Scenario::fault(DOWN, "bridge, name in the hosts file, TCP", down_by_name).related(AFTER),
    Scenario::fault(DOWN, "bridge, nothing asked", down_health).related(AFTER),
    Scenario::fault(DOWN, "second interface of two, on-link", down_second).related(AFTER),
    Scenario::fault(PEER, "wire, far end down, v4", peer_down_on_link),
    Scenario::fault(PEER, "chain, router's port down, v6 routed", peer_down_routed),
    Scenario::fault(PEER, "bridge, host end down, v4 TCP outside", peer_down_bridge),
    Scenario::fault(PEER, "bridge, host end down, name, by pid", peer_down_by_name),
    Scenario::fault(PEER, "bridge, host end down, nothing asked", peer_down_health),
];

fn down_on_link_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&a, ETH0_DOWN)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn down_routed_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&a, ETH0_DOWN)?;
    Ok(Site::in_process(a.sleeper()).ask_tcp(b.v6(), 80))
}

fn down_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let process = with_hosts(web, &[&format!("{} db", db.v4())])?;
    lab.fault(web, ETH0_DOWN)?;
    Ok(Site::in_process(process).ask("db:5432"))
}

fn down_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = container(web, &[&format!("nameserver {}", bridge.outside().v4())], &[])?;
    lab.fault(web, ETH0_DOWN)?;
    Ok(Site::in_process(process).keep(dns))
}

/// The address stays on the interface, and what belongs on it leaves by the default route instead.
fn down_second(lab: &Lab) -> Built {
    let [a, r, _] = lab.chain(["a", "r", "b"])?;
    lab.link(&a, "eth1", &r, "eth9")?;
    a.try_sh("ip addr add 10.200.0.1/24 dev eth1")?;
    r.try_sh("ip addr add 10.200.0.2/24 dev eth9; ip route add unreachable 10.200.0.77")?;
    lab.fault(&a, Fault::LinkDown { dev: "eth1" })?;
    Ok(Site::at(&a).ask("10.200.0.77"))
}

fn peer_down_on_link(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&b, ETH0_DOWN)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn peer_down_routed(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, ETH0_DOWN)?;
    Ok(Site::at(&a).ask(b.v6()))
}

fn peer_down_bridge(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    lab.fault(&bridge.host, Fault::LinkDown { dev: "v-web" })?;
    Ok(Site::at(bridge.container("web")).ask_tcp(bridge.outside().v4(), 443))
}

fn peer_down_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let db = bridge.container("db");
    let process = with_hosts(bridge.container("web"), &[&format!("{} db", db.v6())])?;
    lab.fault(&bridge.host, Fault::LinkDown { dev: "v-web" })?;
    Ok(Site::in_process(process).ask("db"))
}

fn peer_down_health(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = nameserver(server, server)?;
    let process =
        container(bridge.container("web"), &[&format!("nameserver {}", server.v4())], &[])?;
    lab.fault(&bridge.host, Fault::LinkDown { dev: "v-web" })?;
    Ok(Site::in_process(process).keep(dns))
}
