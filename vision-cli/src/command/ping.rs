//! `vision ping`

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vision_core::base::EventSource;
use vision_core::probe::{Df, Echo, Ping, PingSession};
use vision_core::{Budget, Error, Ttl};

use super::{Ended, clock, destination, sweep};
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
    let ended_by = follow(&mut session, &budget, &tally, context)?;
    let report = session.finish();
    context.out.summary(&ping::Summed::new(&report, &args.pct), ended_by.as_ref())?;
    match ended_by {
        Some(error) if !context.out.is_json() => Err(error.into()),
        Some(error) => Ok(Outcome::Failed(error.into())),
        None if report.summary().received > 0 => Ok(Outcome::Yes),
        None => Ok(Outcome::No),
    }
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

/// Prints until there is nothing more; returns the error that ended it, if it was no budget.
fn follow(
    session: &mut PingSession,
    budget: &Budget,
    tally: &Mutex<Tally>,
    context: &mut Context,
) -> std::io::Result<Option<Error>> {
    loop {
        match session.recv(budget) {
            Ok(Some(echo)) => {
                lock(tally).add(&echo);
                show(&echo, context)?;
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says how far the run is; that nobody reads it is no fault of the run.
fn say(tally: &Mutex<Tally>) {
    let line = lock(tally).to_string();
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn show(echo: &Echo, context: &mut Context) -> std::io::Result<()> {
    context.out.event(echo, |out, style| ping::echo(echo, out, style))
}
