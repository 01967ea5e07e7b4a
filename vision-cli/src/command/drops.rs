//! `vision drops`

use std::time::Instant;

use vision_core::watch::{AllDrops, DropTally, DropWatcher, Drops};
use vision_core::{Budget, Error, EventSource};

use super::Ended;
use crate::args::DropsArgs;
use crate::context::Context;
use crate::exit::{Failure, Outcome};
use crate::output::diagnose;
use crate::output::human::drops::{self, DropsReport};
use crate::signal;

/// Counts what the kernel drops until told to stop, and says what it means.
pub fn run(args: &DropsArgs, context: &mut Context) -> Ended {
    signal::hold()?;
    let mut watcher = Drops::new().start()?;
    let length = args.length.as_ref().map(|span| span.strict()).transpose()?;
    let budget = context.probing_budget(None)?;
    let budget = length.map_or_else(|| budget.clone(), |length| budget.child(length));
    if !context.out.is_json() {
        let until = if length.is_some() || context.global.budget.is_some() {
            ""
        } else {
            "; end with Ctrl-C"
        };
        diagnose(&format!("watching what the kernel drops on the whole machine{until}"), None);
    }
    let began = Instant::now();
    let tally = follow(args, &mut watcher, &budget, context)?;
    let report = DropsReport {
        elapsed_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        dropped: tally.dropped(),
        groups: tally.groups(),
        ignored: tally.ignored(),
        lost: watcher.lost(),
        gaps: watcher.gaps().to_vec(),
    };
    context.out.summary(&report, None)?;
    match report.groups.is_empty() {
        true => Ok(Outcome::Yes),
        false => Ok(Outcome::No),
    }
}

fn follow(
    args: &DropsArgs,
    watcher: &mut DropWatcher,
    budget: &Budget,
    context: &mut Context,
) -> Result<DropTally, Failure> {
    let which = if args.all { AllDrops::With } else { AllDrops::Without };
    let mut tally = DropTally::default();
    loop {
        let packet = match watcher.recv(budget) {
            Ok(Some(packet)) => packet,
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(tally),
            Err(error) => return Err(error.into()),
        };
        tally.add(&packet, which);
        if args.each && (args.all || packet.ignorable.is_none()) {
            context.out.event(&packet, |out, style| drops::one(&packet, out, style))?;
        }
    }
}
