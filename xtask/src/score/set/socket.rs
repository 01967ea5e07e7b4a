//! Sockets: `socket.no-listener`.

use vision_lab::{Family, Fault, Lab, UdpBehaviour, UdpServer};

use super::Built;
use crate::score::{
    container::{listen, nameserver, with_dns, with_hosts},
    scenario::{Scenario, Site},
};

const NONE: &str = "socket.no-listener";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(NONE, "wire, v4, nothing listens at all", on_link_v4),
    Scenario::fault(NONE, "chain, v6, another port is open, by pid", routed_v6),
    Scenario::fault(NONE, "bridge, name by DNS", by_dns_name),
    Scenario::fault(NONE, "bridge with NAT, v4 outside, URL", outside_url),
    Scenario::fault(NONE, "own loopback address", own_loopback),
    Scenario::fault(NONE, "localhost by name", localhost),
    Scenario::fault(NONE, "own address, v6", own_address),
    Scenario::fault(NONE, "wire, UDP, v4", udp_v4),
    Scenario::fault(NONE, "chain, UDP, v6, TCP is open there", udp_v6),
    Scenario::fault(NONE, "bridge, no global v6, link-local reaches", by_link_local),
];

fn on_link_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 8080))
}

fn routed_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 81))
}

fn by_dns_name(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db", "dns"])?;
    let [web, db, server] = ["web", "db", "dns"].map(|name| bridge.container(name));
    let dns = nameserver(server, db)?;
    let process = with_dns(web, server.v4())?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:5432"))
}

fn outside_url(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let url = format!("http://{}:8080/health", bridge.outside().v4());
    Ok(Site::at(bridge.container("web")).ask(url))
}

fn own_loopback(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    Ok(Site::at(bridge.container("web")).ask_tcp([127, 0, 0, 1], 9000))
}

fn localhost(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web"])?;
    let web = bridge.container("web");
    let server = listen(web, 9000)?;
    Ok(Site::in_process(with_hosts(web, &[])?).keep(server).ask("localhost:9001"))
}

fn own_address(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    Ok(Site::at(&a).ask_tcp(a.v6(), 8443))
}

fn udp_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = UdpServer::start(&b, "[::]:514", UdpBehaviour::Silent)?;
    Ok(Site::at(&a).keep(server).ask_udp(b.v4(), 515))
}

fn udp_v6(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 8125)?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_udp(b.v6(), 8125))
}

/// The gateway redirects a packet of a link-local source on its own link, and the peer's refusal comes back.
fn by_link_local(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let web = bridge.container("web");
    lab.fault(web, Fault::FlushAddr { dev: "eth0", family: Family::V6 })?;
    Ok(Site::at(web).ask_tcp(bridge.container("db").v6(), 5432))
}
