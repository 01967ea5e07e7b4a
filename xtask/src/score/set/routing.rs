//! What routers on the way do to packets that arrive: not forwarded, filtered, sent round, never answered.

use vision_lab::{Fault, Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, listen, nameserver, with_dns},
        scenario::{Scenario, Site},
    },
};

const OFF: &str = "route.forwarding-off";
const HOST: &str = "route.gateway-not-router";
const FILTER: &str = "route.rp-filter";
const LOOP: &str = "route.loop";
const SOURCE: &str = "route.bad-source";
const RETURN: &str = "route.return-missing";
const OVERLAP: &str = "route.overlap";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(OFF, "chain, v4", off_v4).seen(),
    Scenario::fault(OFF, "chain, v6 TCP", off_v6).seen(),
    Scenario::fault(OFF, "bridge host, outside asked, v4 TCP", off_on_host).seen(),
    Scenario::fault(OFF, "bridge host, nothing asked, nameserver beyond", off_health).seen(),
    Scenario::fault(OFF, "one link of the second router", off_one_link).seen(),
    Scenario::unnamed("chain, forwarding off", &[OFF], off_v4),
    Scenario::fault(HOST, "default route by way of a peer, v4 TCP", peer_as_gateway).seen(),
    Scenario::fault(FILTER, "router reached by its other link, v4", asymmetric).seen(),
    Scenario::fault(FILTER, "destination reached by its other link, TCP", asymmetric_end).seen(),
    Scenario::fault(FILTER, "answers come by a link past a router", asymmetric_past).seen(),
    Scenario::fault(LOOP, "two routers, v4", loop_v4).seen(),
    Scenario::fault(LOOP, "two routers, v6 TCP", loop_v6).seen(),
    Scenario::fault(SOURCE, "route with a source nobody knows, v4 TCP", bad_source).seen(),
    Scenario::fault(RETURN, "destination, v4 TCP", return_v4).seen(),
    Scenario::fault(RETURN, "second router, v6", return_v6).seen(),
    Scenario::fault(OVERLAP, "own bridge covers a remote network", overlap_own).seen(),
    Scenario::fault(OVERLAP, "bridge on the router covers a remote network, TCP", overlap_router)
        .seen(),
    Scenario::healthy("forwarding off where nothing has to be forwarded", off_at_end).seen(),
    Scenario::healthy("asymmetric routes, loose filters", asymmetric_loose).seen(),
    Scenario::healthy("strict filters, symmetric routes", symmetric_strict).seen(),
    Scenario::healthy("overlapping networks, the longer prefix is right", overlap_right).seen(),
    Scenario::healthy("source of another link that has a way back", good_source).seen(),
];

fn off_v4(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::ForwardingOff)?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r))
}

fn off_v6(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "q", "r", "b"])?;
    let server = listen(&b, 443)?;
    // A router that stops being one forgets routes it was told, not those set by hand.
    r.try_sh("echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r))
}

fn off_on_host(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let server = listen(bridge.outside(), 443)?;
    lab.fault(&bridge.host, Fault::ForwardingOff)?;
    let site = Site::at(bridge.container("web")).keep(server);
    Ok(site.ask_tcp(bridge.outside().v4(), 443).blame(&bridge.host))
}

fn off_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    lab.fault(&bridge.host, Fault::ForwardingOff)?;
    Ok(Site::in_process(process).keep(dns).blame(&bridge.host))
}

fn off_one_link(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "q", "r", "b"])?;
    r.try_sh("echo 0 >/proc/sys/net/ipv4/conf/eth0/forwarding")?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r))
}

fn peer_as_gateway(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(bridge.outside(), 443)?;
    db.try_sh("echo 0 >/proc/sys/net/ipv4/ip_forward")?;
    web.try_sh(&format!("ip route replace default via {} dev eth0", db.v4()))?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443).blame(web).blame(db))
}

/// A second wire between the ends of the first; packets go by the one and answers by the other.
fn second_wire(lab: &Lab, a: &Node, b: &Node) -> Result<()> {
    lab.link(a, "eth7", b, "eth7")?;
    a.try_sh("ip addr add 10.207.0.1/24 dev eth7")?;
    b.try_sh("ip addr add 10.207.0.2/24 dev eth7")?;
    Ok(())
}

fn strict(node: &Node, mode: u8) -> Result<()> {
    node.try_sh(&format!(
        "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo {mode} >$f; done"
    ))?;
    Ok(())
}

fn crossed(lab: &Lab, mode: u8) -> Result<(Site, Node)> {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    second_wire(lab, &a, &r)?;
    strict(&a, 0)?;
    a.try_sh(&format!("ip route add {} via 10.207.0.2 src {}", b.v4(), a.v4()))?;
    strict(&r, mode)?;
    Ok((Site::at(&a).ask(b.v4()), r))
}

fn asymmetric(lab: &Lab) -> Built {
    let (site, router) = crossed(lab, 1)?;
    Ok(site.blame(&router))
}

