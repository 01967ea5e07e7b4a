//! Plain networks in which everything works.

use vision_lab::{Lab, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer};

use super::Built;
use crate::score::{
    container::{container, listen, nameserver, serve, with_dns, with_hosts, zone},
    scenario::{Scenario, Site},
};

pub(super) const ALL: &[Scenario] = &[
    Scenario::healthy("wire, v4", wire_v4),
    Scenario::healthy("wire, v6 TCP, by pid", wire_v6_tcp),
    Scenario::healthy("wire, nothing asked, no process, no resolver", wire_health),
    Scenario::healthy("chain, v4 TCP", chain_v4_tcp),
    Scenario::healthy("chain of five, v6", chain_v6),
    Scenario::healthy("bridge with NAT, v4 TCP outside", nat_v4),
    Scenario::healthy("bridge with NAT, name by DNS outside", nat_by_name),
    Scenario::healthy("bridge with NAT, nothing asked", nat_health),
    Scenario::healthy("bridge, container to container, name in hosts", hosts_file),
    Scenario::healthy("bridge, UDP service that answers", udp_echo),
    Scenario::healthy("own loopback address", own_loopback),
    Scenario::healthy("own address, TCP", own_address),
    Scenario::healthy("v4 only, nothing asked", v4_only_health),
    Scenario::healthy("v4 only, name with both addresses", v4_only_by_name),
    Scenario::healthy("v6 only, name with both addresses", v6_only_by_name),
    Scenario::healthy("internal network without a default route", internal_network),
    Scenario::healthy("name found in the second search domain", search_list),
];

fn wire_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn wire_v6_tcp(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 8080)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 8080))
}

/// The machine's own resolv.conf is not this namespace's.
fn wire_health(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    Ok(Site::at(&a))
}

fn chain_v4_tcp(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = TcpServer::start(&b, "0.0.0.0:443", TcpBehaviour::Echo)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn chain_v6(lab: &Lab) -> Built {
    let [a, _, _, _, b] = lab.chain(["a", "r1", "r2", "r3", "b"])?;
    Ok(Site::at(&a).ask(b.v6()))
}

fn nat_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let server = listen(bridge.outside(), 443)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_tcp(bridge.outside().v4(), 443))
}

fn nat_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    let process = with_dns(bridge.container("web"), outside.v4())?;
    Ok(Site::in_process(process).keep(kept).ask("api.example:443"))
}

fn nat_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "db"])?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(bridge.container("web"), bridge.outside().v4())?;
    Ok(Site::in_process(process).keep(dns))
}

fn hosts_file(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let db = bridge.container("db");
    let server = listen(db, 5432)?;
    let process = with_hosts(bridge.container("web"), &[&format!("{} db.local db", db.v4())])?;
    Ok(Site::in_process(process).keep(server).ask("db:5432"))
}

fn udp_echo(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let server = UdpServer::start(bridge.container("db"), "[::]:7", UdpBehaviour::Echo)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_udp(bridge.container("db").v4(), 7))
}

fn own_loopback(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, "127.0.0.1:9000", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask_tcp([127, 0, 0, 1], 9000))
}

fn own_address(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = listen(&a, 80)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(a.v4(), 80))
}

fn v4_only_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    web.sysctl("net/ipv6/conf/all/disable_ipv6", "1")?;
    Ok(Site::in_process(with_dns(web, bridge.outside().v4())?).keep(dns))
}

fn v4_only_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    web.try_sh("ip -6 addr flush dev eth0 scope global")?;
    Ok(Site::in_process(with_dns(web, outside.v4())?).keep(kept).ask("db.example:443"))
}

fn v6_only_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 443)?);
    web.try_sh("ip -4 addr flush dev eth0")?;
    Ok(Site::in_process(with_dns(web, outside.v6())?).keep(kept).ask("db.example:443"))
}

/// As `docker network create --internal` makes them.
fn internal_network(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let dns = nameserver(server, server)?;
    web.try_sh("ip route del default; ip -6 route del default")?;
    Ok(Site::in_process(with_dns(web, server.v4())?).keep(dns))
}

fn search_list(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "dns"])?;
    let [web, db, server] = ["web", "db", "dns"].map(|name| bridge.container(name));
    let script = zone(db).a("db.svc.cluster.local", db.v4());
    let kept = (serve(server, script)?, listen(db, 5432)?);
    let lines = [
        &*format!("nameserver {}", server.v4()),
        "search prod.svc.cluster.local svc.cluster.local cluster.local",
        "options ndots:5",
    ];
    Ok(Site::in_process(container(web, &lines, &[])?).keep(kept).ask("db:5432"))
}
