//! Port and host scans, beside nmap and netcat.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use vision_core::probe::{
    AddrRange, HostReason, HostScan, HostState, PortState, Probe, Rate, Scan, ScanReason,
    ScanReport, ScannedPort, Technique,
};
use vision_lab::{
    Fault, Hook, Node, Proto, RejectKind, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer,
};

use crate::{budget, has, lab, ms, outcome, target};

const OPEN: [u16; 8] = [22, 80, 443, 5432, 6379, 8080, 30_000, 65_535];

fn listen(node: &Node) -> Vec<TcpServer> {
    let start = |port| TcpServer::start(node, &format!("[::]:{port}"), TcpBehaviour::Accept);
    OPEN.iter().map(|port| start(port).expect("listens")).collect()
}

/// Has a node send every ICMP error, and not one a second.
fn tell_all(node: &Node) {
    node.sysctl("net/ipv4/icmp_ratelimit", "0").expect("set");
    node.sysctl("net/ipv6/icmp/ratelimit", "0").expect("set");
}

fn open(report: &ScanReport) -> Vec<u16> {
    report.in_state(PortState::Open).map(|port| port.port).collect()
}

/// What nmap says: state and reason by port.
fn nmap(node: &Node, arguments: &str) -> BTreeMap<u16, (String, String)> {
    let (_, xml) = outcome(node, &format!("nmap -n -Pn --reason -oX - {arguments}"));
    let attribute = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let ports = xml.split("<port ").skip(1).filter_map(|text| {
        let port = attribute(text, "portid")?.parse().ok()?;
        Some((port, (attribute(text, "state")?, attribute(text, "reason")?)))
    });
    ports.collect()
}

