//! Legacy iptables against iptables-legacy-save, line by line.

use vision_core::firewall::FwFamily;
use vision_core::firewall::legacy::{Legacy, LegacyTable, LegacyTarget};
use vision_lab::{Lab, Node, require};

use super::round_trip::{budget, target};

const RULES: &str = include_str!("../data/legacy/rules.iptables");

fn tables(node: &Node) -> Vec<LegacyTable> {
    Legacy::open(&target(node)).expect("a namespace").tables(&budget()).expect("tables")
}

fn has_tool(node: &Node) -> bool {
    if node.try_sh("iptables-legacy --version && ipset --version").is_ok() {
        return true;
    }
    let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
    assert!(!forbidden, "may not be skipped: no iptables-legacy or no ipset in PATH");
    eprintln!("SKIP: no iptables-legacy or no ipset in PATH");
    false
}

/// Makes the rules this kernel knows; returns how many.
fn filled(node: &Node) -> usize {
    node.sh("ipset create hosts hash:ip && ipset create ports hash:ip,port");
    let legacy = |line: &str| line.replacen("tables ", "tables-legacy ", 1);
    let taken = |line: &&str| {
        let taken = node.try_sh(&legacy(line));
        if let Err(error) = &taken {
            eprintln!("not taken: {line}: {error}");
        }
        taken.is_ok()
    };
    RULES.lines().filter(taken).count()
}

fn saved(node: &Node, program: &str) -> Vec<String> {
    let text = node.sh(&format!("{program}-legacy-save -c"));
    text.lines().filter(|it| !it.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn the_lines_are_those_of_iptables_save() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("old").expect("a node");
    if !has_tool(&node) {
        return;
    }
    let taken = filled(&node);
    assert!(taken > 140, "only {taken} rules were taken");
    node.sh("ping -c2 -W1 127.0.0.1 || true");
    let tables = tables(&node);
    let mut compared = 0;
    for (family, program) in [(FwFamily::Ip, "iptables"), (FwFamily::Ip6, "ip6tables")] {
        let of_family = tables.iter().filter(|table| table.family == family);
        let ours: Vec<_> = of_family.map(LegacyTable::save).collect();
        let ours: Vec<_> = ours.iter().flat_map(|it| it.lines()).collect();
        let theirs = saved(&node, program);
        let mut blocks = ours.clone();
        blocks.sort_unstable();
        let mut wanted: Vec<_> = theirs.iter().map(String::as_str).collect();
        wanted.sort_unstable();
        let missing: Vec<_> = theirs.iter().filter(|it| !ours.contains(&it.as_str())).collect();
        let extra: Vec<_> = ours.iter().filter(|it| !wanted.contains(it)).collect();
        // The one extension of the corpus that is not known here.
        let unknown = |line: &&&str| !line.contains(" -j AUDIT [revision 0 0x");
        assert!(missing.iter().all(|it| it.contains("AUDIT")), "{missing:#?}\n{extra:#?}");
        assert!(!extra.iter().any(unknown), "{missing:#?}\n{extra:#?}");
        assert_eq!(blocks.len(), wanted.len());
        // Within a table, the order is theirs as well.
        for table in tables.iter().filter(|table| table.family == family) {
            let text = table.save();
            let known = |line: &&str| !line.contains("AUDIT");
            let ours: Vec<_> = text.lines().filter(known).collect();
            let head = format!("*{}", table.name.escaped());
            let theirs = theirs.iter().map(String::as_str).skip_while(|it| *it != head);
            let theirs: Vec<_> = theirs.filter(known).take(ours.len()).collect();
            assert_eq!(ours, theirs);
            compared += ours.len();
            assert_eq!(table.unreadable, 0);
            assert!(table.is_in_use());
        }
    }
    assert!(compared > 170, "{compared}");
}

#[test]
fn reading_makes_no_table() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("bare").expect("a node");
    let names = "cat /proc/thread-self/net/ip_tables_names /proc/thread-self/net/ip6_tables_names";
    assert_eq!(node.sh(names).trim(), "");
    assert!(tables(&node).is_empty());
    assert_eq!(node.sh(names).trim(), "");
    if !has_tool(&node) {
        return;
    }
    node.sh("iptables-legacy -t nat -L");
    let [nat] = &*tables(&node) else { panic!("more than one table") };
    assert!(!nat.is_in_use(), "{nat:?}");
    assert_eq!(nat.chains.len(), 4);
}

#[test]
fn many_rules_come_whole() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("much").expect("a node");
    if !has_tool(&node) {
        return;
    }
    node.sh("(echo '*filter'; for a in $(seq 0 3); do echo \":C$a - [0:0]\"; done; \
         for a in $(seq 0 3); do for b in $(seq 0 249); do for c in 1 2 3 4 5; do \
         echo \"-A C$a -s 10.$a.$b.$c -p tcp -m tcp --dport $c -j DROP\"; done; done; done; \
         echo COMMIT) | iptables-legacy-restore");
    let [filter] = &*tables(&node) else { panic!("more than one table") };
    let user = filter.chains.iter().filter(|chain| chain.policy.is_none());
    let rules: Vec<_> = user.map(|chain| chain.rules.len()).collect();
    assert_eq!(rules, [1250; 4]);
    let last = filter.chains.last().and_then(|chain| chain.rules.last()).expect("a rule");
    assert!(matches!(last.target, Some(LegacyTarget::Verdict(_))));
    assert_eq!(
        last.source.as_ref().map(|it| it.value.to_string()).as_deref(),
        Some("10.3.249.5/32")
    );
}
