//! `vision route`

use vision_core::inventory::{Inventory, Route, RouteAnswer, RouteQuery, RouteTable, Rule};
use vision_core::{Error, Family};

use super::Ended;
use super::names::Names;
use super::stream::{self, Stop, Tail};
use crate::args::{RouteArgs, RouteGet, RouteVerb};
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::route::{Answer, RouteRow, Rules};

/// Lists routes or rules, or asks for one way.
pub fn run(args: &RouteArgs, context: &mut Context) -> Ended {
    match &args.verb {
        Some(RouteVerb::Get(get)) => way(get, context),
        None if args.rules => rules(context),
        None => list(args, context),
    }
}

fn list(args: &RouteArgs, context: &mut Context) -> Ended {
    let family = context.family()?;
    let target = context.target()?;
    let (budget, stop) = Stop::under(context.budget()?)?;
    let mut inventory = Inventory::open(&target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let oif = context.global.interface.as_deref().map(|name| names.index(name)).transpose()?;
    let wanted = |route: &Route| {
        family.is_none_or(|f| f == route.family)
            && (args.all || route.table == RouteTable::Main)
            && oif.is_none_or(|oif| leaves_by(route, oif))
    };
    stream::list(context, "routes", |write| {
        let consistent = inventory.routes_each(&budget, |route| {
            if wanted(&route) {
                stop.unless(write(&RouteRow::new(&route, &names)));
            }
        })?;
        Ok(Tail { consistent, interfaces: Some(&names) })
    })
}

fn leaves_by(route: &Route, oif: u32) -> bool {
    let hops = route.nexthops.iter().map(|hop| hop.oif_ifindex);
    hops.chain([route.oif_ifindex]).any(|index| index == Some(oif))
}

fn rules(context: &mut Context) -> Ended {
    let family = context.family()?;
    let interface = context.global.interface.clone();
    let target = context.target()?;
    let dump = Inventory::open(&target)?.rules(&context.budget()?)?;
    let wanted = |rule: &Rule| {
        let names = |name: &str| [&rule.iif, &rule.oif].into_iter().flatten().any(|n| *n == *name);
        family.is_none_or(|f| f == rule.family) && interface.as_deref().is_none_or(names)
    };
    let mut rules = dump.items.into_iter().filter(wanted).collect();
    context.out.keep(&mut rules)?;
    context.out.report(&Rules { rules, consistent: dump.consistent })?;
    Ok(Outcome::Yes)
}

fn way(get: &RouteGet, context: &mut Context) -> Ended {
    super::destination::check_family(get.to, context.family()?)?;
    let target = context.target()?;
    let budget = context.budget()?;
    let mut inventory = Inventory::open(&target)?;
    let names = Names::read(&mut inventory, &budget)?;
    let query = query(get, context.global.interface.as_deref(), &names)?;
    let answer = inventory.route_to(&query, &budget)?;
    let report = Answer::new(query, answer, &names);
    context.out.report(&report)?;
    match &report.answer {
        RouteAnswer::Route(_) => Ok(Outcome::Yes),
        _ => Ok(Outcome::No),
    }
}

fn query(get: &RouteGet, oif: Option<&str>, names: &Names) -> Result<RouteQuery, Error> {
    let mut query = RouteQuery::to(get.to);
    if let Some(from) = get.from {
        super::destination::check_family(from, Some(Family::of(get.to)))?;
        query = query.from(from);
    }
    if let Some(iif) = &get.iif {
        query = query.iif(names.index(iif)?);
    }
    if let Some(oif) = oif {
        query = query.oif(names.index(oif)?);
    }
    if let Some(mark) = get.mark {
        query = query.mark(mark);
    }
    Ok(query)
}
