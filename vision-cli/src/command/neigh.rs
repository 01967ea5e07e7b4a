//! `vision neigh`

use vision_core::inventory::{Inventory, NeighSelect, NeighState, Neighbour};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::NeighArgs;
use crate::context::Context;
use crate::output::human::neigh::NeighRow;

/// Lists neighbours.
pub fn run(args: &NeighArgs, context: &mut Context) -> Ended {
    let family = context.family()?;
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut inventory = Inventory::open(&target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let dev = context.global.interface.as_deref().map(|name| names.index(name)).transpose()?;
    let wanted = |entry: &Neighbour| {
        family.is_none_or(|f| f == entry.family)
            && dev.is_none_or(|dev| dev == entry.ifindex)
            && (args.all || entry.state != NeighState::NoArp)
    };
    stream::list(context, "neighbours", |write| {
        let consistent = inventory.neighbours_each(NeighSelect::Entries, &budget, |entry| {
            if wanted(&entry) {
                let dev = names.get(Some(entry.ifindex));
                stop.unless(write(&NeighRow::new(&entry, dev)));
            }
        })?;
        Ok(Tail { consistent, interfaces: None })
    })
}
