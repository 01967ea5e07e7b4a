//! Answers that go another way than the packets came, and packets that maps lead elsewhere.

use vision_lab::{Lab, Node};

use super::Built;
use crate::{
    Result,
    score::{
        container::{beside, listen},
        scenario::{Scenario, Site},
    },
};

const DIVERTS: &str = "route.rule-diverts";
const FILTER: &str = "route.rp-filter";
const NO_ROUTER: &str = "route.gateway-not-router";
const DEFAULTS: &str = "route.dead-default-preferred";
const RULE: &str = "firewall.rule-drop";
const REFUSED: &str = "service.dead-endpoint";

pub(super) const ALL: &[Scenario] = &[
    Scenario::fault(DIVERTS, "the server's answers, into a table of its own", server_diverts)
        .seen(),
    Scenario::fault(FILTER, "answers come in by another link, v4", filtered_answers).seen(),
    Scenario::healthy("answers come in by another link", other_link).seen(),
    Scenario::fault(NO_ROUTER, "of the server's route to the client", wrong_gateway).seen(),
    Scenario::fault(DEFAULTS, "of the router on the way", router_defaults).seen(),
    Scenario::fault(RULE, "behind a map of addresses and ports", behind_a_map).seen(),
    Scenario::healthy("a map of addresses and ports", a_map).seen(),
    Scenario::fault(REFUSED, "one of two by a map drawn by lot refuses", one_refuses)
        .or(&["socket.no-listener"])
        .related(&["socket.no-listener"])
        .seen(),
    Scenario::fault(RULE, "router hands them to a program that is not there", unread_queue).seen(),
    Scenario::healthy("router would hand them to a program, and does without", bypassed).seen(),
];

/// A router whose packets for port 80 are to be judged by a program that nobody started.
fn judged_elsewhere(lab: &Lab, options: &str) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 80)?;
    r.try_sh(&format!("iptables-nft -A FORWARD -p tcp --dport 80 -j NFQUEUE {options}"))?;
    Ok(Site::at(&a).keep(server).ask_tcp(b.v4(), 80).blame(&r))
}

fn unread_queue(lab: &Lab) -> Built {
    judged_elsewhere(lab, "--queue-num 3")
}

fn bypassed(lab: &Lab) -> Built {
    judged_elsewhere(lab, "--queue-balance 3:4 --queue-bypass")
}

/// `a - r - b`, and `s` between `r` and `b` as a second way.
fn two_ways(lab: &Lab) -> Result<[Node; 4]> {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let s = lab.node("s")?;
    lab.link(&s, "left", &r, "eth2")?;
    lab.link(&s, "right", &b, "eth1")?;
    s.try_sh("ip addr add 172.31.1.2/24 dev left; ip addr add 172.31.2.1/24 dev right")?;
    s.try_sh(&format!(
        "echo 1 >/proc/sys/net/ipv4/ip_forward; ip route add {}/24 via 172.31.1.1",
        beside(&a, 0)
    ))?;
    for (node, dev) in [(&r, "eth2"), (&s, "left"), (&s, "right"), (&b, "eth1"), (&r, "all")] {
        node.try_sh(&format!("echo 0 >/proc/sys/net/ipv4/conf/{dev}/rp_filter"))?;
    }
    r.try_sh("ip addr add 172.31.1.1/24 dev eth2")?;
    b.try_sh(&format!(
        "ip addr add 172.31.2.2/24 dev eth1; ip route add {}/24 via 172.31.2.1",
        beside(&a, 0)
    ))?;
    Ok([a, r, b, s])
}

fn other_link(lab: &Lab) -> Built {
    let [a, _, b, s] = two_ways(lab)?;
    let server = listen(&b, 443)?;
    Ok(Site::at(&a).keep((server, s)).ask_tcp(b.v4(), 443))
}

fn filtered_answers(lab: &Lab) -> Built {
    let [a, r, b, s] = two_ways(lab)?;
    let server = listen(&b, 443)?;
    r.try_sh("echo 1 >/proc/sys/net/ipv4/conf/eth2/rp_filter")?;
    Ok(Site::at(&a).keep((server, s)).ask_tcp(b.v4(), 443).blame(&r))
}

fn server_diverts(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    let backup = lab.node("backup")?;
    lab.link(&b, "eth1", &backup, "eth0")?;
    backup.try_sh("ip addr add 172.31.2.1/24 dev eth0")?;
    b.try_sh(&format!(
        "ip addr add 172.31.2.2/24 dev eth1; ip route add default via 172.31.2.1 table 100
         ip rule add from {} lookup 100 priority 100",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep((server, backup)).ask_tcp(b.v4(), 443).blame(&b))
}

fn wrong_gateway(lab: &Lab) -> Built {
    let [a, _, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 443)?;
    let other = lab.node("other")?;
    lab.link(&b, "eth1", &other, "eth0")?;
    other.try_sh("ip addr add 172.31.2.1/24 dev eth0; echo 0 >/proc/sys/net/ipv4/ip_forward")?;
    b.try_sh(&format!(
        "ip addr add 172.31.2.2/24 dev eth1; ip route add {}/24 via 172.31.2.1",
        beside(&a, 0)
    ))?;
    Ok(Site::at(&a).keep((server, other)).ask_tcp(b.v4(), 443))
}

/// The router knows two ways on, and the better one by its metric is gone.
fn router_defaults(lab: &Lab) -> Built {
    let [a, r, s, b] = lab.chain(["a", "r", "s", "b"])?;
    let server = listen(&b, 443)?;
    let spare = lab.node("spare")?;
    lab.link(&r, "eth2", &spare, "eth0")?;
    r.try_sh(&format!(
        "ip addr add 172.31.1.1/24 dev eth2; ip route del {}/24; ip route del default || true
         ip route add default via 172.31.1.9 metric 50; ip route add default via {} metric 100",
        beside(&b, 0),
        s.v4()
    ))?;
    Ok(Site::at(&a).keep((server, spare, s)).ask_tcp(b.v4(), 443).blame(&r))
}

/// Leads a service address to `b` by a map of addresses and ports.
fn map(r: &Node, b: &Node) -> Result<()> {
    r.try_sh(&format!(
        "nft 'table ip kp {{ map svc {{ type ipv4_addr . inet_service : ipv4_addr . inet_service;
           elements = {{ 10.96.0.7 . 80 : {} . 8080 }}; }};
         chain pre {{ type nat hook prerouting priority dstnat;
           dnat to ip daddr . tcp dport map @svc; }}; }}'",
        b.v4()
    ))?;
    Ok(())
}

fn a_map(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 8080)?;
    map(&r, &b)?;
    Ok(Site::at(&a).keep(server).ask("10.96.0.7:80"))
}

fn behind_a_map(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 8080)?;
    map(&r, &b)?;
    r.try_sh(&format!(
        "nft 'table inet pol {{ chain c {{ type filter hook forward priority filter;
         ct state established accept; ip daddr {} tcp dport 8080 counter drop; }}; }}'",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask("10.96.0.7:80").blame(&r))
}

fn one_refuses(lab: &Lab) -> Built {
    let [a, r, b] = lab.chain(["a", "r", "b"])?;
    let server = listen(&b, 8080)?;
    r.try_sh(&format!(
        "nft 'table ip kp {{ chain pre {{ type nat hook prerouting priority dstnat;
         ip daddr 10.96.0.7 tcp dport 80 dnat to numgen inc mod 2 map {{ 0 : {0} . 8080, 1 : {0} . 8081 }}; }}; }}'",
        b.v4()
    ))?;
    Ok(Site::at(&a).keep(server).ask("10.96.0.7:80").blame(&b))
}
