//! `vision path`

mod live;

use std::time::Duration;

use vision_core::probe::{MtuProbe, PathProbe, Probe, Probing};
use vision_core::{Error, Family, Pacer};

use super::{Ended, destination};
use crate::args::PathArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::path;

/// The port that traceroute begins with, where nobody is expected to listen.
const UDP_PORT: u16 = 33_434;
/// Rounds that follow each other at once.
const BURST: u32 = 10;

/// Asks every hop and says what the answers mean.
pub fn run(args: &PathArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = context.patient_budget()?;
    let to = destination::find(&args.host, context, &target, &budget)?;
    let probe = probe(args, context, &to)?;
    let report = match args.live {
        true => live::follow(probe.start(&target)?, &budget, &args.host.to_string())?,
        false => probe.run(&target, &budget)?,
    };
    let mtu = match args.mtu {
        true => Some(mtu_probe(args, context, &to).run(&target, &budget)?),
        false => None,
    };
    let shown = path::Shown {
        report: &report,
        mtu: mtu.as_ref(),
        name: args.host.to_string(),
        columns: args.report || args.live,
        nat: args.nat,
        quiet: context.global.quiet,
        max_ttl: args.max_ttl,
    };
    context.out.report(&shown)?;
    Ok(if report.is_reached() { Outcome::Yes } else { Outcome::No })
}

fn probe(
    args: &PathArgs,
    context: &Context,
    to: &destination::Destination,
) -> Result<PathProbe, Error> {
    let rounds = args.count.unwrap_or(if args.report { 10 } else { 3 });
    let endless = args.live && args.count.is_none();
    let steady = args.report || args.live || rounds > BURST;
    let usual = if steady { Duration::from_secs(1) } else { Duration::ZERO };
    let mut probe = PathProbe::new(to.addr)
        .scope(to.scope)
        .probing(probing(args))
        .rounds(rounds)
        .interval(args.interval.unwrap_or(usual))
        .first_ttl(args.first_ttl)
        .max_ttl(args.max_ttl)
        .wait(args.wait)
        .window(args.window)
        .flows(args.flows);
    if endless {
        probe = probe.endless();
    }
    if let Some(size) = args.size.filter(|_| !args.mtu) {
        probe = probe.size_bytes(size);
    }
    if let Some(flags) = args.flags {
        probe = probe.flags(flags);
    }
    if let Some(port) = args.sport {
        probe = probe.source_port(port);
    }
    if let Some(rate) = args.rate {
        probe = probe.pacer(&pacer(rate));
    }
    if let Some(dscp) = args.dscp {
        probe = probe.dscp(dscp);
    }
    if let Some(mark) = args.mark {
        probe = probe.mark(mark);
    }
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    if let Some(source) = context.global.source {
        destination::check_family(source, Some(Family::of(to.addr)))?;
        probe = probe.source(source);
    }
    Ok(probe)
}

fn mtu_probe(args: &PathArgs, context: &Context, to: &destination::Destination) -> MtuProbe {
    let mut probe = MtuProbe::new(to.addr)
        .scope(to.scope)
        .probing(probing(args))
        .max_ttl(args.max_ttl)
        .wait(args.wait);
    if let Some(size) = args.size {
        probe = probe.ceiling_bytes(size);
    }
    if let Some(rate) = args.rate {
        probe = probe.pacer(&pacer(rate));
    }
    if let Some(dscp) = args.dscp {
        probe = probe.dscp(dscp);
    }
    if let Some(mark) = args.mark {
        probe = probe.mark(mark);
    }
    if let Some(name) = &context.global.interface {
        probe = probe.interface(name);
    }
    if let Some(source) = context.global.source {
        probe = probe.source(source);
    }
    probe
}

fn pacer(rate: u32) -> Pacer {
    Pacer::per_second(rate, (rate / 4).clamp(1, 64))
}

fn probing(args: &PathArgs) -> Probing {
    match (args.tcp, args.udp) {
        (Some(port), _) => Probing::Tcp { port },
        (None, true) => Probing::Udp { port: args.port.unwrap_or(UDP_PORT) },
        (None, false) => Probing::Icmp,
    }
}
