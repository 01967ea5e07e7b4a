//! `vision ipvs`

use vision_core::firewall::ipvs::Ipvs;

use super::Ended;
use crate::args::IpvsArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ipvs::Services;

/// Lists virtual services and their real servers.
pub fn run(args: &IpvsArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.budget()?;
    let mut services = Ipvs::open(&target)?.services(&budget)?;
    context.out.keep(&mut services)?;
    context.out.report(&Services { services, stats: args.stats })?;
    Ok(Outcome::Yes)
}
