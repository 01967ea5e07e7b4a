//! What is wrong between two neighbours: the bridge, its ports, and what it knows.

use vision_lab::{Bridge, Fault, Lab};

use super::Built;
use crate::score::{
    container::{listen, mac, nameserver, with_dns},
    scenario::{Scenario, Site},
};

const DOWN: &str = "bridge.down";
const DETACHED: &str = "bridge.port-detached";
const HELD: &str = "bridge.port-not-forwarding";
const ISOLATED: &str = "bridge.port-isolated";
const FDB: &str = "bridge.wrong-fdb";
const TWINS: &str = "neigh.duplicate-mac";
pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(DOWN, "gateway beyond, v4 TCP", down_v4).seen(),
    Scenario::fault(DOWN, "peer on it, v6", down_v6).seen(),
    Scenario::fault(DOWN, "nothing asked", down_health).seen(),
    Scenario::fault(DETACHED, "own port, outside asked, v4 TCP", detached_v4).seen(),
    Scenario::fault(DETACHED, "own port, outside asked, v6", detached_v6).seen(),
    Scenario::fault(DETACHED, "own port, peer asked", detached_peer).seen(),
    Scenario::fault(DETACHED, "own port, nothing asked", detached_health)
        .or(&["neigh.gateway-no-answer"])
        .related(&["neigh.gateway-no-answer"])
        .seen(),
    Scenario::healthy("the gateway is filtered, nothing asked", quiet_gateway).seen(),
    Scenario::healthy("the gateway is filtered, nothing asked", quiet_gateway),
    Scenario::fault(DETACHED, "the peer's port, v6 TCP", detached_far).seen(),
    Scenario::fault(DETACHED, "own port, asked from the host", detached_from_host).seen(),
    Scenario::fault(HELD, "set by hand, v4", blocked_v4).seen(),
    Scenario::fault(HELD, "the peer's port, v6 TCP", blocked_v6).seen(),
    Scenario::fault(HELD, "spanning tree listens, nothing asked", listening).seen(),
    Scenario::fault(ISOLATED, "peer asked, v4 TCP", isolated_v4).seen(),
    Scenario::fault(ISOLATED, "peer asked, v6", isolated_v6).seen(),
    Scenario::fault(FDB, "peer's address pinned to a third port, v4 TCP", pinned_peer).seen(),
    Scenario::fault(FDB, "own address pinned to a third port, v6", pinned_own).seen(),
    Scenario::fault(FDB, "peer's address kept by the bridge", pinned_local).seen(),
    Scenario::fault(TWINS, "both ends alike, v4", twins_v4).seen(),
    Scenario::fault(TWINS, "both ends alike, v6 TCP", twins_v6).seen(),
    Scenario::fault("neigh.proxy-arp-off", "routed container, v4 TCP", routed_mute).seen(),
    Scenario::fault("neigh.answer-filtered", "peer answers no ARP, v4 TCP", arp_ignored).seen(),
    Scenario::fault("neigh.answer-filtered", "address on the peer's loopback", arp_of_loopback)
        .seen(),
    Scenario::unnamed(
        "isolated ports, host not in sight",
        &["bridge.port-isolated", "neigh.no-answer"],
        isolated_v4,
    ),
    Scenario::unnamed(
        "bridge down, host not in sight",
        &["bridge.down", "neigh.gateway-no-answer"],
        down_v4,
    ),
    Scenario::healthy("isolated ports, outside asked", isolated_outside).seen(),
    Scenario::healthy("one isolated port, peer asked", isolated_one).seen(),
    Scenario::healthy("another bridge of the host is down", other_bridge_down).seen(),
    Scenario::healthy("loose veth beside the bridge", loose_veth).seen(),
    Scenario::healthy("address pinned to the right port", pinned_right).seen(),
    Scenario::healthy("another address pinned wrongly", pinned_other).seen(),
    Scenario::healthy("twins on different bridges", twins_apart).seen(),
    Scenario::healthy("address set to the wrong port, corrected by its own frames", pinned_loosely)
        .seen(),
    Scenario::healthy("routed container, host end in no bridge", routed).seen(),
];

fn pair(lab: &Lab) -> crate::Result<Bridge> {
    Ok(lab.bridge_with_uplink("host", &["web", "db", "log"])?)
}

fn down_v4(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let server = listen(bridge.outside(), 443)?;
    bridge.host.try_sh("ip link set br0 down")?;
    let web = bridge.container("web");
    Ok(Site::at(web)
        .keep(server)
        .ask_tcp(bridge.outside().v4(), 443)
        .blame(&bridge.host)
        .blame(web))
}

fn down_v6(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    bridge.host.try_sh("ip link set br0 down")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v6()).blame(&bridge.host))
}

fn down_health(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    bridge.host.try_sh("ip link set br0 down")?;
    Ok(Site::in_process(process).keep(dns).blame(&bridge.host))
}

fn detached_v4(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let server = listen(bridge.outside(), 443)?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(bridge.outside().v4(), 443).blame(&bridge.host))
}

fn detached_v6(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v6()).blame(&bridge.host))
}

fn detached_peer(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()).blame(&bridge.host))
}

/// The host answers ARP for the gateway by the veth itself, and no packet.
fn detached_health(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let web = bridge.container("web");
    web.try_sh("ip -6 addr flush dev eth0; ip -6 route flush default; ip neigh flush all")?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    Ok(Site::at(web).blame(&bridge.host))
}

/// A host that takes nothing from its containers but ARP and neighbour discovery.
fn quiet_gateway(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    bridge.host.try_sh(
        "nft 'table inet f { chain i { type filter hook input priority 0; policy drop;
           icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }; }'",
    )?;
    Ok(Site::at(bridge.container("web")))
}

