//! Services that listen, and not where they are asked for, or do not accept.

use std::net::SocketAddr;

use vision_lab::{Lab, Node, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, fill, knock, listen, nameserver, with_dns, with_hosts},
        scenario::{Scenario, Site},
    },
};

const LOCAL: &str = "socket.loopback-only";
const FAMILY: &str = "socket.family-only";
const FULL: &str = "socket.accept-queue-full";
const NONE: &str = "socket.no-listener";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(LOCAL, "wire, 127.0.0.1, v4 TCP", local_v4).seen(),
    Scenario::fault(NONE, "wire, 127.0.0.1, v4 TCP", local_v4).or(&[LOCAL]),
    Scenario::fault(LOCAL, "chain, ::1, v6 TCP, by pid", local_v6).seen(),
    Scenario::fault(LOCAL, "bridge, both loopbacks, by name, URL", local_by_name).seen(),
    Scenario::fault(LOCAL, "bridge with NAT, UDP outside", local_udp).seen(),
    Scenario::fault(LOCAL, "own address, service on the loopback", local_own),
    Scenario::fault(FAMILY, "chain, 0.0.0.0, v6 asked", family_v4_only).seen(),
    Scenario::fault(NONE, "chain, 0.0.0.0, v6 asked", family_v4_only).or(&[FAMILY]),
    Scenario::fault(FAMILY, "wire, v6only, v4 asked, by name", family_v6_only).seen(),
    Scenario::fault(FAMILY, "bridge, v4 address only, v6 UDP asked", family_udp).seen(),
    Scenario::fault(FAMILY, "localhost's v6 address, service on 0.0.0.0", family_own),
    Scenario::fault(FAMILY, "localhost's v6 address, service on 127.0.0.1", family_own_loopback),
    Scenario::fault(NONE, "listens on another address of the host", other_address).seen(),
    Scenario::fault(NONE, "loopback asked, service on the interface only", interface_only).seen(),
    Scenario::fault(NONE, "TCP asked, UDP listens", other_protocol).seen(),
    Scenario::fault(NONE, "chain, nothing listens", nothing_listens).seen(),
    Scenario::unnamed(
        "published port, service on the container's loopback",
        &[LOCAL],
        published_local,
    )
    .seen(),
    Scenario::unnamed(
        "published port, nothing listens in the container",
        &[NONE, "service.dead-endpoint"],
        published_none,
    )
    .seen(),
    Scenario::fault(FULL, "wire, v4 TCP, a queue of one", full_v4).seen(),
    Scenario::fault(FULL, "bridge with NAT, v6, URL, a queue of four", full_v6).seen(),
    Scenario::fault(FULL, "own loopback, a queue of one", full_own),
    Scenario::unnamed("wire, v4 TCP, a queue of one", &[FULL, "firewall.remote"], full_v4),
    Scenario::healthy("half the queue waits", half_full).seen(),
    Scenario::healthy("services on the loopback that are not asked for", loopback_services).seen(),
    Scenario::healthy("service on v4 only, name with both addresses", v4_service_by_name).seen(),
    Scenario::healthy("published port", published).seen(),
];

fn local_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = TcpServer::start(&b, "127.0.0.1:8080", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 8080).blame(&b))
}

fn local_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = TcpServer::start(&b, "[::1]:443", TcpBehaviour::Accept)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443).blame(&b))
}

fn local_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let kept = (
        nameserver(db, db)?,
        TcpServer::start(db, "127.0.0.1:80", TcpBehaviour::Accept)?,
        TcpServer::start(db, "[::1]:80", TcpBehaviour::Accept)?,
    );
    Ok(Site::in_process(with_dns(web, db.v4())?).keep(kept).ask("http://db.example").blame(db))
}

fn local_udp(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let server = UdpServer::start(outside, "127.0.0.1:514", UdpBehaviour::Echo)?;
    Ok(Site::at(bridge.container("web")).keep(server).ask_udp(outside.v4(), 514).blame(outside))
}

fn local_own(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, "127.0.0.1:9000", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask_tcp(a.v4(), 9000).blame(&a))
}

fn family_v4_only(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 80).blame(&b))
}

fn family_v6_only(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    b.sysctl("net/ipv6/bindv6only", "1")?;
    let server = listen(&b, 5432)?;
    let process = with_hosts(&a, &[&format!("{} db", b.v4())])?;
    Ok(Site::in_process(process).keep(server).ask("db:5432").blame(&b))
}

fn family_udp(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = UdpServer::start(db, &format!("{}:8125", db.v4()), UdpBehaviour::Echo)?;
    Ok(Site::at(web).keep(server).ask_udp(db.v6(), 8125).blame(db))
}

