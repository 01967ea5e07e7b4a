//! What nameservers answer: refusals, failures, late, from elsewhere, after many others.

use std::time::Duration;

use vision_lab::{
    Bridge, Lab,
    dns::{Behaviour, DnsScript, Forgery, Type},
};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, container, listen, serve, with_dns, zone},
        scenario::{Scenario, Site},
    },
};

const SERVFAIL: &str = "dns.servfail";
const REFUSED: &str = "dns.refused";
const SLOW: &str = "dns.slow";
const SOURCE: &str = "dns.reply-wrong-source";
const SEARCH: &str = "dns.search-amplification";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(SERVFAIL, "bridge, for every name, TCP", servfail_all),
    Scenario::fault(SERVFAIL, "bridge, for this name, v6 server, HOST", servfail_one).seen(),
    Scenario::fault(SERVFAIL, "both servers, URL", servfail_both).seen(),
    Scenario::fault(REFUSED, "bridge, for every name, TCP", refused_all),
    Scenario::fault(REFUSED, "server outside, for this name, URL", refused_outside).seen(),
    Scenario::fault(REFUSED, "both servers, v6, HOST", refused_both).seen(),
    Scenario::fault(SLOW, "bridge, 900 ms for every answer, TCP", slow_all),
    Scenario::fault(SLOW, "bridge, 900 ms for AAAA only", slow_aaaa).seen(),
    Scenario::fault(SLOW, "server outside, 650 ms, HOST", slow_outside).seen(),
    Scenario::fault(SOURCE, "server with two addresses, asked on the second", second_address),
    Scenario::fault(SOURCE, "server with two addresses, asked on the second", second_address)
        .seen(),
    Scenario::fault(SOURCE, "service address on the server's loopback, v4", service_address).seen(),
    Scenario::fault(SOURCE, "host forwards to a container that answers itself", forwarded).seen(),
    Scenario::fault(SOURCE, "host forwards to a container that answers itself", forwarded),
    Scenario::unnamed("replies from another port", &[SOURCE], another_port),
    Scenario::fault(SEARCH, "five search domains, ndots 5, TCP", five_domains),
    Scenario::fault(SEARCH, "five search domains, ndots 5, TCP", five_domains).seen(),
    Scenario::fault(SEARCH, "outside name from a pod, three domains, URL", pod_outside).seen(),
    Scenario::fault(SEARCH, "v6 server, four domains, HOST", four_domains_v6).seen(),
    Scenario::healthy("outside name from a pod, a quick nameserver", quick_pod).seen(),
    Scenario::healthy("answers after 200 ms", a_little_late).seen(),
    Scenario::healthy("AAAA refused, A answered", aaaa_refused).seen(),
    Scenario::healthy("absolute name, five search domains", absolute).seen(),
];

fn site(lab: &Lab) -> Result<Bridge> {
    Ok(lab.bridge("host", &["web", "dns", "two"])?)
}

/// One nameserver on the bridge that answers so, for everything.
fn all_names(lab: &Lab, script: fn(DnsScript) -> DnsScript, ask: &str) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let kept = (serve(server, script(zone(server)))?, listen(server, 80)?);
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(kept).ask(ask))
}

/// Two nameservers that both answer so.
fn both(lab: &Lab, behaviour: &Behaviour, v6: bool, ask: &str) -> Built {
    let bridge = site(lab)?;
    let nodes = ["dns", "two"].map(|name| bridge.container(name));
    let [one, two] = nodes.map(|node| serve(node, zone(node).otherwise(behaviour.clone())));
    let lines = nodes.map(|node| match v6 {
        true => format!("nameserver {}", node.v6()),
        false => format!("nameserver {}", node.v4()),
    });
    let process = container(bridge.container("web"), &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep((one?, two?)).ask(ask))
}

fn servfail_all(lab: &Lab) -> Built {
    all_names(lab, |script| script.otherwise(Behaviour::ServFail), "db.example:80")
}

fn servfail_one(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let dns = serve(server, zone(server).behave("db.example", Behaviour::ServFail))?;
    let process = with_dns(bridge.container("web"), server.v6())?;
    Ok(Site::in_process(process).keep(dns).ask("db.example"))
}

fn servfail_both(lab: &Lab) -> Built {
    both(lab, &Behaviour::ServFail, false, "https://api.example/v1")
}

fn refused_all(lab: &Lab) -> Built {
    all_names(lab, |script| script.otherwise(Behaviour::Refused), "db.example:80")
}

fn refused_outside(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let dns = serve(outside, zone(outside).behave("api.example", Behaviour::Refused))?;
    let process = with_dns(bridge.container("web"), outside.v4())?;
    Ok(Site::in_process(process).keep(dns).ask("http://api.example"))
}

fn refused_both(lab: &Lab) -> Built {
    both(lab, &Behaviour::Refused, true, "db.example")
}