fn detached_far(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-db" })?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(db.v6(), 5432).blame(&bridge.host))
}

fn detached_from_host(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    Ok(Site::at(&bridge.host).ask(bridge.container("web").v4()).blame(&bridge.host))
}

fn blocked_v4(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    bridge.host.try_sh("bridge link set dev v-web state 0")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v4()).blame(&bridge.host))
}

fn blocked_v6(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    bridge.host.try_sh("bridge link set dev v-db state 0")?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(db.v6(), 5432).blame(&bridge.host))
}

/// As after the start of a container on a bridge with the spanning tree.
fn listening(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    bridge.host.try_sh(
        "ip link set br0 type bridge stp_state 1 forward_delay 3000
         ip link set v-web nomaster; ip link set v-web master br0",
    )?;
    Ok(Site::in_process(process).blame(&bridge.host))
}

fn isolate(lab: &Lab, bridge: &Bridge, ports: &[&str]) -> crate::Result<()> {
    for &dev in ports {
        lab.fault(&bridge.host, Fault::PortIsolated { dev })?;
    }
    Ok(())
}

fn isolated_v4(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(db, 5432)?;
    isolate(lab, &bridge, &["v-web", "v-db"])?;
    let site = Site::at(web).keep(server).ask_tcp(db.v4(), 5432);
    Ok(site.blame(&bridge.host).blame(web))
}

fn isolated_v6(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    isolate(lab, &bridge, &["v-web", "v-db", "v-log"])?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v6()).blame(&bridge.host))
}

fn pin(bridge: &Bridge, whom: &str, dev: &str, how: &str) -> crate::Result<()> {
    let lladdr = mac(bridge.container(whom), "eth0")?;
    bridge.host.try_sh(&format!("bridge fdb replace {lladdr} dev {dev} master {how}"))?;
    Ok(())
}

fn pinned_peer(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    pin(&bridge, "db", "v-log", "sticky static")?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(db.v4(), 5432).blame(&bridge.host))
}

fn pinned_loosely(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    pin(&bridge, "db", "v-log", "static")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn pinned_own(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    pin(&bridge, "web", "v-log", "sticky static")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v6()).blame(&bridge.host))
}

fn pinned_local(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    pin(&bridge, "db", "v-db", "permanent")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()).blame(&bridge.host))
}

fn alike(bridge: &Bridge) -> crate::Result<()> {
    let lladdr = mac(bridge.container("db"), "eth0")?;
    bridge.container("web").try_sh(&format!(
        "ip link set eth0 down; ip link set eth0 address {lladdr}; ip link set eth0 up
         ip -6 addr add {}/64 dev eth0 nodad || true; ip neigh flush dev eth0",
        bridge.container("web").v6()
    ))?;
    Ok(())
}

fn twins_v4(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    alike(&bridge)?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn twins_v6(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    alike(&bridge)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_tcp(db.v6(), 5432))
}

fn isolated_outside(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let server = listen(bridge.outside(), 443)?;
    isolate(lab, &bridge, &["v-web", "v-db"])?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(bridge.outside().v4(), 443))
}

fn isolated_one(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    isolate(lab, &bridge, &["v-web"])?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn other_bridge_down(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    bridge.host.try_sh("ip link add br9 type bridge; ip addr add 192.0.2.1/24 dev br9")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v6()))
}

fn loose_veth(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    bridge.host.try_sh("ip link add loose0 type veth peer name loose1; ip link set loose0 up")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn pinned_right(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    pin(&bridge, "db", "v-db", "static")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn pinned_other(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    pin(&bridge, "log", "v-db", "static")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v6()))
}

fn twins_apart(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let [x, y] = [lab.node("x")?, lab.node("y")?];
    lab.link(&x, "eth0", &y, "eth0")?;
    let lladdr = mac(bridge.container("db"), "eth0")?;
    x.try_sh(&format!(
        "ip link set eth0 down; ip link set eth0 address {lladdr}; ip link set eth0 up"
    ))?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

/// As with routed pods: the gateway is nobody's address, the host answers for it and routes to the end.
fn routed(lab: &Lab) -> Built {
    routed_with(lab, 1)
}

fn routed_mute(lab: &Lab) -> Built {
    routed_with(lab, 0)
}

fn arp_ignored(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    db.try_sh("echo 8 >/proc/sys/net/ipv4/conf/eth0/arp_ignore")?;
    bridge.container("web").try_sh("ip neigh flush dev eth0")?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(db.v4(), 5432).blame(db))
}

/// As behind a load balancer that answers for the address itself, and is gone.
fn arp_of_loopback(lab: &Lab) -> Built {
    let bridge = pair(lab)?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let vip = crate::score::container::beside(web, 120);
    db.try_sh(&format!(
        "ip addr add {vip}/32 dev lo; echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore"
    ))?;
    Ok(Site::at(web).ask(vip).blame(db))
}

fn routed_with(lab: &Lab, proxy_arp: u8) -> Built {
    let bridge = pair(lab)?;
    let (web, host) = (bridge.container("web"), &bridge.host);
    let server = listen(bridge.outside(), 443)?;
    web.try_sh(&format!(
        "ip addr flush dev eth0; ip addr add {own}/32 dev eth0
         ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1",
        own = web.v4()
    ))?;
    host.try_sh(&format!(
        "ip link set v-web nomaster; echo {proxy_arp} >/proc/sys/net/ipv4/conf/v-web/proxy_arp
         echo 0 >/proc/sys/net/ipv4/neigh/v-web/proxy_delay; ip route add {}/32 dev v-web",
        web.v4()
    ))?;
    let site = Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443);
    Ok(if proxy_arp == 0 { site.blame(host) } else { site })
}