#[test]
fn states_and_reasons_are_nmaps() {
    let Some(lab) = lab() else { return };
    let [a, _r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    let _servers = listen(&b);
    tell_all(&b);
    let (hook, proto) = (Hook::Input, Proto::Tcp);
    lab.fault(&b, Fault::Drop { hook, proto, dport: Some(83) }).expect("a rule");
    for (dport, kind) in [
        (84, RejectKind::TcpReset),
        (85, RejectKind::AdminProhibited),
        (86, RejectKind::PortUnreachable),
    ] {
        lab.fault(&b, Fault::Reject { hook, proto, dport: Some(dport), kind }).expect("a rule");
    }
    let compare = has("nmap");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        for (technique, flag) in [(Technique::HalfOpen, "-sS"), (Technique::Connect, "-sT")] {
            let scan = Scan::new(to, 78..=88).technique(technique).wait(ms(200));
            let report = scan.run(&target(&a), &budget()).expect("asked");
            let states: Vec<_> = report.ports.iter().map(|port| port.state.name()).collect();
            let (c, f) = ("closed", "filtered");
            assert_eq!(states, [c, c, "open", c, c, f, c, f, f, c, c], "{to} {technique:?}");
            let from = |n: usize| match report.ports[n].reason {
                ScanReason::Icmp(icmp) => icmp.from,
                other => panic!("{to} {technique:?} {other:?} {report:?}"),
            };
            assert_eq!((from(7), from(8)), (Some(to), Some(to)));
            if !compare {
                continue;
            }
            let six = if to.is_ipv6() { "-6" } else { "" };
            let theirs = nmap(&a, &format!("{flag} {six} -p 78-88 {to}"));
            for port in &report.ports {
                let (state, reason) = &theirs[&port.port];
                // nmap's connect scan takes "port unreachable" for a reset.
                if (port.port, technique) == (86, Technique::Connect) {
                    continue;
                }
                assert_eq!(port.state.name(), state, "{to} {technique:?} {port:?}");
                match port.reason {
                    ScanReason::SynAck => assert_eq!(reason, "syn-ack"),
                    ScanReason::Reset => assert!(["reset", "conn-refused"].contains(&&**reason)),
                    ScanReason::NoResponse => assert_eq!(reason, "no-response"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn all_ports_are_scanned_and_eight_of_eight_found_where_two_in_a_hundred_packets_are_lost() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _servers = listen(&b);
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add chain inet t o { type filter hook output priority 0 ; }
          add rule inet t i meta l4proto tcp numgen random mod 100 < 2 drop
          add rule inet t o meta l4proto tcp numgen random mod 100 < 2 drop'");
    for technique in [Technique::HalfOpen, Technique::Connect] {
        let scan = Scan::new(b.v4().into(), 1..=65_535).technique(technique).rate(Rate::Max);
        let report = scan.run(&target(&a), &budget()).expect("asked");
        let missed = |it: &&ScannedPort| OPEN.contains(&it.port) && it.state != PortState::Open;
        let missed: Vec<_> = report.ports.iter().filter(missed).collect();
        assert_eq!(open(&report), OPEN, "{technique:?}: {missed:?}");
        assert_eq!(report.in_state(PortState::Closed).count(), 65_527, "{technique:?}");
        assert!(report.repeated > 1000, "{} repeated: there was loss", report.repeated);
    }
}

#[test]
fn a_port_whose_first_answer_is_lost_is_open_all_the_same() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _servers = listen(&b);
    b.sh("nft 'add table inet t
          add chain inet t o { type filter hook output priority 0 ; }'");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        b.sh("nft flush chain inet t o; nft 'add rule inet t o \
              tcp flags & (syn|ack) == (syn|ack) numgen inc mod 1000 0 drop'");
        let scan = Scan::new(to, [80]).technique(Technique::HalfOpen).wait(ms(200));
        let report = scan.run(&target(&a), &budget()).expect("asked");
        let port = &report.ports[0];
        assert_eq!((port.state, port.attempts), (PortState::Open, 2), "{report:?}");
    }
}

#[test]
fn a_scan_leaves_no_connection_behind_and_finds_what_netcat_finds() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _servers = listen(&b);
    for technique in [Technique::HalfOpen, Technique::Connect] {
        let scan = Scan::new(b.v4().into(), [22, 23, 80, 81, 443]).technique(technique);
        let report = scan.run(&target(&a), &budget()).expect("asked");
        assert_eq!(open(&report), [22, 80, 443], "{technique:?}");
        for node in [&a, &b] {
            let left = node.sh("ss -Htan state all exclude listening");
            assert_eq!(left.trim(), "", "{technique:?}");
        }
    }
    if has("nc.openbsd") {
        for port in [22, 23, 80, 81, 443] {
            let (is_open, said) = outcome(&a, &format!("nc.openbsd -nvz -w 1 {} {port}", b.v4()));
            assert_eq!(is_open, [22, 80, 443].contains(&port), "{said}");
        }
    }
}

#[test]
fn a_scan_is_polite_unless_told_otherwise() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let began = Instant::now();
    for technique in [Technique::HalfOpen, Technique::Connect] {
        let scan = Scan::new(b.v4().into(), 1..=1000).technique(technique);
        let report = scan.run(&target(&a), &budget()).expect("asked");
        assert_eq!(report.in_state(PortState::Closed).count(), 1000);
    }
    // A thousand a second, less the first burst of 41.
    assert!(began.elapsed() >= ms(1900), "{:?}", began.elapsed());
}

#[test]
fn udp_ports_that_are_closed_silent_and_answering_are_told_apart() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let _echo = UdpServer::start(&b, &format!("{}:53", b.v4()), UdpBehaviour::Echo).expect("echo");
    let _mute =
        UdpServer::start(&b, &format!("{}:4789", b.v4()), UdpBehaviour::Silent).expect("mute");
    let scan = Scan::new(b.v4().into(), [53, 54, 4789]).technique(Technique::Udp).wait(ms(300));
    let report = scan.run(&target(&a), &budget()).expect("asked");
    let states: Vec<_> = report.ports.iter().map(|port| port.state.name()).collect();
    assert_eq!(states, ["open", "closed", "open|filtered"]);
    assert_eq!(report.ports[0].reason, ScanReason::Reply);
    if has("nmap") {
        let theirs = nmap(&a, &format!("-sU -p 53,54,4789 {}", b.v4()));
        for port in &report.ports {
            assert_eq!(theirs[&port.port].0, port.state.name(), "{theirs:?}");
        }
    }
}

#[test]
fn closed_udp_ports_are_found_though_the_host_limits_its_errors() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    // Six at once, then one a second, as Linux does by itself.
    let scan = Scan::new(b.v4().into(), 1..=12).technique(Technique::Udp).rate(Rate::Max);
    let report = scan.run(&target(&a), &vision_core::Budget::within(ms(60_000))).expect("asked");
    let closed = report.in_state(PortState::Closed).count();
    assert_eq!(closed, 12, "{report:?}");
}

