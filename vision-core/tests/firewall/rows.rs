//! Handles, counters, elements and comments against `nft -j`.

use serde_json::Value;
use vision_core::firewall::{Counter, Firewall};
use vision_lab::{Lab, Node, require};

use super::round_trip::{budget, ruleset, target};

const RULES: &str = "table inet t {
  comment \"the table\"
  counter named { packets 3 bytes 4 }
  set s { type ipv4_addr; timeout 1h; elements = { 10.0.0.1 timeout 2h } }
  chain c { type filter hook output priority -5; policy accept;
    udp dport 9 counter comment \"discard\"
    ip daddr { 10.0.0.1, 10.0.0.2 } drop
  }
  chain d { type filter hook input priority 0; policy drop; }
}";

fn node(lab: &Lab) -> Node {
    let node = lab.node("a").expect("a node");
    node.sh(&format!("nft '{RULES}'"));
    node
}

fn listed(node: &Node, kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(&node.sh("nft -j list ruleset")).expect("JSON");
    let all = all["nftables"].as_array().expect("a list").clone();
    all.into_iter().filter_map(|it| it.get(kind).cloned()).collect()
}

#[test]
fn chains_and_rules_are_those_nft_lists() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = node(&lab);
    let ruleset = ruleset(&node);
    let theirs = listed(&node, "chain");
    assert_eq!(ruleset.chains.len(), theirs.len());
    for (ours, theirs) in ruleset.chains.iter().zip(&theirs) {
        let hook = ours.hook.as_ref().expect("a hook");
        assert_eq!(theirs["name"], ours.name.escaped().to_string());
        assert_eq!(theirs["handle"], ours.handle);
        assert_eq!(theirs["hook"], hook.name.as_str());
        assert_eq!(theirs["prio"], hook.priority);
        let policy = if ours.policy == Some(0) { "drop" } else { "accept" };
        assert_eq!(theirs["policy"], policy);
    }
    let theirs = listed(&node, "rule");
    assert_eq!(ruleset.rules.len(), theirs.len());
    for (ours, theirs) in ruleset.rules.iter().zip(&theirs) {
        assert_eq!(theirs["handle"], ours.handle);
        let comment = ours.comment.as_ref().map(|it| it.escaped().to_string());
        assert_eq!(theirs.get("comment").and_then(Value::as_str), comment.as_deref());
    }
}

#[test]
fn counters_move_with_the_packets() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = node(&lab);
    let count = |node: &Node| ruleset(node).rules.iter().find_map(|it| it.counter());
    let before = count(&node).expect("a counter");
    assert_eq!(before, Counter::default());
    node.enter(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.send_to(b"hello", "127.0.0.1:9").expect("sent");
    });
    let after = count(&node).expect("a counter");
    // A header of 20 bytes, one of 8, and five bytes.
    assert_eq!((after.packets, after.bytes), (1, 33));
    let named = ruleset(&node).objects.iter().find_map(|it| it.counter()).expect("a counter");
    assert_eq!((named.packets, named.bytes), (3, 4));
}

#[test]
fn elements_have_their_times() {
    let Some(lab) = require(Lab::new()) else { return };
    let ruleset = ruleset(&node(&lab));
    let set = ruleset.sets.iter().find(|it| it.set.name == *"s").expect("the set");
    assert_eq!(set.set.timeout_ms, Some(3_600_000));
    let [element] = set.elements.as_slice() else { panic!("{set:?}") };
    assert_eq!(element.key.as_deref(), Some(&[10, 0, 0, 1][..]));
    assert_eq!(element.timeout_ms, Some(7_200_000));
    assert!(element.expires_ms.is_some_and(|left| left > 7_100_000 && left <= 7_200_000));
}

#[test]
fn the_generation_moves_with_each_change_only() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = node(&lab);
    let mut firewall = Firewall::open(&target(&node)).expect("a socket");
    let before = firewall.generation(&budget()).expect("a number");
    assert_eq!(firewall.generation(&budget()).expect("a number"), before);
    node.sh("nft add rule inet t d accept");
    assert_eq!(firewall.generation(&budget()).expect("a number"), before + 1);
}
