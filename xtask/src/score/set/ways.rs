//! Routes that refuse, divert, or prefer what is dead.

use vision_lab::{Fault, Lab, Node, RouteKind};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, beside_v6, listen, nameserver, with_dns, with_hosts},
        scenario::{Scenario, Site},
    },
};

const REFUSES: &str = "route.unreachable";
const DIVERTS: &str = "route.rule-diverts";
const DEAD: &str = "route.dead-default-preferred";
const WIDE: &str = "route.prefix-too-wide";
const SHARE: &str = "route.multipath-dead-hop";
const TTL: &str = "route.ttl-too-small";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(REFUSES, "chain, unreachable prefix, v4 TCP", refuses_v4),
    Scenario::fault(REFUSES, "bridge, prohibit by a rule, v4, by name", refuses_by_rule).seen(),
    Scenario::fault(REFUSES, "chain, prohibit, v6, by pid", refuses_v6).seen(),
    Scenario::fault(REFUSES, "bridge, unreachable default, nothing asked", refuses_health),
    Scenario::fault(DIVERTS, "chain, rule by destination to a dead gateway", diverted_v4),
    Scenario::fault(DIVERTS, "chain, rule by destination, v6, by pid", diverted_v6).seen(),
    Scenario::fault(DIVERTS, "chain, rule for one TCP port only", diverted_port).seen(),
    Scenario::fault(DIVERTS, "bridge, all but marked into a dead tunnel", diverted_unmarked)
        .or(&["link.peer-down"])
        .seen(),
    Scenario::fault(DEAD, "chain, dead v4 default with the better metric", dead_v4),
    Scenario::fault(DEAD, "chain, dead v6 default with the better metric, TCP", dead_v6).seen(),
    Scenario::fault(DEAD, "bridge, second interface's gateway gone, name", dead_by_name).seen(),
    Scenario::fault(DEAD, "bridge, second interface's gateway gone, nothing asked", dead_health),
    Scenario::fault(WIDE, "chain, /8 instead of /24, v4 TCP", wide_v4).seen(),
    Scenario::unnamed("chain, /8 instead of /24, v4 TCP", &[WIDE, "neigh.no-answer"], wide_v4),
    Scenario::fault(WIDE, "chain, /32 instead of /64, v6, by name", wide_v6).seen(),
    Scenario::fault(WIDE, "bridge, /8 on a container, server outside", wide_outside).seen(),
    Scenario::fault(SHARE, "chain, two v4 next hops, one silent", share_v4),
    Scenario::fault(SHARE, "chain, two v6 next hops, one silent, TCP", share_v6).seen(),
    Scenario::fault(SHARE, "chain, next-hop group, one silent, by pid", share_group).seen(),
    Scenario::fault(SHARE, "bridge, two v4 next hops, nothing asked", share_health),
    Scenario::fault(TTL, "chain of four, TTL 2, v4 TCP", ttl_v4),
    Scenario::fault(TTL, "chain of four, hop limit 1, v6, by pid", ttl_v6).seen(),
    Scenario::fault(TTL, "chain, the route itself sets hop limit 1", ttl_of_route).seen(),
    Scenario::fault(TTL, "chain, the destination's own TTL is 1", ttl_of_destination).seen(),
    Scenario::unnamed("chain, the destination's own TTL is 1", &[TTL], ttl_of_destination),
];

fn refuses_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    a.try_sh(&format!("ip route add unreachable {}/25", beside(&b, 0)))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&a))
}

fn refuses_by_rule(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let process = with_hosts(web, &[&format!("{} api", outside.v4())])?;
    web.try_sh(&format!("ip rule add to {}/32 prohibit priority 50", outside.v4()))?;
    Ok(Site::in_process(process).keep(listen(outside, 443)?).ask("https://api/").blame(web))
}

fn refuses_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let prefix = format!("{}/128", b.v6());
    lab.fault(&a, Fault::Route { kind: RouteKind::Prohibit, prefix: &prefix })?;
    Ok(Site::in_process(a.sleeper()).ask(b.v6()).blame(&a))
}

fn refuses_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    web.try_sh("ip route del default; ip route add unreachable default metric 4278198272")?;
    Ok(Site::in_process(process).keep(dns).blame(web))
}

fn diverted_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip route add default via {} table 200; ip rule add to {}/24 lookup 200 priority 500",
        beside(&a, 250),
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn diverted_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ip -6 route add default via {} dev eth0 table 200
         ip -6 rule add to {}/64 lookup 200 priority 500",
        beside_v6(&a, 0x250),
        b.v6()
    ))?;
    Ok(Site::in_process(a.sleeper()).ask(b.v6()).blame(&a))
}

/// A look-up that names neither protocol nor port goes by the main table.
fn diverted_port(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    a.try_sh(&format!(
        "ip route add default via {} table 200
         ip rule add ipproto tcp dport 443 lookup 200 priority 500",
        beside(&a, 250)
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443).blame(&a))
}

