//! `vision link`

use vision_core::Error;
use vision_core::inventory::{Inventory, Link};

use super::Ended;
use crate::args::LinkArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::diagnose;
use crate::output::human::link::{LinkReport, LinkRow};

/// Lists interfaces with their addresses.
pub fn run(args: &LinkArgs, context: &mut Context) -> Ended {
    let wanted = args.iface.clone().or_else(|| context.global.interface.clone());
    let family = context.family()?;
    let target = context.target()?;
    let budget = context.budget()?;
    let mut inventory = Inventory::open(&target)?;
    let links = inventory.links(&budget)?;
    let addrs = inventory.addrs(&budget)?;
    if let Some(name) = &wanted {
        find(name, &links.items)?;
    }
    let of_family = addrs.items.iter().filter(|addr| family.is_none_or(|f| f == addr.family));
    let of_family: Vec<_> = of_family.cloned().collect();
    let peers = match args.details {
        true => {
            let listing = context.global.lookup()?.namespaces(&budget)?;
            inventory.link_peers(&links.items, &listing, &budget)?
        }
        false => Vec::new(),
    };
    let shown = links.items.iter().filter(|l| wanted.as_ref().is_none_or(|w| is_called(l, w)));
    let parts = args.driver.parts();
    let mut rows = Vec::new();
    for link in shown {
        let mut row = LinkRow::new(link, &links.items, &of_family, &peers);
        if !parts.is_empty() {
            row.ask_driver(&mut inventory, parts, &budget)?;
        }
        rows.push(row);
    }
    context.out.keep(&mut rows)?;
    let report = LinkReport {
        links: rows,
        links_consistent: links.consistent,
        addrs_consistent: addrs.consistent,
        unreadable: links.unreadable + addrs.unreadable,
        show_stats: args.stats,
        details: args.details,
    };
    context.out.report(&report)?;
    if report.unreadable > 0 {
        diagnose(&format!("{} rows could not be read", report.unreadable), None);
    }
    Ok(Outcome::Yes)
}

/// Finds an interface by name, further name or index.
///
/// # Errors
/// [`Error::NotFound`] naming it.
pub fn find<'a>(name: &str, links: &'a [Link]) -> Result<&'a Link, Error> {
    let found = links.iter().find(|link| is_called(link, name));
    found.ok_or_else(|| Error::NotFound(format!("interface `{name}`")))
}

fn is_called(link: &Link, name: &str) -> bool {
    link.name == *name
        || link.altnames.iter().any(|alt| *alt == *name)
        || name.parse() == Ok(link.ifindex)
}