fn asymmetric_loose(lab: &Lab) -> Built {
    Ok(crossed(lab, 2)?.0)
}

fn asymmetric_end(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    second_wire(lab, &r, &b)?;
    let server = listen(&b, 80)?;
    strict(&r, 0)?;
    r.try_sh(&format!("ip route add {} via 10.207.0.2", b.v4()))?;
    strict(&b, 1)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&b))
}

fn loop_v4(lab: &Lab) -> Built {
    let [a, q, r, b] = lab.chain(["a", "q", "r", "b"])?;
    r.try_sh(&format!("ip route add {} via $(ip -4 -br addr show eth0 | sed 's/.* \\([0-9.]*\\)[.][0-9]*\\/.*/\\1.1/')", b.v4()))?;
    Ok(Site::at(&a).ask(b.v4()).blame(&r).blame(&q))
}

fn loop_v6(lab: &Lab) -> Built {
    let [a, q, r, b] = lab.chain(["a", "q", "r", "b"])?;
    let server = listen(&b, 443)?;
    // The left end of each wire is `::1`.
    r.try_sh(&format!(
        "ip -6 route add {} via $(ip -6 -br addr show eth0 scope global | sed 's/.* \\(fd[0-9a-f:]*\\)::2\\/.*/\\1::1/')",
        b.v6()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&r).blame(&q))
}

fn bad_source(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh("ip route del default 2>/dev/null || true")?;
    b.try_sh("ip route del default; true")?;
    let [x, y, z, _] = a.v4().octets();
    let gateway = b.gateway_v4();
    b.try_sh(&format!("ip route add {x}.{y}.{z}.0/24 via {gateway} 2>/dev/null || true"))?;
    a.try_sh(&format!(
        "ip addr add 192.0.2.7/32 dev lo; ip route add {}/32 via {} src 192.0.2.7",
        b.v4(),
        a.gateway_v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn good_source(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!("ip route add 192.0.2.7/32 via {}", a.v4()))?;
    a.try_sh(&format!(
        "ip addr add 192.0.2.7/32 dev lo; ip route add {}/32 via {} src 192.0.2.7",
        b.v4(),
        a.gateway_v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn return_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    b.try_sh("ip route del default")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&b))
}

fn return_v6(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "q", "r", "b"])?;
    let [w, x, y, z, ..] = a.v6().segments();
    r.try_sh(&format!("ip -6 route del {w:x}:{x:x}:{y:x}:{z:x}::/64"))?;
    Ok(Site::at(&a).ask(b.v6()).blame(&r))
}

fn overlap_own(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ip link add docker0 type bridge; ip link add d0 type veth peer name d1; ip link set d1 up; ip link set d0 master docker0 up
         ip link set docker0 up; ip addr add {}/24 dev docker0",
        beside(&b, 200)
    ))?;
    Ok(Site::at(&a).ask(b.v4()).blame(&a))
}

fn overlap_router(lab: &Lab) -> Built {
    let [a, r, s, b] = lab.chain(["a", "q", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!(
        "ip route del default 2>/dev/null || true
         gw=$(ip route get {dst} | sed -n 's/.*via \\([0-9.]*\\).*/\\1/p')
         ip route add default via $gw
         ip link add docker0 type bridge; ip link add d0 type veth peer name d1; ip link set d1 up; ip link set d0 master docker0 up
         ip link set docker0 up; ip addr add {own}/25 dev docker0",
        dst = b.v4(),
        own = beside(&b, 100)
    ))?;
    drop(s);
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn overlap_right(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let [x, y, ..] = b.v4().octets();
    a.try_sh(&format!(
        "ip link add docker0 type bridge; ip link add d0 type veth peer name d1; ip link set d1 up; ip link set d0 master docker0 up
         ip link set docker0 up; ip addr add {x}.{y}.200.1/16 dev docker0
         ip route add {} via {}",
        b.v4(),
        a.gateway_v4()
    ))?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn off_at_end(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    for node in [&a, &b] {
        lab.fault(node, Fault::ForwardingOff)?;
    }
    Ok(Site::at(&a).ask(b.v4()))
}

fn symmetric_strict(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    second_wire(lab, &a, &r)?;
    for node in [&a, &r, &b] {
        strict(node, 1)?;
    }
    Ok(Site::at(&a).ask(b.v4()))
}

/// The second router hands answers to the first one's host past it.
fn asymmetric_past(lab: &Lab) -> Built {
    let [a, n, _, s, b] = lab.chain(["a", "n", "r", "s", "b"])?;
    let server = listen(&b, 443)?;
    lab.link(&s, "past", &n, "past")?;
    s.try_sh(&format!(
        "ip addr add 192.168.230.1/30 dev past; ip route replace {}/32 via 192.168.230.2",
        a.v4()
    ))?;
    n.try_sh("ip addr add 192.168.230.2/30 dev past")?;
    strict(&n, 1)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&n))
}
