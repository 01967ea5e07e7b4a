//! Neighbours: silent, moved, or never asked for.

use vision_lab::{Fault, Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, beside_v6, listen, mac, nameserver, with_dns, with_hosts},
        scenario::{Scenario, Site},
    },
};

const SILENT: &str = "neigh.no-answer";
const STALE: &str = "neigh.stale-mac";
const MUTE: &str = "neigh.arp-off";
const STATIC: &str = "neigh.wrong-static";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(SILENT, "bridge, v4 address nobody has, TCP", absent_v4).seen(),
    Scenario::fault(SILENT, "bridge, v6 address nobody has, HOST", absent_v6),
    Scenario::fault(SILENT, "bridge, v6 address nobody has, HOST", absent_v6).seen(),
    Scenario::fault(SILENT, "wire, UDP to an absent host, by name", absent_by_name),
    Scenario::fault(
        SILENT,
        "absent here, the same address in another network",
        absent_but_elsewhere,
    )
    .seen(),
    Scenario::fault(SILENT, "router's far link, destination absent", absent_behind_router).seen(),
    Scenario::unnamed("router's far link, destination absent", &[SILENT], absent_behind_router),
    Scenario::fault(SILENT, "bridge, peer's process gone with its namespace", container_gone)
        .seen(),
    Scenario::fault(STALE, "bridge, address moved to a standby, v4 TCP", failed_over),
    Scenario::fault(STALE, "bridge, address moved to a standby, v4 TCP", failed_over).seen(),
    Scenario::fault(STALE, "bridge, container replaced, v4, by name", replaced),
    Scenario::fault(STALE, "bridge, container replaced, v4, by name", replaced).seen(),
    Scenario::fault(STALE, "chain, gateway replaced, v6 routed", gateway_replaced),
    Scenario::fault(STALE, "bridge, gateway replaced, nothing asked", gateway_replaced_health)
        .seen(),
    Scenario::fault(MUTE, "wire, v4 on-link", mute_v4),
    Scenario::fault(MUTE, "chain, v6 routed, TCP, by pid", mute_v6).seen(),
    Scenario::fault(MUTE, "bridge, gateway beyond, nothing asked", mute_health)
        .or(&["neigh.gateway-no-answer"]),
    Scenario::fault(MUTE, "chain, router's far port, v4", mute_router).seen(),
    Scenario::fault(STATIC, "far side pins us wrongly, v4", pinned_far_side).seen(),
    Scenario::fault(STATIC, "router pins the destination wrongly, v6 TCP", pinned_on_router).seen(),
    Scenario::unnamed("router pins the destination wrongly, v6 TCP", &[STATIC], pinned_on_router),
    Scenario::fault(STATIC, "bridge host pins the container wrongly", pinned_on_host).seen(),
    Scenario::healthy("REACHABLE entry of a host that has gone, unused", gone_unused).seen(),
    Scenario::healthy("no resolution, entries by hand that are right", mute_but_pinned).seen(),
    Scenario::healthy("stale entry that the kernel renews by itself", stale_right).seen(),
];

fn absent_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let web = bridge.container("web");
    Ok(Site::at(web).ask_tcp(beside(web, 77), 5432).blame(web))
}

fn absent_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let web = bridge.container("web");
    Ok(Site::in_process(web.sleeper()).ask(beside_v6(web, 0x77)).blame(web))
}

fn absent_by_name(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let process = with_hosts(&a, &[&format!("{} log", beside(&a, 9))])?;
    Ok(Site::in_process(process).ask("udp:log:514"))
}

/// Networks of different owners may well use the same addresses.
fn absent_but_elsewhere(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let web = bridge.container("web");
    let [x, y] = [lab.node("x")?, lab.node("y")?];
    lab.link(&x, "eth0", &y, "eth0")?;
    x.try_sh(&format!("ip addr add {}/28 dev eth0", beside(web, 77)))?;
    y.try_sh(&format!("ip addr add {}/28 dev eth0", beside(web, 78)))?;
    Ok(Site::at(web).ask_tcp(beside(web, 77), 5432).blame(web))
}

fn absent_behind_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    Ok(Site::at(&a).ask_tcp(beside(&b, 77), 80).blame(&r))
}

