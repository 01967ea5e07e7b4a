//! `vision ping`

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vision_core::probe::{Df, Ping};
use vision_core::{Error, Ttl};

use super::{Ended, clock, destination, stream, sweep};
use crate::args::PingArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::ping::{self, Tally};

/// Sends echo requests and prints each answer as it comes.
pub fn run(args: &PingArgs, context: &mut Context) -> Ended {
    if args.clock {
        return clock::run(args, context);
    }
    let [host] = args.hosts.as_slice() else {
        return sweep::run(args, context);
    };
    if args.is_sweep() {
        return sweep::run(args, context);
    }
    let target = context.target()?;
    let tally = Arc::new(Mutex::new(Tally::default()));
    let asked = Arc::clone(&tally);
    let budget = context.ping_budget(move || say(&asked))?;
    let to = destination::find(host, context, &target, &budget)?;
    let mut session = request(args, context, &to)?.start(&target)?;
    let head = ping::Head { name: &host.to_string(), to: to.addr, size_bytes: args.size };
    context.out.text(|out, _| head.write(out))?;
    context.out.finish()?;
    let ended_by = stream::follow(&mut session, &budget, context, |echo, context| {
        lock(&tally).add(echo);
        context.out.event(echo, |out, style| ping::echo(echo, out, style))
    })?;
    let report = session.finish();
    context.out.summary(&ping::Summed::new(&report, &args.pct), ended_by.as_ref())?;
    let answer = if report.summary().received > 0 { Outcome::Yes } else { Outcome::No };
    stream::ended(ended_by, context, answer)
}

fn request(
    args: &PingArgs,
    context: &Context,
    to: &destination::Destination,
) -> Result<Ping, Error> {
    let ping = Ping::new(to.addr).scope(to.scope);
    let mut ping = ping.interval(args.interval).wait(args.wait).size_bytes(args.size);
    ping = match args.count {
        Some(count) => ping.count(count),
        None => ping.endless(),
    };
    if args.df {
        ping = ping.df(Df::Set);
    }
    if let Some(ttl) = args.ttl {
        ping = ping.ttl(Ttl(ttl));
    }
    if let Some(dscp) = args.dscp {
        ping = ping.dscp(dscp);
    }
    if let Some(mark) = args.mark {
        ping = ping.mark(mark);
    }
    if let Some(name) = &context.global.interface {
        ping = ping.interface(name);
    }
    if let Some(source) = context.global.source {
        destination::check_family(source, Some(vision_core::Family::of(to.addr)))?;
        ping = ping.source(source);
    }
    Ok(ping)
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how far the run is; that nobody reads it is no fault of the run.
fn say(tally: &Mutex<Tally>) {
    let line = lock(tally).to_string();
    let _ = writeln!(std::io::stderr(), "{line}");
}
