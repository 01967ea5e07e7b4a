//! The tables as last heard of, and what a message changes in them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use super::event::{Change, Row};
use crate::base::{Family, Prefix};
use crate::inventory::{
    CtEntry, CtProtocol, CtTuple, Difference, NeighFlags, Route, RouteTable, Rule,
};

/// What rows of one table are found by.
///
/// Several routes may share a key: those that differ in their gateways only.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Link(u32),
    Addr(u32, IpAddr, u8, Option<IpAddr>),
    Route(Family, RouteTable, Prefix, Option<Prefix>, u8, Option<u32>),
    Rule(Digest),
    Neigh(u32, IpAddr, bool),
    Ct(Option<u32>, Option<u16>, CtProtocol, CtTuple),
    Nsid(Option<i32>),
}

/// Stands for a rule, all of which is its key.
#[derive(PartialEq, Eq, Hash)]
struct Digest(u64);

impl Digest {
    fn of(rule: &Rule) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        rule.hash(&mut hasher);
        Self(hasher.finish())
    }
}

fn key(row: &Row) -> Key {
    match row {
        Row::Link(link) => Key::Link(link.ifindex),
        Row::Addr(addr) => Key::Addr(addr.ifindex, addr.local, addr.prefix_bits, addr.peer),
        Row::Route(route) => {
            let metric = route.metric.filter(|metric| *metric != 0);
            Key::Route(route.family, route.table, route.dst, route.src, route.tos, metric)
        }
        Row::Rule(rule) => Key::Rule(Digest::of(rule)),
        Row::Neigh(neigh) => {
            Key::Neigh(neigh.ifindex, neigh.dst, neigh.flags.contains(NeighFlags::PROXY))
        }
        Row::Ct(entry) => {
            let (id, zone, protocol, tuple) = entry.identity();
            Key::Ct(id, zone, protocol, tuple)
        }
        Row::Ns(namespace) => Key::Nsid(namespace.nsid),
    }
}

/// One table as last heard of.
#[derive(Default)]
pub(super) struct Known {
    rows: HashMap<Key, Vec<Row>>,
    count: usize,
}

/// What a message, or a new reading, came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) change: Change,
    pub(super) differences: Vec<Difference>,
    pub(super) row: Row,
}

impl Known {
    pub(super) fn of(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut known = Self::default();
        rows.into_iter().for_each(|row| known.put(row));
        known
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().flatten()
    }

    fn put(&mut self, row: Row) {
        self.rows.entry(key(&row)).or_default().push(row);
        self.count += 1;
    }

    /// Takes in a row that is there; with `replaces` in the place of another one.
    pub(super) fn arrive(&mut self, row: Row, replaces: bool) -> Applied {
        let rows = self.rows.entry(key(&row)).or_default();
        let place = rows.iter().position(|known| same(known, &row));
        let place = place.or((replaces && !rows.is_empty()).then_some(0));
        let Some(known) = place.and_then(|at| rows.get_mut(at)) else {
            rows.push(row.clone());
            self.count += 1;
            return Applied { change: Change::Added, differences: Vec::new(), row };
        };
        let row = completed(known, row);
        let differences = differences(known, &row);
        *known = row.clone();
        let change = if differences.is_empty() { Change::Repeated } else { Change::Changed };
        Applied { change, differences, row }
    }

    /// Takes out a row that is gone.
    pub(super) fn leave(&mut self, row: Row) -> Applied {
        let key = key(&row);
        if let Some(rows) = self.rows.get_mut(&key)
            && let Some(place) = rows.iter().position(|known| same(known, &row))
        {
            let partly = match (rows.get_mut(place), &row) {
                (Some(Row::Route(known)), Row::Route(gone)) => take_hop(known, gone),
                _ => false,
            };
            if !partly {
                rows.swap_remove(place);
                self.count -= 1;
            }
            if rows.is_empty() {
                self.rows.remove(&key);
            }
        }
        Applied { change: Change::Removed, differences: Vec::new(), row }
    }

