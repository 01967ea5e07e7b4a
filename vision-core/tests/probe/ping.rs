//! Echo requests, beside iputils.

use std::net::IpAddr;

use vision_core::inventory::Inventory;
use vision_core::probe::{Df, EchoOutcome, Method, Ping, PingReport, Probe};
use vision_core::{Reason, Ttl};
use vision_lab::Node;

use crate::{budget, lab, ms, target};

fn run(ping: Ping, from: &Node) -> PingReport {
    ping.run(&target(from), &budget()).expect("asked")
}

/// min, avg and max in nanoseconds, as ping's last line has them.
fn rtt_of_ping(node: &Node, to: IpAddr) -> [f64; 3] {
    let said = node.sh(&format!("ping -q -c 50 -i 0.01 {to}"));
    let figures = said.lines().rev().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "));
    let mut figures = figures.expect("figures").split(['/', ' ']).map(|n| n.parse::<f64>());
    [(); 3].map(|()| figures.next().expect("three").expect("a number") * 1e6)
}

#[test]
fn round_trip_times_are_those_of_ping() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        // Both programs share the machine with others: the best of three is compared.
        let best = |avg: &mut dyn FnMut() -> f64| (0..3).map(|_| avg()).fold(f64::MAX, f64::min);
        let theirs = best(&mut || rtt_of_ping(&a, to)[1]);
        let ours = best(&mut || {
            let report = run(Ping::new(to).count(50).interval(ms(10)), &a);
            assert_eq!(report.summary().received, 50);
            report.summary().rtt.expect("replies").avg_ns as f64
        });
        println!("{to}: ping {:.1} us, vision {:.1} us", theirs / 1e3, ours / 1e3);
        assert!((ours - theirs).abs() < 200_000.0, "{to}: {ours} against {theirs}");
    }
}

#[test]
fn a_request_too_long_for_the_link_is_refused_with_its_mtu() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    a.sh("ip link set eth0 mtu 1400");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        let report = run(Ping::new(to).count(1).df(Df::Set).size_bytes(1472), &a);
        let reason = Reason::new(nix::libc::EMSGSIZE);
        let mtu_bytes = Some(1400);
        assert_eq!(report.echoes[0].outcome, EchoOutcome::LocalError { reason, mtu_bytes });
        let said = a.sh(&format!("ping -c 1 -W 1 -M do -s 1472 {to} 2>&1 || true"));
        assert!(said.contains("1400"), "{said}");
    }
}

#[test]
fn a_router_names_the_mtu_behind_it_and_the_end_of_the_hops() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    for (to, router, exceeded) in [
        (IpAddr::from(b.v4()), IpAddr::from(a.gateway_v4()), (11, 0)),
        (b.v6().into(), a.gateway_v6().into(), (3, 0)),
    ] {
        let report = run(Ping::new(to).count(1).ttl(Ttl(1)), &a);
        let EchoOutcome::Unreachable(icmp) = report.echoes[0].outcome else { panic!("{report:?}") };
        assert_eq!((icmp.from, (icmp.kind, icmp.code)), (Some(router), exceeded));
    }
    r.sh("ip link set eth1 mtu 1300");
    for (to, router) in [
        (IpAddr::from(b.v4()), IpAddr::from(a.gateway_v4())),
        (b.v6().into(), a.gateway_v6().into()),
    ] {
        let ping = Ping::new(to).count(2).interval(ms(100)).df(Df::Set).size_bytes(1440);
        let report = run(ping, &a);
        let EchoOutcome::Unreachable(icmp) = report.echoes[0].outcome else { panic!("{report:?}") };
        assert_eq!((icmp.from, icmp.mtu_bytes), (Some(router), Some(1300)));
        // The kernel has learnt it.
        let learnt = matches!(
            report.echoes[1].outcome,
            EchoOutcome::LocalError { mtu_bytes: Some(1300), .. }
        );
        assert!(learnt, "{report:?}");
    }
}

#[test]
fn marks_and_code_points_are_on_the_packets() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    b.sh("nft 'add table inet t
          add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i ip dscp 46 icmp type echo-request counter
          add rule inet t i ip6 dscp 46 icmpv6 type echo-request counter'");
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        assert_eq!(run(Ping::new(to).count(1).dscp(46), &a).summary().received, 1);
        assert_eq!(run(Ping::new(to).count(1), &a).summary().received, 1);
    }
    let rules = b.sh("nft list chain inet t i");
    assert_eq!(rules.matches("counter packets 1 ").count(), 2, "{rules}");
    a.sh("ip rule add fwmark 0x10 lookup 99; ip route add unreachable default table 99");
    let marked = run(Ping::new(b.v4().into()).count(1).mark(0x10), &a);
    let reason = Reason::new(nix::libc::EHOSTUNREACH);
    let refused = EchoOutcome::LocalError { reason, mtu_bytes: None };
    assert_eq!(marked.echoes[0].outcome, refused);
    assert_eq!(run(Ping::new(b.v4().into()).count(1).mark(0x11), &a).summary().received, 1);
}

#[test]
fn interface_source_and_scope_are_obeyed() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let second = IpAddr::from({
        let [w, x, y, _] = a.v4().octets();
        [w, x, y, 77]
    });
    a.sh(&format!("ip addr add {second}/24 dev eth0"));
    b.sh(&format!(
        "nft 'add table ip t; add chain ip t i {{ type filter hook input priority 0 ; }}
          add rule ip t i ip saddr {second} counter'"
    ));
    assert_eq!(run(Ping::new(b.v4().into()).count(1).source(second), &a).summary().received, 1);
    assert!(b.sh("nft list chain ip t i").contains("counter packets 1 "));
    let wrong = Ping::new(b.v4().into()).count(1).interface("lo").wait(ms(200));
    assert_eq!(run(wrong, &a).summary().received, 0);
    let mut inventory = Inventory::open(&target(&b)).expect("opened");
    let addrs = inventory.addrs(&budget()).expect("read").items;
    let link_local = addrs.iter().map(|addr| addr.local).find(|local| match local {
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    });
    let to = link_local.expect("fe80::");
    let links = Inventory::open(&target(&a)).expect("opened").links(&budget()).expect("read");
    let eth0 = links.items.iter().find(|link| link.name == *"eth0").expect("eth0").ifindex;
    assert_eq!(run(Ping::new(to).count(1).scope(eth0), &a).summary().received, 1);
}

#[test]
fn the_datagram_socket_is_used_where_the_group_may() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let ping = || Ping::new(b.v6().into()).count(1);
    assert_eq!(run(ping(), &a).method, Method::Raw);
    a.sysctl("net/ipv4/ping_group_range", "0 0").expect("set");
    assert_eq!(run(ping(), &a).method, Method::Datagram);
}
