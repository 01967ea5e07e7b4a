//! What iptables-nft leaves in nf_tables: Docker's rules and those of kube-proxy.

use std::collections::BTreeSet;

use vision_core::firewall::{Text, iptables};
use vision_lab::{Lab, Node, require};

use super::round_trip::ruleset;

const RULES: &str = include_str!("../data/nft/docker-and-kube-proxy.iptables");

pub fn containers(lab: &Lab) -> Option<Node> {
    let node = lab.node("node").expect("a node");
    if node.try_sh("iptables-nft --version").is_err() {
        let missing: Result<(), _> = Err("the tool `iptables-nft` is not in PATH");
        return vision_lab_skip(missing).map(|()| node);
    }
    node.sh(&format!("exec 2>/dev/null\n{RULES}"));
    Some(node)
}

fn vision_lab_skip(missing: Result<(), &str>) -> Option<()> {
    let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
    assert!(!forbidden, "may not be skipped: {missing:?}");
    eprintln!("SKIP: {missing:?}");
    None
}

#[test]
fn rules_of_docker_and_kube_proxy_are_nft_rules_of_the_same_meaning() {
    let Some(lab) = require(Lab::new()) else { return };
    let Some(node) = containers(&lab) else { return };
    let ruleset = ruleset(&node);
    let words = Text::new(&ruleset).whole();
    assert!(!words.contains("not in nft's words"), "{words}");
    for rule in [
        "fib daddr type local counter packets 0 bytes 0 jump DOCKER",
        "dnat to 172.17.0.2:80",
        "ct state related,established counter",
        "masquerade fully-random",
        "comment \"kubernetes service portals\"",
        "meta mark set meta mark | 0x4000",
        "th dport { 80, 443, 8000-8100 }",
        "meta random & 2147483647 < 1073741824",
        "reject with icmp type port-unreachable",
        "tcp option maxseg size set rt mtu",
    ] {
        let also = rule.replace("related,established", "established,related");
        assert!(words.contains(rule) || words.contains(&also), "{rule}\n{words}");
    }
    let place = format!("/tmp/vision-{}-iptables.nft", std::process::id());
    std::fs::write(&place, &words).expect("written");
    let loaded = lab.node("other").expect("a node").try_sh(&format!("nft -f {place}"));
    let _ = std::fs::remove_file(&place);
    loaded.unwrap_or_else(|error| panic!("{error}\n{words}"));
}

#[test]
fn the_lines_are_those_of_iptables_save() {
    let Some(lab) = require(Lab::new()) else { return };
    let Some(node) = containers(&lab) else { return };
    let ruleset = ruleset(&node);
    let text = Text::new(&ruleset);
    let ours: BTreeSet<_> = ruleset.rules.iter().map(|it| iptables::rule_line(&text, it)).collect();
    let theirs = node.sh("iptables-nft-save -c 2>/dev/null");
    let rules = theirs.lines().filter(|line| line.starts_with('['));
    let theirs: BTreeSet<_> = rules.map(str::to_owned).collect();
    assert!(theirs.len() > 30, "{theirs:?}");
    assert_eq!(ours, theirs);
    for table in &ruleset.tables {
        assert!(iptables::is_iptables(table), "{table:?}");
    }
}
