//! `vision bridge`

use vision_core::inventory::Inventory;
use vision_core::{Budget, Target};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::{BridgeArgs, BridgeVerb};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::diagnose;
use crate::output::human::bridge::{BridgeReport, FdbRow, MdbReport, VlanReport};

/// Shows what bridges know.
pub fn run(args: &BridgeArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let unreadable = match args.verb {
        Some(BridgeVerb::Fdb) => return fdb(context, &target),
        None | Some(BridgeVerb::Link) => ports(context, &target)?,
        Some(BridgeVerb::Vlan) => vlans(context, &target)?,
        Some(BridgeVerb::Mdb) => groups(context, &target)?,
    };
    if unreadable > 0 {
        diagnose(&format!("{unreadable} rows could not be read"), None);
    }
    Ok(Outcome::Yes)
}

fn open(
    context: &mut Context,
    target: &Target,
) -> Result<(Inventory, Budget), crate::exit::Failure> {
    Ok((Inventory::open(target)?, context.budget()?))
}

/// The interface of `-I`, if there is one of that name.
fn chosen(context: &Context, names: &Names) -> Result<Option<u32>, vision_core::Error> {
    context.global.interface.as_deref().map(|name| names.index(name)).transpose()
}

fn ports(context: &mut Context, target: &Target) -> Result<u64, crate::exit::Failure> {
    let (mut inventory, budget) = open(context, target)?;
    let links = inventory.links(&budget)?;
    let names = Names::of(&links.items);
    let mut report = BridgeReport::new(&links, &names, chosen(context, &names)?);
    context.out.keep(&mut report.bridges)?;
    context.out.report(&report)?;
    Ok(links.unreadable)
}

fn vlans(context: &mut Context, target: &Target) -> Result<u64, crate::exit::Failure> {
    let (mut inventory, budget) = open(context, target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let vlans = inventory.bridge_vlans(&budget)?;
    let mut report = VlanReport::new(&vlans, &names, chosen(context, &names)?);
    context.out.keep(&mut report.ports)?;
    context.out.report(&report)?;
    Ok(vlans.unreadable)
}

fn groups(context: &mut Context, target: &Target) -> Result<u64, crate::exit::Failure> {
    let (mut inventory, budget) = open(context, target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let mdb = inventory.bridge_mdb(&budget)?;
    let mut report = MdbReport::new(&mdb, &names, chosen(context, &names)?);
    context.out.keep(&mut report.bridges)?;
    context.out.report(&report)?;
    Ok(mdb.unreadable)
}

fn fdb(context: &mut Context, target: &Target) -> Ended {
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut inventory = Inventory::open(target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let dev = chosen(context, &names)?;
    stream::list(context, "entries", |write| {
        let consistent = inventory.bridge_fdb_each(&budget, |entry| {
            let about = |dev| dev == entry.ifindex || Some(dev) == entry.master_ifindex;
            if dev.is_none_or(about) {
                stop.unless(write(&FdbRow::new(&entry, &names)));
            }
        })?;
        Ok(Tail { consistent, interfaces: None })
    })
}
