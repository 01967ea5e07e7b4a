//! All watched tables as last heard of, and how they are read again.

use std::collections::{BTreeMap, VecDeque};

use super::event::{Change, Learned, Namespace, Row, RowEvent, Table};
use super::known::{Applied, Known};
use crate::base::{Budget, Error, Family, Gap, Result, Untrusted};
use crate::inventory::{CtFilter, Inventory, NeighSelect};
use crate::netns::{self, Netns, NetnsId};

/// What is remembered of the tables.
pub(super) struct State {
    inventory: Inventory,
    family: Option<Family>,
    remember: usize,
    tables: BTreeMap<Table, Known>,
    names: Names,
}

impl State {
    pub(super) fn new(inventory: Inventory, family: Option<Family>, remember: usize) -> Self {
        let (tables, names) = (BTreeMap::new(), Names::default());
        Self { inventory, family, remember, tables, names }
    }

    /// Reads a table for the first time; one that is too large is not remembered.
    pub(super) fn learn(&mut self, table: Table, budget: &Budget) -> Result<()> {
        if let Some(rows) = self.read(table, budget)? {
            let known = Known::of(rows);
            self.names.learn(&known);
            self.tables.insert(table, known);
        }
        Ok(())
    }

    pub(super) fn name_of(&self, ifindex: u32) -> Option<&Untrusted> {
        self.names.get(ifindex)
    }

    /// Tells whether a row is of the IP version asked for, or of none.
    pub(super) fn wants(&self, row: &Row) -> bool {
        let of = match row {
            Row::Addr(addr) => Some(addr.family),
            Row::Route(route) => Some(route.family),
            Row::Rule(rule) => Some(rule.family),
            Row::Neigh(neigh) => Some(neigh.family),
            Row::Ct(entry) => Some(entry.family),
            Row::Link(_) | Row::Ns(_) => None,
        };
        of.is_none() || self.family.is_none() || of == self.family
    }

    /// Takes in a row that is there.
    pub(super) fn arrive(&mut self, row: Row, replaces: bool, created: bool) -> RowEvent {
        let table = row.table();
        let applied = match self.tables.get_mut(&table) {
            Some(known) => known.arrive(row, replaces),
            None => {
                let change = if created { Change::Added } else { Change::Changed };
                Applied { change, differences: Vec::new(), row }
            }
        };
        // A table that grew beyond what may be remembered is forgotten.
        if self.tables.get(&table).is_some_and(|known| known.len() > self.remember) {
            self.tables.remove(&table);
        }
        if let Row::Link(link) = &applied.row {
            self.names.set(link.ifindex, link.name.clone());
        }
        self.event(applied, Learned::Told)
    }

    /// Takes out a row that is gone.
    pub(super) fn leave(&mut self, row: Row, moved: bool) -> RowEvent {
        let mut applied = match self.tables.get_mut(&row.table()) {
            Some(known) => known.leave(row),
            None => Applied { change: Change::Removed, differences: Vec::new(), row },
        };
        if moved {
            applied.change = Change::Moved;
        }
        if let Row::Link(link) = &applied.row {
            self.names.retire(link.ifindex);
        }
        self.event(applied, Learned::Told)
    }

    /// Reads a table again and returns what is different; `None` when it is too large to compare.
    pub(super) fn again(
        &mut self,
        table: Table,
        learned: Learned,
        budget: &Budget,
    ) -> Result<Option<Vec<RowEvent>>> {
        if !self.tables.contains_key(&table) {
            return Ok(None);
        }
        let Some(rows) = self.read(table, budget)? else {
            self.tables.remove(&table);
            return Ok(None);
        };
        let Some(known) = self.tables.get_mut(&table) else { return Ok(None) };
        let found = known.replace(rows);
        for applied in &found {
            match (&applied.row, applied.change) {
                (Row::Link(link), Change::Removed) => self.names.retire(link.ifindex),
                (Row::Link(link), _) => self.names.set(link.ifindex, link.name.clone()),
                _ => {}
            }
        }
        Ok(Some(found.into_iter().map(|applied| self.event(applied, learned)).collect()))
    }

    /// Returns why a table cannot be compared.
    pub(super) fn too_large(&self, table: Table) -> Gap {
        Gap::new(table.name(), format!("it has more than {} rows", self.remember))
    }

    fn event(&self, applied: Applied, learned: Learned) -> RowEvent {
        let Applied { change, differences, row } = applied;
        let dev = row.ifindex().and_then(|index| self.names.get(index)).cloned();
        RowEvent { change, learned, dev, differences, row }
    }

