//! Connection entries and translated ports at fault.

use std::net::{SocketAddr, UdpSocket};

use vision_lab::{Lab, Node, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer};

use super::Built;
use crate::{
    Result,
    score::{
        container::{fill, listen},
        scenario::{Scenario, Site},
    },
};

const STALE: &str = "conntrack.stale-nat";
const PORTS: &str = "nat.port-exhaustion";
const FORGOTTEN: &str = "conntrack.timeout-too-short";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(STALE, "router, another backend by now", stale_on_router).seen(),
    Scenario::fault(STALE, "own output, socket without a peer", stale_own),
    Scenario::healthy("the client of the old backend is gone", stale_without_client).seen(),
    Scenario::healthy("a client of today's backend", client_of_today).seen(),
    Scenario::fault(PORTS, "bridge host masquerades to eight ports, v4", ports_v4).seen(),
    Scenario::fault(PORTS, "router translates to four ports", ports_router).seen(),
    Scenario::fault(PORTS, "router translates to four ports, v6", ports_v6).seen(),
    Scenario::healthy("the ports are in use towards another destination", ports_elsewhere).seen(),
    Scenario::healthy("half of the ports are in use", ports_left).seen(),
    Scenario::fault(FORGOTTEN, "a router forgets within 3 s, drops what is invalid", forgotten_v4)
        .seen(),
    Scenario::fault(FORGOTTEN, "a router forgets within 5 s, v6, http", forgotten_v6).seen(),
    Scenario::fault(FORGOTTEN, "takes connections by their first packet alone", forgotten_policy)
        .seen(),
    Scenario::healthy("a router forgets within 3 s, and learns again", forgotten_and_learnt).seen(),
    Scenario::healthy("somebody else forgets within 3 s", forgotten_elsewhere).seen(),
];

const SERVICE: &str = "10.96.0.10:514";

/// Sends the service's datagrams to a port of `to`, and no more where they went before.
fn lead(on: &Node, hook: &str, to: &Node, port: u16) -> Result<()> {
    on.try_sh(&format!(
        "nft 'add table ip svc; delete table ip svc; add table ip svc
         add chain ip svc c {{ type nat hook {hook} priority -100 ; }}
         add rule ip svc c ip daddr 10.96.0.10 udp dport 514 dnat to {}:{port}'",
        to.v4()
    ))?;
    Ok(())
}

/// A client that has sent once.
fn client(node: &Node, connected: bool) -> Result<UdpSocket> {
    let to: SocketAddr = SERVICE.parse()?;
    Ok(node.enter(|| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        if connected {
            socket.connect(to)?;
            socket.send(b"hello")?;
        } else {
            socket.send_to(b"hello", to)?;
        }
        Ok(socket)
    })?)
}

type Backends = (UdpServer, UdpServer);

/// One backend that is silent and one that answers.
fn backends(node: &Node) -> Result<Backends> {
    let silent = UdpServer::start(node, "0.0.0.0:5300", UdpBehaviour::Silent)?;
    Ok((silent, UdpServer::start(node, "0.0.0.0:5301", UdpBehaviour::Echo)?))
}

fn stale_on_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let servers = backends(&b)?;
    lead(&r, "prerouting", &b, 5300)?;
    let socket = client(&a, true)?;
    lead(&r, "prerouting", &b, 5301)?;
    Ok(Site::at(&a).keep((socket, servers)).ask(format!("udp:{SERVICE}")).blame(&r))
}

fn stale_own(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let servers = backends(&b)?;
    lead(&a, "output", &b, 5300)?;
    let socket = client(&a, false)?;
    lead(&a, "output", &b, 5301)?;
    Ok(Site::at(&a).keep((socket, servers)).ask(format!("udp:{SERVICE}")).blame(&a))
}

fn stale_without_client(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let servers = backends(&b)?;
    lead(&a, "output", &b, 5300)?;
    drop(client(&a, true)?);
    lead(&a, "output", &b, 5301)?;
    Ok(Site::at(&a).keep(servers).ask(format!("udp:{SERVICE}")))
}

fn client_of_today(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let servers = backends(&b)?;
    lead(&r, "prerouting", &b, 5301)?;
    let socket = client(&a, true)?;
    Ok(Site::at(&a).keep((socket, servers)).ask(format!("udp:{SERVICE}")))
}

