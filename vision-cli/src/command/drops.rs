//! `vision drops`

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vision_core::base::Op;
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
    let length = args.time.length()?;
    let budget = context.probing_budget(None)?;
    let budget = length.map_or_else(|| budget.clone(), |length| budget.child(length));
    if !context.out.is_json() {
        let until =
            if length.is_some() || context.global.budget.is_some() || !args.command.is_empty() {
                ""
            } else {
                "; end with Ctrl-C"
            };
        diagnose(&format!("watching what the kernel drops on the whole machine{until}"), None);
    }
    let began = Instant::now();
    let mut child = match args.command.split_first() {
        Some((program, words)) => Some(start(program, words)?),
        None => None,
    };
    let tally = follow(args, &mut watcher, &budget, child.as_mut(), context)?;
    let command_code = child.and_then(|mut child| {
        // Still there when the time was up.
        let ended = child.try_wait().ok().flatten();
        if ended.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended?.code()
    });
    let report = DropsReport {
        elapsed_ns: u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX),
        command_code,
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

/// Starts the command; standard output is for the report.
fn start(program: &OsStr, words: &[OsString]) -> Result<Child, Error> {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let stdout = stderr.map(Stdio::from).unwrap_or_else(|_| Stdio::null());
    let started = Command::new(program).args(words).stdout(stdout).spawn();
    started.map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => {
            Error::NotFound(format!("command `{}`", program.to_string_lossy()))
        }
        _ => Error::Sys { op: Op::SpawnThread, source },
    })
}

fn follow(
    args: &DropsArgs,
    watcher: &mut DropWatcher,
    budget: &Budget,
    mut child: Option<&mut Child>,
    context: &mut Context,
) -> Result<DropTally, Failure> {
    let which = if args.all { AllDrops::With } else { AllDrops::Without };
    let mut tally =
        child.as_ref().map_or_else(DropTally::default, |child| DropTally::of_process(child.id()));
    let mut ended = None;
    loop {
        let packet = match watcher.recv(&budget.child(GLANCE)) {
            Ok(Some(packet)) => packet,
            Err(Error::Elapsed) if budget.remaining().is_ok() => {
                // Nothing for a while: the command may have ended, and what it caused has come.
                match child.as_mut().map(|child| child.try_wait()) {
                    Some(Ok(Some(_)) | Err(_)) => return Ok(tally),
                    None if ended.is_some() => return Ok(tally),
                    _ => continue,
                }
            }
            Ok(None) | Err(Error::Elapsed | Error::Cancelled) => return Ok(tally),
            Err(error) => return Err(error.into()),
        };
        tally.add(&packet, which);
        if args.each && (args.all || packet.ignorable.is_none()) {
            context.out.event(&packet, |out, style| drops::one(&packet, out, style))?;
        }
        // On a busy machine it is never quiet.
        if let Some(Ok(Some(_))) = child.as_mut().map(|child| child.try_wait()) {
            child = None;
            ended = ended.or_else(|| Instant::now().checked_add(GLANCE));
        }
        if ended.is_some_and(|at| at <= Instant::now()) {
            return Ok(tally);
        }
    }
}

/// How often a command is looked after, and how long its last packets are waited for.
const GLANCE: Duration = Duration::from_millis(200);
