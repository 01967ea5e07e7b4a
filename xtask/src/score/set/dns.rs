//! Name resolution: `dns.server-silent` and `dns.nxdomain`.

use vision_lab::{Fault, Hook, Lab, Proto, UdpBehaviour, UdpServer};

use super::Built;
use crate::score::{
    container::{container, listen, nameserver, serve, silent_nameserver, with_dns, zone},
    scenario::{Scenario, Site},
};

const SILENT: &str = "dns.server-silent";
const NXDOMAIN: &str = "dns.nxdomain";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(SILENT, "bridge, v4 server on-link, TCP", silent_v4),
    Scenario::fault(SILENT, "bridge, v6 server on-link, HOST", silent_v6),
    Scenario::fault(SILENT, "bridge, server outside, timeout 1 s", silent_outside),
    Scenario::fault(SILENT, "bridge, both servers, search list", silent_both),
    Scenario::fault(SILENT, "bridge, nothing asked", silent_health),
    Scenario::fault(SILENT, "bridge, hung process on port 53", hung_process),
    Scenario::fault(SILENT, "bridge, queries dropped at the server", queries_dropped)
        .or(&["firewall.rule-drop"])
        .related(&["firewall.rule-drop", "firewall.remote"]),
    Scenario::fault(NXDOMAIN, "bridge, v4 server, TCP", nxdomain_v4),
    Scenario::fault(NXDOMAIN, "bridge, v6 server, HOST", nxdomain_v6),
    Scenario::fault(NXDOMAIN, "short name, three search domains, ndots 5", nxdomain_searched),
    Scenario::fault(NXDOMAIN, "server outside, URL of a misspelt name", nxdomain_outside),
    Scenario::fault(NXDOMAIN, "absolute name with a final dot", nxdomain_absolute),
];

fn silent_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = silent_nameserver(server)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:5432"))
}

fn silent_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = silent_nameserver(server)?;
    let process = with_dns(bridge.container("web"), server.v6())?;
    Ok(Site::in_process(process).keep(dns).ask("db.example"))
}

fn silent_outside(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let kept = (silent_nameserver(outside)?, listen(outside, 443)?);
    let lines = [&*format!("nameserver {}", outside.v4()), "options timeout:1 attempts:1"];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("https://api.example"))
}

fn silent_both(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns1", "dns2"])?;
    let [one, two] = ["dns1", "dns2"].map(|name| bridge.container(name));
    let kept = (silent_nameserver(one)?, silent_nameserver(two)?);
    let lines = [
        &*format!("nameserver {}", one.v4()),
        &format!("nameserver {}", two.v4()),
        "search prod.example example",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("db:5432"))
}

fn silent_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = silent_nameserver(server)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(dns))
}

/// The port is open, and nobody reads from it.
fn hung_process(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = UdpServer::start(server, "[::]:53", UdpBehaviour::NeverRead)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(dns).ask("db.example"))
}

fn queries_dropped(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = nameserver(server, server)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    let (hook, proto, dport) = (Hook::Input, Proto::Any, Some(53));
    lab.fault(server, Fault::Drop { hook, proto, dport })?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:80"))
}

fn nxdomain_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = nameserver(server, server)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(dns).ask("cache.example:6379"))
}

fn nxdomain_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = nameserver(server, server)?;
    let process = with_dns(bridge.container("web"), server.v6())?;
    Ok(Site::in_process(process).keep(dns).ask("cache.example"))
}

/// As in a pod: every domain of the list is tried, and the name as it is.
fn nxdomain_searched(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = serve(server, zone(server).a("db.default.svc.cluster.local", server.v4()))?;
    let lines = [
        &*format!("nameserver {}", server.v4()),
        "search prod.svc.cluster.local svc.cluster.local cluster.local",
        "options ndots:5",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(dns).ask("db:5432"))
}

fn nxdomain_outside(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let kept = (nameserver(outside, outside)?, listen(outside, 80)?);
    let process = with_dns(bridge.container("web"), outside.v6())?;
    Ok(Site::in_process(process).keep(kept).ask("http://aip.example/v1"))
}

fn nxdomain_absolute(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let dns = nameserver(server, server)?;
    let lines = [&*format!("nameserver {}", server.v4()), "search example"];
    let process = container(bridge.container("web"), &lines, &[])?;
    // With the search list it would be found; a final dot says not to search.
    Ok(Site::in_process(process).keep(dns).ask("db.:5432"))
}
