//! Causes of the second edition, each injected for real.

use vision_core::doctor::{Severity, Verdict};
use vision_lab::dns::{Behaviour, DnsScript};
use vision_lab::{DnsServer, Lab, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer, require};

use super::{examine, examine_process, must_be_healthy, must_name, must_prove, row, with_resolver};

#[test]
fn a_loopback_that_is_down_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    a.sh("ip link set lo down");
    must_prove(&examine(&a, "127.0.0.1:80"), "link.loopback-down");
    must_prove(&examine(&a, &format!("{}:80", a.v4())), "link.loopback-down");
    must_prove(&examine(&a, ""), "link.loopback-down");
    must_be_healthy(&examine(&a, &b.v4().to_string()));
}

#[test]
fn an_address_that_two_machines_hold_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let bridge = lab.bridge("host", &["c1", "c2", "c3"]).expect("a bridge");
    let [c1, c2, c3] = [&bridge.containers[0], &bridge.containers[1], &bridge.containers[2]];
    c3.sh(&format!("ip addr add {}/24 dev eth0", c2.v4()));
    let diagnosis = examine(c1, &format!("{}:80", c2.v4()));
    assert!(
        diagnosis.findings.iter().any(|f| f.cause.slug() == "addr.duplicate"),
        "{diagnosis:#?}"
    );
    let diagnosis = examine(c2, "");
    assert_eq!(diagnosis.findings[0].cause.slug(), "addr.duplicate", "{diagnosis:#?}");
}

#[test]
fn a_stale_neighbour_entry_is_shown_beside_the_real_address() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let gateway = a.gateway_v4();
    // The router must not ask for us meanwhile: its request would mend our entry.
    let own = a.sh("ip -j link show eth0 | grep -o 'address\":\"[^\"]*'");
    let own = own.rsplit('"').next().unwrap_or_default().trim().to_owned();
    r.sh(&format!("ip neigh replace {} lladdr {own} dev eth0 nud permanent", a.v4()));
    a.sh(&format!("ip neigh replace {gateway} lladdr 02:00:00:00:00:66 dev eth0 nud reachable"));
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "neigh.stale-mac");
    a.sh(&format!("ip neigh replace {gateway} lladdr 02:00:00:00:00:66 dev eth0 nud reachable"));
    // The kernel keeps an entry for a second before it believes another answer.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    must_prove(&examine(&a, ""), "neigh.stale-mac");
}

#[test]
fn a_link_without_neighbour_resolution_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    a.sh("ip neigh flush all; ip link set eth0 arp off");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "neigh.arp-off");
}

#[test]
fn routes_that_refuse_are_told_from_those_that_are_missing() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, r, b], _keep) = row(&lab);
    a.sh("ip route add unreachable 198.51.100.0/24; ip route add prohibit 203.0.113.0/24");
    a.sh("ip -6 route add prohibit 2001:db8:9::/48");
    must_prove(&examine(&a, "198.51.100.7:80"), "route.unreachable");
    must_prove(&examine(&a, "203.0.113.7:80"), "route.unreachable");
    must_prove(&examine(&a, "[2001:db8:9::7]:80"), "route.unreachable");
    r.sh(&format!("ip route add unreachable {}/32", b.v4()));
    let diagnosis = examine(&a, &format!("{}:80", b.v4()));
    must_prove(&diagnosis, "route.unreachable");
    assert_ne!(diagnosis.findings[0].subject.place, "a");
}

#[test]
fn a_rule_that_diverts_is_named_before_the_dead_end_it_leads_to() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let net = a.v4().octets();
    let nobody = format!("{}.{}.{}.251", net[0], net[1], net[2]);
    a.sh(&format!("ip route add default via {nobody} dev eth0 table 77; ip rule add to {} lookup 77 priority 100", b.v4()));
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "route.rule-diverts");
}

#[test]
fn the_preferred_of_two_default_routes_is_named_when_it_is_dead() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let net = a.v4().octets();
    let nobody = format!("{}.{}.{}.251", net[0], net[1], net[2]);
    let gateway = a.gateway_v4();
    a.sh(&format!(
        "ip route del default; ip route add default via {gateway} dev eth0 metric 200; \
                   ip route add default via {nobody} dev eth0 metric 50"
    ));
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "route.dead-default-preferred");
    must_prove(&examine(&a, ""), "route.dead-default-preferred");
}

#[test]
fn a_dead_next_hop_of_a_multipath_route_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let net = a.v4().octets();
    let nobody = format!("{}.{}.{}.251", net[0], net[1], net[2]);
    let gateway = a.gateway_v4();
    a.sh(&format!(
        "ip route replace default nexthop via {gateway} dev eth0 nexthop via {nobody} dev eth0"
    ));
    let diagnosis = examine(&a, &format!("{}:80", b.v4()));
    assert_eq!(diagnosis.findings[0].cause.slug(), "route.multipath-dead-hop", "{diagnosis:#?}");
    let diagnosis = examine(&a, "");
    assert_eq!(diagnosis.findings[0].cause.slug(), "route.multipath-dead-hop", "{diagnosis:#?}");
    assert_eq!(diagnosis.verdict, Verdict::Faulty);
}

