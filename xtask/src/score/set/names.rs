//! What comes between a name and its addresses: TCP, Docker's rules, a domain of the search list.

use vision_lab::{
    DnsServer, Lab,
    dns::{Behaviour, DnsScript},
};

use super::Built;
use crate::score::{
    container::{container, listen, serve, with_dns, zone},
    scenario::{Scenario, Site},
};

const BLOCKED: &str = "dns.tcp-blocked";
const DOCKER: &str = "dns.docker-redirect-missing";
const DOMAIN: &str = "dns.search-domain-broken";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(BLOCKED, "a filter between lets UDP pass", tcp_dropped).seen(),
    Scenario::fault(BLOCKED, "a filter out of sight lets UDP pass", tcp_dropped),
    Scenario::fault(BLOCKED, "a filter refuses TCP", tcp_refused).seen(),
    Scenario::healthy("long answers fetched by TCP", tcp_fine).seen(),
    Scenario::fault(DOCKER, "the container's nat table is empty", docker_bare).seen(),
    Scenario::fault(DOCKER, "nothing asked", docker_health),
    Scenario::healthy("Docker's resolver behind its rules", docker_led).seen(),
    Scenario::fault(DOMAIN, "SERVFAIL for one domain", domain_fails).seen(),
    Scenario::fault(DOMAIN, "REFUSED for one domain", domain_refused).seen(),
    Scenario::fault("dns.servfail", "for every name, with a search list", all_fail),
    Scenario::healthy("SERVFAIL for one domain, the next knows", next_knows).seen(),
];

/// Answers of the server are cut, and `rule` stands in the way.
fn long(lab: &Lab, rule: &str) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = serve(&b, zone(&b).otherwise(Behaviour::Truncate))?;
    r.try_sh(rule)?;
    let both = (server, listen(&b, 80)?);
    Ok(Site::in_process(with_dns(&a, b.v4())?).keep(both).ask("db.example:80"))
}

fn tcp_fine(lab: &Lab) -> Built {
    long(lab, "true")
}

fn tcp_dropped(lab: &Lab) -> Built {
    long(lab, "iptables-nft -A FORWARD -p tcp --dport 53 -j DROP")
}

fn tcp_refused(lab: &Lab) -> Built {
    long(lab, "iptables-nft -A FORWARD -p tcp --dport 53 -j REJECT --reject-with tcp-reset")
}

/// As in a container of Docker's: its resolver waits on a port of its own choice.
fn docker(lab: &Lab) -> crate::Result<(vision_lab::Node, Site)> {
    let [a, b] = lab.pair()?;
    let server = DnsServer::start(&a, "127.0.0.11:43211", zone(&b))?;
    let both = (server, listen(&b, 80)?);
    let site = Site::in_process(container(&a, &["nameserver 127.0.0.11", "options ndots:0"], &[])?);
    Ok((a, site.keep(both)))
}

fn docker_bare(lab: &Lab) -> Built {
    Ok(docker(lab)?.1.ask("db.example:80"))
}

fn docker_health(lab: &Lab) -> Built {
    Ok(docker(lab)?.1)
}

fn docker_led(lab: &Lab) -> Built {
    let (a, site) = docker(lab)?;
    a.try_sh(
        "iptables-nft -t nat -N DOCKER_OUTPUT; iptables-nft -t nat -A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
         iptables-nft -t nat -A DOCKER_OUTPUT -d 127.0.0.11/32 -p udp -m udp --dport 53 -j DNAT --to-destination 127.0.0.11:43211",
    )?;
    Ok(site.ask("db.example:80"))
}

fn searching(lab: &Lab, script: impl FnOnce(DnsScript) -> DnsScript, search: &str) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = serve(&r, script(zone(&b)))?;
    let lines = [format!("nameserver {}", r.v4()), format!("search {search}")];
    let process = container(&a, &[&lines[0], &lines[1], "options ndots:3"], &[])?;
    Ok(Site::in_process(process).keep((server, listen(&b, 80)?)).ask("db:80"))
}

fn domain_fails(lab: &Lab) -> Built {
    searching(lab, |zone| zone.behave("db.corp.test", Behaviour::ServFail), "corp.test")
}

fn domain_refused(lab: &Lab) -> Built {
    searching(lab, |zone| zone.behave("db.corp.test", Behaviour::Refused), "corp.test")
}

fn all_fail(lab: &Lab) -> Built {
    searching(lab, |zone| zone.otherwise(Behaviour::ServFail), "corp.test")
}

fn next_knows(lab: &Lab) -> Built {
    searching(lab, |zone| zone.behave("db.corp.test", Behaviour::ServFail), "corp.test example")
}
