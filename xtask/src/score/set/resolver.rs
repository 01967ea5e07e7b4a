//! What resolv.conf says, and who is behind it.

use std::time::Duration;

use vision_lab::{
    Lab, TcpBehaviour, TcpServer,
    dns::{Behaviour, DnsScript, Type},
};

use super::Built;
use crate::score::{
    container::{beside, container, listen, nameserver, serve, silent_nameserver, with_dns, zone},
    scenario::{Scenario, Site},
};

const NONE: &str = "dns.no-nameserver";
const LOOPBACK: &str = "dns.loopback-nameserver";
const CLOSED: &str = "dns.port-closed";
const FIRST: &str = "dns.first-server-dead";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(NONE, "empty file, TCP", none_empty),
    Scenario::fault(NONE, "search list only, HOST", none_search).seen(),
    Scenario::fault(NONE, "the keyword is misspelt", none_misspelt),
    Scenario::fault(NONE, "the server's line is a comment, URL", none_comment).seen(),
    Scenario::fault(LOOPBACK, "127.0.0.53 of the host, TCP", loopback_stub),
    Scenario::fault(LOOPBACK, "::1, HOST", loopback_v6).seen(),
    Scenario::fault(LOOPBACK, "127.0.0.53 of the host, nothing asked", loopback_health),
    Scenario::fault(LOOPBACK, "127.0.0.53, a resolver listens on 127.0.0.1 only", loopback_other)
        .seen(),
    Scenario::fault(
        LOOPBACK,
        "127.0.0.53, the resolver is on the host's loopback",
        loopback_of_host,
    )
    .seen(),
    Scenario::fault(CLOSED, "bridge, v4 server's port closed, TCP", closed_v4),
    Scenario::fault(CLOSED, "bridge, v6 server's port closed, HOST", closed_v6).seen(),
    Scenario::fault(CLOSED, "server outside, closed, nothing asked", closed_health).seen(),
    Scenario::fault(CLOSED, "both servers' ports closed", closed_both),
    Scenario::fault(CLOSED, "the server speaks TCP only", closed_udp_only).seen(),
    Scenario::fault(FIRST, "first silent, second fine, TCP", first_silent),
    Scenario::fault(FIRST, "first silent, second fine, v6, HOST", first_silent_v6).seen(),
    Scenario::fault(FIRST, "first on an address nobody has", first_absent).or(&["neigh.no-answer"]),
    Scenario::fault(FIRST, "first of three beyond the gateway, address unused", first_beyond)
        .seen(),
    Scenario::fault(FIRST, "first silent, second fine, nothing asked", first_health)
        .or(&["dns.server-silent"])
        .seen(),
    Scenario::healthy("second nameserver slow and never asked", second_slow).seen(),
    Scenario::healthy("second nameserver's port closed and never asked", second_closed),
    Scenario::healthy("resolver on the own loopback", loopback_right).seen(),
    Scenario::healthy("name in hosts, every nameserver dead", hosts_first).seen(),
    Scenario::healthy("address asked, no nameserver at all", no_name_needed).seen(),
    Scenario::healthy("AAAA answered without data", no_aaaa).seen(),
    Scenario::healthy("name with two search domains, the second has it", two_domains).seen(),
    Scenario::healthy("first server says SERVFAIL, the next knows", servfail_then_right).seen(),
    Scenario::healthy("nameserver drops the first query", first_query_lost),
];

fn none_empty(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let dns = nameserver(&b, &b)?;
    Ok(Site::in_process(container(&a, &[], &[])?).keep(dns).ask("db.example:5432"))
}

fn none_search(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let dns = nameserver(bridge.container("dns"), bridge.container("dns"))?;
    let process = container(bridge.container("web"), &["search example", "options ndots:5"], &[])?;
    Ok(Site::in_process(process).keep(dns).ask("db"))
}

