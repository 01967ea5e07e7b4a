//! What changes in a namespace, as a stream: links, addresses, routes, rules, neighbours, tracked
//! connections and namespaces, each event with its time and the name of its interface.
//!
//! The kernel drops events that nobody reads in time. Then the tables are read again, and what is
//! different is said: the stream lives on and no change is missed for good.
//!
//! ```no_run
//! use vision_core::watch::{Happening, Table, Watch};
//! use vision_core::{Budget, EventSource, Selector, Target};
//!
//! let budget = Budget::unbounded();
//! let target = Target::resolve(&Selector::Pid(4711), &budget)?;
//! let mut watcher = Watch::of(&[Table::Link, Table::Route]).start(&target)?;
//! for event in watcher.events(&budget) {
//!     if let Happening::Row(row) = event?.what {
//!         println!("{} {}", row.row.table(), row.change);
//!     }
//! }
//! # Ok::<(), vision_core::Error>(())
//! ```
#![deny(clippy::indexing_slicing)]

mod drops;
mod event;
mod known;
mod message;
mod names;
mod state;
mod watcher;

pub use drops::{
    AllDrops, DropGroup, DropTally, DropWatcher, DroppedPacket, Drops, IgnoredDrops, Location,
    Meaning, drop_meaning,
};
pub use event::{Change, Event, Happening, Learned, Namespace, Overrun, Row, RowEvent, Table};
pub use watcher::Watcher;

use std::collections::BTreeSet;

use crate::base::{Error, Family, Result};
use crate::netns::Target;

/// Asks for the changes of some tables; a request is its own builder.
#[derive(Debug, Clone)]
pub struct Watch {
    tables: BTreeSet<Table>,
    family: Option<Family>,
    buffer_bytes: u32,
    remember: usize,
}

impl Watch {
    /// Asks for the changes of these tables.
    pub fn of(tables: &[Table]) -> Self {
        let tables = tables.iter().copied().collect();
        Self { tables, family: None, buffer_bytes: BUFFER, remember: REMEMBER }
    }

    /// Leaves out addresses, routes, rules, neighbours and connections of the other IP version.
    pub fn family(self, family: Family) -> Self {
        Self { family: Some(family), ..self }
    }

    /// Lets the kernel keep so many bytes of events that were not read yet, for each of its two
    /// sockets; 4 MiB by default. More than `net.core.rmem_max` needs `CAP_NET_ADMIN`.
    pub fn buffer_bytes(self, bytes: u32) -> Self {
        Self { buffer_bytes: bytes, ..self }
    }

    /// Remembers so many rows of a table, 262 144 by default. Of a larger one it is not known what
    /// changed in a row, and after an overrun not what is different; both are said.
    pub fn remember(self, rows: usize) -> Self {
        Self { remember: rows, ..self }
    }

    /// Starts listening, then reads the tables; what happens from now on is not missed.
    ///
    /// Watching connections needs `CAP_NET_ADMIN` over the namespace, the rest nothing beyond
    /// entering it. Addresses, routes and neighbours are named by their interfaces, so the links
    /// are read in any case.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a table, those of [`Target::open`], [`Error::Permission`],
    /// [`Error::Unsupported`] when the kernel tracks no connections.
    pub fn start(&self, target: &Target) -> Result<Watcher> {
        if self.tables.is_empty() {
            return Err(Error::invalid("tables", "none to watch"));
        }
        Watcher::start(self, target)
    }
}

const BUFFER: u32 = 4 << 20;
const REMEMBER: usize = 1 << 18;
