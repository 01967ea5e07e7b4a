//! What is printed, nft reads back as the same ruleset.

use std::time::Duration;

use serde_json::Value;
use vision_core::firewall::{Firewall, Ruleset, Text};
use vision_core::inventory::{Consistency, Inventory};
use vision_core::{Budget, Selector, Target};
use vision_lab::{Lab, Node, require};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nft");

pub fn target(node: &Node) -> Target {
    let selector = format!("path:{}", node.path().display()).parse::<Selector>();
    Target::resolve(&selector.expect("a selector"), &budget()).expect("a target")
}

pub fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

pub fn ruleset(node: &Node) -> Ruleset {
    Firewall::open(&target(node)).expect("a socket").ruleset(&budget()).expect("a ruleset")
}

fn words(node: &Node) -> String {
    let ruleset = ruleset(node);
    assert_eq!(ruleset.consistent, Consistency::Yes);
    assert_eq!(ruleset.unreadable, 0);
    let mut inventory = Inventory::open(&target(node)).expect("an inventory");
    let links = inventory.links(&budget()).expect("links").items;
    let names = links.into_iter().map(|link| (link.ifindex, link.name));
    Text::new(&ruleset).interfaces(names).whole()
}

/// Sorts what nft lists in the order of hashes, and drops what differs between two namespaces.
fn settled(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for key in ["handle", "expires", "metainfo"] {
                map.remove(key);
            }
            map.values_mut().for_each(settled);
            for key in ["elem", "set"] {
                if let Some(Value::Array(list)) = map.get_mut(key) {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(settled),
        _ => {}
    }
}

fn listed(node: &Node) -> (Value, Vec<String>) {
    let mut json = serde_json::from_str(&node.sh("nft -j list ruleset 2>/dev/null")).expect("JSON");
    settled(&mut json);
    // JSON leaves some out: flags of sets, types by expression.
    let text = node.sh("nft -s list ruleset | sed 's/ expires [0-9a-z]*//g'");
    (json, text.lines().map(str::to_owned).collect())
}

fn survives(file: &str) {
    let Some(lab) = require(Lab::new()) else { return };
    let (a, b) = (lab.node("a").expect("a node"), lab.node("b").expect("a node"));
    a.sh(&format!("nft -f {CORPUS}/{file}"));
    let words = words(&a);
    assert!(!words.contains("not in nft's words"), "{words}");
    let place = format!("/tmp/vision-{}-{file}", std::process::id());
    std::fs::write(&place, &words).expect("written");
    let loaded = b.try_sh(&format!("nft -f {place}"));
    let _ = std::fs::remove_file(&place);
    loaded.unwrap_or_else(|error| panic!("{error}\n{words}"));
    let ((json_a, text_a), (json_b, text_b)) = (listed(&a), listed(&b));
    assert!(text_a.len() > 10, "{text_a:?}");
    assert_eq!(text_a, text_b);
    assert_eq!(json_a, json_b);
}

#[test]
fn every_match_survives() {
    survives("matches.nft");
}

#[test]
fn every_statement_survives() {
    survives("statements.nft");
}

#[test]
fn every_translation_survives() {
    survives("nat.nft");
}

#[test]
fn every_kind_of_set_survives() {
    survives("sets.nft");
}

#[test]
fn every_typed_set_survives() {
    survives("typeof.nft");
}

#[test]
fn every_family_survives() {
    survives("link.nft");
}