fn none_misspelt(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let dns = nameserver(&b, &b)?;
    let process = container(&a, &[&format!("nameservers {}", b.v4())], &[])?;
    Ok(Site::in_process(process).keep(dns).ask("db.example:5432"))
}

fn none_comment(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let dns = nameserver(bridge.outside(), bridge.outside())?;
    let line = format!("#nameserver {}", bridge.outside().v4());
    let process = container(bridge.container("web"), &[&line], &[])?;
    Ok(Site::in_process(process).keep(dns).ask("http://api.example/v1"))
}

fn loopback_stub(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let dns = nameserver(&b, &b)?;
    Ok(Site::in_process(with_dns(&a, "127.0.0.53")?).keep(dns).ask("db.example:5432"))
}

fn loopback_v6(lab: &Lab) -> Built {
    let [a, _] = lab.pair()?;
    Ok(Site::in_process(with_dns(&a, "::1")?).ask("db.example"))
}

fn loopback_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    Ok(Site::in_process(with_dns(bridge.container("web"), "127.0.0.53")?))
}

/// 127.0.0.53 is another address than 127.0.0.1.
fn loopback_other(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let dns = vision_lab::DnsServer::start(&a, "127.0.0.1:53", zone(&b))?;
    Ok(Site::in_process(with_dns(&a, "127.0.0.53")?).keep(dns).ask("db.example:80"))
}

fn loopback_of_host(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let script = zone(bridge.outside());
    let dns = vision_lab::DnsServer::start(&bridge.host, "127.0.0.53:53", script)?;
    let process = with_dns(bridge.container("web"), "127.0.0.53")?;
    Ok(Site::in_process(process)
        .keep(dns)
        .ask("https://api.example")
        .blame(bridge.container("web")))
}

fn closed_v4(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let process = with_dns(bridge.container("web"), bridge.container("dns").v4())?;
    Ok(Site::in_process(process).ask("db.example:5432"))
}

fn closed_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let process = with_dns(bridge.container("web"), bridge.container("dns").v6())?;
    Ok(Site::in_process(process).ask("db.example"))
}

fn closed_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    Ok(Site::in_process(with_dns(bridge.container("web"), bridge.outside().v4())?))
}

fn closed_both(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let lines = ["one", "two"].map(|name| format!("nameserver {}", bridge.container(name).v4()));
    let process = container(bridge.container("web"), &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).ask("db.example:5432"))
}

fn closed_udp_only(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let server = bridge.container("dns");
    let tcp = TcpServer::start(server, "[::]:53", TcpBehaviour::Accept)?;
    let process = with_dns(bridge.container("web"), server.v4())?;
    Ok(Site::in_process(process).keep(tcp).ask("db.example:5432"))
}

fn first_silent(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let [web, one, two] = ["web", "one", "two"].map(|name| bridge.container(name));
    let kept = (silent_nameserver(one)?, nameserver(two, two)?, listen(two, 5432)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v4()));
    let process = container(web, &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("db.example:5432"))
}

fn first_silent_v6(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let [web, one, two] = ["web", "one", "two"].map(|name| bridge.container(name));
    let kept = (silent_nameserver(one)?, nameserver(two, two)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v6()));
    let process = container(web, &[&lines[0], &lines[1], "options timeout:1"], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("db.example"))
}

