//! Addresses that two machines hold, that wait, or that a switched-off protocol cannot have.

use vision_lab::{Fault, Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::{listen, nameserver, with_dns, with_hosts},
        scenario::{Scenario, Site},
    },
};

const TWICE: &str = "addr.duplicate";
const WAITS: &str = "addr.tentative";
const NO_V6: &str = "ipv6.disabled";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(TWICE, "bridge, peer's v4 address twice, TCP", peer_twice),
    Scenario::fault(TWICE, "bridge, peer's v4 address twice, TCP", peer_twice).seen(),
    Scenario::fault(TWICE, "bridge, own v4 address taken, nothing asked", own_taken),
    Scenario::fault(TWICE, "bridge, own v4 address taken, nothing asked", own_taken).seen(),
    Scenario::fault(TWICE, "bridge, a container took the gateway's address", gateway_taken).seen(),
    Scenario::fault(
        TWICE,
        "bridge, a container has the gateway's address, nothing asked",
        gateway_shared,
    )
    .seen(),
    Scenario::fault(TWICE, "wire, v6 refused by detection, TCP", dad_failed),
    Scenario::fault(TWICE, "wire, v6 refused by detection, by name", dad_failed_by_name).seen(),
    Scenario::fault(WAITS, "wire, v6, a hundred probes before use", tentative),
    Scenario::fault(WAITS, "wire, v6 by name, TCP", tentative_by_name).seen(),
    Scenario::fault(NO_V6, "wire, off everywhere, v6 asked", v6_off),
    Scenario::fault(NO_V6, "chain, off on eth0, v6 TCP, by pid", v6_off_on_link).seen(),
    Scenario::fault(NO_V6, "bridge, name with a v6 address only", v6_off_by_name)
        .related(&["addr.none", "route.none"]),
    Scenario::fault(
        "ipv6.no-router",
        "chain, forwarding on since the address was advertised",
        deaf,
    )
    .seen(),
    Scenario::fault("ipv6.no-router", "chain, the router no longer says that it is one", unsaid),
    Scenario::fault("route.none", "chain, forwarding on and a configured v6 address", configured),
    Scenario::healthy("IPv6 off, v4 asked", v6_off_unused).seen(),
    Scenario::healthy("IPv6 off, name with both addresses", v6_off_both).seen(),
    Scenario::healthy("a duplicate v6 address that is not used", dad_failed_unused).seen(),
    Scenario::healthy("second address on one machine, as a standby has it", standby).seen(),
    Scenario::healthy("one machine with two interfaces on the same bridge", two_legs).seen(),
    Scenario::healthy(
        "one machine with two interfaces on the same bridge, nothing asked",
        two_legs_health,
    ),
    Scenario::healthy(
        "one machine with two interfaces on the same bridge, nothing asked",
        two_legs_health,
    )
    .seen(),
];

fn peer_twice(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "other"])?;
    let [web, db, other] = ["web", "db", "other"].map(|name| bridge.container(name));
    // The one that answers first is not the one with the service.
    let server = listen(db, 5432)?;
    other.try_sh(&format!("ip addr add {}/24 dev eth0", db.v4()))?;
    web.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v4(), 5431))
}

fn own_taken(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    db.try_sh(&format!("ip addr add {}/24 dev eth0", web.v4()))?;
    Ok(Site::in_process(process).keep(dns))
}

fn gateway_taken(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    db.try_sh(&format!("ip addr add {}/24 dev eth0", web.gateway_v4()))?;
    web.try_sh(&format!(
        "ip neigh replace {} lladdr {} dev eth0 nud reachable",
        web.gateway_v4(),
        crate::score::container::mac(db, "eth0")?
    ))?;
    Ok(Site::in_process(web.sleeper()).ask_tcp(bridge.outside().v4(), 443))
}

/// Whoever asks for the gateway hears two machines.
fn gateway_shared(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    db.try_sh(&format!("ip addr add {}/24 dev eth0", web.gateway_v4()))?;
    web.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::in_process(process).keep(dns))
}

/// Two nodes on a wire; the second detects duplicates, and has the first one's address besides a v4 one.
fn refused(lab: &Lab) -> Result<[Node; 2]> {
    let (peer, node) = (lab.node("peer")?, lab.node_with_dad("web")?);
    lab.link(&node, "eth0", &peer, "eth0")?;
    peer.try_sh(
        "ip addr add 10.231.0.2/24 dev eth0; ip addr add fd00:231::1/64 dev eth0
        ip addr add fd00:231::2/64 dev eth0",
    )?;
    node.try_sh(
        "ip addr add 10.231.0.1/24 dev eth0; ip addr add fd00:231::1/64 dev eth0
        for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        sleep 0.2; ip -6 addr show dev eth0 dadfailed | grep -q fd00 && break; done
        ip -6 addr show dev eth0 dadfailed | grep -q fd00",
    )?;
    Ok([node, peer])
}

