//! Healthy networks in which everything can be seen, and much of it looks like a cause.

use vision_lab::{Fault, Hook, Lab, Node, Proto};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, knock, listen, nameserver, with_dns},
        scenario::{Scenario, Site},
    },
};

const GATEWAY: &str = "neigh.gateway-no-answer";

pub(super) const ALL: &[Scenario] = &[
    Scenario::healthy("spare DOWN link with the destination's old subnet", spare_link).seen(),
    Scenario::healthy("spare DOWN link, nothing asked", spare_link_health).seen(),
    Scenario::healthy("two live next hops, v4 and v6", ecmp).seen(),
    Scenario::healthy("next-hop group, both alive, nothing asked", ecmp_group).seen(),
    Scenario::healthy("two defaults, the better one alive", two_defaults).seen(),
    Scenario::healthy("two defaults, the better one alive, nothing asked", two_defaults_health)
        .seen(),
    Scenario::healthy("policy rule for a mark nobody sets", unused_mark).seen(),
    Scenario::healthy("policy rule for another port", unused_port_rule).seen(),
    Scenario::healthy("TTL 255, hop limit 200", high_ttl).seen(),
    Scenario::healthy("TTL 32 on a short way", low_ttl).seen(),
    Scenario::healthy("connection tracking with rules that let pass", tracked).seen(),
    Scenario::healthy("gateway that ignores ping, v4 TCP", deaf_gateway).seen(),
    Scenario::healthy("gateway that ignores ping, nothing asked", deaf_gateway_health).seen(),
    Scenario::healthy("address /32, onlink gateway 169.254.1.1, TCP", routed_veth).seen(),
    Scenario::healthy("address /32, onlink gateway 169.254.1.1, TCP", routed_veth),
    Scenario::healthy("address /32, onlink gateway 169.254.1.1, nothing asked", routed_veth_health)
        .seen(),
    Scenario::healthy("wide prefix that is right: the router answers for all", proxy_arp).seen(),
    Scenario::healthy("router that would not route back to others", narrow_router).seen(),
    Scenario::healthy("blackhole aggregate under a more specific route", aggregate).seen(),
    Scenario::healthy("router's spare port down, its pin of another host wrong", odd_router).seen(),
    Scenario::healthy("the same addresses in another network", twin_network).seen(),
    Scenario::fault(GATEWAY, "address /32, proxy ARP off on the host", routed_veth_broken)
        .or(&["neigh.proxy-arp-off"])
        .seen(),
    Scenario::fault(
        GATEWAY,
        "address /32, proxy ARP off on the host, nothing asked",
        routed_veth_broken_health,
    )
    .or(&["neigh.proxy-arp-off"]),
];

/// The old address stays on the link; its prefix is the one asked for.
fn spare(lab: &Lab, node: &Node, old: &str) -> Result<()> {
    let other = lab.node("other")?;
    lab.link(node, "spare0", &other, "eth0")?;
    node.try_sh(&format!("ip addr add {old} dev spare0"))?;
    lab.fault(node, Fault::LinkDown { dev: "spare0" })?;
    Ok(())
}

fn spare_link(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    spare(lab, web, &format!("{}/24", beside(outside, 9)))?;
    Ok(Site::at(web).keep(listen(outside, 443)?).ask_tcp(outside.v4(), 443))
}

fn spare_link_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let dns = nameserver(outside, outside)?;
    spare(lab, web, "10.235.0.9/24")?;
    web.try_sh("ip link set spare0 up; ip route add 198.51.100.0/24 via 10.235.0.1; ip link set spare0 down")?;
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(dns))
}

/// A second wire between the first node and its router.
fn second_wire(lab: &Lab, a: &Node, r: &Node) -> Result<()> {
    lab.link(a, "eth1", r, "eth9")?;
    a.try_sh("ip addr add 10.236.0.1/24 dev eth1; ip addr add fd00:236::1/64 dev eth1")?;
    r.try_sh("ip addr add 10.236.0.2/24 dev eth9; ip addr add fd00:236::2/64 dev eth9")?;
    Ok(())
}

fn ecmp(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    second_wire(lab, &a, &r)?;
    a.try_sh(&format!(
        "ip route replace default nexthop via {} nexthop via 10.236.0.2
         ip -6 route del default
         ip -6 route add default nexthop via {} dev eth0 nexthop via fd00:236::2 dev eth1",
        a.gateway_v4(),
        a.gateway_v6()
    ))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v6(), 80))
}

fn ecmp_group(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    second_wire(lab, &a, &r)?;
    let dns = nameserver(&b, &b)?;
    a.try_sh(&format!(
        "ip nexthop add id 1 via {} dev eth0; ip nexthop add id 2 via 10.236.0.2 dev eth1
         ip nexthop add id 10 group 1/2; ip route replace default nhid 10",
        a.gateway_v4()
    ))?;
    Ok(Site::in_process(with_dns(&a, b.v4())?).keep(dns))
}

/// The spare default leads to a gateway that does not exist, and nobody uses it.
fn spare_default(lab: &Lab) -> Result<vision_lab::Bridge> {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    web.try_sh(&format!("ip route add default via {} metric 500", beside(web, 250)))?;
    Ok(bridge)
}

fn two_defaults(lab: &Lab) -> Built {
    let bridge = spare_default(lab)?;
    let server = listen(bridge.outside(), 443)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_tcp(bridge.outside().v4(), 443))
}

fn two_defaults_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "second"])?;
    let (web, second) = (bridge.container("web"), bridge.container("second"));
    web.try_sh(&format!("ip route add default via {} metric 500", second.v4()))?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    Ok(Site::in_process(with_dns(web, bridge.outside().v4())?).keep(dns))
}

