//! Changes of namespaces made for each test, beside `ip monitor` and `conntrack -E`.

mod drops;
mod overrun;
mod peer;
mod tables;

use std::time::Duration;

use vision_core::watch::{Change, Event, Happening, RowEvent, Table, Watch, Watcher};
use vision_core::{Budget, Error, EventSource, Netns, Target};
use vision_lab::{Lab, Node, require};

fn lab() -> Option<Lab> {
    require(Lab::new())
}

fn target(node: &Node) -> Target {
    Target::of(Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace"))
}

fn watch(node: &Node, tables: &[Table]) -> Watcher {
    Watch::of(tables).start(&target(node)).expect("watches")
}

/// Everything that happened, until there has been nothing for a while.
fn events(watcher: &mut Watcher) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match watcher.recv(&Budget::within(Duration::from_millis(400))) {
            Ok(Some(event)) => events.push(event),
            Ok(None) | Err(Error::Elapsed) => return events,
            Err(e) => panic!("{e}"),
        }
    }
}

/// The rows among it.
fn rows(watcher: &mut Watcher) -> Vec<RowEvent> {
    let rows = events(watcher).into_iter().filter_map(|event| match event.what {
        Happening::Row(row) => Some(row),
        _ => None,
    });
    rows.collect()
}

/// `table change dev`, which is what most tests are about.
fn told(rows: &[RowEvent]) -> Vec<String> {
    let shown = rows.iter().filter(|row| row.change != Change::Repeated).map(|row| {
        let dev = row.dev.as_ref().map(|dev| format!(" {}", dev.escaped())).unwrap_or_default();
        format!("{} {}{dev}", row.row.table(), row.change)
    });
    shown.collect()
}