fn dad_failed(lab: &Lab) -> Built {
    let [node, peer] = refused(lab)?;
    let server = listen(&peer, 80)?;
    Ok(Site::at(&node).keep(server).ask("[fd00:231::2]:80"))
}

fn dad_failed_by_name(lab: &Lab) -> Built {
    let [node, peer] = refused(lab)?;
    let server = listen(&peer, 80)?;
    let process = with_hosts(&node, &["fd00:231::2 db"])?;
    Ok(Site::in_process(process).keep(server).ask("db:80").blame(&node))
}

fn dad_failed_unused(lab: &Lab) -> Built {
    let [node, peer] = refused(lab)?;
    let server = listen(&peer, 80)?;
    Ok(Site::at(&node).keep(server).ask("10.231.0.2:80"))
}

/// Detection sends a hundred probes, one a second.
fn waiting(lab: &Lab) -> Result<[Node; 2]> {
    let (peer, node) = (lab.node("peer")?, lab.node_with_dad("web")?);
    lab.link(&node, "eth0", &peer, "eth0")?;
    node.sysctl("net/ipv6/conf/eth0/dad_transmits", "100")?;
    peer.try_sh("ip addr add 10.232.0.2/24 dev eth0; ip addr add fd00:232::2/64 dev eth0")?;
    node.try_sh("ip addr add 10.232.0.1/24 dev eth0; ip addr add fd00:232::1/64 dev eth0")?;
    Ok([node, peer])
}

fn tentative(lab: &Lab) -> Built {
    let [node, peer] = waiting(lab)?;
    let server = listen(&peer, 80)?;
    Ok(Site::at(&node).keep(server).ask("[fd00:232::2]:80"))
}

fn tentative_by_name(lab: &Lab) -> Built {
    let [node, peer] = waiting(lab)?;
    let server = listen(&peer, 80)?;
    let process = with_hosts(&node, &["fd00:232::2 db"])?;
    Ok(Site::in_process(process).keep(server).ask("db:80").blame(&node))
}

fn v6_off(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&a, Fault::Ipv6Disabled)?;
    Ok(Site::at(&a).ask(b.v6()))
}

/// An address as a router advertisement leaves it, without the default route that came with it.
fn advertised(lab: &Lab, lifetime: &str) -> Result<[Node; 2]> {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ip -6 route flush proto boot; ip addr change {}/64 dev eth0 {lifetime}",
        a.v6()
    ))?;
    Ok([a, b])
}

const LEASED: &str = "valid_lft 86400 preferred_lft 14400";

fn deaf(lab: &Lab) -> Built {
    let [a, b] = advertised(lab, LEASED)?;
    a.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    Ok(Site::at(&a).ask_tcp(b.v6(), 443).blame(&a))
}

fn unsaid(lab: &Lab) -> Built {
    let [a, b] = advertised(lab, LEASED)?;
    Ok(Site::at(&a).ask(b.v6()).blame(&a))
}

fn configured(lab: &Lab) -> Built {
    let [a, b] = advertised(lab, "valid_lft forever preferred_lft forever")?;
    a.sysctl("net/ipv6/conf/all/forwarding", "1")?;
    Ok(Site::at(&a).ask_tcp(b.v6(), 443).blame(&a))
}

fn v6_off_on_link(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    a.sysctl("net/ipv6/conf/eth0/disable_ipv6", "1")?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443).blame(&a))
}

fn v6_off_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let process = with_hosts(web, &[&format!("{} db", db.v6())])?;
    lab.fault(web, Fault::Ipv6Disabled)?;
    Ok(Site::in_process(process).ask("db:5432"))
}

fn v6_off_unused(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.fault(&a, Fault::Ipv6Disabled)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn v6_off_both(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    lab.fault(web, Fault::Ipv6Disabled)?;
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(kept).ask("http://api.example:443"))
}

fn standby(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let vip = crate::score::container::beside(db, 100);
    let server = listen(db, 5432)?;
    db.try_sh(&format!("ip addr add {vip}/32 dev eth0"))?;
    Ok(Site::at(web).keep(server).ask_tcp(vip, 5432))
}

/// Both interfaces answer ARP for either address, as Linux does unless told otherwise.
fn legs(lab: &Lab) -> Result<vision_lab::Bridge> {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    bridge.host.try_sh(&format!(
        "ip link add leg0 type veth peer name leg1; ip link set leg1 master br0 up; ip link set leg0 up
         ip addr add {}/24 dev leg0 metric 500",
        crate::score::container::beside(bridge.container("web"), 200)
    ))?;
    bridge.container("web").try_sh("ip neigh flush dev eth0")?;
    Ok(bridge)
}

fn two_legs(lab: &Lab) -> Built {
    let bridge = legs(lab)?;
    let server = listen(bridge.outside(), 443)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_tcp(bridge.outside().v4(), 443))
}

fn two_legs_health(lab: &Lab) -> Built {
    let bridge = legs(lab)?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    Ok(Site::in_process(with_dns(bridge.container("web"), bridge.outside().v4())?).keep(dns))
}