#[test]
fn hosts_on_the_link_are_found_by_the_link_though_they_drop_all_else() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    for node in [&r, &b] {
        node.sh("nft 'add table inet t
                 add chain inet t i { type filter hook input priority 0 ; }
                 add rule inet t i icmp type echo-request drop'");
    }
    let _web = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    lab.fault(&b, Fault::Drop { hook: Hook::Input, proto: Proto::Tcp, dport: Some(443) })
        .expect("a rule");
    let gateway = IpAddr::from(a.gateway_v4());
    let [w, x, y, _] = a.v4().octets();
    let cidr = format!("{w}.{x}.{y}.0/29");
    let net: AddrRange = cidr.parse().expect("a network");
    let targets = net.iter().chain([b.v4().into()]);
    let scan = HostScan::new(targets).wait(ms(300));
    let report = scan.run(&target(&a), &budget()).expect("asked");
    let up: BTreeMap<IpAddr, _> = report
        .hosts
        .iter()
        .filter(|host| host.state == HostState::Up)
        .map(|host| (host.addr, (host.reason, host.lladdr)))
        .collect();
    assert_eq!(up.len(), 3, "{report:?}");
    assert_eq!(up[&a.v4().into()].0, HostReason::Own);
    assert_eq!(up[&gateway].0, HostReason::Neighbour);
    assert_eq!(up[&b.v4().into()], (HostReason::Tcp, None));
    let mac = a.sh(&format!("ip neigh show {gateway}"));
    let lladdr = up[&gateway].1.expect("a link-layer address").to_string();
    assert!(mac.contains(&lladdr) || mac.is_empty(), "{mac} {lladdr}");
    if has("nmap") {
        let (_, said) = outcome(&a, &format!("nmap -sn -n {cidr}"));
        assert!(said.contains(&gateway.to_string()), "{said}");
        assert!(said.to_lowercase().contains(&lladdr), "{said}");
    }
}

#[test]
fn neighbours_of_the_sixth_version_are_found_as_well() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let here = u128::from(b.v6()) & !7;
    let net: AddrRange =
        format!("{}-{}", std::net::Ipv6Addr::from(here), std::net::Ipv6Addr::from(here | 7))
            .parse()
            .expect("a range");
    let report = HostScan::new(net.iter()).wait(ms(300)).run(&target(&a), &budget());
    let report = report.expect("asked");
    let found = report.hosts.iter().find(|host| host.addr == IpAddr::from(b.v6()));
    let found = found.expect("in the range");
    assert_eq!((found.state, found.reason), (HostState::Up, HostReason::Neighbour));
    assert!(found.lladdr.is_some());
}

#[test]
fn a_route_that_is_missing_or_prohibits_is_told_of_the_ports_and_no_error() {
    let Some(lab) = lab() else { return };
    let [a, _b] = lab.pair().expect("two nodes");
    a.sh("ip route add prohibit 203.0.113.0/25");
    for (to, text) in [([203, 0, 113, 9], "ermission"), ([203, 0, 113, 200], "unreachable")] {
        for technique in [Technique::HalfOpen, Technique::Connect, Technique::Udp] {
            let scan = Scan::new(to.into(), [80, 81]).technique(technique);
            let report = scan.run(&target(&a), &budget()).expect("asked");
            for port in &report.ports {
                let ScanReason::Local(reason) = port.reason else {
                    panic!("{technique:?} {port:?}")
                };
                assert!(reason.to_string().contains(text), "{technique:?} {reason}");
                assert_eq!(port.state, PortState::Undecided);
            }
        }
    }
}
