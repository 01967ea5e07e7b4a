//! `vision watch`

use std::time::Instant;

use vision_core::watch::{Change, Event, Happening, Watch, Watcher};
use vision_core::{Budget, Error, EventSource};

use super::Ended;
use super::names::Names;
use crate::args::WatchArgs;
use crate::context::Context;
use crate::exit::{Failure, Outcome};
use crate::output::diagnose;
use crate::output::human::watch::{self, Ending, WatchSummary};
use crate::signal;

/// Prints what changes until told to stop, then sums up.
pub fn run(args: &WatchArgs, context: &mut Context) -> Ended {
    signal::hold()?;
    let length = args.time.length()?;
    let target = context.target()?;
    let tables = args.wanted();
    let mut watch = Watch::of(&tables);
    if let Some(family) = context.family()? {
        watch = watch.family(family);
    }
    let mut watcher = watch.start(&target)?;
    let budget = context.probing_budget(None)?;
    let budget = length.map_or_else(|| budget.clone(), |length| budget.child(length));
    for gap in watcher.gaps().iter().filter(|_| !context.out.is_json()) {
        diagnose(&format!("not watched: {gap}"), None);
    }
    if !context.out.is_json() {
        let names: Vec<_> = tables.iter().map(|table| table.name()).collect();
        diagnose(&format!("watching {} of {target}", names.join(", ")), None);
    }
    let mut follower = Follower {
        left: args.count,
        interface: context.global.interface.clone(),
        repeats: context.global.verbose > 0,
        summary: WatchSummary::default(),
    };
    let began = Instant::now();
    let followed = follower.follow(&mut watcher, &budget, context);
    let mut summary = follower.summary;
    summary.elapsed_ns = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    summary.lost = watcher.lost();
    summary.unreadable = watcher.unreadable();
    summary.gaps = watcher.gaps().to_vec();
    match followed {
        Ok(ending) => summary.ended_by = ending,
        Err(Failure::Core(error)) => {
            context.out.summary(&summary, Some(&error))?;
            return match context.out.is_json() {
                true => Ok(Outcome::Failed(error.into())),
                false => Err(error.into()),
            };
        }
        Err(failure) => return Err(failure),
    }
    context.out.summary(&summary, None)?;
    match args.count.is_some() && summary.ended_by != Ending::Count {
        true => Ok(Outcome::No),
        false => Ok(Outcome::Yes),
    }
}

struct Follower {
    left: Option<u64>,
    interface: Option<String>,
    repeats: bool,
    summary: WatchSummary,
}

impl Follower {
    fn follow(
        &mut self,
        watcher: &mut Watcher,
        budget: &Budget,
        context: &mut Context,
    ) -> Result<Ending, Failure> {
        loop {
            let event = match watcher.recv(budget) {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Ending::TargetEnded),
                Err(Error::Elapsed) => return Ok(Ending::Budget),
                Err(Error::Cancelled) => return Ok(Ending::Interrupted),
                Err(error) => return Err(error.into()),
            };
            if !self.wants(&event) {
                continue;
            }
            self.summary.count(&event);
            if self.is_repeat(&event) && !self.repeats {
                continue;
            }
            let names = names(&event, watcher);
            context.out.event(&event, |out, style| watch::event(&event, &names, out, style))?;
            if let (Some(left), Happening::Row(_)) = (&mut self.left, &event.what) {
                *left -= 1;
                if *left == 0 {
                    return Ok(Ending::Count);
                }
            }
        }
    }

    /// Events of the interface asked for; what concerns the stream itself is always wanted.
    fn wants(&self, event: &Event) -> bool {
        match (&self.interface, &event.what) {
            (Some(name), Happening::Row(row)) => {
                row.dev.as_ref().is_some_and(|dev| *dev == **name)
                    || row.row.ifindex().map(|index| index.to_string()) == Some(name.clone())
            }
            _ => true,
        }
    }

    fn is_repeat(&self, event: &Event) -> bool {
        matches!(&event.what, Happening::Row(row) if row.change == Change::Repeated)
    }
}

/// The names of the interfaces an event mentions.
fn names(event: &Event, watcher: &Watcher) -> Names {
    let Happening::Row(row) = &event.what else { return Names::known([]) };
    let own = row.row.ifindex().zip(row.dev.clone());
    let others = watch::mentioned(&row.row).into_iter().filter_map(|index| {
        let name = watcher.name_of(index)?;
        Some((index, name.clone()))
    });
    Names::known(others.chain(own))
}
