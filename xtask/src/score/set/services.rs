//! Service addresses and published ports, connection tracking and address translation at fault.

use std::net::Ipv4Addr;

use vision_lab::{Bridge, Lab, Node, TcpBehaviour, TcpServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, listen},
        scenario::{Scenario, Site},
    },
};

const DEAD: &str = "service.dead-endpoint";
const STALE: &str = "service.stale-target";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault("service.no-rule", "the address has rules, the port has none", no_rule).seen(),
    Scenario::fault("service.no-endpoints", "kube-proxy's reject", no_endpoints).seen(),
    Scenario::fault(DEAD, "both endpoints are gone", dead_endpoints).or(&[STALE]).seen(),
    Scenario::fault(DEAD, "the endpoint refuses", refusing_endpoint)
        .or(&["socket.no-listener"])
        .seen(),
    Scenario::fault(STALE, "published port of a container that is gone", stale_target).seen(),
    Scenario::fault(STALE, "published port by legacy iptables", stale_legacy).seen(),
    Scenario::healthy("published port by legacy iptables", published_legacy).seen(),
    Scenario::fault(DEAD, "one of two endpoints, in turn, is gone", one_of_two).seen(),
    Scenario::fault("socket.no-listener", "published port, from outside", published_refused).seen(),
    Scenario::fault("socket.no-listener", "published port, from the host itself", published_here)
        .seen(),
    Scenario::fault("bridge.down", "behind a published port", published_off).seen(),
    Scenario::fault("nat.masquerade-missing", "no rule at all", never_masked).seen(),
    Scenario::fault("nat.masquerade-missing", "the rule is for another network", unmasked)
        .related(&["route.none", "route.return-missing"])
        .seen(),
    Scenario::fault(DEAD, "kube-proxy's maps of nf_tables, nobody listens", mapped)
        .or(&["socket.no-listener"])
        .related(&["socket.no-listener"])
        .seen(),
    Scenario::healthy("kube-proxy's maps of nf_tables", mapped_well).seen(),
    Scenario::fault("firewall.policy-drop", "behind a published port", published_policy).seen(),
    Scenario::fault(
        "firewall.rule-drop",
        "behind a published port, in DOCKER-USER",
        published_user,
    )
    .seen(),
    Scenario::healthy("published port, the host's own input closed", published_well).seen(),
    Scenario::fault("socket.loopback-only", "behind a published port", published_loopback).seen(),
    Scenario::fault("route.bad-source", "a source that the host does not mask", other_source)
        .related(&["route.none", "route.return-missing", "nat.masquerade-missing"])
        .seen(),
    Scenario::fault("route.multipath-dead-hop", "of a router", dead_path)
        .related(&["neigh.gateway-no-answer"])
        .seen(),
];

/// Rules as kube-proxy writes them for the service 10.96.0.10:80.
pub(super) fn kube(node: &Node, endpoints: &[(Ipv4Addr, u16)]) -> Result<()> {
    let mut script = String::from(
        "iptables-nft -t nat -N KUBE-SERVICES; iptables-nft -t nat -N KUBE-SVC-A
iptables-nft -t nat -A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
iptables-nft -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment \"default/web cluster IP\" -m tcp --dport 80 -j KUBE-SVC-A
",
    );
    for (n, (addr, port)) in endpoints.iter().enumerate() {
        let left = endpoints.len() - n;
        let chance = match left {
            1 => String::new(),
            _ => format!("-m statistic --mode random --probability {:.5}", 1.0 / left as f64),
        };
        script.push_str(&format!(
            "iptables-nft -t nat -N KUBE-SEP-{n}
iptables-nft -t nat -A KUBE-SEP-{n} -p tcp -j DNAT --to-destination {addr}:{port}
iptables-nft -t nat -A KUBE-SVC-A {chance} -j KUBE-SEP-{n}
"
        ));
    }
    node.try_sh(&script)?;
    Ok(())
}

fn no_rule(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    kube(&r, &[(b.v4(), 80)])?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask("10.96.0.10:8080").blame(&r))
}

