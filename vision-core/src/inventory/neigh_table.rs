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
}
