//! `vision qdisc`

use std::collections::BTreeSet;

use vision_core::Budget;
use vision_core::inventory::{Class, Consistency, Filter, Inventory, Qdisc, TcHandle};

use super::Ended;
use super::names::Names;
use crate::args::QdiscArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::diagnose;
use crate::output::human::qdisc::{DevRow, QdiscReport};

/// Lists disciplines with their classes and filters.
pub fn run(args: &QdiscArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.budget()?;
    let mut inventory = Inventory::open(&target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let wanted = args.iface.as_deref().or(context.global.interface.as_deref());
    let only = wanted.map(|name| names.index(name)).transpose()?;
    let qdiscs = inventory.qdiscs(&budget)?;
    let mut report = QdiscReport::new(qdiscs.consistent);
    let mut unreadable = qdiscs.unreadable;
    let devs: BTreeSet<u32> = qdiscs.items.iter().map(|qdisc| qdisc.ifindex).collect();
    for ifindex in devs.into_iter().filter(|dev| only.is_none_or(|only| only == *dev)) {
        let of_it = qdiscs.items.iter().filter(|q| q.ifindex == ifindex).cloned();
        let of_it: Vec<_> = of_it.collect();
        let mut depth = Depth { inventory: &mut inventory, budget: &budget, unreadable: 0 };
        let classes = depth.classes(ifindex, args.classes || args.filters, &mut report)?;
        let filters = match args.filters {
            true => depth.filters(ifindex, &of_it, &classes, &mut report)?,
            false => Vec::new(),
        };
        unreadable += depth.unreadable;
        let classes = if args.classes { classes } else { Vec::new() };
        report.devs.push(DevRow::new(ifindex, of_it, classes, filters, &names));
    }
    context.out.keep(&mut report.devs)?;
    context.out.report(&report)?;
    if unreadable > 0 {
        diagnose(&format!("{unreadable} rows could not be read"), None);
    }
    Ok(Outcome::Yes)
}

/// Reads what lies below disciplines.
struct Depth<'a> {
    inventory: &'a mut Inventory,
    budget: &'a Budget,
    unreadable: u64,
}

impl Depth<'_> {
    fn classes(
        &mut self,
        ifindex: u32,
        wanted: bool,
        report: &mut QdiscReport,
    ) -> vision_core::Result<Vec<Class>> {
        if !wanted {
            return Ok(Vec::new());
        }
        let dump = self.inventory.classes(ifindex, self.budget)?;
        self.unreadable += dump.unreadable;
        report.note(dump.consistent);
        Ok(dump.items)
    }

    /// Filters hang under disciplines and under classes, and on both sides of `clsact`.
    fn filters(
        &mut self,
        ifindex: u32,
        qdiscs: &[Qdisc],
        classes: &[Class],
        report: &mut QdiscReport,
    ) -> vision_core::Result<Vec<Filter>> {
        let mut parents = BTreeSet::new();
        for qdisc in qdiscs {
            match qdisc.kind.as_str() {
                "clsact" => parents.extend([TcHandle::INGRESS, TcHandle::EGRESS]),
                "ingress" => parents.extend([qdisc.handle]),
                // These have no number and take no filters.
                _ if qdisc.handle.is_none() => {}
                _ => parents.extend([qdisc.handle]),
            }
        }
        parents.extend(classes.iter().map(|class| class.handle));
        let mut all = Vec::new();
        for parent in parents {
            let dump = self.inventory.filters(ifindex, parent, self.budget)?;
            self.unreadable += dump.unreadable;
            if !dump.items.is_empty() {
                report.note(dump.consistent);
            }
            all.extend(dump.items);
        }
        Ok(all)
    }
}

impl QdiscReport {
    /// Begins a report.
    fn new(consistent: Consistency) -> Self {
        Self { devs: Vec::new(), consistent }
    }

    /// A part that changed meanwhile is a doubt about the whole.
    fn note(&mut self, part: Consistency) {
        if part != Consistency::Yes {
            self.consistent = part;
        }
    }
}
