//! Paths through twelve routers, beside traceroute, tcptraceroute and mtr.

use std::net::IpAddr;

use vision_core::probe::{
    PathEnd, PathProbe, PathReport, Probe, Probing, ProbingMethod, ReachedBy,
};
use vision_core::{Pacer, Ttl};
use vision_lab::{Lab, Node, TcpBehaviour, TcpServer};

use crate::{budget, has, lab, ms, target};

const UDP: Probing = Probing::Udp { port: 33_434 };

/// Fourteen nodes in a row, and nobody limits its answers.
pub fn long_chain(lab: &Lab) -> Vec<Node> {
    let names: Vec<String> = (0..14).map(|i| format!("n{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let nodes = lab.chain_of(&names).expect("a chain");
    nodes.iter().for_each(unlimited);
    nodes
}

/// Has a node answer as often as it is asked.
pub fn unlimited(node: &Node) {
    for (key, value) in [
        ("net/ipv4/icmp_ratelimit", "0"),
        ("net/ipv4/icmp_ratemask", "0"),
        ("net/ipv6/icmp/ratelimit", "0"),
    ] {
        node.sysctl(key, value).expect(key);
    }
}

pub fn run(probe: PathProbe, from: &Node) -> PathReport {
    probe.run(&target(from), &budget()).expect("asked")
}

/// The one address of every hop.
pub fn addrs(report: &PathReport) -> Vec<IpAddr> {
    let sole = |hop: &vision_core::probe::Hop| match &hop.responders[..] {
        [one] => one.addr,
        other => panic!("hop {}: {other:?}", hop.ttl),
    };
    report.hops.iter().map(sole).collect()
}

/// The addresses in the lines of a traceroute.
fn traced(said: &str) -> Vec<IpAddr> {
    let hop = |line: &str| {
        let mut words = line.split_whitespace();
        words.next()?.parse::<u8>().ok()?;
        words.next()?.parse().ok()
    };
    said.lines().filter_map(hop).collect()
}

#[test]
fn every_kind_of_probe_sees_what_traceroute_sees() {
    let Some(lab) = lab() else { return };
    let nodes = long_chain(&lab);
    let (a, b) = (&nodes[0], &nodes[13]);
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        for (probing, flags) in
            [(Probing::Icmp, "-I"), (UDP, ""), (Probing::Tcp { port: 9 }, "-T -p 9")]
        {
            let report = run(PathProbe::new(to).probing(probing), a);
            assert_eq!(report.method, ProbingMethod::Raw);
            let PathEnd::Reached { hops: 13, by } = report.end else { panic!("{report:?}") };
            let expected = match probing {
                Probing::Icmp => ReachedBy::EchoReply,
                Probing::Udp { .. } => ReachedBy::PortUnreachable,
                _ => ReachedBy::Closed,
            };
            assert_eq!(by, expected);
            assert!(report.remarks.is_empty() && report.gaps.is_empty(), "{report:?}");
            for hop in &report.hops {
                assert_eq!((hop.sent, hop.received), (3, 3), "{probing}: {hop:?}");
                let one = &hop.responders[0];
                assert_eq!(
                    (one.reply_ttl, one.hops_back),
                    (Some(Ttl(65 - hop.ttl)), Some(hop.ttl))
                );
            }
            if has("traceroute") {
                let theirs = a.sh(&format!("traceroute -n -q 1 {flags} {to}"));
                assert_eq!(addrs(&report), traced(&theirs), "{probing}: {theirs}");
            }
        }
    }
}

#[test]
fn a_half_open_answer_is_told_from_a_reset_as_tcptraceroute_does() {
    let Some(lab) = lab() else { return };
    let [a, _, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    let open = TcpServer::start(&b, "[::]:443", TcpBehaviour::Echo).expect("a server");
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i tcp flags & (syn|ack|rst) == ack counter'");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        for port in [open.addr().port(), 9] {
            let report = run(PathProbe::new(to).probing(Probing::Tcp { port }), &a);
            let PathEnd::Reached { hops: 2, by } = report.end else { panic!("{report:?}") };
            let is_open = matches!(by, ReachedBy::Open { mss_bytes: Some(1440 | 1460) });
            assert_eq!(is_open, port == open.addr().port(), "{by:?}");
            assert!(is_open || by == ReachedBy::Closed);
            if to.is_ipv4() && has("tcptraceroute") {
                let said = a.sh(&format!("tcptraceroute -n {to} {port} 2>/dev/null"));
                let word = if is_open { "[open]" } else { "[closed]" };
                assert!(said.contains(word), "{said}");
            }
        }
    }
    // No handshake was ever completed.
    let rules = b.sh("nft list chain inet t i");
    assert!(rules.contains("counter packets 0 "), "{rules}");
}