fn unused_mark(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ip route add default via {} table 200; ip rule add fwmark 0x1 lookup 200 priority 50
         ip route add blackhole default table 201; ip rule add fwmark 0x2 lookup 201 priority 51",
        beside(&a, 250)
    ))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn unused_port_rule(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh("ip rule add ipproto tcp dport 25 prohibit priority 50; ip rule add iif eth0 blackhole priority 51")?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn high_ttl(lab: &Lab) -> Built {
    let [a, _, _, _, b] = lab.chain(["a", "r1", "r2", "r3", "b"])?;
    a.sysctl("net/ipv4/ip_default_ttl", "255")?;
    a.sysctl("net/ipv6/conf/eth0/hop_limit", "200")?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn low_ttl(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.sysctl("net/ipv4/ip_default_ttl", "4")?;
    b.sysctl("net/ipv4/ip_default_ttl", "32")?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn tracked(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(
        "nft 'add table inet fw; add chain inet fw f { type filter hook forward priority 0 ; policy drop ; }
         add rule inet fw f ct state invalid counter drop
         add rule inet fw f ct state established,related counter accept
         add rule inet fw f tcp dport { 80, 443 } ct state new counter accept
         add rule inet fw f tcp dport 22 limit rate over 1/minute counter drop'",
    )?;
    knock(&a, (b.v4(), 22).into());
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Udp, dport: None })?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn deaf(node: &Node) -> Result<()> {
    node.sysctl("net/ipv4/icmp_echo_ignore_all", "1")?;
    node.sysctl("net/ipv6/icmp/echo_ignore_all", "1")?;
    Ok(())
}

fn deaf_gateway(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    deaf(&r)?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn deaf_gateway_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    deaf(&bridge.host)?;
    let kept = nameserver(outside, outside)?;
    Ok(Site::in_process(with_dns(bridge.container("web"), outside.v4())?).keep(kept))
}

/// A pod as routing plugins make it: no bridge, its own /32, and a gateway that nobody has.
fn pod(lab: &Lab, proxy: bool) -> Result<(vision_lab::Bridge, Node)> {
    let bridge = lab.bridge_with_uplink("host", &["other"])?;
    let (host, pod) = (&bridge.host, lab.node("pod")?);
    lab.link(&pod, "eth0", host, "cali0")?;
    host.try_sh("ip route add 10.237.0.5/32 dev cali0 scope link")?;
    if proxy {
        host.sysctl("net/ipv4/conf/cali0/proxy_arp", "1")?;
        host.sysctl("net/ipv4/neigh/cali0/proxy_delay", "0")?;
    }
    pod.try_sh(
        "ip addr add 10.237.0.5/32 dev eth0; ip route add 169.254.1.1 dev eth0 scope link
         ip route add default via 169.254.1.1 dev eth0",
    )?;
    Ok((bridge, pod))
}

fn routed_veth(lab: &Lab) -> Built {
    let (bridge, pod) = pod(lab, true)?;
    Ok(Site::at(&pod).keep(listen(bridge.outside(), 443)?).ask_tcp(bridge.outside().v4(), 443))
}

fn routed_veth_health(lab: &Lab) -> Built {
    let (bridge, pod) = pod(lab, true)?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    Ok(Site::in_process(with_dns(&pod, bridge.outside().v4())?).keep(dns))
}

fn routed_veth_broken(lab: &Lab) -> Built {
    let (bridge, pod) = pod(lab, false)?;
    Ok(Site::at(&pod).keep(listen(bridge.outside(), 443)?).ask_tcp(bridge.outside().v4(), 443))
}

fn routed_veth_broken_health(lab: &Lab) -> Built {
    let (bridge, pod) = pod(lab, false)?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    Ok(Site::in_process(with_dns(&pod, bridge.outside().v4())?).keep(dns))
}

/// The far network is taken for on-link, and the router answers ARP for it.
fn proxy_arp(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.sysctl("net/ipv4/conf/eth0/proxy_arp", "1")?;
    r.sysctl("net/ipv4/neigh/eth0/proxy_delay", "0")?;
    a.try_sh(&format!(
        "ip addr del {own}/24 dev eth0; ip addr add {own}/16 dev eth0",
        own = a.v4()
    ))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn narrow_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh("ip route add unreachable default; ip -6 route add unreachable default")?;
    b.try_sh(&format!(
        "ip route del default; ip route add {}/32 via {}; ip route add blackhole default",
        a.v4(),
        b.gateway_v4()
    ))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn aggregate(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    for node in [&a, &r] {
        node.try_sh("ip route add blackhole 10.0.0.0/8; ip -6 route add blackhole fd00::/8")?;
    }
    a.try_sh(&format!("ip route add {}/32 via {}", b.v4(), a.gateway_v4()))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn odd_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    spare(lab, &r, "10.235.0.9/24")?;
    lab.fault(&r, Fault::WrongNeighbour { dev: "eth1", ip: beside(&b, 99).into() })?;
    r.try_sh(&format!("ip neigh add {} dev eth1 nud failed", beside(&b, 98)))?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

/// Another tenant's network, in which the destination's twin is cut off.
fn twin_network(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let [x, y] = [lab.node("x")?, lab.node("y")?];
    lab.link(&x, "eth0", &y, "eth0")?;
    x.try_sh(&format!("ip addr add {}/24 dev eth0", web.v4()))?;
    y.try_sh(&format!("ip addr add {}/24 dev eth0; ip link set eth0 down", db.v4()))?;
    web.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::at(web).keep(listen(db, 5432)?).ask_tcp(db.v4(), 5432))
}
