//! Examines the doctor: networks it has never seen, broken and healthy, and a mark for every answer.
//!
//! The examiner shares no code with what it examines: it builds networks with `vision-lab` and asks the built
//! command line as anybody would.

mod container;
mod exam;
mod mark;
mod report;
mod scenario;
mod set;

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{Result, cargo, root, target_dir};
use exam::Answer;
use mark::Mark;
use scenario::Scenario;

pub(crate) fn run(args: &[String]) -> Result<bool> {
    let options = Options::parse(args)?;
    let vision = match &options.vision {
        Some(path) => {
            path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?
        }
        None => build()?,
    };
    let scenarios: Vec<Scenario> = set::all().filter(|s| options.wants(s)).collect();
    if scenarios.is_empty() {
        return Err("no scenario of that name".into());
    }
    vision_lab::Lab::new()?;
    let mut results = examine(&scenarios, &vision, options.jobs);
    // A machine that was busy for a moment is no fault of the doctor's: once more, alone.
    for examined in results.iter_mut().filter(|examined| !examined.is_perfect()) {
        let again = examine(&[examined.scenario], &vision, 1);
        if let Some(better) = again.into_iter().find(Examined::is_perfect) {
            *examined = better;
        }
    }
    let summary = report::Summary::of(&results);
    if options.json {
        println!("{}", report::json(&results, &summary));
    } else {
        report::print(&results, &summary);
    }
    Ok(if options.bars { summary.meets_bars() } else { summary.perfect() })
}

/// One scenario and what became of it.
struct Examined {
    scenario: Scenario,
    /// An answer with its mark, or why there is none.
    outcome: Result<(Answer, Mark)>,
}

impl Examined {
    fn is_perfect(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|(_, mark)| mark.perfect())
    }
}

struct Options {
    vision: Option<PathBuf>,
    only: Option<String>,
    jobs: usize,
    json: bool,
    /// Whether the project's bars suffice instead of a perfect score.
    bars: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        // Most of an answer is waiting.
        let mut options =
            Self { vision: None, only: None, jobs: 6 * cores, json: false, bars: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--vision" => options.vision = Some(value()?.into()),
                "--only" => options.only = Some(value()?.clone()),
                "--jobs" => options.jobs = value()?.parse()?,
                "--json" => options.json = true,
                "--bars" => options.bars = true,
                other => return Err(format!("unknown option `{other}` of doctor-score").into()),
            }
        }
        Ok(options)
    }

    fn wants(&self, scenario: &Scenario) -> bool {
        let label = report::expected(scenario.expect);
        let only = self.only.as_deref();
        only.is_none_or(|only| label.contains(only) || report::name(scenario).contains(only))
    }
}

/// Builds the command line and returns its path.
fn build() -> Result<PathBuf> {
    // A test named beside it brings in the features of test dependencies: the build is the one the tests use.
    let status = cargo()
        .args(["build", "--quiet", "--workspace", "--all-features", "--bin", "vision"])
        .args(["--test", "layering"])
        .current_dir(root())
        .status()?;
    if !status.success() {
        return Err("vision does not build".into());
    }
    Ok(target_dir().join("debug/vision"))
}

/// Works off the scenarios, several at a time.
fn examine(scenarios: &[Scenario], vision: &std::path::Path, jobs: usize) -> Vec<Examined> {
    // The latest sets have the longest questions; at the end, seats would stand empty.
    let next = Mutex::new(scenarios.iter().enumerate().rev());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seat in 0..jobs.max(1) {
            let (next, done) = (&next, &done);
            scope.spawn(move || {
                loop {
                    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, &scenario)) = taken else {
                        return;
                    };
                    let outcome = exam::sit(&scenario, vision, seat).map(|answer| {
                        let mark = mark::mark(scenario.expect, &answer);
                        (answer, mark)
                    });
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((index, Examined { scenario, outcome }));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, examined)| examined).collect()
}