    /// Reads a table; `None` when it has more rows than may be remembered.
    fn read(&mut self, table: Table, budget: &Budget) -> Result<Option<Vec<Row>>> {
        let inventory = &mut self.inventory;
        let mut kept = Kept { family: self.family, limit: self.remember, rows: Vec::new(), all: 0 };
        match table {
            Table::Link => {
                let links = inventory.links(budget)?.items;
                links.into_iter().for_each(|link| kept.take(None, || Row::Link(Box::new(link))));
            }
            Table::Addr => {
                for addr in inventory.addrs(budget)?.items {
                    kept.take(Some(addr.family), || Row::Addr(Box::new(addr)));
                }
            }
            Table::Route => {
                inventory.routes_each(budget, |route| {
                    kept.take(Some(route.family), || Row::Route(Box::new(route)));
                })?;
            }
            Table::Rule => {
                for rule in inventory.rules(budget)?.items {
                    kept.take(Some(rule.family), || Row::Rule(Box::new(rule)));
                }
            }
            Table::Neigh => {
                inventory.neighbours_each(NeighSelect::All, budget, |neigh| {
                    kept.take(Some(neigh.family), || Row::Neigh(Box::new(neigh)));
                })?;
            }
            Table::Ct => {
                if inventory.conntrack_count(budget)?.count as usize > self.remember {
                    return Ok(None);
                }
                inventory.conntrack_each(&CtFilter::default(), budget, |entry| {
                    kept.take(Some(entry.family), || Row::Ct(Box::new(entry)));
                })?;
            }
            Table::Ns => {
                for nsid in inventory.nsids(budget)? {
                    let namespace = Namespace { nsid: Some(nsid), ..Namespace::default() };
                    kept.take(None, || Row::Ns(namespace));
                }
            }
        }
        Ok((kept.all <= self.remember).then_some(kept.rows))
    }

    /// Finds out which namespace a number stands for.
    pub(super) fn identify(&mut self, nsid: i32, budget: &Budget) -> Namespace {
        let unknown = Namespace { nsid: Some(nsid), ..Namespace::default() };
        let Ok(listing) = netns::list(budget) else { return unknown };
        for info in listing.namespaces {
            let by_pid = info.lowest_pid.map(|pid| format!("/proc/{pid}/ns/net"));
            let by_name = info.names.first().map(|name| format!("/run/netns/{name}"));
            let Some(path) = by_pid.or(by_name) else { continue };
            let found: Result<(NetnsId, Option<i32>), Error> = Netns::from_path(path)
                .and_then(|other| Ok((other.id(), self.inventory.nsid_of(&other, budget)?)));
            if let Ok((id, Some(number))) = found
                && number == nsid
                && id == info.id
            {
                let name = info.called().map(|name| Untrusted::from(name.as_bytes()));
                return Namespace { nsid: Some(nsid), name, id: Some(id) };
            }
        }
        unknown
    }
}

/// Rows as they are read, no more than may be remembered.
struct Kept {
    family: Option<Family>,
    limit: usize,
    rows: Vec<Row>,
    all: usize,
}

impl Kept {
    fn take(&mut self, family: Option<Family>, row: impl FnOnce() -> Row) {
        if family.is_some() && self.family.is_some() && family != self.family {
            return;
        }
        self.all += 1;
        if self.all <= self.limit {
            self.rows.push(row());
        }
    }
}

/// The names of interfaces, those that went a while ago included.
#[derive(Default)]
struct Names {
    names: BTreeMap<u32, Untrusted>,
    gone: VecDeque<u32>,
}

impl Names {
    fn learn(&mut self, known: &Known) {
        for row in known.iter() {
            if let Row::Link(link) = row {
                self.set(link.ifindex, link.name.clone());
            }
        }
    }

    fn get(&self, ifindex: u32) -> Option<&Untrusted> {
        self.names.get(&ifindex)
    }

    fn set(&mut self, ifindex: u32, name: Untrusted) {
        self.gone.retain(|gone| *gone != ifindex);
        self.names.insert(ifindex, name);
    }

    /// Keeps the name for the rows that follow their interface.
    fn retire(&mut self, ifindex: u32) {
        self.gone.push_back(ifindex);
        if self.gone.len() > GONE
            && let Some(oldest) = self.gone.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

/// Names that are kept behind their interfaces.
const GONE: usize = 256;
