//! Healthy networks in which something looks like a cause and is none.

use std::net::{Ipv4Addr, SocketAddr};

use vision_lab::{Family, Fault, Hook, Lab, Proto, RouteKind, dns::DnsScript};

use super::Built;
use crate::score::{
    container::{
        beside, container, knock, listen, nameserver, serve, silent_nameserver, with_dns, zone,
    },
    scenario::{Scenario, Site},
};

const SILENT_ICMP: &str =
    "nft 'add table inet own; add chain inet own in { type filter hook input priority 0 ; }
    add rule inet own in icmp type echo-request counter drop
    add rule inet own in icmpv6 type echo-request counter drop'";

pub(super) const ALL: &[Scenario] = &[
    Scenario::healthy("FAILED neighbour of another host", failed_neighbour),
    Scenario::healthy("no neighbour entries at all", no_neighbours),
    Scenario::healthy("STALE gateway", stale_gateway),
    Scenario::healthy("a spare default route to nobody, nothing asked", spare_default),
    Scenario::healthy("rp_filter=1, symmetric routes", strict_rp_filter),
    Scenario::healthy("ListenDrops without ListenOverflows", listen_drops),
    Scenario::healthy("drop rule for another port, its counter at rest", resting_drop_rule),
    Scenario::healthy("unused deny rules on host and container", unused_deny_rules),
    Scenario::healthy("ping filtered, HOST asked", ping_filtered_host),
    Scenario::healthy("ping filtered, HOST:PORT asked", ping_filtered_port),
    Scenario::healthy("gateway ignores ping, nothing asked", ping_filtered_gateway),
    Scenario::healthy("fresh addresses under DAD, v4 asked", dad_v4),
    Scenario::healthy("fresh addresses under DAD, v6 asked", dad_v6),
    Scenario::healthy("fresh addresses under DAD, nothing asked", dad_health),
    Scenario::healthy("container at MTU 1400 on a bridge of 1500", small_mtu),
    Scenario::healthy("interface drop counters since boot", old_drops),
    Scenario::healthy("policy routing in use", policy_routing),
    Scenario::healthy("two equal-cost next hops", ecmp),
    Scenario::healthy("blackhole for another prefix", other_blackhole),
    Scenario::healthy("pinned neighbour of another host", other_static),
    Scenario::healthy("spare interface down", spare_link_down),
    Scenario::healthy("nameserver silent, address asked", dns_not_asked),
    Scenario::healthy("no global v6, reached from a link-local source", link_local_source),
    Scenario::healthy("addresses on lo only, one interface without any", address_on_loopback),
    Scenario::healthy(
        "search domains of which the first do not exist, v6 server",
        two_families_of_names,
    ),
];

fn failed_neighbour(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let [a, b, c, _] = db.v4().octets();
    web.try_sh(&format!("ping -n -q -c1 -W4 {a}.{b}.{c}.99 || true"))?;
    Ok(Site::at(web).ask(db.v4()))
}

fn no_neighbours(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    web.try_sh("ip neigh flush dev eth0")?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v6(), 443))
}

fn stale_gateway(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ping -n -q -c1 {}; ip neigh change {} dev eth0 nud stale",
        a.gateway_v4(),
        a.gateway_v4()
    ))?;
    Ok(Site::in_process(a.sleeper()).ask(b.v4()))
}

fn strict_rp_filter(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    for node in [&a, &r, &b] {
        lab.fault(node, Fault::RpFilter { mode: 1 })?;
    }
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

/// A SYN whose source has no way back is dropped by the listener, and no queue is full.
fn listen_drops(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip addr add 192.0.2.7/32 dev lo; ip route add {}/32 dev eth0 src 192.0.2.7",
        b.v4()
    ))?;
    knock(&a, SocketAddr::new(b.v4().into(), 80));
    a.try_sh(&format!("ip route del {}/32; ip addr del 192.0.2.7/32 dev lo", b.v4()))?;
    Ok(Site::at(&b).keep(server).ask_tcp(b.v4(), 80))
}

fn resting_drop_rule(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    for node in [&a, &r, &b] {
        for hook in [Hook::Input, Hook::Forward, Hook::Output] {
            lab.fault(node, Fault::Drop { hook, proto: Proto::Tcp, dport: Some(23) })?;
        }
    }
    knock(&a, SocketAddr::new(b.v4().into(), 23));
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn unused_deny_rules(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    for node in [&bridge.host, web] {
        node.try_sh(
            "nft 'add table inet deny; add chain inet deny c { type filter hook input priority 5 ; }
             add rule inet deny c ip saddr 198.51.100.0/24 counter drop
             add rule inet deny c ip6 saddr 2001:db8::/32 counter reject
             add rule inet deny c tcp dport { 22, 3389 } counter drop'",
        )?;
    }
    Ok(Site::in_process(with_dns(web, bridge.outside().v4())?).keep(dns))
}

fn ping_filtered_host(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    b.try_sh(SILENT_ICMP)?;
    Ok(Site::at(&a).keep(server).ask(b.v4()))
}

fn ping_filtered_port(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    for node in [&r, &b] {
        node.try_sh(SILENT_ICMP)?;
    }
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443))
}

