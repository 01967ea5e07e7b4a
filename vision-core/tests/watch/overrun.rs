use std::collections::BTreeSet;
use std::time::Duration;

use vision_core::inventory::Inventory;
use vision_core::watch::{Change, Happening, Learned, Row, RowEvent, Table, Watch};
use vision_core::{Budget, EventSource};

use crate::{events, lab, target};

/// Routes among events, added to or taken from a set.
fn follow(set: &mut BTreeSet<String>, row: &RowEvent) {
    let Row::Route(route) = &row.row else { return };
    let text = format!("{} {:?}", route.dst, route.metric);
    match row.change {
        Change::Removed => set.remove(&text),
        _ => set.insert(text),
    };
}

#[test]
fn after_an_overrun_the_difference_is_said_and_the_stream_lives() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    a.sh(&format!(
        "for i in $(seq 1 200); do echo route add 192.0.2.$i via {}; done | ip -batch -",
        b.v4()
    ));
    let watch = Watch::of(&[Table::Route]).buffer_bytes(4096);
    let mut watcher = watch.start(&target(&a)).expect("watches");
    let mut inventory = Inventory::open(&target(&a)).expect("opens");
    let budget = Budget::within(Duration::from_secs(20));
    let mut known = BTreeSet::new();
    for route in inventory.routes(&budget).expect("reads").items {
        known.insert(format!("{} {:?}", route.dst, route.metric));
    }
    // 500 come, 100 of the old ones go, and nobody reads meanwhile.
    a.sh(&format!(
        "(for i in $(seq 1 250); do echo route add 198.51.100.$i via {0}; \
          echo route add 203.0.113.$i via {0}; done
          for i in $(seq 1 100); do echo route del 192.0.2.$i; done) | ip -batch -",
        b.v4()
    ));
    let all = events(&mut watcher);
    let overruns: Vec<_> = all
        .iter()
        .filter_map(|event| match &event.what {
            Happening::Overrun(overrun) => Some(overrun),
            _ => None,
        })
        .collect();
    assert!(!overruns.is_empty(), "{} events and no overrun", all.len());
    assert!(overruns.iter().all(|o| o.gaps.is_empty() && o.tables == [Table::Route]));
    let (found, lost): (u64, u64) =
        overruns.iter().fold((0, 0), |(f, l), o| (f + o.found, l + o.lost.unwrap_or(0)));
    let rows: Vec<_> = all
        .iter()
        .filter_map(|event| match &event.what {
            Happening::Row(row) => Some(row),
            _ => None,
        })
        .collect();
    let resynced = rows.iter().filter(|row| row.learned == Learned::Resync).count() as u64;
    assert_eq!(found, resynced, "what an overrun announces comes");
    // Each change is told once or found once: nothing is missing and nothing comes twice.
    assert_eq!(rows.len(), 600, "{overruns:?}");
    assert_eq!(lost, found, "the kernel's own count of what it dropped");
    assert_eq!(watcher.lost(), lost);
    rows.iter().for_each(|row| follow(&mut known, row));
    let now: BTreeSet<_> = inventory
        .routes(&budget)
        .expect("reads")
        .items
        .iter()
        .map(|route| format!("{} {:?}", route.dst, route.metric))
        .collect();
    assert_eq!(known, now, "who follows the events knows the table");
    // And it goes on.
    a.sh("ip route del 198.51.100.7");
    let after = events(&mut watcher);
    assert_eq!(after.len(), 1, "{after:?}");
    let Happening::Row(row) = &after[0].what else { panic!("{after:?}") };
    assert_eq!((row.change, row.learned), (Change::Removed, Learned::Told));
}

#[test]
fn a_table_too_large_to_remember_is_watched_and_the_limit_is_said() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    let add = |from: u32, to: u32| {
        a.sh(&format!(
            "for i in $(seq {from} {to}); do echo route add 198.51.100.$i via {}; done | ip -batch -",
            b.v4()
        ))
    };
    add(1, 30);
    let watch = Watch::of(&[Table::Route]).remember(20).buffer_bytes(4096);
    let mut watcher = watch.start(&target(&a)).expect("watches");
    add(31, 200);
    let all = events(&mut watcher);
    let gaps = all.iter().find_map(|event| match &event.what {
        Happening::Overrun(overrun) => Some(overrun.gaps.clone()),
        _ => None,
    });
    let gaps = gaps.expect("an overrun");
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].to_string().contains("more than 20 rows"), "{gaps:?}");
    assert!(watcher.lost() > 0);
    a.sh("ip route del 198.51.100.7");
    assert_eq!(events(&mut watcher).len(), 1);
}
