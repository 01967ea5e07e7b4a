//! `vision neigh`

use serde::Serialize;
use vision_core::inventory::{Consistency, Inventory, NeighSelect, NeighState, Neighbour};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop};
use crate::args::NeighArgs;
use crate::context::Context;
use crate::output::human::neigh::{self, NeighRow};

/// What follows the rows.
#[derive(Serialize)]
struct Tail {
    consistent: Consistency,
}

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
    let ended = context.out.rows("neighbours", neigh::line, |write| {
        let consistent = inventory.neighbours_each(NeighSelect::Entries, &budget, |entry| {
            if wanted(&entry) {
                let dev = names.get(Some(entry.ifindex)).cloned();
                stop.unless(write(&NeighRow::new(entry, dev)));
            }
        })?;
        Ok(Tail { consistent })
    });
    stream::ended(ended)
}
