//! Runs every test: first as it is, then the ones that build networks again in a user namespace.

mod binaries;
mod oracles;
mod output;

use std::{
    env, io,
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use crate::{Result, cargo, root};
use binaries::Binary;
use output::Sums;

/// Test binaries that run once: they look at no network, or their daemons want user ids that a namespace of one
/// user does not have.
const ONCE: &[&str] = &["layering", "api", "machines", "dns", "recorded"];

/// The programs that take longest, which begin first.
const LONGEST: &[&str] = &["cli", "probe", "doctor"];

/// As many failed tests of one program run once more; more than that are no accident.
const RUN_AGAIN: usize = 3;

pub(crate) fn run(args: &[String]) -> Result<bool> {
    let mut forbid = env::var_os("CI").is_some_and(|ci| ci == "true");
    for arg in args {
        match arg.as_str() {
            "--forbid-skip" => forbid = true,
            other => return Err(format!("unknown option `{other}` of test").into()),
        }
    }
    let mut stages = Stages::default();
    stages.time("oracles", || oracles::ensure(forbid).map(|()| Sums::default()))?;
    stages.time("tests", || everything(forbid))?;
    stages.time("tests in a user namespace", in_user_namespace)?;
    stages.report();
    println!("{}", stages.sums);
    Ok(stages.sums.good())
}

#[derive(Default)]
struct Stages {
    sums: Sums,
    took: Vec<(&'static str, f64)>,
}

impl Stages {
    fn time(&mut self, name: &'static str, stage: impl FnOnce() -> Result<Sums>) -> Result<()> {
        println!("== {name}");
        let start = Instant::now();
        let sums = stage()?;
        self.took.push((name, start.elapsed().as_secs_f64()));
        self.sums.add(&sums);
        Ok(())
    }

    fn report(&self) {
        println!();
        for (name, seconds) in &self.took {
            println!("{seconds:8.1} s  {name}");
        }
    }
}

/// Unit, integration and documentation tests of every member.
fn everything(forbid: bool) -> Result<Sums> {
    let mut sums = run_all(&binaries::all()?, &[], forbid)?;
    let mut docs = cargo();
    docs.args(["test", "--quiet", "--doc", "--workspace", "--all-features", "--no-fail-fast"])
        .current_dir(root());
    let (found, text) = output::follow(&mut docs)?;
    print!("{text}");
    sums.add(&found);
    if forbid && sums.skipped > 0 {
        return Ok(sums.and_skips_are_failures());
    }
    Ok(sums)
}

/// The same tests as an ordinary user may run them; what needs more than that skips itself.
fn in_user_namespace() -> Result<Sums> {
    let possible = Command::new("unshare")
        .args(["-Urnm", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        println!("not run: user namespaces are not available here");
        return Ok(Sums::default());
    }
    let behind = ["unshare", "-Urnm", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"];
    let mut binaries = binaries::all()?;
    binaries.retain(|binary| binary.integration && !ONCE.contains(&binary.name.as_str()));
    run_all(&binaries, &behind, false)
}

/// How many programs run beside each other: when only the longest test of one is left, another has work.
const BESIDE: usize = 2;

/// How many tests of a program run beside each other: as many as there are processors. Together that is more than
/// these could do, but tests wait for packets and timers most of their time.
fn at_once() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// All tests of the programs. The few of a program that fail run once more at the end, one after the other and with
/// nothing beside them: what then passes was disturbed by a neighbour or a busy machine, which is said.
fn run_all(binaries: &[Binary], behind: &[&str], forbid: bool) -> Result<Sums> {
    let mut order: Vec<_> = binaries.iter().collect();
    let rank = |name: &str| LONGEST.iter().position(|longest| *longest == name);
    order.sort_by_key(|binary| rank(&binary.name).unwrap_or(LONGEST.len()));
    let left = Mutex::new(order.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || -> io::Result<Vec<(&Binary, Sums)>> {
        let mut ran = Vec::new();
        while let Some(binary) = next() {
            let (sums, text) = output::follow(&mut tests_of(binary, &[], behind, forbid))?;
            print!("     Running {}\n{text}", binary.title());
            ran.push((binary, sums));
        }
        Ok(ran)
    };
    let ran = thread::scope(|scope| {
        let workers = [(); BESIDE].map(|()| scope.spawn(worker));
        workers.map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let mut all = Sums::default();
    for ran in ran {
        for (binary, sums) in ran? {
            all.add(&mend(binary, sums, behind, forbid)?);
        }
    }
    Ok(all)
}

/// What holds of a program after those of its tests that failed have run alone.
fn mend(binary: &Binary, sums: Sums, behind: &[&str], forbid: bool) -> Result<Sums> {
    let failures = &sums.failures;
    if !sums.all_named() || failures.len() > RUN_AGAIN {
        return Ok(sums);
    }
    println!("     Running again, alone: {}", failures.join(" "));
    let (again, text) = output::follow(&mut tests_of(binary, failures, behind, forbid))?;
    print!("{text}");
    if !again.good() {
        return Ok(sums);
    }
    println!("failed beside others, passed alone: {}", failures.join(" "));
    Ok(sums.mended())
}

/// The command that runs these tests of a program one after the other, or all of them, some beside each other.
fn tests_of(binary: &Binary, names: &[String], behind: &[&str], forbid: bool) -> Command {
    let mut command = binary.command(behind);
    let threads = if names.is_empty() { at_once() } else { 1 };
    command.arg("--show-output").arg(format!("--test-threads={threads}"));
    if !names.is_empty() {
        command.arg("--exact").args(names);
    }
    command.env_remove("VISION_FORBID_SKIP");
    if forbid {
        command.env("VISION_FORBID_SKIP", "1");
    }
    command
}
