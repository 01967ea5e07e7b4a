//! `vision ipvs`

use vision_core::firewall::ipvs::Ipvs;

use super::Ended;
use crate::args::IpvsArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ipvs::{Connections, Services, Shown};

/// Lists virtual services and their real servers.
pub fn run(args: &IpvsArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.budget()?;
    let mut ipvs = Ipvs::open(&target)?;
    if args.conns {
        let mut connections = ipvs.connections()?;
        context.out.keep(&mut connections)?;
        context.out.report(&Connections { connections })?;
        return Ok(Outcome::Yes);
    }
    let mut services = ipvs.services(&budget)?;
    context.out.keep(&mut services)?;
    let shown = match (args.stats, args.rate) {
        (true, _) => Shown::Stats,
        (_, true) => Shown::Rates,
        _ => Shown::Settings,
    };
    context.out.report(&Services { services, shown })?;
    Ok(Outcome::Yes)
}