fn family_own_loopback(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, "127.0.0.1:8080", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask("[::1]:8080").blame(&a))
}

fn family_own(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, "0.0.0.0:9000", TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask("[::1]:9000").blame(&a))
}

fn other_address(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let second = beside(db, 100);
    db.try_sh(&format!("ip addr add {second}/24 dev eth0"))?;
    let server = TcpServer::start(db, &format!("{second}:5432"), TcpBehaviour::Accept)?;
    Ok(Site::at(web).keep(server).ask_tcp(db.v4(), 5432).blame(db))
}

fn interface_only(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = TcpServer::start(&a, &format!("{}:9000", a.v4()), TcpBehaviour::Accept)?;
    Ok(Site::at(&a).keep(server).ask_tcp([127, 0, 0, 1], 9000).blame(&a))
}

fn other_protocol(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = UdpServer::start(&b, "[::]:8125", UdpBehaviour::Echo)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 8125).blame(&b))
}

fn nothing_listens(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    Ok(Site::at(&a).ask_tcp(b.v6(), 8443).blame(&b))
}

/// As engines publish ports: asked from outside, translated on the host.
fn publish(host: &Node, web: &Node) -> Result<()> {
    host.try_sh(&format!(
        "nft 'add table ip pub; add chain ip pub pre {{ type nat hook prerouting priority -100 ; }}
         add rule ip pub pre tcp dport 8080 dnat to {}:80'",
        web.v4()
    ))?;
    Ok(())
}

/// The host's own address on the outside's link.
fn front(outside: &Node) -> SocketAddr {
    SocketAddr::new(beside(outside, 1).into(), 8080)
}

fn published_local(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    publish(&bridge.host, web)?;
    let server = TcpServer::start(web, "127.0.0.1:80", TcpBehaviour::Accept)?;
    Ok(Site::at(outside).keep(server).ask(front(outside)).blame(web))
}

fn published_none(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    publish(&bridge.host, web)?;
    Ok(Site::at(outside).ask(front(outside)).blame(web))
}

fn published(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    publish(&bridge.host, web)?;
    let server = listen(web, 80)?;
    Ok(Site::at(outside).keep(server).ask(front(outside)))
}

fn stuck(node: &Node, addr: &str, backlog: i32) -> Result<TcpServer> {
    Ok(TcpServer::start(node, addr, TcpBehaviour::NeverAccept { backlog })?)
}

fn full_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = stuck(&b, "0.0.0.0:80", 1)?;
    let waiting = fill(&a, (b.v4(), 80).into(), 4);
    Ok(Site::at(&a).keep((server, waiting)).ask_tcp(b.v4(), 80).blame(&b))
}

fn full_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "other"])?;
    let outside = bridge.outside();
    let server = stuck(outside, "[::]:80", 4)?;
    let waiting = fill(bridge.container("other"), (outside.v6(), 80).into(), 7);
    let url = format!("http://[{}]/", outside.v6());
    Ok(Site::at(bridge.container("web")).keep((server, waiting)).ask(url).blame(outside))
}

fn full_own(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    let server = stuck(&a, "127.0.0.1:9000", 1)?;
    let waiting = fill(&a, ([127, 0, 0, 1], 9000).into(), 4);
    Ok(Site::at(&a).keep((server, waiting)).ask_tcp([127, 0, 0, 1], 9000).blame(&a))
}

fn half_full(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = stuck(&b, "0.0.0.0:80", 8)?;
    let waiting = fill(&a, (b.v4(), 80).into(), 4);
    Ok(Site::at(&a).keep((server, waiting)).ask_tcp(b.v4(), 80))
}

fn loopback_services(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (
        listen(outside, 443)?,
        TcpServer::start(outside, "127.0.0.1:8080", TcpBehaviour::Accept)?,
        TcpServer::start(web, "127.0.0.1:443", TcpBehaviour::Accept)?,
        TcpServer::start(&bridge.host, "127.0.0.1:443", TcpBehaviour::Accept)?,
    );
    // A refused connect of the past is no symptom of today's.
    knock(web, (outside.v4(), 8080).into());
    Ok(Site::at(web).keep(kept).ask_tcp(outside.v4(), 443))
}

fn v4_service_by_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let kept = (nameserver(db, db)?, TcpServer::start(db, "0.0.0.0:5432", TcpBehaviour::Accept)?);
    Ok(Site::in_process(with_dns(web, db.v4())?).keep(kept).ask("db.example:5432"))
}