#[test]
fn a_prefix_that_is_too_wide_is_told_from_an_absent_host() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let (own, gateway) = (a.v4(), a.gateway_v4());
    a.sh(&format!(
        "ip addr flush dev eth0 scope global; ip addr add {own}/8 dev eth0; \
                   ip route add default via {gateway}"
    ));
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "route.prefix-too-wide");
}

#[test]
fn a_time_to_live_that_is_too_small_is_named_in_both_families() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    a.sh("sysctl -qw net.ipv4.ip_default_ttl=1 net.ipv6.conf.eth0.hop_limit=1");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "route.ttl-too-small");
    must_prove(&examine(&a, &format!("[{}]:80", b.v6())), "route.ttl-too-small");
}

#[test]
fn ipv6_that_is_switched_off_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    a.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    must_prove(&examine(&a, &format!("[{}]:80", b.v6())), "ipv6.disabled");
}

#[test]
fn what_a_nameserver_answers_has_its_own_cause() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let _web = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let at = format!("{}:53", b.v4());
    let process = with_resolver(&a, &format!("nameserver {}\n", b.v4()));
    must_prove(&examine_process(&a, &process, "db.example.test:80"), "dns.port-closed");
    for (behaviour, slug) in [
        (Behaviour::ServFail, "dns.servfail"),
        (Behaviour::Refused, "dns.refused"),
        (Behaviour::Slow(std::time::Duration::from_millis(700)), "dns.slow"),
    ] {
        let script = DnsScript::new().a("db.example.test", b.v4()).otherwise(behaviour.clone());
        let script = script.behave("db.example.test", behaviour);
        let _server = DnsServer::start(&b, &at, script).expect("server");
        let diagnosis = examine_process(&a, &process, "db.example.test:80");
        assert_eq!(
            diagnosis.findings.first().map(|f| f.cause.slug()),
            Some(slug),
            "{diagnosis:#?}"
        );
        assert_eq!(diagnosis.verdict, Verdict::Faulty);
    }
}

#[test]
fn resolv_conf_itself_can_be_the_cause() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let process = with_resolver(&a, "search example.test\n");
    must_prove(&examine_process(&a, &process, "db:80"), "dns.no-nameserver");
    let process = with_resolver(&a, "nameserver 127.0.0.53\n");
    must_prove(&examine_process(&a, &process, "db.example.test:80"), "dns.loopback-nameserver");
    must_prove(&examine_process(&a, &process, ""), "dns.loopback-nameserver");
    let script = DnsScript::new().a("db.example.test", b.v4());
    let _server = DnsServer::start(&b, &format!("{}:53", b.v4()), script).expect("server");
    let _web = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("server");
    let process =
        with_resolver(&a, &format!("nameserver {}\nnameserver {}\n", "192.0.2.53", b.v4()));
    let diagnosis = examine_process(&a, &process, "db.example.test:80");
    assert_eq!(diagnosis.findings[0].cause.slug(), "dns.first-server-dead", "{diagnosis:#?}");
    assert_eq!(diagnosis.findings[0].severity, Severity::Warning);
    let search = "search s1.test s2.test s3.test s4.test\noptions ndots:5\n";
    let process = with_resolver(&a, &format!("nameserver {}\n{search}", b.v4()));
    let diagnosis = examine_process(&a, &process, "db.example.test:80");
    assert_eq!(diagnosis.findings[0].cause.slug(), "dns.search-amplification", "{diagnosis:#?}");
}

#[test]
fn a_listener_on_the_wrong_address_is_told_from_none() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let _local = TcpServer::start(&b, "127.0.0.1:80", TcpBehaviour::Accept).expect("server");
    must_prove(&examine(&a, &format!("{}:80", b.v4())), "socket.loopback-only");
    let _v4 = TcpServer::start(&b, "0.0.0.0:81", TcpBehaviour::Accept).expect("server");
    must_prove(&examine(&a, &format!("[{}]:81", b.v6())), "socket.family-only");
    let _udp = UdpServer::start(&b, "127.0.0.1:82", UdpBehaviour::Echo).expect("server");
    must_prove(&examine(&a, &format!("udp:{}:82", b.v4())), "socket.loopback-only");
}

#[test]
fn a_service_that_does_not_accept_is_named() {
    let Some(lab) = require(Lab::new()) else { return };
    let ([a, _r, b], _keep) = row(&lab);
    let _stuck = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::NeverAccept { backlog: 1 })
        .expect("server");
    let mut waiting = Vec::new();
    let to = std::net::SocketAddr::from((b.v4(), 80));
    for _ in 0..4 {
        let connect = move || {
            std::net::TcpStream::connect_timeout(&to, std::time::Duration::from_millis(300))
        };
        waiting.extend(a.enter(connect).ok());
    }
    must_name(&examine(&a, &format!("{}:80", b.v4())), "socket.accept-queue-full");
}