fn no_endpoints(lab: &Lab) -> Built {
    let [a, r, _] = lab.chain(["a", "r", "b"])?;
    r.try_sh(
        "iptables-nft -N KUBE-SERVICES; iptables-nft -A FORWARD -j KUBE-SERVICES; ip route add default dev eth1
         iptables-nft -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp -m comment --comment \"default/web has no endpoints\" -m tcp --dport 80 -j REJECT",
    )?;
    Ok(Site::at(&a).ask("10.96.0.10:80").blame(&r))
}

fn dead_endpoints(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    kube(&r, &[(beside(&b, 77), 80), (beside(&b, 78), 80)])?;
    Ok(Site::at(&a).ask("10.96.0.10:80").blame(&r))
}

fn refusing_endpoint(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    kube(&r, &[(b.v4(), 80)])?;
    Ok(Site::at(&a).ask("10.96.0.10:80").blame(&r).blame(&b))
}

fn stale_target(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    bridge.host.try_sh(&format!(
        "iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination {}:80",
        beside(web, 99)
    ))?;
    Ok(Site::at(outside).ask_tcp(beside(outside, 1), 8080).blame(&bridge.host))
}

/// Every second connect is led to an address that nobody has.
fn one_of_two(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    kube(&r, &[(b.v4(), 80), (beside(&b, 77), 80)])?;
    r.try_sh(
        "iptables-nft -t nat -R KUBE-SVC-A 1 -m statistic --mode nth --every 2 --packet 0 -j KUBE-SEP-0",
    )?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask("10.96.0.10:80").blame(&r))
}

/// A host whose port 8080 leads to port 80 of its container, for others and for itself.
fn to_the_container(lab: &Lab) -> Result<Bridge> {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web").v4();
    for hook in ["PREROUTING", "OUTPUT"] {
        bridge.host.try_sh(&format!(
            "iptables-nft -t nat -A {hook} -m addrtype --dst-type LOCAL -p tcp --dport 8080 -j DNAT --to-destination {web}:80"
        ))?;
    }
    Ok(bridge)
}

fn published_refused(lab: &Lab) -> Built {
    let bridge = to_the_container(lab)?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    Ok(Site::at(outside).ask_tcp(beside(outside, 1), 8080).blame(web))
}

fn published_here(lab: &Lab) -> Built {
    let bridge = to_the_container(lab)?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    Ok(Site::at(&bridge.host).ask_tcp(beside(outside, 1), 8080).blame(web))
}

fn published_off(lab: &Lab) -> Built {
    let bridge = to_the_container(lab)?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(web, 80)?;
    bridge.host.try_sh("ip link set br0 down")?;
    let site = Site::at(outside).keep(server).ask_tcp(beside(outside, 1), 8080);
    Ok(site.blame(&bridge.host))
}

/// Nobody is masked, and nobody outside knows the container's network.
fn never_masked(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    bridge.host.try_sh("nft 'flush chain inet lab_nat post'")?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(&bridge.host))
}

/// The host masks another network than the container's, and nobody outside knows the container's.
fn unmasked(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    bridge.host.try_sh(
        "nft 'flush chain inet lab_nat post; add rule inet lab_nat post ip saddr 172.30.0.0/16 counter masquerade'",
    )?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(&bridge.host))
}

fn published_loopback(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = TcpServer::start(web, "127.0.0.1:80", TcpBehaviour::Accept)?;
    bridge.host.try_sh(&format!(
        "iptables-nft -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination {}:80",
        web.v4()
    ))?;
    Ok(Site::at(outside).keep(server).ask_tcp(beside(outside, 1), 8080).blame(web))
}

