//! Neighbours: `neigh.gateway-no-answer` and `neigh.wrong-static`.

use vision_lab::{Fault, Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::{listen, nameserver, with_dns, with_hosts},
        scenario::{Scenario, Site},
    },
};

const SILENT: &str = "neigh.gateway-no-answer";
const STATIC: &str = "neigh.wrong-static";
const QUEUE: &str = "neigh.queue-full";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(SILENT, "chain, router silent, v4", router_silent_v4),
    // Where the router is in sight, the rule that makes it silent is as well.
    Scenario::fault(SILENT, "chain, router silent, v6 TCP, by pid", router_silent_v6)
        .or(&["neigh.answer-filtered"]),
    Scenario::fault(SILENT, "bridge, gateway address nobody has, v4 TCP", nobody_there_v4),
    Scenario::fault(SILENT, "bridge, link-local v6 gateway nobody has", nobody_there_v6),
    Scenario::fault(SILENT, "bridge, dead gateway, name in hosts, by pid", nobody_there_by_name),
    Scenario::fault(
        SILENT,
        "bridge, dead gateway, nothing asked, DNS on-link",
        nobody_there_health,
    ),
    Scenario::fault(SILENT, "chain, gateway off the subnet (onlink), v4", onlink_gateway),
    Scenario::fault(QUEUE, "a neighbour by proxy, nothing may wait for it", nothing_may_wait),
    Scenario::fault(QUEUE, "a neighbour by proxy, three packets may wait, TCP", three_may_wait)
        .seen(),
    Scenario::healthy("a neighbour by proxy, as much may wait as usual", enough_may_wait),
    Scenario::healthy("nothing may wait, and who is asked for answers at once", quick_to_answer),
    Scenario::fault(STATIC, "wire, v4 on-link", wrong_on_link_v4),
    Scenario::fault(STATIC, "wire, v6 on-link TCP, by pid", wrong_on_link_v6),
    Scenario::fault(STATIC, "chain, gateway pinned, v6 routed", wrong_gateway_v6),
    Scenario::fault(STATIC, "bridge, gateway pinned, name outside, TCP", wrong_gateway_by_name),
    Scenario::fault(STATIC, "bridge, gateway pinned, nothing asked", wrong_gateway_health),
    Scenario::fault(STATIC, "bridge, peer pinned to another container", pinned_to_another),
];

fn router_silent_v4(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::ArpSilent { dev: "eth0" })?;
    forget(&a)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn router_silent_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.fault(&r, Fault::ArpSilent { dev: "eth0" })?;
    forget(&a)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 80))
}

fn nobody_there_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let web = bridge.container("web");
    absent_gateway(web)?;
    Ok(Site::at(web).ask_tcp(bridge.outside().v4(), 443))
}

fn nobody_there_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    web.try_sh("ip -6 route replace default via fe80::dead dev eth0")?;
    Ok(Site::at(web).ask(bridge.outside().v6()))
}

fn nobody_there_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    let process = with_hosts(web, &[&format!("{} api.example", bridge.outside().v4())])?;
    absent_gateway(web)?;
    Ok(Site::in_process(process).keep(server).ask("https://api.example/v1"))
}

/// Names resolve, other containers answer, and all that is beyond the bridge is cut off.
fn nobody_there_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let dns = nameserver(server, bridge.outside())?;
    let process = with_dns(web, server.v4())?;
    absent_gateway(web)?;
    Ok(Site::in_process(process).keep(dns))
}

fn onlink_gateway(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&a, Fault::DeadGateway { via: [192, 0, 2, 1].into(), dev: "eth0" })?;
    Ok(Site::in_process(a.sleeper()).ask(b.v4()))
}

fn wrong_on_link_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&a, Fault::WrongNeighbour { dev: "eth0", ip: b.v4().into() })?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn wrong_on_link_v6(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 8080)?;
    lab.fault(&a, Fault::WrongNeighbour { dev: "eth0", ip: b.v6().into() })?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 8080))
}

fn wrong_gateway_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&a, Fault::WrongNeighbour { dev: "eth0", ip: a.gateway_v6().into() })?;
    Ok(Site::at(&a).ask(b.v6()))
}

fn wrong_gateway_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let dns = nameserver(server, bridge.outside())?;
    let db = listen(bridge.outside(), 5432)?;
    let process = with_dns(web, server.v4())?;
    // In the family that a name with both addresses is not tried by, nothing is wrong.
    for ip in [web.gateway_v4().into(), web.gateway_v6().into()] {
        lab.fault(web, Fault::WrongNeighbour { dev: "eth0", ip })?;
    }
    Ok(Site::in_process(process).keep((dns, db)).ask("db.example:5432"))
}

fn wrong_gateway_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let dns = nameserver(server, bridge.outside())?;
    let process = with_dns(web, server.v4())?;
    lab.fault(web, Fault::WrongNeighbour { dev: "eth0", ip: web.gateway_v4().into() })?;
    Ok(Site::in_process(process).keep(dns))
}

/// The link-layer address exists, and its owner drops what is not for it.
fn pinned_to_another(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "old"])?;
    let [web, db, old] = ["web", "db", "old"].map(|name| bridge.container(name));
    let server = listen(db, 5432)?;
    let address = old.try_sh("ip -br link show eth0")?;
    let address = address.split_whitespace().nth(2).ok_or("no link-layer address")?;
    web.try_sh(&format!("ip neigh replace {} lladdr {address} dev eth0 nud permanent", db.v4()))?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v4(), 5432))
}

/// A default route to an address of the own subnet that nobody has.
fn absent_gateway(node: &Node) -> Result<()> {
    let [a, b, c, _] = node.v4().octets();
    node.try_sh(&format!("ip route replace default via {a}.{b}.{c}.250"))?;
    Ok(())
}

fn forget(node: &Node) -> Result<()> {
    node.try_sh("ip neigh flush dev eth0")?;
    Ok(())
}

/// A router that answers for what is behind it, and takes its time (ip-sysctl.rst, `proxy_delay`); `a` takes all of it
/// to be on its own link.
fn by_proxy(lab: &Lab) -> Result<[Node; 3]> {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh("echo 1 >/proc/sys/net/ipv4/conf/eth0/proxy_arp")?;
    a.try_sh(&format!("ip route flush default; ip route add {} dev eth0", b.v4()))?;
    Ok([a, r, b])
}

fn may_wait(node: &Node, bytes: u32) -> Result<()> {
    node.try_sh(&format!("echo {bytes} >/proc/sys/net/ipv4/neigh/eth0/unres_qlen_bytes"))?;
    Ok(())
}

fn nothing_may_wait(lab: &Lab) -> Built {
    let [a, _, b] = by_proxy(lab)?;
    may_wait(&a, 0)?;
    Ok(Site::at(&a).ask(b.v4()).blame(&a))
}

fn three_may_wait(lab: &Lab) -> Built {
    let [a, _, b] = by_proxy(lab)?;
    may_wait(&a, 6912)?;
    let server = listen(&b, 80)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn enough_may_wait(lab: &Lab) -> Built {
    let [a, _, b] = by_proxy(lab)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn quick_to_answer(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    may_wait(&a, 0)?;
    forget(&a)?;
    Ok(Site::at(&a).ask(b.v4()))
}
