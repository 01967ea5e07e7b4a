//! Interfaces that are missing, a loopback that is down, far ends that are down elsewhere.

use vision_lab::{Fault, Lab, TcpBehaviour, TcpServer};

use super::Built;
use crate::score::{
    container::{listen, nameserver, with_dns, with_hosts},
    scenario::{Scenario, Site},
};

const MISSING: &str = "link.missing";
const LOOPBACK: &str = "link.loopback-down";
const PEER: &str = "link.peer-down";
const CHECKSUM: &str = "link.bad-checksum";

/// Without a link there is neither an address nor a route.
const AFTER: &[&str] = &["route.none", "addr.none"];

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(MISSING, "no network at all, v4 asked", nothing_v4).related(AFTER),
    Scenario::fault(MISSING, "no network at all, name in hosts, v6", nothing_by_name)
        .related(AFTER),
    Scenario::fault(MISSING, "no network at all, nothing asked", nothing_health).related(AFTER),
    Scenario::fault(MISSING, "bridge, eth0 deleted, TCP outside", deleted).related(AFTER),
    Scenario::fault(MISSING, "bridge, eth0 deleted, TCP outside", deleted).related(AFTER).seen(),
    Scenario::fault(MISSING, "wire, eth0 moved away, name by DNS", moved_away).related(AFTER),
    Scenario::fault(LOOPBACK, "service on 127.0.0.1 asked", loopback_down_service),
    Scenario::fault(LOOPBACK, "localhost by name", loopback_down_localhost),
    Scenario::fault(LOOPBACK, "own v6 address, by pid", loopback_down_own).seen(),
    Scenario::fault(LOOPBACK, "nameserver on the loopback, name", loopback_down_dns)
        .related(&["dns.loopback-nameserver"]),
    Scenario::fault(LOOPBACK, "nothing asked", loopback_down_health),
    Scenario::fault(PEER, "macvlan whose parent is down", macvlan_parent_down)
        .or(&["link.down"])
        .seen(),
    Scenario::fault(PEER, "macvlan whose parent is down", macvlan_parent_down).or(&["link.down"]),
    Scenario::fault(PEER, "chain, the far host's end down", far_end_down)
        .or(&["link.down"])
        .related(AFTER)
        .seen(),
    Scenario::fault(CHECKSUM, "of packets, v4 TCP", checksum_there).seen(),
    Scenario::fault(CHECKSUM, "of answers, a nameserver's", checksum_back).seen(),
    Scenario::unnamed(
        "chain, the far host's end down",
        &[PEER, "link.down", "neigh.no-answer"],
        far_end_down,
    ),
    Scenario::fault("link.down", "chain, router's far port down, v4", far_port_down)
        .related(AFTER)
        .seen(),
    Scenario::fault("link.down", "chain, router's far port down, v6", far_port_down_v6)
        .or(AFTER)
        .seen(),
    Scenario::unnamed(
        "chain, router's far port down, v4",
        &["route.none", "link.down"],
        far_port_down,
    ),
    Scenario::fault(PEER, "bridge, the other container's port down", other_port_down)
        .or(&["link.down"])
        .seen(),
    Scenario::healthy("loopback down, another host asked", loopback_down_unused).seen(),
    Scenario::healthy("macvlan beside macvlan", macvlan).seen(),
    Scenario::healthy("macvlan beside macvlan, parent carries no address", macvlan),
];

fn nothing_v4(lab: &Lab) -> Built {
    Ok(Site::at(&lab.node("none")?).ask_tcp([192, 0, 2, 10], 443))
}

fn nothing_by_name(lab: &Lab) -> Built {
    let process = with_hosts(&lab.node("none")?, &["2001:db8::10 db"])?;
    Ok(Site::in_process(process).ask("db:5432"))
}

fn nothing_health(lab: &Lab) -> Built {
    Ok(Site::in_process(with_dns(&lab.node("none")?, "192.0.2.53")?))
}

fn deleted(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    web.try_sh("ip link del eth0")?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443).blame(web))
}