/// As `wg-quick` sets a tunnel up, which has lost its far end.
fn diverted_unmarked(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    let far = lab.node("far")?;
    lab.link(web, "tun0", &far, "eth0")?;
    web.try_sh(
        "ip addr add 10.233.0.1/24 dev tun0
         ip route add default via 10.233.0.2 dev tun0 table 51820
         ip rule add not fwmark 0xca6c lookup 51820 priority 100
         ip rule add lookup main suppress_prefixlength 0 priority 99",
    )?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(web))
}

fn dead_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    a.try_sh(&format!(
        "ip route replace default via {} metric 300; ip route del default metric 0
         ip route add default via {} metric 100",
        a.gateway_v4(),
        beside(&a, 250)
    ))?;
    Ok(Site::at(&a).ask(b.v4()).blame(&a))
}

fn dead_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    // The one that works has 1024, as every v6 route without a metric.
    a.try_sh("ip -6 route add default via fe80::dead dev eth0 metric 512")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&a))
}

/// A container on two networks; the second was to be internal and got a gateway that is nobody's.
fn two_networks(lab: &Lab) -> Result<vision_lab::Bridge> {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let other = lab.node("other")?;
    lab.link(web, "eth1", &other, "eth0")?;
    other.try_sh("ip addr add 10.234.0.3/24 dev eth0")?;
    web.try_sh(&format!(
        "ip addr add 10.234.0.2/24 dev eth1; ip route del default
         ip route add default via {} metric 200; ip route add default via 10.234.0.1 metric 10",
        web.gateway_v4()
    ))?;
    Ok(bridge)
}

fn dead_by_name(lab: &Lab) -> Built {
    let bridge = two_networks(lab)?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let process = with_hosts(web, &[&format!("{} api", outside.v4())])?;
    Ok(Site::in_process(process).keep(listen(outside, 443)?).ask("api:443").blame(web))
}

fn dead_health(lab: &Lab) -> Built {
    let bridge = two_networks(lab)?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    Ok(Site::in_process(process).keep(dns).blame(bridge.container("web")))
}

fn wide_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip addr del {own}/24 dev eth0; ip addr add {own}/8 dev eth0
         ip route replace default via {}",
        a.gateway_v4(),
        own = a.v4(),
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn wide_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    let process = with_hosts(&a, &[&format!("{} db", b.v6())])?;
    a.try_sh(&format!(
        "ip addr del {own}/64 dev eth0; ip addr add {own}/32 dev eth0
         ip -6 route replace default via {}",
        a.gateway_v6(),
        own = a.v6(),
    ))?;
    Ok(Site::in_process(process).keep(server).ask("db:80").blame(&a))
}

fn wide_outside(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    web.try_sh(&format!(
        "ip addr del {own}/24 dev eth0; ip addr add {own}/8 dev eth0
         ip route replace default via {}",
        web.gateway_v4(),
        own = web.v4(),
    ))?;
    Ok(Site::at(web).ask(outside.v4()).blame(web))
}

fn share_v4(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    split_v4(&a)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

/// Nearly every flow takes the dead one.
fn split_v4(node: &Node) -> Result<()> {
    node.try_sh(&format!(
        "ip route replace default nexthop via {} weight 255 nexthop via {} weight 1",
        beside(node, 250),
        node.gateway_v4()
    ))?;
    Ok(())
}

fn share_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip -6 route del default
         ip -6 route add default nexthop via {} dev eth0 weight 1 \
         nexthop via fe80::dead dev eth0 weight 255",
        a.gateway_v6()
    ))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 80).blame(&a))
}

fn share_group(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!(
        "ip nexthop add id 1 via {} dev eth0; ip nexthop add id 2 via {} dev eth0
         ip nexthop add id 10 group 1,1/2,255; ip route replace default nhid 10",
        a.gateway_v4(),
        beside(&a, 250)
    ))?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn share_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v6())?;
    split_v4(web)?;
    Ok(Site::in_process(process).keep(dns).blame(web))
}

fn ttl_v4(lab: &Lab) -> Built {
    let [a, _, _, b] = lab.chain(["a", "r1", "r2", "b"])?;
    let server = listen(&b, 80)?;
    a.sysctl("net/ipv4/ip_default_ttl", "2")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

fn ttl_v6(lab: &Lab) -> Built {
    let [a, _, _, b] = lab.chain(["a", "r1", "r2", "b"])?;
    a.sysctl("net/ipv6/conf/eth0/hop_limit", "1")?;
    Ok(Site::in_process(a.sleeper()).ask(b.v6()).blame(&a))
}

fn ttl_of_route(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    a.try_sh(&format!("ip route replace default via {} hoplimit 1", a.gateway_v4()))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&a))
}

/// What arrives is answered, and the answers end at the router.
fn ttl_of_destination(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    b.sysctl("net/ipv4/ip_default_ttl", "1")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&b))
}
