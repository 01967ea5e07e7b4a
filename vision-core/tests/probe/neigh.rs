//! Duplicate addresses, beside arping.

use std::net::IpAddr;

use vision_core::probe::{NeighProbe, NeighReport, OwnAddress, Probe};
use vision_lab::Node;

use crate::{budget, has, lab, ms, outcome, target};

fn search(node: &Node, to: IpAddr) -> NeighReport {
    let probe = NeighProbe::new(to, "eth0").duplicates().count(1).wait(ms(500));
    probe.run(&target(node), &budget()).expect("asked")
}

#[test]
fn every_holder_of_a_duplicate_address_is_named() {
    let Some(lab) = lab() else { return };
    let bridge = lab.bridge("host", &["a", "b", "c"]).expect("three containers");
    let [a, b, c] = ["a", "b", "c"].map(|name| bridge.container(name));
    let (v4, v6): (IpAddr, IpAddr) = {
        let [w, x, y, _] = a.v4().octets();
        let mut octets = a.v6().octets();
        octets[15] = 0x99;
        ([w, x, y, 99].into(), octets.into())
    };
    let compare = has("arping");
    let unique = |to: IpAddr| outcome(a, &format!("arping -D -c 1 -w 1 -I eth0 {to}"));
    for to in [v4, v6] {
        let nobody = search(a, to);
        assert_eq!((nobody.is_duplicate(), nobody.own), (Some(false), Some(OwnAddress::Absent)));
    }
    assert!(!compare || unique(v4).0);
    a.sh(&format!("ip addr add {v4}/24 dev eth0; ip addr add {v6}/64 dev eth0 nodad"));
    for to in [v4, v6] {
        let alone = search(a, to);
        assert_eq!((alone.is_duplicate(), alone.own), (Some(false), Some(OwnAddress::Held)));
        assert_eq!(search(b, to).holders().len(), 1, "we are the holder others find");
    }
    for other in [b, c] {
        other.sh(&format!("ip addr add {v4}/24 dev eth0; ip addr add {v6}/64 dev eth0 nodad"));
    }
    let macs = [b, c].map(|node| {
        let shown = node.sh("ip -o link show dev eth0");
        let mut words = shown.split_whitespace().skip_while(|word| *word != "link/ether");
        words.nth(1).expect("a MAC").to_owned()
    });
    for to in [v4, v6] {
        let found = search(a, to);
        assert_eq!(found.is_duplicate(), Some(true));
        let mut holders: Vec<_> = found.holders().iter().map(ToString::to_string).collect();
        holders.sort();
        let mut macs = macs.to_vec();
        macs.sort();
        assert_eq!(holders, macs, "{to}");
    }
    if compare {
        let (is_unique, said) = unique(v4);
        assert!(!is_unique, "{said}");
    }
}

#[test]
fn what_the_kernel_found_out_by_itself_counts() {
    let Some(lab) = lab() else { return };
    let (a, b) = (lab.node_with_dad("a").expect("a node"), lab.node("b").expect("a node"));
    lab.link(&a, "eth0", &b, "eth0").expect("a wire");
    b.sh("ip addr add fd00:9::1/64 dev eth0 nodad");
    a.sh("ip addr add fd00:9::1/64 dev eth0");
    let to: IpAddr = "fd00:9::1".parse().expect("an address");
    let end = std::time::Instant::now() + ms(5000);
    while !a.sh("ip -6 addr show dev eth0").contains("dadfailed") {
        assert!(std::time::Instant::now() < end, "detection fails");
        std::thread::sleep(ms(50));
    }
    let found = search(&a, to);
    assert_eq!((found.own, found.holders().len()), (Some(OwnAddress::DadFailed), 1));
    // The rival has left: the kernel's flag is what remains.
    b.sh("ip addr flush dev eth0");
    let found = search(&a, to);
    assert_eq!((found.is_duplicate(), found.answers.len()), (Some(true), 0));
}
