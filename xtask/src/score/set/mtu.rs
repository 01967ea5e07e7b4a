//! Sizes: small packets pass, large ones vanish.

use std::time::Duration;

use vision_lab::{Fault, Lab, TcpBehaviour, TcpServer};

use super::Built;
use crate::score::{
    container::listen,
    scenario::{Scenario, Site},
};

const VETH: &str = "mtu.veth-mismatch";
const HOLE: &str = "mtu.black-hole";
const STALE: &str = "mtu.stale-exception";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(VETH, "container's host end is narrower, v4 TCP", narrow_port).seen(),
    Scenario::fault(VETH, "destination's end is narrower, v6 TCP", narrow_end).seen(),
    Scenario::fault(HOLE, "second link narrow, errors filtered, v4 TCP", hole_v4).seen(),
    Scenario::fault(HOLE, "second link narrow, errors filtered, v6", hole_v6).seen(),
    Scenario::fault(HOLE, "only the way back is narrow, HTTP", back_v4).seen(),
    Scenario::fault(HOLE, "only the way back is narrow, HTTP", back_v4),
    Scenario::fault(HOLE, "only the way back is narrow, v6 HTTP", back_v6).seen(),
    Scenario::fault(STALE, "the narrow link was widened, v4 TCP", widened).seen(),
    Scenario::fault(STALE, "the narrow link was widened, v6", widened_v6),
    Scenario::healthy("narrow link that says so, and remembered", remembered).seen(),
    Scenario::healthy("narrow link that says so, v4 TCP", told).seen(),
    Scenario::healthy("narrow link that says so, v6", told_v6).seen(),
    Scenario::healthy("only the way back is narrow, and says so, HTTP", back_told).seen(),
    Scenario::healthy("both ends at 1400, bridge at 1500", small_pair).seen(),
    Scenario::healthy("large echo requests filtered, and small ones", echoes_filtered).seen(),
];

fn narrow_port(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    // The bridge would take over its smallest port's.
    bridge.host.try_sh("ip link set v-web mtu 1400; ip link set br0 mtu 1400")?;
    let site = Site::at(web).keep(server).ask_tcp(bridge.outside().v4(), 443);
    Ok(site.blame(&bridge.host).blame(web))
}

fn narrow_end(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    b.try_sh("ip link set eth0 mtu 1400")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 443).blame(&b).blame(&r))
}

fn hole_v4(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.fault(&r, Fault::MtuBlackHole { dev: "eth1", mtu: 1400 })?;
    b.try_sh("ip link set eth0 mtu 1400")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn hole_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::MtuBlackHole { dev: "eth1", mtu: 1400 })?;
    b.try_sh("ip link set eth0 mtu 1400")?;
    Ok(Site::at(&a).ask(b.v6()).blame(&r))
}

/// Two routers with two links between them, of which answers take the narrow one, and a server of large answers.
fn two_ways(lab: &Lab) -> crate::Result<([vision_lab::Node; 4], TcpServer)> {
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"])?;
    lab.link(&r, "w0", &s, "w0")?;
    for (node, own) in [(&r, 1), (&s, 2)] {
        node.try_sh(&format!(
            "ip addr add 172.31.9.{own}/24 dev w0; ip addr add fd77::{own}/64 dev w0 nodad
            ip link set w0 mtu 1400 up; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.w0.rp_filter=0"
        ))?;
    }
    let (v4, v6) = (a.v4(), a.v6());
    s.try_sh(&format!("ip route add {v4} via 172.31.9.1; ip -6 route add {v6} via fd77::1"))?;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 8000\r\n\r\n";
    let bytes = [head.as_bytes(), &[b'x'; 8000]].concat();
    let answer = TcpBehaviour::Answer { after: Duration::ZERO, bytes };
    let server = TcpServer::start(&b, "[::]:80", answer)?;
    Ok(([a, r, s, b], server))
}

fn back_v4(lab: &Lab) -> Built {
    let ([a, _, s, b], server) = two_ways(lab)?;
    lab.fault(&s, Fault::MtuBlackHole { dev: "w0", mtu: 1400 })?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())).blame(&s))
}

fn back_v6(lab: &Lab) -> Built {
    let ([a, _, s, b], server) = two_ways(lab)?;
    lab.fault(&s, Fault::MtuBlackHole { dev: "w0", mtu: 1400 })?;
    Ok(Site::at(&a).keep(server).ask(format!("http://[{}]/", b.v6())).blame(&s))
}

fn back_told(lab: &Lab) -> Built {
    let ([a, .., b], server) = two_ways(lab)?;
    Ok(Site::at(&a).keep(server).ask(format!("http://{}/", b.v4())))
}

fn narrowed(lab: &Lab) -> crate::Result<[vision_lab::Node; 3]> {
    let nodes = lab.chain(["a", "r", "b"])?;
    nodes[1].try_sh("ip link set eth1 mtu 1400")?;
    nodes[2].try_sh("ip link set eth0 mtu 1400")?;
    Ok(nodes)
}

fn told(lab: &Lab) -> Built {
    let [a, _, b] = narrowed(lab)?;
    let server = listen(&b, 80)?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn told_v6(lab: &Lab) -> Built {
    let [a, _, b] = narrowed(lab)?;
    Ok(Site::at(&a).ask(b.v6()))
}

fn small_pair(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(bridge.outside(), 443)?;
    web.try_sh("ip link set eth0 mtu 1400")?;
    bridge.host.try_sh("ip link set v-web mtu 1400; ip link set br0 mtu 1500")?;
    Ok(Site::at(web).keep(server).ask_tcp(bridge.outside().v6(), 443))
}

fn echoes_filtered(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    r.try_sh(
        "nft 'add table inet quiet; add chain inet quiet f { type filter hook forward priority 0 ; }
         add rule inet quiet f icmp type echo-request drop'",
    )?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

/// The sender has been told of a narrow link.
fn remembering(lab: &Lab) -> crate::Result<[vision_lab::Node; 3]> {
    let nodes = narrowed(lab)?;
    let [a, _, b] = &nodes;
    for addr in [b.v4().to_string(), b.v6().to_string()] {
        // Told once, refused by its own kernel from then on.
        a.sh(&format!("ping -n -c 2 -i 0.1 -W 1 -M do -s 1440 {addr} || true"));
    }
    Ok(nodes)
}

fn remembered(lab: &Lab) -> Built {
    let [a, _, b] = remembering(lab)?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80))
}

fn widen(lab: &Lab) -> crate::Result<[vision_lab::Node; 3]> {
    let nodes = remembering(lab)?;
    nodes[1].try_sh("ip link set eth1 mtu 1500")?;
    nodes[2].try_sh("ip link set eth0 mtu 1500")?;
    Ok(nodes)
}

fn widened(lab: &Lab) -> Built {
    let [a, _, b] = widen(lab)?;
    Ok(Site::at(&a).keep(listen(&b, 80)?).ask_tcp(b.v4(), 80).blame(&a))
}

fn widened_v6(lab: &Lab) -> Built {
    let [a, _, b] = widen(lab)?;
    Ok(Site::at(&a).ask(b.v6()).blame(&a))
}
