//! Sets of ipset against the tool itself, for every type this kernel may know.

use vision_core::firewall::ipset::{IpsetStep, Ipsets, recorded};
use vision_core::inventory::Consistency;
use vision_core::{Budget, Error};
use vision_lab::{Lab, Node, require};

use super::round_trip::target;

const SETS: &str = include_str!("../data/ipset/sets.ipset");

/// Creates what the kernel knows; returns how many lines it took.
fn filled(node: &Node) -> usize {
    let create = |line: &str| node.try_sh(&format!("ipset {line}")).is_ok();
    SETS.lines().filter(|it| !it.is_empty() && !it.starts_with('#')).filter(|it| create(it)).count()
}

fn open(node: &Node) -> Ipsets {
    Ipsets::open(&target(node)).expect("a namespace")
}

fn listed(ipsets: &mut Ipsets, name: Option<&str>, terse: bool) -> String {
    let mut out = String::new();
    let mut current = None;
    let consistent = ipsets.each(name, terse, &Budget::unbounded(), |step| match step {
        IpsetStep::Set(set) => {
            if current.is_some() {
                out.push('\n');
            }
            out.push_str(&set.header());
            if !terse {
                out.push_str("Members:\n");
            }
            current = Some(set);
        }
        IpsetStep::Element(element) => {
            let set = current.as_ref().expect("a set comes first");
            out.push_str(&format!("{}\n", set.member(&element)));
        }
    });
    assert_eq!(consistent.expect("a listing"), Consistency::Unknown);
    out
}

#[test]
fn lists_are_those_of_the_tool() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("sets").expect("a node");
    let taken = filled(&node);
    assert!(taken > 50, "only {taken} lines were taken");
    let mut ipsets = open(&node);
    for (flag, terse) in [("", false), ("-t", true)] {
        // Seconds may pass between the two.
        let mut same = false;
        for _ in 0..5 {
            let theirs = node.sh(&format!("ipset list {flag}"));
            let ours = listed(&mut ipsets, None, terse);
            same = ours.trim_end() == theirs.trim_end();
            if same {
                break;
            }
            for (ours, theirs) in ours.lines().zip(theirs.lines()).filter(|(a, b)| a != b) {
                eprintln!("ours   {ours}\ntheirs {theirs}");
            }
        }
        assert!(same, "{flag}");
    }
    let one = listed(&mut ipsets, Some("ports"), false);
    assert_eq!(one.trim_end(), node.sh("ipset list ports").trim_end());
    let missing = ipsets.each(Some("nothing"), false, &Budget::unbounded(), |_| {});
    assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
}

#[test]
fn many_elements_come_whole() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("many").expect("a node");
    node.sh("ipset create big hash:ip maxelem 200000 counters");
    node.sh(
        "(for a in $(seq 0 99); do for b in $(seq 0 249); do echo add big 10.0.$a.$b; done; done) \
         | ipset restore",
    );
    let sets = open(&node).list(&Budget::unbounded()).expect("a listing");
    let [big] = sets.as_slice() else { panic!("{} sets", sets.len()) };
    assert_eq!(big.elements.len(), 25_000);
    assert_eq!(big.set.count, 25_000);
    let mut ips: Vec<_> = big.elements.iter().filter_map(|it| it.ip).collect();
    ips.sort_unstable();
    ips.dedup();
    assert_eq!(ips.len(), 25_000);
    assert!(big.elements.iter().all(|it| it.counter.is_some() && it.timeout.is_none()));
}

#[test]
fn membership_is_what_the_tool_says() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("test").expect("a node");
    filled(&node);
    let mut ipsets = open(&node);
    let before = node.sh("ipset list nets");
    for (set, element) in [
        ("all", "10.0.0.1"),
        ("all", "10.0.0.99"),
        ("nets", "10.2.3.4"),
        ("nets", "10.1.3.4"),
        ("nets", "10.0.0.0/8"),
        ("nets", "10.0.0.0/9"),
        ("nets6", "2001:db8::5"),
        ("nets6", "2001:db9::5"),
        ("ports", "1.2.3.4,tcp:80"),
        ("ports", "1.2.3.4,80"),
        ("ports", "1.2.3.4,udp:80"),
        ("ports", "1.2.3.4,icmp:ping"),
        ("ports", "1.2.3.4,icmp:14/1"),
        ("ports6", "::1,icmpv6:ping"),
        ("netif", "10.0.0.5,eth0"),
        ("netif", "10.0.0.5,eth9"),
        ("netif", "10.0.0.5,physdev:eth2"),
        ("bitports", "80"),
        ("bitports", "81"),
        ("bitmacs", "10.0.0.5,00:11:22:33:44:55"),
        ("bitmacs", "10.0.0.5,00:11:22:33:44:56"),
        ("bitmacs", "10.0.0.6"),
        ("trip", "1.1.1.1,tcp:1,2.2.2.2"),
        ("trip", "1.1.1.1,tcp:1,2.2.2.3"),
        ("tripnet", "1.1.1.1,tcp:1,2.2.9.9"),
        ("netport", "1.1.1.77,udp:53"),
        ("list", "nets"),
        ("list", "ports"),
    ] {
        let theirs = node.try_sh(&format!("ipset test {set} {element}")).is_ok();
        let ours = ipsets.test(set, element, &Budget::unbounded());
        assert_eq!(ours.ok(), Some(theirs), "{set} {element}");
    }
    assert_eq!(node.sh("ipset list nets"), before, "asking counts nothing");
    for (set, element) in [
        ("all", "10.0.0.1,5"),
        ("all", "::1"),
        ("all", "host"),
        ("ports", "1.2.3.4"),
        ("ports", "1.2.3.4,http"),
        ("bitports", "http"),
        ("nets", "10.0.0.0/33"),
    ] {
        let ours = ipsets.test(set, element, &Budget::unbounded());
        let Err(Error::Invalid { why, .. }) = ours else { panic!("{set} {element}: {ours:?}") };
        assert!(why.contains(element), "{why}");
    }
}

#[test]
fn damaged_messages_are_read_to_their_end() {
    // Header of netlink and nfnetlink, a name, a type, a nest of elements.
    let body = [
        &[2, 0, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0][..],
        &[6, 0, 2, 0, b'a', 0, 0, 0, 12, 0, 3, 0, b'h', b'a', b's', b'h', b':', b'i', b'p', 0],
        &[
            24, 0, 8, 0x80, 20, 0, 7, 0x80, 12, 0, 1, 0x80, 8, 0, 1, 0x40, 10, 0, 0, 1, 8, 0, 6,
            0x40,
        ],
    ]
    .concat();
    let mut whole = u32::try_from(16 + body.len()).expect("short").to_ne_bytes().to_vec();
    whole.extend([7, 6, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0]);
    whole.extend(&body);
    let steps = recorded(&whole);
    let [IpsetStep::Set(set), IpsetStep::Element(element)] = steps.as_slice() else {
        panic!("{steps:?}")
    };
    assert_eq!(set.element(element), "10.0.0.1");
    for at in 0..whole.len() {
        for value in [0, 1, 4, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            for end in [at, bytes.len()] {
                for step in recorded(&bytes[..end]) {
                    match step {
                        IpsetStep::Set(set) => assert!(set.header().starts_with("Name: ")),
                        IpsetStep::Element(element) => {
                            assert!(!set.member(&element).contains(char::is_control));
                        }
                    }
                }
            }
        }
    }
}