fn ping_filtered_gateway(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    bridge.host.try_sh(SILENT_ICMP)?;
    Ok(Site::in_process(process).keep(dns))
}

fn dad_v4(lab: &Lab) -> Built {
    fresh(lab, |site| site.ask("10.210.0.2"))
}

fn dad_v6(lab: &Lab) -> Built {
    fresh(lab, |site| site.ask("fd00:210::2"))
}

fn dad_health(lab: &Lab) -> Built {
    fresh(lab, |site| site)
}

/// A container whose addresses are milliseconds old when the question comes.
fn fresh(lab: &Lab, ask: fn(Site) -> Site) -> Built {
    let peer = lab.node("peer")?;
    let node = lab.node_with_dad("fresh")?;
    lab.link(&node, "eth0", &peer, "eth0")?;
    peer.try_sh("ip addr add 10.210.0.2/24 dev eth0; ip addr add fd00:210::2/64 dev eth0")?;
    let dns = serve(&peer, DnsScript::new().a("db.example", Ipv4Addr::new(10, 210, 0, 2)))?;
    let process = with_dns(&node, "10.210.0.2")?;
    node.try_sh("ip addr add 10.210.0.1/24 dev eth0; ip addr add fd00:210::1/64 dev eth0")?;
    Ok(ask(Site::in_process(process).keep(dns)))
}

fn small_mtu(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    web.try_sh("ip link set eth0 mtu 1400")?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443))
}

/// Frames larger than the far end takes are dropped there and counted; then the far end is put right.
fn old_drops(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    b.try_sh("ip link set eth0 mtu 1400")?;
    a.try_sh(&format!("ping -n -q -c5 -i0.01 -W1 -M do -s 1450 {} || true", b.v4()))?;
    b.try_sh("ip link set eth0 mtu 1500")?;
    Ok(Site::at(&b).ask(a.v4()))
}

fn policy_routing(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip route add default via {gateway} table 100; ip rule add from {own} lookup 100 priority 100
         ip rule add to 198.51.100.0/24 blackhole priority 90
         ip route del default",
        gateway = a.gateway_v4(),
        own = a.v4(),
    ))?;
    a.try_sh(&format!("ip rule add to {}/24 lookup 100 priority 110", b.v4()))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn ecmp(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.link(&a, "eth1", &r, "eth9")?;
    a.try_sh("ip addr add 10.201.0.1/24 dev eth1")?;
    r.try_sh("ip addr add 10.201.0.2/24 dev eth9")?;
    a.try_sh(&format!(
        "ip route replace default nexthop via {} dev eth0 nexthop via 10.201.0.2 dev eth1",
        a.gateway_v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn other_blackhole(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    for prefix in ["198.51.100.0/24", "2001:db8::/32"] {
        lab.fault(&a, Fault::Route { kind: RouteKind::Blackhole, prefix })?;
    }
    Ok(Site::in_process(a.sleeper()).ask(b.v6()))
}

fn other_static(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    lab.fault(web, Fault::WrongNeighbour { dev: "eth0", ip: db.v4().into() })?;
    Ok(Site::at(web).ask(bridge.outside().v4()))
}

fn spare_link_down(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    lab.link(web, "eth1", db, "eth1")?;
    lab.fault(web, Fault::LinkDown { dev: "eth1" })?;
    Ok(Site::in_process(with_dns(web, bridge.outside().v4())?).keep(dns))
}

/// The flow that was asked about needs no name.
fn dns_not_asked(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let kept = (silent_nameserver(db)?, listen(db, 5432)?);
    Ok(Site::in_process(with_dns(web, db.v4())?).keep(kept).ask_tcp(db.v4(), 5432))
}

/// The gateway redirects on its own link, and the peer knows the way back to a link-local address.
fn link_local_source(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(db, 5432)?;
    lab.fault(web, Fault::FlushAddr { dev: "eth0", family: Family::V6 })?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v6(), 5432))
}

/// As routed containers have it: the address is on lo, the link has none, the route says which source to use.
fn address_on_loopback(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    a.try_sh(&format!(
        "ip -4 addr flush dev eth0; ip addr add {own}/32 dev lo; ip route add {peer} dev eth0 src {own}",
        own = a.v4(),
        peer = b.v4(),
    ))?;
    Ok(Site::in_process(a.sleeper()).ask(b.v4()))
}

fn two_families_of_names(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let kept = (serve(db, zone(db))?, listen(db, 80)?);
    let lines = [&*format!("nameserver {}", db.v6()), "search no.invalid nor.invalid example"];
    Ok(Site::in_process(container(web, &lines, &[])?).keep(kept).ask("http://api/"))
}

fn spare_default(lab: &Lab) -> Built {
    let [a, _, _] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!("ip route add default via {} metric 500", beside(&a, 250)))?;
    Ok(Site::at(&a))
}
