use super::Inventory;
use super::dump::Dump;
use super::row::Row;
use crate::base::{Budget, Family, Result};
use crate::netlink::header::Message;
use crate::netlink::rtnl::neigh_table;

/// The fill of a neighbour table, which all namespaces of the machine share.
#[doc(alias = "RTM_GETNEIGHTBL")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NeighTable {
    /// IP version.
    pub family: Family,
    /// Entries of all namespaces, also those that the limit does not count: permanent ones and
    /// such of links without resolution.
    pub entries: u32,
    /// Counted entries there may be (`gc_thresh3`).
    pub limit: u32,
    /// How often an entry was refused for want of room, since boot.
    pub overflows: u64,
}

/// How much may wait on a link for the address of one neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NeighQueue {
    /// IP version.
    pub family: Family,
    /// The link.
    pub ifindex: u32,
    /// Bytes, the kernel's own for each packet among them (`unres_qlen_bytes`); one packet always may.
    pub limit_bytes: u32,
}

pub(super) fn read_queue(message: &Message<'_>, (): ()) -> Row<NeighQueue> {
    let Some(table) = neigh_table::decode(message) else { return Row::Unreadable };
    let parts = Family::from_raw(table.family).zip(table.ifindex).zip(table.queue_bytes);
    let Some(((family, ifindex), limit_bytes)) = parts else { return Row::Other };
    Row::Item(NeighQueue { family, ifindex, limit_bytes })
}

pub(super) fn read(message: &Message<'_>, (): ()) -> Row<NeighTable> {
    let Some(table) = neigh_table::decode(message) else { return Row::Unreadable };
    let family = Family::from_raw(table.family);
    let parts = family.zip(table.entries).zip(table.limit).zip(table.table_fulls);
    // Of devices only the settings are told.
    let Some((((family, entries), limit), overflows)) = parts else { return Row::Other };
    Row::Item(NeighTable { family, entries, limit, overflows })
}

impl Inventory {
    /// Returns how full the machine's neighbour tables are, one of each IP version.
    ///
    /// The numbers are those of the whole machine, whatever namespace asks; no privilege is needed.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn neighbour_tables(&mut self, budget: &Budget) -> Result<Dump<NeighTable>> {
        self.reader.list(&super::neighbour_tables_plan(), budget)
    }

    /// Returns how much may wait for a neighbour's address, one row for each link and IP version.
    ///
    /// No privilege is needed.
    ///
    /// # Errors
    /// As [`Inventory::links`].
    pub fn neighbour_queues(&mut self, budget: &Budget) -> Result<Dump<NeighQueue>> {
        self.reader.list(&super::neighbour_queues_plan(), budget)
    }
}