#[test]
fn a_report_has_the_figures_of_mtr() {
    let Some(lab) = lab() else { return };
    let nodes = long_chain(&lab);
    let (a, to) = (&nodes[0], IpAddr::from(nodes[13].v4()));
    let probe = PathProbe::new(to).rounds(10).interval(ms(100));
    let report = run(probe, a);
    assert_eq!((report.rounds, report.hops.len()), (10, 13));
    if !has("mtr") {
        return;
    }
    let said = a.sh(&format!("mtr --json -n -c 10 -i 0.1 -G 0.3 {to}"));
    let theirs: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let hubs = theirs["report"]["hubs"].as_array().expect("hubs");
    assert_eq!(hubs.len(), report.hops.len());
    for (hop, hub) in report.hops.iter().zip(hubs) {
        assert_eq!(hub["host"], hop.responders[0].addr.to_string());
        assert_eq!((hub["Snt"].as_u64(), hub["Loss%"].as_f64()), (Some(10), Some(0.0)));
        assert_eq!((hop.sent, hop.loss_percent), (10, 0.0));
        let rtt = hop.rtt.expect("answers");
        let theirs = hub["Avg"].as_f64().expect("a number") * 1e6;
        // mtr takes the time in user space, later than the kernel's stamp.
        assert!((rtt.avg_ns as f64) < theirs + 200_000.0, "{rtt:?} against {hub}");
        assert!(rtt.best_ns <= rtt.avg_ns && rtt.avg_ns <= rtt.worst_ns);
    }
}

#[test]
fn probes_have_the_knobs_of_the_originals_on_the_wire() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    for (family, l4) in [("ip", "ip length 900"), ("ip6", "ip6 length 860")] {
        r.sh(&format!(
            "nft 'add table {family} t; add chain {family} t p {{ type filter hook prerouting priority 0 ; }}
             add rule {family} t p {family} dscp 46 {l4} tcp dport 443 tcp sport 4444 tcp flags syn counter
             add rule {family} t p {family} dscp 46 {l4} udp dport 33434 udp sport 4444 counter'"
        ));
    }
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        for probing in [Probing::Tcp { port: 443 }, UDP] {
            let probe = PathProbe::new(to).probing(probing).rounds(2).size_bytes(900).dscp(46);
            let report = run(probe.source_port(4444).first_ttl(2).max_ttl(2), &a);
            assert_eq!((report.hops.len(), report.hops[0].ttl), (1, 2));
        }
    }
    for family in ["ip", "ip6"] {
        let rules = r.sh(&format!("nft list chain {family} t p"));
        assert_eq!(rules.matches("counter packets 2 ").count(), 2, "{rules}");
    }
}

#[test]
fn link_local_and_own_addresses_are_one_hop_away() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    for (to, probing) in [
        (IpAddr::from(b.v4()), Probing::Icmp),
        (a.v4().into(), Probing::Icmp),
        (a.v6().into(), UDP),
        ("127.0.0.1".parse().expect("address"), Probing::Tcp { port: 9 }),
        ("::1".parse().expect("address"), UDP),
    ] {
        let report = run(PathProbe::new(to).probing(probing).rounds(2), &a);
        assert!(matches!(report.end, PathEnd::Reached { hops: 1, .. }), "{to}: {report:?}");
        assert_eq!(addrs(&report), [to]);
    }
}

#[test]
fn callers_that_share_a_limit_keep_it_together() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    [&a, &r, &b].into_iter().for_each(unlimited);
    r.sh("nft 'add table ip t; add chain ip t p { type filter hook prerouting priority 0 ; }
          add rule ip t p icmp type echo-request counter'");
    let pacer = Pacer::per_second(100, 1);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            let probe = PathProbe::new(b.v4().into()).rounds(10).pacer(&pacer);
            scope.spawn(|| run(probe.window(1), &a));
        }
    });
    let took = began.elapsed();
    let rules = r.sh("nft list chain ip t p");
    let count = rules.split("packets ").nth(1).and_then(|rest| rest.split(' ').next());
    let count: f64 = count.and_then(|n| n.parse().ok()).expect("a counter");
    let allowed = took.as_secs_f64() * 100.0 * 1.05 + 1.0;
    assert!(count >= 320.0 && count <= allowed, "{count} packets in {took:?}");
}
