//! Tables that change while they are read: what stays is there, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use vision_core::inventory::{Consistency, Dump, Inventory};
use vision_core::{Budget, Result};
use vision_lab::{Lab, Node, require};

use super::target_of;

fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

/// What was seen in many readings.
#[derive(Debug, Default)]
struct Tally {
    readings: u32,
    flagged: u32,
    doubles: usize,
    /// Rows that were missing though nothing was said about a change.
    silent_gaps: usize,
    /// Rows that were missing from a reading that was said to be doubtful.
    flagged_gaps: usize,
    /// How often the change was made meanwhile.
    changes: u32,
}

/// Reads over and over while `change` runs in a loop; `name` gives those rows a name that stay.
fn read_under<T>(
    node: &Node,
    change: &str,
    stable: usize,
    read: impl Fn(&mut Inventory) -> Result<Dump<T>>,
    name: impl Fn(&T) -> Option<String>,
) -> Tally {
    let (done, changes) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut tally = Tally::default();
    let mut inventory = Inventory::open(&target_of(node)).expect("opened");
    let dumps: Vec<_> = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = node.try_sh(&format!("exec 2>/dev/null; {change}"));
                changes.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut dumps = Vec::new();
        // On a busy machine the change may be slow to begin.
        while dumps.len() < 60 || (changes.load(Ordering::Relaxed) < 3 && dumps.len() < 2000) {
            dumps.push(read(&mut inventory));
        }
        // Before anything can fail: the other threads would never end.
        done.store(true, Ordering::Relaxed);
        dumps
    });
    tally.changes = changes.into_inner();
    for dump in dumps {
        let dump = dump.expect("a dump");
        let mut seen: HashMap<String, usize> = HashMap::new();
        for name in dump.items.iter().filter_map(&name) {
            *seen.entry(name).or_default() += 1;
        }
        let missing = stable.saturating_sub(seen.len());
        tally.readings += 1;
        tally.flagged += u32::from(dump.consistent == Consistency::No);
        tally.doubles += seen.values().filter(|count| **count > 1).count();
        match dump.consistent {
            Consistency::No => tally.flagged_gaps += missing,
            _ => tally.silent_gaps += missing,
        }
        assert_eq!(dump.unreadable, 0);
    }
    tally
}

fn assert_true(what: &str, tally: &Tally) {
    println!("{what}: {tally:?}");
    assert_eq!((tally.doubles, tally.silent_gaps), (0, 0), "{what}: {tally:?}");
    assert!(tally.changes > 0, "{what}: {tally:?}");
}

/// Commands for `ip -batch`.
fn batch(node: &Node, count: u32, line: &str) {
    node.sh(&format!(
        "awk 'BEGIN {{ for (i = 0; i < {count}; i++) printf \"{line}\\n\", i / 256, i % 256 }}' \
         | ip -batch -"
    ));
}

#[test]
fn links_and_their_addresses() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    node.sh("for i in $(seq 1 120); do echo link add s$i type bridge; \
             echo addr add 10.5.$i.1/24 dev s$i; done | ip -batch -");
    let change = "for i in 1 2 3 4; do ip link add c$i type bridge; ip addr add 10.6.$i.1/24 dev c$i; \
                  done; for i in 1 2 3 4; do ip link del c$i; done";
    let links = read_under(
        &node,
        change,
        120,
        |inventory| inventory.links(&budget()),
        |link| Some(link.name.escaped().to_string()).filter(|name| name.starts_with('s')),
    );
    assert_true("links", &links);
    let addrs = read_under(
        &node,
        change,
        120,
        |inventory| inventory.addrs(&budget()),
        |addr| Some(addr.local.to_string()).filter(|local| local.starts_with("10.5.")),
    );
    assert_true("addresses", &addrs);
}

#[test]
fn rules() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    batch(&node, 2000, "rule add from 10.5.%d.%d table 100 pref 1000");
    // What comes before moves what comes after.
    let change = "for i in 1 2 3 4 5 6 7 8; do ip rule add from 10.6.0.$i table 100 pref 500; done; \
                  for i in 1 2 3 4 5 6 7 8; do ip rule del pref 500; done";
    let rules = read_under(
        &node,
        change,
        2000,
        |inventory| inventory.rules(&budget()),
        |rule| {
            let src = rule.src.map(|src| src.to_string());
            src.filter(|src| src.starts_with("10.5."))
        },
    );
    assert_true("rules", &rules);
}

#[test]
fn neighbours() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    node.sh("ip link add d0 type bridge; ip link set d0 up; ip addr add 10.5.0.1/16 dev d0");
    batch(&node, 900, "neigh add 10.5.%d.%d lladdr 02:00:00:00:00:01 dev d0 nud permanent");
    let change = "for i in 1 2 3 4 5 6 7 8; do \
                  echo neigh add 10.5.9.$i lladdr 02:00:00:00:00:02 dev d0 nud permanent; \
                  echo neigh del 10.5.9.$i dev d0; done | ip -batch -";
    let seen = read_under(
        &node,
        change,
        900,
        |inventory| inventory.neighbours(&budget()),
        |entry| {
            let dst = entry.dst.to_string();
            let stays = dst.starts_with("10.5.") && !dst.starts_with("10.5.9.");
            stays.then_some(dst)
        },
    );
    assert_true("neighbours", &seen);
}