fn container_gone(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let process = with_hosts(web, &[&format!("{} db", db.v4())])?;
    bridge.host.try_sh("ip link del v-db")?;
    web.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::in_process(process).ask("db:5432").blame(web))
}

/// The old holder lives on without the address, and nobody told the others.
fn failed_over(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db1", "db2"])?;
    let [web, db1, db2] = ["web", "db1", "db2"].map(|name| bridge.container(name));
    let vip = beside(web, 100);
    db1.try_sh(&format!("ip addr add {vip}/32 dev eth0"))?;
    web.try_sh(&format!("ping -n -q -c1 -W1 {vip}"))?;
    let server = listen(db2, 5432)?;
    db1.try_sh(&format!("ip addr del {vip}/32 dev eth0"))?;
    db2.try_sh(&format!("ip addr add {vip}/32 dev eth0"))?;
    believe(web, &vip.to_string(), &mac(db1, "eth0")?)?;
    Ok(Site::at(web).keep(server).ask_tcp(vip, 5432).blame(web))
}

fn replaced(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let process = with_hosts(web, &[&format!("{} db", db.v4())])?;
    let old = mac(db, "eth0")?;
    db.try_sh("ip link set eth0 down; ip link set eth0 address 02:00:00:00:0b:02 up")?;
    let server = listen(db, 5432)?;
    believe(web, &db.v4().to_string(), &old)?;
    Ok(Site::in_process(process).keep(server).ask("db:5432").blame(web))
}

fn gateway_replaced(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    // The router knows the way back already, and has no reason to ask.
    r.try_sh(&format!(
        "ip neigh replace {} lladdr {} dev eth0 nud permanent",
        a.v6(),
        mac(&a, "eth0")?
    ))?;
    believe(&a, &a.gateway_v6().to_string(), "02:00:00:00:0b:03")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 80).blame(&a))
}

fn gateway_replaced_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    bridge.host.try_sh(&format!(
        "ip neigh replace {} lladdr {} dev br0 nud permanent",
        web.v4(),
        mac(web, "eth0")?
    ))?;
    believe(web, &web.gateway_v4().to_string(), "02:00:00:00:0b:04")?;
    Ok(Site::in_process(process).keep(dns).blame(web))
}

/// What the neighbour table learnt before.
fn believe(node: &Node, ip: &str, lladdr: &str) -> Result<()> {
    node.try_sh(&format!("ip neigh replace {ip} lladdr {lladdr} dev eth0 nud reachable"))?;
    Ok(())
}

fn mute_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    mute(&a, "eth0")?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn mute_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    mute(&a, "eth0")?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443).blame(&a))
}

fn mute_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    mute(web, "eth0")?;
    Ok(Site::in_process(process).keep(dns))
}

fn mute_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    mute(&r, "eth1")?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r))
}

fn mute(node: &Node, dev: &str) -> Result<()> {
    node.try_sh(&format!("ip link set {dev} arp off; ip neigh flush dev {dev}"))?;
    Ok(())
}

fn pinned_far_side(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&b, Fault::WrongNeighbour { dev: "eth0", ip: a.v4().into() })?;
    Ok(Site::at(&a).ask(b.v4()).blame(&b))
}

fn pinned_on_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.fault(&r, Fault::WrongNeighbour { dev: "eth1", ip: b.v6().into() })?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn pinned_on_host(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    lab.fault(&bridge.host, Fault::WrongNeighbour { dev: "br0", ip: web.v4().into() })?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443).blame(&bridge.host))
}

fn gone_unused(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db", "old"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(db, 5432)?;
    bridge.host.try_sh("ip link del v-old")?;
    believe(web, &bridge.container("old").v4().to_string(), "02:00:00:00:0b:05")?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v4(), 5432))
}

fn mute_but_pinned(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 80)?;
    for (node, other) in [(&a, &b), (&b, &a)] {
        let lladdr = mac(other, "eth0")?;
        mute(node, "eth0")?;
        for ip in [other.v4().to_string(), other.v6().to_string()] {
            node.try_sh(&format!("ip neigh replace {ip} lladdr {lladdr} dev eth0 nud permanent"))?;
        }
    }
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn stale_right(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip neigh change {gateway} dev eth0 nud stale || true
         ip neigh add {} dev eth0 nud failed || true",
        beside(&a, 99),
        gateway = a.gateway_v4(),
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}
