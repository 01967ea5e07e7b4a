//! `vision arp`

use vision_core::base::EventSource;
use vision_core::inventory::{Inventory, RouteAnswer, RouteQuery};
use vision_core::probe::{NeighProbe, NeighSession};
use vision_core::{Budget, Error, Family, Target};

use super::names::Names;
use super::{Ended, destination};
use crate::args::ArpArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::arp;

/// Asks the link who has an address and prints each answer as it comes.
pub fn run(args: &ArpArgs, context: &mut Context) -> Ended {
    destination::check_family(args.ip, context.family()?)?;
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let interface = match &context.global.interface {
        Some(name) => name.clone(),
        None => interface_towards(args, &target, &budget)?,
    };
    let mut probe = NeighProbe::new(args.ip, interface).count(args.count);
    probe = probe.interval(args.interval).wait(args.wait);
    if args.dup {
        probe = probe.duplicates();
    }
    if let Some(source) = context.global.source {
        if args.dup {
            let why = "-S contradicts --dup, which speaks for nobody".to_owned();
            return Err(Error::Invalid { what: "flag", why }.into());
        }
        destination::check_family(source, Some(Family::of(args.ip)))?;
        probe = probe.source(source);
    }
    let mut session = probe.start(&target)?;
    follow(&mut session, args, &budget, context)?;
    let report = session.finish();
    context.out.report(&report)?;
    Ok(match (report.is_duplicate(), report.answers.is_empty()) {
        (Some(true), _) | (None, true) => Outcome::No,
        // What was not asked in full may well be there.
        (Some(false), _) if !report.gaps.is_empty() => Outcome::Unknown,
        (Some(false), _) | (None, false) => Outcome::Yes,
    })
}

fn follow(
    session: &mut NeighSession,
    args: &ArpArgs,
    budget: &Budget,
    context: &mut Context,
) -> Result<(), crate::exit::Failure> {
    loop {
        match session.recv(budget) {
            Ok(Some(answer)) => {
                context.out.live(|out, style| arp::answer(args.ip, &answer, out, style))?;
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Asks the routes which interface leads to the address.
fn interface_towards(args: &ArpArgs, target: &Target, budget: &Budget) -> Result<String, Error> {
    let mut inventory = Inventory::open(target)?;
    let names = Names::read(&mut inventory, budget)?;
    let answer = inventory.route_to(&RouteQuery::to(args.ip), budget)?;
    let oif = match &answer {
        RouteAnswer::Route(route) => route.oif_ifindex,
        _ => None,
    };
    let name = names.get(oif).and_then(|name| std::str::from_utf8(name.as_bytes()).ok());
    name.map(str::to_owned).ok_or_else(|| Error::Invalid {
        what: "interface",
        why: format!("no route tells on which one to ask for {}; give -I IFACE", args.ip),
    })
}
