//! Links of different width, with and without word of it.

use std::net::IpAddr;

use vision_core::probe::{MtuEnd, MtuProbe, MtuReport, PathProbe, Probe, Probing};
use vision_lab::{Fault, Node};

use crate::path::{long_chain, run as trace, unlimited};
use crate::{budget, has, lab, target};

const UDP: Probing = Probing::Udp { port: 33_434 };
const TCP: Probing = Probing::Tcp { port: 9 };

fn run(probe: MtuProbe, from: &Node) -> MtuReport {
    probe.run(&target(from), &budget()).expect("asked")
}

/// Both ends of the link to the right of a node.
fn narrow(nodes: &[Node], left: usize, mtu: u32) {
    let dev = if left == 0 { "eth0" } else { "eth1" };
    nodes[left].sh(&format!("ip link set {dev} mtu {mtu}"));
    nodes[left + 1].sh(&format!("ip link set eth0 mtu {mtu}"));
}

fn route(node: &Node, to: IpAddr) -> String {
    node.sh(&format!("ip route get {to}"))
}

#[test]
fn steps_are_told_by_their_routers_and_the_kernel_learns_nothing() {
    let Some(lab) = lab() else { return };
    let nodes = long_chain(&lab);
    let (a, b) = (&nodes[0], &nodes[13]);
    narrow(&nodes, 3, 1450);
    narrow(&nodes, 8, 1380);
    for to in [IpAddr::from(b.v4()), b.v6().into()] {
        let hops = trace(PathProbe::new(to), a).hops;
        for probing in [TCP, UDP, Probing::Icmp] {
            let report = run(MtuProbe::new(to).probing(probing), a);
            let place = format!("{probing} to {to}: {report:?}");
            assert_eq!((report.mtu_bytes, report.end), (Some(1380), MtuEnd::Told), "{place}");
            let steps: Vec<_> = report.steps.iter().map(|s| (s.mtu_bytes, s.hop, s.from)).collect();
            let from = |hop: usize| Some(hops[hop - 1].responders[0].addr);
            assert_eq!(steps, [(Some(1450), Some(3), from(3)), (Some(1380), Some(8), from(8))]);
            assert!(report.black_hole.is_none() && report.sent <= 40, "{place}");
            // The kernel heeds every "packet too big" about ICMPv6.
            let learns = to.is_ipv6() && probing == Probing::Icmp;
            assert_eq!(route(a, to).contains(" mtu "), learns, "{place}");
            assert_eq!(report.has_taught(), learns, "{place}");
        }
    }
    if has("tracepath") {
        let said = a.sh(&format!("tracepath -n {}", b.v4()));
        assert!(said.contains("Resume: pmtu 1380 hops 13"), "{said}");
        // What tracepath has left in the cache neither hinders nor stays unsaid.
        let report = run(MtuProbe::new(b.v4().into()), a);
        assert_eq!(report.cached_before.map(|c| c.mtu_bytes), Some(1380));
        assert!(!report.has_stale_cache());
        narrow(&nodes, 3, 1500);
        narrow(&nodes, 8, 1500);
        let report = run(MtuProbe::new(b.v4().into()), a);
        assert_eq!((report.mtu_bytes, report.end), (Some(1500), MtuEnd::Unlimited));
        assert!(report.has_stale_cache(), "{report:?}");
        assert!(report.sentences().iter().any(|s| s.ends_with("stale")), "{report:?}");
    }
}

#[test]
fn a_black_hole_is_placed_between_its_hops() {
    let Some(lab) = lab() else { return };
    let nodes = lab.chain(["a", "r1", "r2", "r3", "b"]).expect("five in a row");
    nodes.iter().for_each(unlimited);
    narrow(&nodes, 2, 1400);
    lab.fault(&nodes[2], Fault::MtuBlackHole { dev: "eth1", mtu: 1400 }).expect("a black hole");
    for to in [IpAddr::from(nodes[4].v4()), nodes[4].v6().into()] {
        for probing in [Probing::Icmp, TCP] {
            let report = run(MtuProbe::new(to).probing(probing), &nodes[0]);
            let place = format!("{probing} to {to}: {report:?}");
            assert_eq!((report.mtu_bytes, report.end), (Some(1400), MtuEnd::Swallowed), "{place}");
            let hole = report.black_hole.expect(&place);
            assert_eq!(hole.after.map(|hop| hop.ttl), Some(2), "{place}");
            assert_eq!(hole.before.map(|hop| hop.ttl), Some(3), "{place}");
            assert!(report.sentences()[1].starts_with("black hole after hop 2 ("), "{place}");
        }
    }
}

#[test]
fn a_port_that_answers_once_a_second_narrows_nothing() {
    let Some(lab) = lab() else { return };
    let [a, _, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    b.sysctl("net/ipv4/icmp_ratelimit", "1000").expect("set");
    for _ in 0..3 {
        let report = run(MtuProbe::new(b.v4().into()).probing(UDP), &a);
        assert_eq!((report.mtu_bytes, report.end), (Some(1500), MtuEnd::Unlimited), "{report:?}");
    }
}

#[test]
fn the_first_link_and_a_ceiling_bound_the_search() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    a.sh("ip link set eth0 mtu 9000");
    b.sh("ip link set eth0 mtu 9000");
    let report = run(MtuProbe::new(b.v4().into()), &a);
    assert_eq!((report.mtu_bytes, report.ceiling_bytes), (Some(9000), 9000));
    let report = run(MtuProbe::new(b.v6().into()).ceiling_bytes(1400), &a);
    assert_eq!((report.mtu_bytes, report.end, report.sent), (Some(1400), MtuEnd::Unlimited, 2));
    // Beyond the link it is the own kernel that tells.
    let report = run(MtuProbe::new(b.v4().into()).ceiling_bytes(9100), &a);
    assert_eq!((report.mtu_bytes, report.end), (Some(9000), MtuEnd::Told), "{report:?}");
    assert_eq!(report.steps.first().map(|step| step.from), Some(None));
    let refused = MtuProbe::new(b.v4().into()).ceiling_bytes(30).run(&target(&a), &budget());
    assert!(refused.expect_err("too small").to_string().contains("needs 40"));
}
