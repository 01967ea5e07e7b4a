use vision_core::inventory::{Comparison, Inventory, Section, Sections, Side, Snapshot};
use vision_core::{Error, Netns, Target};
use vision_lab::{Lab, Node, require};

use crate::budget;

fn inventory(node: &Node) -> Inventory {
    let netns = Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace");
    Inventory::open(&Target::of(netns)).expect("opens")
}

fn snapshot(node: &Node) -> Snapshot {
    inventory(node).snapshot(Sections::ALL, &budget()).expect("a snapshot")
}

/// `section sign what`, as a person reads it.
fn lines(comparison: &Comparison) -> Vec<String> {
    let sign = |side: Side| match side {
        Side::First => '-',
        Side::Second => '+',
        Side::Both => '~',
    };
    let list = comparison.unequal.iter();
    list.map(|one| format!("{} {} {}", one.section.name(), sign(one.side), one.what)).collect()
}

#[test]
fn a_namespace_equals_itself_and_a_change_shows_where_it_was_made() {
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("a pair");
    let before = snapshot(&a);
    assert_eq!(lines(&before.compare(&snapshot(&a))), Vec::<String>::new());
    a.sh(&format!("ip route add 192.0.2.0/24 via {}; ip link set eth0 mtu 1400", b.v4()));
    a.sysctl("net/ipv4/conf/eth0/rp_filter", "1").expect("written");
    let server = a.enter(|| std::net::TcpListener::bind("0.0.0.0:7777").expect("listens"));
    let comparison = before.compare(&snapshot(&a));
    let found = lines(&comparison);
    for wanted in [
        "links ~ eth0",
        "routes + 192.0.2.0/24 table main",
        "sockets + tcp 0.0.0.0:7777",
        "sysctls ~ net.ipv4.conf.eth0.rp_filter",
    ] {
        assert!(found.iter().any(|line| line == wanted), "{wanted}: {found:?}");
    }
    let link = comparison.unequal.iter().find(|one| one.section == Section::Links);
    let changes: Vec<_> =
        link.expect("differs").differences.iter().map(|d| d.to_string()).collect();
    assert_eq!(changes, ["mtu_bytes 1500 -> 1400"]);
    // The IPv6 setting follows the MTU; nothing else moved.
    assert_eq!(found.len(), 5, "{found:?}");
    drop(server);
}

#[test]
fn two_namespaces_of_one_kind_differ_in_what_somebody_made_different() {
    let Some(lab) = require(Lab::new()) else { return };
    let bridge = lab.bridge("host", &["web", "db"]).expect("a bridge");
    let (web, db) = (bridge.container("web"), bridge.container("db"));
    // The other end's number, the MAC addresses and the numbers of interfaces differ, and must.
    db.sh("ip link add spare type veth peer name spare2; ip link del spare");
    let comparison = snapshot(web).compare(&snapshot(db));
    let found = lines(&comparison);
    let own = [web, db].map(|node| [node.v4().to_string(), node.v6().to_string()]).concat();
    let mentions = |text: &str| own.iter().any(|addr| text.contains(addr));
    let foreign: Vec<_> = comparison
        .unequal
        .iter()
        .filter(|one| !mentions(&one.what))
        .filter(|one| !one.differences.iter().all(|d| mentions(&d.from) && mentions(&d.to)))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(found.contains(&format!("addrs - {}/24 dev eth0", web.v4())), "{found:?}");
    assert!(found.contains(&format!("addrs + {}/24 dev eth0", db.v4())), "{found:?}");
}

#[test]
fn a_snapshot_survives_a_file_and_what_it_lacks_is_a_gap() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    let text = serde_json::to_string(&snapshot(&node)).expect("serialises");
    let before: Snapshot = serde_json::from_str(&text).expect("reads");
    assert_eq!(lines(&before.compare(&snapshot(&node))), Vec::<String>::new());
    let less = inventory(&node).snapshot(Sections::LINKS, &budget()).expect("a snapshot");
    let comparison = before.compare(&less);
    assert_eq!(comparison.compared, [Section::Links]);
    assert!(comparison.gaps.iter().any(|gap| gap.what == "routes"), "{comparison:?}");
}

#[test]
fn settings_have_the_names_and_values_sysctl_has() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    node.sh("ip link add v.5 type veth peer name v1");
    let mut inventory = inventory(&node);
    let ours = inventory.settings("net.ipv4", &budget()).expect("reads");
    let theirs = node.sh("sysctl -a --pattern '^net\\.ipv4\\.' 2>/dev/null");
    let mut compared = 0;
    for line in theirs.lines() {
        let Some((name, value)) = line.split_once(" = ") else { continue };
        let setting = ours.iter().find(|setting| setting.name == *name);
        let setting = setting.unwrap_or_else(|| panic!("{name} is missing"));
        let read =
            setting.value.as_ref().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        // Counters and the like move on; values of several lines are one line each there.
        if let Some(read) = read.filter(|read| !read.contains('\n')) {
            assert_eq!(read, value, "{name}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
    let one = inventory.settings("net.ipv4.conf.v/5.rp_filter", &budget()).expect("reads");
    assert_eq!(one.len(), 1);
    let nothing = inventory.settings("net.ipv4.nosuch", &budget());
    assert!(matches!(nothing, Err(Error::NotFound(_))), "{nothing:?}");
}
