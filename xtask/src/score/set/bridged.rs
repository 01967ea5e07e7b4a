//! Bridges that pass less than asked: sizes, services that lead back, answers past the translation; and
//! fragments that filters drop.

use vision_lab::{Bridge, Lab, Node, UdpBehaviour, UdpServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::listen,
        scenario::{Scenario, Site},
    },
};

const SIZE: &str = "mtu.bridge-too-small";
const HAIRPIN: &str = "bridge.hairpin-off";
const CALLS: &str = "service.bridge-nf-off";
const FRAGMENT: &str = "firewall.fragment-drop";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(SIZE, "the other container's port is narrow, v4 UDP", small_port).seen(),
    Scenario::fault(SIZE, "the other container's port is narrow, v6", small_port_v6).seen(),
    Scenario::healthy("a third port makes the bridge narrow", small_third).seen(),
    Scenario::fault(HAIRPIN, "service of the container itself, DNAT in nft", hairpin_off).seen(),
    Scenario::fault(HAIRPIN, "published port of the host", hairpin_published).seen(),
    Scenario::healthy("service of the container itself, hairpin on", hairpin_on).seen(),
    Scenario::fault(CALLS, "backend on the same bridge", calls_off).seen(),
    Scenario::fault(CALLS, "backend on the same bridge, by iptables", calls_off_iptables).seen(),
    Scenario::healthy("backend on the same bridge, rules are called", calls_on).seen(),
    Scenario::healthy("backend on the same bridge, masqueraded", calls_off_masked).seen(),
    Scenario::fault(FRAGMENT, "router, before the routing, v4", fragments_router).seen(),
    Scenario::fault(FRAGMENT, "destination, later fragments only", fragments_destination).seen(),
    Scenario::healthy("a rule about fragments of others", fragments_of_others).seen(),
];

const SERVICE: &str = "10.96.0.10";

fn narrow(lab: &Lab) -> Result<Bridge> {
    let bridge = lab.bridge("host", &["web", "db"])?;
    bridge.host.try_sh("ip link set v-db mtu 1400")?;
    bridge.container("db").try_sh("ip link set eth0 mtu 1400")?;
    Ok(bridge)
}

fn echo(node: &Node) -> Result<UdpServer> {
    Ok(UdpServer::start(node, "[::]:8125", UdpBehaviour::Echo)?)
}

fn small_port(lab: &Lab) -> Built {
    let bridge = narrow(lab)?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = echo(db)?;
    Ok(Site::at(web).keep(server).ask_udp(db.v4(), 8125).blame(&bridge.host))
}

fn small_port_v6(lab: &Lab) -> Built {
    let bridge = narrow(lab)?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    // Else the host's rules for IPv6 see the packets, and its kernel says that they are too big.
    bridge.host.sysctl("net/bridge/bridge-nf-call-ip6tables", "0")?;
    Ok(Site::at(web).ask(db.v6()).blame(&bridge.host))
}

fn small_third(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "old"])?;
    bridge.host.try_sh("ip link set v-old mtu 1400")?;
    bridge.container("old").try_sh("ip link set eth0 mtu 1400")?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = echo(db)?;
    Ok(Site::at(web).keep(server).ask_udp(db.v4(), 8125))
}

/// Leads the service to a container's port 80; what is masked seems to come from the host.
fn serve(bridge: &Bridge, to: &Node, masked: bool) -> Result<()> {
    let mask = match masked {
        true => format!("add rule ip svc post ip daddr {} tcp dport 80 masquerade", to.v4()),
        false => String::new(),
    };
    bridge.host.try_sh(&format!(
        "nft 'add table ip svc
         add chain ip svc pre {{ type nat hook prerouting priority -100 ; }}
         add chain ip svc post {{ type nat hook postrouting priority 100 ; }}
         add rule ip svc pre ip daddr {SERVICE} tcp dport 80 dnat to {}:80
         {mask}'",
        to.v4()
    ))?;
    Ok(())
}

fn calls(bridge: &Bridge, on: bool) -> Result<()> {
    let value = if on { "1" } else { "0" };
    Ok(bridge.host.sysctl("net/bridge/bridge-nf-call-iptables", value)?)
}

fn itself(lab: &Lab, hairpin: bool) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let web = bridge.container("web");
    calls(&bridge, true)?;
    serve(&bridge, web, true)?;
    if hairpin {
        bridge.host.try_sh("bridge link set dev v-web hairpin on")?;
    }
    let server = listen(web, 80)?;
    let site = Site::at(web).keep(server).ask(format!("{SERVICE}:80"));
    Ok(site.blame(&bridge.host))
}

fn hairpin_off(lab: &Lab) -> Built {
    itself(lab, false)
}

fn hairpin_on(lab: &Lab) -> Built {
    itself(lab, true)
}

fn hairpin_published(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    let web = bridge.container("web");
    calls(&bridge, true)?;
    bridge.host.try_sh(&format!(
        "ip addr add 198.51.100.1/32 dev lo
         iptables-nft -t nat -A PREROUTING -d 198.51.100.1 -p tcp --dport 8080 -j DNAT --to-destination {0}:80
         iptables-nft -t nat -A POSTROUTING -s {0} -d {0} -p tcp --dport 80 -j MASQUERADE",
        web.v4()
    ))?;
    let server = listen(web, 80)?;
    Ok(Site::at(web).keep(server).ask_tcp([198, 51, 100, 1], 8080).blame(&bridge.host))
}

fn neighbour(lab: &Lab, called: bool, masked: bool) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    calls(&bridge, called)?;
    serve(&bridge, db, masked)?;
    let server = listen(db, 80)?;
    let site = Site::at(web).keep(server).ask(format!("{SERVICE}:80"));
    Ok(site.blame(&bridge.host))
}

fn calls_off(lab: &Lab) -> Built {
    neighbour(lab, false, false)
}

fn calls_on(lab: &Lab) -> Built {
    neighbour(lab, true, false)
}

fn calls_off_masked(lab: &Lab) -> Built {
    neighbour(lab, false, true)
}

fn calls_off_iptables(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    calls(&bridge, false)?;
    super::services::kube(&bridge.host, &[(db.v4(), 8080)])?;
    let server = listen(db, 8080)?;
    let site = Site::at(web).keep(server).ask(format!("{SERVICE}:80"));
    Ok(site.blame(&bridge.host))
}

/// A rule where fragments have not been put together yet.
fn filter(node: &Node, rule: &str) -> Result<()> {
    node.try_sh(&format!(
        "nft 'add table ip early; add chain ip early c {{ type filter hook prerouting priority -450 ; }}
         add rule ip early c {rule}'"
    ))?;
    Ok(())
}

fn fragments(lab: &Lab, on: usize, rule: &str) -> Built {
    let nodes = lab.chain(["a", "r", "b"])?;
    let [a, _, b] = &nodes;
    filter(&nodes[on], rule)?;
    let server = echo(b)?;
    Ok(Site::at(a).keep(server).ask_udp(b.v4(), 8125).blame(&nodes[on]))
}

fn fragments_router(lab: &Lab) -> Built {
    fragments(lab, 1, "ip frag-off & 0x3fff != 0 counter drop")
}

fn fragments_destination(lab: &Lab) -> Built {
    fragments(lab, 2, "ip frag-off & 0x1fff != 0 counter drop")
}

fn fragments_of_others(lab: &Lab) -> Built {
    fragments(lab, 1, "ip saddr 203.0.113.0/24 ip frag-off & 0x1fff != 0 counter drop")
}
