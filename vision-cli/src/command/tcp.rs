//! `vision tcp`

use std::net::SocketAddr;

use vision_core::Family;
use vision_core::probe::{Probe, TcpProbe};

use super::{Ended, destination};
use crate::args::TcpArgs;
use crate::context::Context;
use crate::exit::Outcome;

/// Tries to connect to every port and says what happened.
pub fn run(args: &TcpArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.probing_budget(None)?;
    let to = destination::find(&args.endpoint.host, context, &target, &budget)?;
    let mut probe = TcpProbe::new(to.addr, args.endpoint.ports()).scope(to.scope).wait(args.wait);
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    let source = args.source.or(context.global.source.map(|ip| SocketAddr::new(ip, 0)));
    if let Some(source) = source {
        destination::check_family(source.ip(), Some(Family::of(to.addr)))?;
        probe = probe.source(source);
    }
    let report = probe.run(&target, &budget)?;
    context.out.report(&report)?;
    match report.attempts.iter().all(|attempt| attempt.outcome.is_open()) {
        true => Ok(Outcome::Yes),
        false => Ok(Outcome::No),
    }
}