fn first_absent(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "dns"])?;
    let (web, server) = (bridge.container("web"), bridge.container("dns"));
    let kept = (nameserver(server, server)?, listen(server, 80)?);
    let lines = [beside(web, 99), server.v4()].map(|ip| format!("nameserver {ip}"));
    let process = container(web, &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn first_beyond(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web"])?;
    let (web, outside) = (bridge.container("web"), bridge.outside());
    let kept = (nameserver(outside, outside)?, listen(outside, 80)?);
    // The outside takes what is sent to it, and nobody there answers.
    outside.try_sh("ip route add blackhole 198.51.100.0/24")?;
    let lines = ["198.51.100.53".to_owned(), outside.v4().to_string(), "198.51.100.54".to_owned()]
        .map(|ip| format!("nameserver {ip}"));
    let process = container(web, &[&lines[0], &lines[1], &lines[2]], &[])?;
    outside.sysctl("net/ipv4/ip_forward", "1")?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn first_health(lab: &Lab) -> Built {
    let bridge = lab.bridge_with_uplink("host", &["web", "one"])?;
    let (web, one, two) = (bridge.container("web"), bridge.container("one"), bridge.outside());
    let kept = (silent_nameserver(one)?, nameserver(two, two)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v4()));
    Ok(Site::in_process(container(web, &[&lines[0], &lines[1]], &[])?).keep(kept))
}

fn second_slow(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let [web, one, two] = ["web", "one", "two"].map(|name| bridge.container(name));
    let late = DnsScript::new().otherwise(Behaviour::Slow(Duration::from_secs(2)));
    let kept = (nameserver(one, one)?, serve(two, late)?, listen(one, 80)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v4()));
    let process = container(web, &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn second_closed(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let [web, one, two] = ["web", "one", "two"].map(|name| bridge.container(name));
    let kept = (nameserver(one, one)?, listen(one, 80)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v4()));
    let process = container(web, &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://api.example"))
}

fn loopback_right(lab: &Lab) -> Built {
    let [a, b] = lab.pair()?;
    let dns = vision_lab::DnsServer::start(&a, "127.0.0.1:53", zone(&b))?;
    let server = listen(&b, 80)?;
    Ok(Site::in_process(with_dns(&a, "127.0.0.1")?).keep((dns, server)).ask("http://db.example"))
}

fn hosts_first(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let server = listen(db, 5432)?;
    let lines = ["nameserver 127.0.0.53", &format!("nameserver {}", beside(web, 99))];
    let process = container(web, &lines, &[&format!("{} db", db.v4())])?;
    Ok(Site::in_process(process).keep(server).ask("db:5432"))
}

fn no_name_needed(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    Ok(Site::in_process(container(&a, &[], &[])?).keep(server).ask_tcp(b.v4(), 443))
}

fn no_aaaa(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let script = DnsScript::new().a("db.example", db.v4());
    let kept = (
        serve(db, script.behave_for("db.example", Type::Aaaa, Behaviour::NoData))?,
        listen(db, 80)?,
    );
    Ok(Site::in_process(with_dns(web, db.v4())?).keep(kept).ask("http://db.example"))
}

fn two_domains(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let kept = (nameserver(db, db)?, listen(db, 5432)?);
    let lines = [&*format!("nameserver {}", db.v4()), "search corp.example example"];
    Ok(Site::in_process(container(web, &lines, &[])?).keep(kept).ask("db:5432"))
}

/// The C library asks the next server then, and the user notices nothing.
fn servfail_then_right(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "one", "two"])?;
    let [web, one, two] = ["web", "one", "two"].map(|name| bridge.container(name));
    let failing = DnsScript::new().otherwise(Behaviour::ServFail);
    let kept = (serve(one, failing)?, nameserver(two, two)?, listen(two, 80)?);
    let lines = [one, two].map(|node| format!("nameserver {}", node.v4()));
    let process = container(web, &[&lines[0], &lines[1]], &[])?;
    Ok(Site::in_process(process).keep(kept).ask("http://db.example"))
}

fn first_query_lost(lab: &Lab) -> Built {
    let bridge = lab.bridge("host", &["web", "db"])?;
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    let script = zone(db).otherwise(Behaviour::SilentFirst(1));
    let kept = (serve(db, script)?, listen(db, 80)?);
    let lines = [&*format!("nameserver {}", db.v4()), "options timeout:1 attempts:3"];
    Ok(Site::in_process(container(web, &lines, &[])?).keep(kept).ask("http://db.example"))
}