fn slow_all(lab: &Lab) -> Built {
    let late = |script: DnsScript| script.otherwise(Behaviour::Slow(Duration::from_millis(900)));
    all_names(lab, late, "db.example:80")
}

fn slow_aaaa(lab: &Lab) -> Built {
    let late = |script: DnsScript| {
        script.behave_for("db.example", Type::Aaaa, Behaviour::Slow(Duration::from_millis(900)))
    };
    all_names(lab, late, "http://db.example")
}

fn slow_outside(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let outside = bridge.outside();
    let late = zone(outside).otherwise(Behaviour::Slow(Duration::from_millis(650)));
    let process = with_dns(bridge.container("web"), outside.v6())?;
    Ok(Site::in_process(process).keep(serve(outside, late)?).ask("db.example"))
}

/// A server on the wildcard address answers from the address its route prefers.
fn second_address(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let second = beside(server, 53);
    server.try_sh(&format!("ip addr add {second}/24 dev eth0"))?;
    let dns = serve(server, zone(server))?;
    let process = with_dns(bridge.container("web"), second)?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:80"))
}

fn service_address(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    b.try_sh("ip addr add 10.240.0.10/32 dev lo")?;
    r.try_sh(&format!("ip route add 10.240.0.10/32 via {}", b.v4()))?;
    let dns = serve(&b, zone(&b))?;
    Ok(Site::in_process(with_dns(&a, "10.240.0.10")?).keep(dns).ask("https://api.example"))
}

/// The container is on the client's own network and answers past the host, which cannot undo its translation.
fn forwarded(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let kept = (serve(server, zone(server))?, listen(server, 80)?);
    // Where bridged packets pass the host's filter, it does undo it.
    let _ = bridge.host.sysctl("net/bridge/bridge-nf-call-iptables", "0");
    bridge.host.try_sh(&format!(
        "nft 'add table ip to_dns; add chain ip to_dns pre {{ type nat hook prerouting priority -100 ; }}
         add rule ip to_dns pre udp dport 53 dnat to {}'",
        server.v4()
    ))?;
    Ok(Site::in_process(with_dns(web, web.gateway_v4())?).keep(kept).ask("db.example:80"))
}

fn another_port(lab: &Lab) -> Built {
    all_names(lab, |script| script.otherwise(Behaviour::Forged(Forgery::Source)), "db.example:80")
}

/// As of a nameserver in another place.
fn distant() -> Behaviour {
    Behaviour::Slow(Duration::from_millis(40))
}

fn five_domains(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let kept = (serve(server, zone(server).otherwise(distant()))?, listen(server, 5432)?);
    let lines = [
        &*format!("nameserver {}", server.v4()),
        "search a.corp.example b.corp.example c.corp.example corp.example lan.example",
        "options ndots:5",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("db.example:5432"))
}

/// With the node's own domain appended, as kubelet does it.
fn pod_outside(lab: &Lab) -> Built {
    pod_that_asks(lab, distant())
}

fn quick_pod(lab: &Lab) -> Built {
    pod_that_asks(lab, Behaviour::Answer)
}

fn pod_that_asks(lab: &Lab, behaviour: Behaviour) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "dns"])?;
    let (server, outside) = (bridge.container("dns"), bridge.outside());
    let zone = zone(outside).otherwise(behaviour);
    let kept = (serve(server, zone)?, listen(outside, 443)?);
    let lines = [
        &*format!("nameserver {}", server.v4()),
        "search prod.svc.cluster.local svc.cluster.local cluster.local",
        "options ndots:5",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example:443"))
}

fn four_domains_v6(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let dns = serve(server, zone(server).otherwise(distant()))?;
    let lines = [
        &*format!("nameserver {}", server.v6()),
        "search one.test two.test three.test four.test",
        "options ndots:2",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(dns).ask("db.example"))
}

fn a_little_late(lab: &Lab) -> Built {
    let late = |script: DnsScript| script.otherwise(Behaviour::Slow(Duration::from_millis(200)));
    all_names(lab, late, "db.example:80")
}

fn aaaa_refused(lab: &Lab) -> Built {
    let half = |script: DnsScript| script.behave_for("db.example", Type::Aaaa, Behaviour::Refused);
    all_names(lab, half, "db.example:80")
}

fn absolute(lab: &Lab) -> Built {
    let bridge = site(lab)?;
    let server = bridge.container("dns");
    let kept = (serve(server, zone(server))?, listen(server, 80)?);
    let lines = [
        &*format!("nameserver {}", server.v4()),
        "search a.test b.test c.test d.test e.test",
        "options ndots:5",
    ];
    let process = container(bridge.container("web"), &lines, &[])?;
    Ok(Site::in_process(process).keep(kept).ask("db.example.:80"))
}