    /// Replaces all by a new reading and tells what is different.
    pub(super) fn replace(&mut self, rows: impl IntoIterator<Item = Row>) -> Vec<Applied> {
        let mut before = std::mem::take(self);
        let mut found = Vec::new();
        for row in rows {
            let olds = before.rows.get_mut(&key(&row));
            let old = olds.and_then(|olds| {
                let place = olds.iter().position(|old| same(old, &row))?;
                Some(olds.swap_remove(place))
            });
            let differences = old.as_ref().map(|old| differences(old, &row));
            let change = match &differences {
                None => Some(Change::Added),
                Some(list) => (!list.is_empty()).then_some(Change::Changed),
            };
            if let Some(change) = change {
                let differences = differences.unwrap_or_default();
                found.push(Applied { change, differences, row: row.clone() });
            }
            self.put(row);
        }
        let gone = before.rows.into_values().flatten();
        let removed = |row| Applied { change: Change::Removed, differences: Vec::new(), row };
        found.extend(gone.map(removed));
        found
    }
}

/// Tells whether two rows with equal keys are the same one.
fn same(known: &Row, row: &Row) -> bool {
    match (known, row) {
        (Row::Route(known), Row::Route(row)) => same_route(known, row),
        (Row::Rule(known), Row::Rule(row)) => known == row,
        _ => true,
    }
}

fn same_route(known: &Route, row: &Route) -> bool {
    let hops = |route: &Route| -> Vec<_> {
        let many = route.nexthops.iter().map(|hop| (hop.gateway, hop.oif_ifindex));
        match route.nexthops.is_empty() {
            true => vec![(route.gateway, route.oif_ifindex)],
            false => many.collect(),
        }
    };
    let (known_hops, row_hops) = (hops(known), hops(row));
    match known.family {
        // A multipath route gains and loses paths one by one (net/ipv6/route.c).
        Family::V6 => known_hops.iter().any(|hop| row_hops.contains(hop)),
        Family::V4 => {
            known_hops == row_hops
                && known.kind == row.kind
                && known.prefsrc == row.prefsrc
                && known.protocol == row.protocol
                && known.nexthop_id == row.nexthop_id
        }
    }
}

/// Takes one path out of an IPv6 route that has several; `false` when nothing would be left.
fn take_hop(known: &mut Route, gone: &Route) -> bool {
    if known.nexthops.is_empty() || !gone.nexthops.is_empty() {
        return false;
    }
    known.nexthops.retain(|hop| (hop.gateway, hop.oif_ifindex) != (gone.gateway, gone.oif_ifindex));
    if let [last] = known.nexthops.as_slice() {
        (known.gateway, known.oif_ifindex, known.flags) =
            (last.gateway, last.oif_ifindex, last.flags);
        known.nexthops.clear();
        return true;
    }
    !known.nexthops.is_empty()
}

/// Events about connections tell what changed; the rest stays as it was.
fn completed(known: &Row, row: Row) -> Row {
    let (Row::Ct(known), Row::Ct(mut now)) = (known, row.clone()) else {
        return row;
    };
    let CtEntry { tcp, sctp, dccp, mark, helper, secctx, master, .. } = (**known).clone();
    now.tcp = now.tcp.take().or(tcp);
    now.sctp = now.sctp.take().or(sctp);
    now.dccp = now.dccp.take().or(dccp);
    now.mark = now.mark.or(mark);
    now.helper = now.helper.take().or(helper);
    now.secctx = now.secctx.take().or(secctx);
    now.master = now.master.take().or(master);
    Row::Ct(now)
}

fn differences(known: &Row, row: &Row) -> Vec<Difference> {
    match (known, row) {
        (Row::Link(known), Row::Link(row)) => known.differences(row),
        (Row::Addr(known), Row::Addr(row)) => known.differences(row),
        (Row::Route(known), Row::Route(row)) => known.differences(row),
        (Row::Neigh(known), Row::Neigh(row)) => known.differences(row),
        (Row::Ct(known), Row::Ct(row)) => known.differences(row),
        _ => Vec::new(),
    }
}