/// The container sends from an address of its loopback; only its own network is masked.
fn other_source(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(outside, 443)?;
    bridge.host.try_sh(&format!(
        "nft 'flush chain inet lab_nat post; add rule inet lab_nat post ip saddr {}/32 counter masquerade'",
        web.v4()
    ))?;
    web.try_sh(&format!(
        "ip addr add 10.99.99.9/32 dev lo; ip route replace default via {} src 10.99.99.9",
        web.gateway_v4()
    ))?;
    Ok(Site::at(web).keep(server).ask_tcp(outside.v4(), 443).blame(web))
}

/// Half of the flows leave the router for nobody: one of many connects will.
fn dead_path(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(&format!(
        "ip route add 203.0.113.9/32 nexthop via {} dev eth1 nexthop via {} dev eth1 weight 200",
        b.v4(),
        beside(&b, 77)
    ))?;
    b.try_sh("ip addr add 203.0.113.9/32 dev lo")?;
    Ok(Site::at(&a).keep(server).ask("203.0.113.9:443").blame(&r))
}

/// What kube-proxy writes in its mode of nf_tables: a map of services, and one that picks an endpoint by
/// chance.
fn maps(lab: &Lab) -> Result<[Node; 3]> {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(&format!(
        "nft 'table ip kube-proxy {{
           map service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict;
             elements = {{ 10.96.0.10 . tcp . 80 : goto service }}; }};
           chain service {{ numgen random mod 1 vmap {{ 0 : goto endpoint }}; }};
           chain endpoint {{ meta l4proto tcp dnat to {}:8080; }};
           chain nat-prerouting {{ type nat hook prerouting priority -100;
             ip daddr . meta l4proto . th dport vmap @service-ips; }}; }}'",
        b.v4()
    ))?;
    Ok([a, r, b])
}

fn mapped(lab: &Lab) -> Built {
    let [a, r, b] = maps(lab)?;
    Ok(Site::at(&a).ask("10.96.0.10:80").blame(&r).blame(&b))
}

fn mapped_well(lab: &Lab) -> Built {
    let [a, _, b] = maps(lab)?;
    Ok(Site::at(&a).keep(listen(&b, 8080)?).ask("10.96.0.10:80"))
}

/// Port 8080 of the host leads to a container; `rules` says what else the host filters.
fn published(lab: &Lab, rules: &str) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(web, 80)?;
    bridge.host.try_sh(&format!(
        "iptables-nft -t nat -A PREROUTING -i up0 -p tcp --dport 8080 -j DNAT --to-destination {}:80
         {rules}",
        web.v4()
    ))?;
    Ok(Site::at(outside).keep(server).ask_tcp(beside(outside, 1), 8080).blame(&bridge.host))
}

fn published_policy(lab: &Lab) -> Built {
    let rules = "iptables-nft -P FORWARD DROP
         iptables-nft -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
         iptables-nft -A FORWARD -i br0 -j ACCEPT";
    published(lab, rules)
}

fn published_user(lab: &Lab) -> Built {
    let rules = "iptables-nft -N DOCKER-USER; iptables-nft -A FORWARD -j DOCKER-USER
         iptables-nft -A DOCKER-USER -i up0 ! -s 198.51.100.0/24 -j DROP";
    published(lab, rules)
}

fn published_well(lab: &Lab) -> Built {
    published(lab, "iptables-nft -P INPUT DROP; iptables-nft -A INPUT -i lo -j ACCEPT")
}

/// As Docker writes it where iptables is the legacy one.
fn by_legacy(lab: &Lab, last: Option<u8>) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let server = listen(web, 80)?;
    let to = last.map_or(web.v4(), |last| beside(web, last));
    bridge.host.try_sh(&format!(
        "iptables-legacy -t nat -N DOCKER
         iptables-legacy -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
         iptables-legacy -t nat -A DOCKER ! -i br0 -p tcp --dport 8080 -j DNAT --to-destination {to}:80"
    ))?;
    Ok(Site::at(outside).keep(server).ask_tcp(beside(outside, 1), 8080).blame(&bridge.host))
}

fn stale_legacy(lab: &Lab) -> Built {
    by_legacy(lab, Some(99))
}

fn published_legacy(lab: &Lab) -> Built {
    by_legacy(lab, None)
}
