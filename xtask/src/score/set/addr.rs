//! Addresses: `addr.none`.

use vision_lab::{Family, Fault, Lab};

use super::Built;
use crate::score::{
    container::{listen, nameserver, with_dns, with_hosts},
    scenario::{Scenario, Site},
};

const NONE: &str = "addr.none";

/// Routes go with the address.
const AFTER: &[&str] = &["route.none"];

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(NONE, "wire, no v4, on-link", no_v4).related(AFTER),
    Scenario::fault(NONE, "wire, no v6, on-link TCP, by pid", no_v6).related(AFTER),
    Scenario::fault(NONE, "chain, no v4, routed, TCP", no_v4_routed).related(AFTER),
    Scenario::fault(NONE, "wire, v6 only in the hosts file, no v6", no_v6_by_name).related(AFTER),
    Scenario::fault(NONE, "bridge, neither family, nothing asked", no_address_at_all)
        .related(AFTER),
    Scenario::fault(NONE, "bridge, no v4, v4 nameserver, name", no_v4_for_dns).related(AFTER),
];

fn no_v4(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&a, flush(Family::V4))?;
    Ok(Site::at(&a).ask(b.v4()))
}

fn no_v6(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    lab.fault(&a, flush(Family::V6))?;
    Ok(Site::in_process(a.sleeper()).ask_tcp(b.v6(), 443))
}

fn no_v4_routed(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    lab.fault(&a, flush(Family::V4))?;
    Ok(Site::at(&a).ask_tcp(b.v4(), 80))
}

fn no_v6_by_name(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let server = listen(&b, 5432)?;
    let process = with_hosts(&a, &[&format!("{} db", b.v6())])?;
    lab.fault(&a, flush(Family::V6))?;
    Ok(Site::in_process(process).keep(server).ask("db:5432"))
}

fn no_address_at_all(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let web = bridge.container("web");
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let process = with_dns(web, bridge.outside().v4())?;
    lab.fault(web, flush(Family::V4))?;
    lab.fault(web, flush(Family::V6))?;
    Ok(Site::in_process(process).keep(dns))
}

/// The name cannot even be looked up, and the cause is below that.
fn no_v4_for_dns(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let dns = nameserver(server, server)?;
    let process = with_dns(web, server.v4())?;
    lab.fault(web, flush(Family::V4))?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:5432"))
}

fn flush(family: Family) -> Fault<'static> {
    Fault::FlushAddr { dev: "eth0", family }
}
