//! `vision stat`

use std::time::Instant;

use vision_core::inventory::{CounterMeaning, Counters, Inventory};
use vision_core::{Budget, Error};

use super::Ended;
use crate::args::StatArgs;
use crate::context::Context;
use crate::exit::Outcome;
use crate::output::human::stat::{CounterRow, CpuRow, StatReport};

/// Shows counters, or what they grow by.
pub fn run(args: &StatArgs, context: &mut Context) -> Ended {
    let target = context.target()?;
    let budget = match args.delta {
        None => context.budget()?,
        Some(_) => context.probing_budget(None)?,
    };
    let mut inventory = Inventory::open(&target)?;
    let before = Seen::read(&mut inventory, &budget)?;
    let seen = match args.delta {
        None => before,
        Some(length) => {
            budget.wait(&[], Some(Instant::now() + length))?;
            Seen::read(&mut inventory, &budget)?.since(&before)
        }
    };
    let mut report = report(args, &seen);
    if report.counters.is_empty() && !args.names.is_empty() && !known(args, &seen) {
        let names = args.names.join("`, `");
        return Err(Error::NotFound(format!("counter that begins with `{names}`")).into());
    }
    context.out.keep(&mut report.counters)?;
    if !context.global.only.is_empty() {
        // Conditions are put to counters, which these are not.
        (report.sockets, report.softnet) = (Vec::new(), Vec::new());
    }
    context.out.report(&report)?;
    Ok(Outcome::Yes)
}

struct Seen {
    counters: Counters,
    sockstat: Counters,
    cpus: Vec<CpuRow>,
}

impl Seen {
    fn read(inventory: &mut Inventory, budget: &Budget) -> Result<Self, Error> {
        Ok(Self {
            counters: inventory.counters(budget)?,
            sockstat: inventory.sockstat(budget)?,
            cpus: inventory.softnet(budget)?.into_iter().map(CpuRow::from).collect(),
        })
    }

    /// What grew; sockets are as many as there are.
    fn since(self, before: &Self) -> Self {
        let cpus = self.cpus.into_iter().map(|cpu| {
            let earlier = before.cpus.iter().find(|other| other.cpu == cpu.cpu);
            earlier.map_or(cpu, |earlier| cpu.since(earlier))
        });
        Self {
            counters: self.counters.delta(&before.counters),
            sockstat: self.sockstat,
            cpus: cpus.collect(),
        }
    }
}

fn wanted(args: &StatArgs, name: &str) -> bool {
    let name = name.to_lowercase();
    args.names.is_empty() || args.names.iter().any(|w| name.starts_with(&w.to_lowercase()))
}

fn known(args: &StatArgs, seen: &Seen) -> bool {
    // A counter that did not grow is none of the difference, and one that is zero is not shown.
    args.delta.is_some()
        || seen.counters.iter().any(|(group, name, _)| wanted(args, &format!("{group}{name}")))
}

fn report(args: &StatArgs, seen: &Seen) -> StatReport {
    let mut counters = Vec::new();
    for (group, name, value) in seen.counters.iter() {
        let full = format!("{group}{name}");
        let meaning = CounterMeaning::of(group, name);
        let tells = match args.explain {
            true => value != 0 && meaning.is_some_and(|meaning| meaning.is_fault),
            false => args.all || value != 0,
        };
        if tells && wanted(args, &full) {
            counters.push(CounterRow { name: full, value, meaning });
        }
    }
    let whole = args.names.is_empty();
    let mut cpus = seen.cpus.clone();
    if args.explain {
        cpus.retain(|cpu| cpu.dropped > 0 || cpu.time_squeeze > 0 || cpu.flow_limit > 0);
    }
    let mut sockets = Vec::new();
    if whole && !args.explain {
        for (group, name, value) in seen.sockstat.iter().filter(|(.., n)| args.all || *n != 0) {
            sockets.push((group.to_owned(), name.to_owned(), value));
        }
    }
    StatReport {
        seconds: args.delta.map(|length| length.as_secs_f64()),
        counters,
        sockets,
        softnet: if whole { cpus } else { Vec::new() },
        explained: args.explain,
    }
}