/// As when two engines fight for a device.
fn moved_away(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let other = lab.node("other")?;
    let kept = (nameserver(&b, &b)?, listen(&b, 80)?);
    let process = with_dns(&a, b.v4())?;
    a.try_sh(&format!("ip link set eth0 netns {}", other.path().display()))?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn loopback_down_service(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, "127.0.0.1:9000", TcpBehaviour::Accept)?;
    a.try_sh("ip link set lo down")?;
    Ok(Site::at(&a).keep(server).ask_tcp([127, 0, 0, 1], 9000))
}

/// With both families in the hosts file.
fn loopback_down_localhost(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(web, 9000)?;
    let process = with_hosts(web, &[])?;
    web.try_sh("ip link set lo down")?;
    Ok(Site::in_process(process).keep(server).ask("localhost:9000"))
}

fn loopback_down_own(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(web, 80)?;
    web.try_sh("ip link set lo down")?;
    Ok(Site::in_process(web.sleeper()).keep(server).ask_tcp(web.v6(), 80).blame(web))
}

/// A resolver inside the container, which is not to blame.
fn loopback_down_dns(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let kept = (nameserver(&a, &b)?, listen(&b, 80)?);
    let process = with_dns(&a, "127.0.0.1")?;
    a.try_sh("ip link set lo down")?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn loopback_down_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    web.try_sh("ip link set lo down")?;
    Ok(Site::in_process(process).keep(dns))
}

fn loopback_down_unused(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    for node in [&a, &r] {
        node.try_sh("ip link set lo down")?;
    }
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

/// Two containers on one parent device, which is up and has no address itself.
fn macvlans(lab: &Lab) -> crate::Result<[vision_lab::Node; 3]> {
    let [host, wire, web] = [lab.node("host")?, lab.node("switch")?, lab.node("web")?];
    let db = lab.node("db")?;
    lab.link(&host, "up0", &wire, "eth0")?;
    for (node, last) in [(&web, 2), (&db, 3)] {
        host.try_sh(&format!(
            "ip link add link up0 name mv{last} type macvlan mode bridge
             ip link set mv{last} netns {} name eth0",
            node.path().display()
        ))?;
        node.try_sh(&format!("ip link set eth0 up; ip addr add 10.230.0.{last}/24 dev eth0"))?;
    }
    Ok([host, web, db])
}

fn macvlan(lab: &Lab) -> Built {
    let [_, web, db] = macvlans(lab)?;
    let server = listen(&db, 5432)?;
    Ok(Site::at(&web).keep(server).ask_tcp([10, 230, 0, 3], 5432))
}

fn macvlan_parent_down(lab: &Lab) -> Built {
    let [host, web, db] = macvlans(lab)?;
    let server = listen(&db, 5432)?;
    lab.fault(&host, Fault::LinkDown { dev: "up0" })?;
    Ok(Site::at(&web).keep(server).ask_tcp([10, 230, 0, 3], 5432).blame(&web).blame(&host))
}

/// The router's port has no carrier then.
fn far_end_down(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&b, Fault::LinkDown { dev: "eth0" })?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 443).blame(&r).blame(&b))
}

fn far_port_down(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::LinkDown { dev: "eth1" })?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 443).blame(&r))
}

fn far_port_down_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::LinkDown { dev: "eth1" })?;
    Ok(Site::in_process(a.sleeper()).ask(b.v6()).blame(&r))
}

fn other_port_down(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(db, 5432)?;
    web.try_sh("ip neigh flush dev eth0")?;
    lab.fault(&bridge.host, Fault::LinkDown { dev: "v-db" })?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v4(), 5432).blame(&bridge.host).blame(db))
}

/// The router spoils the checksums of what matches; the sender has filled them in itself.
fn spoil(sender: &vision_lab::Node, router: &vision_lab::Node, rule: &str) -> crate::Result<()> {
    sender.try_sh("ethtool -K eth0 tx off")?;
    router.try_sh(&format!(
        "nft 'table ip t {{ chain f {{ type filter hook forward priority 0; {rule}; }}; }}'"
    ))?;
    Ok(())
}

fn checksum_there(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    spoil(&a, &r, "tcp dport 80 @th,128,16 set 0xbad1")?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80).blame(&b))
}

fn checksum_back(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    spoil(&b, &r, "udp sport 53 @th,48,16 set 0xbad1")?;
    let process = with_dns(&a, b.v4())?;
    Ok(Site::in_process(process).keep(nameserver(&b, &b)?).ask("db.example:80").blame(&a))
}