/// Masquerades TCP to a few ports of the host.
fn mask(host: &Node, ports: &str) -> Result<()> {
    host.try_sh(&format!(
        "nft 'flush chain inet lab_nat post; add rule inet lab_nat post oifname up0 meta l4proto tcp masquerade to :{ports}'",
    ))?;
    Ok(())
}

fn masked(lab: &Lab, connections: usize, asked: u16) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    mask(&bridge.host, "40000-40007")?;
    let servers = (listen(outside, 443)?, listen(outside, 80)?);
    let open = fill(web, (outside.v4(), 443).into(), connections);
    if open.len() < connections {
        return Err("a connection is missing".into());
    }
    let site = Site::at(web).keep((open, servers)).ask_tcp(outside.v4(), asked);
    Ok(site.blame(&bridge.host))
}

fn ports_v4(lab: &Lab) -> Built {
    masked(lab, 8, 443)
}

fn ports_elsewhere(lab: &Lab) -> Built {
    masked(lab, 8, 80)
}

fn ports_left(lab: &Lab) -> Built {
    masked(lab, 4, 443)
}

fn ports_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(&format!(
        "nft 'add table ip mask; add chain ip mask post {{ type nat hook postrouting priority 100 ; }}
         add rule ip mask post meta l4proto tcp snat to {}:50000-50003'",
        b.gateway_v4()
    ))?;
    let server = listen(&b, 443)?;
    let open = fill(&a, (b.v4(), 443).into(), 4);
    Ok(Site::at(&a).keep((open, server)).ask_tcp(b.v4(), 443).blame(&r))
}

fn ports_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    r.try_sh(
        "nft 'add table ip6 mask; add chain ip6 mask post { type nat hook postrouting priority 100 ; }
         add rule ip6 mask post meta l4proto tcp masquerade to :50000-50003'",
    )?;
    let server = listen(&b, 443)?;
    let open = fill(&a, (b.v6(), 443).into(), 4);
    Ok(Site::at(&a).keep((open, server)).ask_tcp(b.v6(), 443).blame(&r))
}

/// Has a node forget connections after so many seconds.
fn forget(on: &Node, seconds: u32) -> Result<()> {
    on.try_sh(&format!(
        "echo {seconds} >/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established"
    ))?;
    Ok(())
}

/// Forwards what belongs to a connection, or begins one.
fn guard(on: &Node, beginning: &str) -> Result<()> {
    on.try_sh(&format!(
        "nft 'table inet guard {{ chain c {{ type filter hook forward priority 0; policy drop;
         ct state invalid counter drop; ct state established,related accept; {beginning} counter accept;
         meta l4proto {{ icmp, ipv6-icmp }} accept; counter drop; }}; }}'"
    ))?;
    Ok(())
}

fn held(node: &Node) -> Result<TcpServer> {
    Ok(TcpServer::start(node, "[::]:5432", TcpBehaviour::Accept)?)
}

fn strict(on: &Node) -> Result<()> {
    on.try_sh("echo 0 >/proc/sys/net/netfilter/nf_conntrack_tcp_loose")?;
    guard(on, "ct state new")
}

fn forgotten_v4(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = held(&b)?;
    forget(&r, 3)?;
    strict(&r)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 5432).blame(&r))
}

fn forgotten_v6(lab: &Lab) -> Built {
    let [a, _, r, b] = lab.chain(["a", "q", "r", "b"])?;
    let server = listen(&b, 80)?;
    forget(&r, 5)?;
    strict(&r)?;
    Ok(Site::at(&a).keep(server).ask(format!("http://[{}]/", b.v6())).blame(&r))
}

fn forgotten_policy(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = held(&b)?;
    forget(&r, 2)?;
    guard(&r, "tcp flags & (syn|ack) == syn")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 5432).blame(&r))
}

fn forgotten_and_learnt(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = held(&b)?;
    forget(&r, 3)?;
    guard(&r, "ct state new")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 5432))
}

fn forgotten_elsewhere(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = held(&b)?;
    let other = lab.node("elsewhere")?;
    forget(&other, 3)?;
    strict(&other)?;
    guard(&r, "ct state new")?;
    Ok(Site::at(&a).keep((server, other)).ask_tcp(b.v4(), 5432))
}
