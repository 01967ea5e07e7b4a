//! One true cause beside several things that are odd and do not matter, and oddities that are all there is.

use vision_lab::{Family, Fault, Lab, Node, RouteKind};

use super::Built;
use crate::{
    Result,
    score::{
        container::{container, listen, nameserver, serve, silent_nameserver, with_dns, zone},
        scenario::{Scenario, Site},
    },
};

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault("socket.no-listener", "among oddities, v4 TCP", refused_among_oddities),
    Scenario::fault("dns.nxdomain", "among oddities, dead gateway unused", nxdomain_among_oddities),
    Scenario::fault("route.none", "among oddities, nameserver silent, v6", no_route_among_oddities),
    Scenario::fault("link.peer-down", "of two interfaces, the one in use", peer_down_in_use),
    Scenario::fault(
        "neigh.gateway-no-answer",
        "v4 gateway dead, v6 fine, v4 asked",
        one_family_dead,
    ),
    Scenario::healthy("v4 gateway dead, v6 fine, v6 asked", other_family_asked),
    Scenario::healthy("oddities and nothing else, v4 TCP", only_oddities),
    Scenario::healthy("second nameserver silent", second_nameserver_silent),
    Scenario::healthy("no v6 route, name with both addresses", no_v6_route_by_name),
    Scenario::healthy("blackhole for v6, name with both addresses", v6_blackhole_by_name),
    Scenario::healthy("pinned gateway that is right and ignores ARP", right_pin),
    Scenario::healthy("gateway also the nameserver, nothing asked", gateway_resolves),
];

/// A down spare interface, routes that discard other traffic, a wrong pin and a failed entry of hosts not asked about.
fn oddities(lab: &Lab, node: &Node) -> Result<()> {
    let spare = lab.node("spare")?;
    lab.link(node, "spare0", &spare, "eth0")?;
    lab.fault(node, Fault::LinkDown { dev: "spare0" })?;
    for prefix in ["198.51.100.0/24", "2001:db8::/32"] {
        lab.fault(node, Fault::Route { kind: RouteKind::Blackhole, prefix })?;
    }
    let [a, b, c, _] = node.v4().octets();
    lab.fault(node, Fault::WrongNeighbour { dev: "eth0", ip: [a, b, c, 240].into() })?;
    node.try_sh(&format!(
        "ip neigh add {a}.{b}.{c}.241 dev eth0 nud failed; ip link add empty0 type bridge
         ip link set empty0 up"
    ))?;
    Ok(())
}

fn refused_among_oddities(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    oddities(lab, web)?;
    Ok(Site::at(web).ask_tcp(bridge.outside().v4(), 8080))
}

fn nxdomain_among_oddities(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    oddities(lab, web)?;
    let dns = nameserver(server, server)?;
    let [a, b, c, _] = web.v4().octets();
    web.try_sh(&format!("ip route replace default via {a}.{b}.{c}.250"))?;
    Ok(Site::in_process(with_dns(web, server.v4())?).keep(dns).ask("cache.example:6379"))
}

fn no_route_among_oddities(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    oddities(lab, web)?;
    let dns = silent_nameserver(server)?;
    lab.fault(web, Fault::NoDefaultRoute { family: Family::V6 })?;
    let process = with_dns(web, server.v4())?;
    Ok(Site::in_process(process).keep(dns).ask_tcp(bridge.outside().v6(), 443))
}

fn peer_down_in_use(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    oddities(lab, &a)?;
    let other = lab.node("other")?;
    lab.link(&a, "eth1", &other, "eth0")?;
    a.try_sh("ip addr add 10.202.0.1/24 dev eth1; ip route add default via 10.202.0.2")?;
    other.try_sh("ip addr add 10.202.0.2/24 dev eth0")?;
    lab.fault(&b, Fault::LinkDown { dev: "eth0" })?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn one_family_dead(lab: &Lab) -> Built {
    let bridge = v4_gateway_dead(lab)?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v4()))
}

fn other_family_asked(lab: &Lab) -> Built {
    let bridge = v4_gateway_dead(lab)?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v6()))
}

fn v4_gateway_dead(lab: &Lab) -> Result<vision_lab::Bridge> {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let [a, b, c, _] = web.v4().octets();
    web.try_sh(&format!("ip route replace default via {a}.{b}.{c}.250"))?;
    Ok(bridge)
}

fn only_oddities(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    oddities(lab, web)?;
    let server = listen(bridge.outside(), 443)?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443))
}

fn second_nameserver_silent(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns1", "dns2"])?;
    let [web, one, two] = ["web", "dns1", "dns2"].map(|name| bridge.container(name));
    let kept = (nameserver(one, one)?, silent_nameserver(two)?, listen(one, 80)?);
    let lines = [&*format!("nameserver {}", one.v4()), &format!("nameserver {}", two.v4())];
    let process = container(web, &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn no_v6_route_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    lab.fault(web, Fault::NoDefaultRoute { family: Family::V6 })?;
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(kept).ask("http://api.example:443"))
}

/// Some images turn IPv6 off like this.
fn v6_blackhole_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    lab.fault(web, Fault::NoDefaultRoute { family: Family::V6 })?;
    web.try_sh("ip -6 route add blackhole default")?;
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(kept).ask("api.example:443"))
}

/// The entry by hand is what makes it work.
fn right_pin(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    web.try_sh(&format!(
        "ip neigh replace {} lladdr 02:42:0a:00:00:01 dev eth0 nud permanent",
        web.gateway_v4()
    ))?;
    lab.fault(&bridge.host, Fault::ArpSilent { dev: "br0" })?;
    // The host still asks for the container, which answers.
    Ok(Site::at(web).ask(bridge.outside().v4()))
}

/// As home routers and some bridges do it.
fn gateway_resolves(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let dns = serve(&bridge.host, zone(bridge.outside()))?;
    let web = bridge.container("web");
    Ok(Site::in_process(with_dns(web, web.gateway_v4())?).keep(dns))
}
