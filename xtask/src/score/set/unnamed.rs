//! Faults whose cause cannot be seen from the container, or is not known yet: nothing else may be blamed.

use vision_lab::{Family, Fault, Hook, Lab, Proto, RejectKind, RouteKind};

use super::Built;
use crate::score::{
    container::{container, listen, nameserver, silent_nameserver, with_hosts},
    scenario::{Scenario, Site},
};

const DROPS: &[&str] = &["firewall.rule-drop", "firewall.policy-drop", "firewall.remote"];
const REJECTS: &[&str] = &["firewall.reject"];

/// What nothing in sight would tell either, to a doctor that does not read filters and switches.
pub(super) const DROPPED: &[Scenario] = &[
    Scenario::unnamed("router drops the port, v4", DROPS, router_drops_v4).unchecked("firewall"),
    Scenario::unnamed("router drops the port, v6, by pid", DROPS, router_drops_v6)
        .unchecked("firewall"),
    Scenario::unnamed("router drops everything", DROPS, router_drops_all).unchecked("firewall"),
    Scenario::unnamed("destination drops everything", DROPS, peer_drops_all).unchecked("firewall"),
    Scenario::unnamed("own output rule drops TCP", DROPS, own_output_drops).unchecked("firewall"),
    Scenario::unnamed("host drops the port, name in hosts", DROPS, host_drops)
        .unchecked("firewall"),
    Scenario::unnamed("router rejects with a TCP reset", REJECTS, router_resets),
    Scenario::unnamed("router rejects with port unreachable", REJECTS, router_refuses),
    Scenario::unnamed("router does not forward", &["route.forwarding-off"], not_forwarding),
    Scenario::unnamed(
        "bridge port detached, gateway answers ARP",
        &["bridge.port-detached"],
        port_detached,
    ),
    Scenario::unnamed(
        "peer's bridge port isolated",
        &["bridge.port-isolated", "neigh.no-answer"],
        isolated,
    ),
    Scenario::unnamed(
        "first nameserver dead, second knows no such name",
        &["dns.nxdomain", "dns.first-server-dead"],
        first_server_dead,
    ),
];

/// With the far side in sight, these have a cause to name.
pub(super) const ALL: &[Scenario] = &[
    Scenario::unnamed("silent blackhole on the router", &["route.blackhole"], hole_on_router),
    Scenario::unnamed("far side has no way back", &["route.return-missing"], no_way_back),
    Scenario::unnamed("far side pins us wrongly", &["neigh.wrong-static"], pinned_far_side),
    Scenario::unnamed("on-link address nobody has", &["neigh.no-answer"], nobody_there),
    Scenario::unnamed("silent at first, answers when asked again", DROPS, silent_at_first),
];

/// Two SYNs are dropped, those of the first connect, and no more.
fn silent_at_first(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 443)?;
    b.try_sh("nft 'table inet t { chain c { type filter hook input priority 0; tcp dport 443 quota until 130 bytes drop; }; }'")?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn drop(hook: Hook, proto: Proto, dport: Option<u16>) -> Fault<'static> {
    Fault::Drop { hook, proto, dport }
}

fn router_drops_v4(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.fault(&r, drop(Hook::Forward, Proto::Tcp, Some(443)))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 443))
}

fn router_drops_v6(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    lab.fault(&r, drop(Hook::Forward, Proto::Tcp, Some(443)))?;
    Ok(Site::in_process(a.sleeper()).keep(server).ask_tcp(b.v6(), 443))
}

fn router_drops_all(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, drop(Hook::Forward, Proto::Any, None))?;
    Ok(Site::at(&a).ask(b.v4()))
}

/// It resolves by ARP, so the neighbour is not to blame; and nobody refuses, so no socket is.
fn peer_drops_all(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&b, drop(Hook::Input, Proto::Any, None))?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 80))
}

fn own_output_drops(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 80)?;
    lab.fault(&a, drop(Hook::Output, Proto::Tcp, Some(80)))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn host_drops(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let server = listen(bridge.outside(), 5432)?;
    let process = with_hosts(bridge.container("web"), &[&format!("{} db", bridge.outside().v4())])?;
    lab.fault(&bridge.host, drop(Hook::Forward, Proto::Tcp, Some(5432)))?;
    Ok(Site::in_process(process).keep(server).ask("db:5432"))
}

/// The reset is not the destination's: somebody listens there.
fn router_resets(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.fault(&r, reject(RejectKind::TcpReset))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80))
}

fn router_refuses(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    lab.fault(&r, reject(RejectKind::PortUnreachable))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v6(), 80))
}

fn reject(kind: RejectKind) -> Fault<'static> {
    Fault::Reject { hook: Hook::Forward, proto: Proto::Tcp, dport: Some(80), kind }
}

fn not_forwarding(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&r, Fault::ForwardingOff)?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn hole_on_router(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let prefix = format!("{}/32", b.v4());
    lab.fault(&r, Fault::Route { kind: RouteKind::Blackhole, prefix: &prefix })?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 80))
}

fn no_way_back(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&b, Fault::NoDefaultRoute { family: Family::V4 })?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn pinned_far_side(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&b, Fault::WrongNeighbour { dev: "eth0", ip: a.v4().into() })?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn nobody_there(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let [a, b, c, _] = bridge.container("db").v4().octets();
    Ok(Site::at(bridge.container("web")).ask_tcp([a, b, c, 77], 5432))
}

/// The host answers ARP for an address of its bridge on any of its devices, and cannot answer anything else.
fn port_detached(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    lab.fault(&bridge.host, Fault::PortDetached { dev: "v-web" })?;
    Ok(Site::at(bridge.container("web")).ask(bridge.outside().v4()))
}

fn isolated(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    for dev in ["v-web", "v-db"] {
        lab.fault(&bridge.host, Fault::PortIsolated { dev })?;
    }
    bridge.container("web").try_sh("ip neigh flush dev eth0")?;
    Ok(Site::at(bridge.container("web")).ask(bridge.container("db").v4()))
}

fn first_server_dead(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns1", "dns2"])?;
    let [one, two] = ["dns1", "dns2"].map(|name| bridge.container(name));
    let kept = (silent_nameserver(one)?, nameserver(two, two)?);
    let lines = [
        &*format!("nameserver {}", one.v4()),
        &format!("nameserver {}", two.v4()),
        "options timeout:1 attempts:1",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("cache.example:6379"))
}
