//! Runs every test: first as it is, then the ones that build networks again in a user namespace.

mod binaries;
mod oracles;
mod output;

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use crate::{Result, cargo, root};
use binaries::Binary;
use output::Sums;

/// Test binaries that run once: they look at no network, or their daemons want user ids that a namespace of one
/// user does not have.
const ONCE: &[&str] = &["layering", "api", "machines", "dns"];

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
    let mut sums = Sums::default();
    for binary in binaries::all()? {
        sums.add(&run_one(&binary, &[], forbid)?);
    }
    let mut docs = cargo();
    docs.args(["test", "--quiet", "--doc", "--workspace", "--all-features", "--no-fail-fast"])
        .current_dir(root());
    sums.add(&output::follow(&mut docs)?);
    if forbid && sums.skipped > 0 {
        return Ok(sums.and_skips_are_failures());
    }
    Ok(sums)
}

/// The same tests as an ordinary user may run them; what needs more than that skips itself.
fn in_user_namespace() -> Result<Sums> {
    let mut sums = Sums::default();
    let possible = Command::new("unshare")
        .args(["-Urnm", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !possible {
        println!("not run: user namespaces are not available here");
        return Ok(sums);
    }
    let behind = ["unshare", "-Urnm", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"];
    for binary in binaries::all()? {
        if binary.integration && !ONCE.contains(&binary.name.as_str()) {
            sums.add(&run_one(&binary, &behind, false)?);
        }
    }
    Ok(sums)
}

/// How many tests of a program run beside each other: one more than there are processors, for they wait for packets
/// and timers most of their time.
fn at_once() -> usize {
    1 + thread::available_parallelism().map_or(1, usize::from)
}

/// All tests of a program. The few that fail run once more, one after the other: what then passes was disturbed by
/// a neighbour or a busy machine, which is said.
fn run_one(binary: &Binary, behind: &[&str], forbid: bool) -> Result<Sums> {
    let command = |args: &[String]| {
        let mut command = binary.command(behind);
        let threads = if args.is_empty() { at_once() } else { 1 };
        command.arg("--show-output").arg(format!("--test-threads={threads}"));
        command.args(args).env_remove("VISION_FORBID_SKIP");
        if forbid {
            command.env("VISION_FORBID_SKIP", "1");
        }
        command
    };
    println!("     Running {}", binary.title());
    let sums = output::follow(&mut command(&[]))?;
    let failures = &sums.failures;
    if !sums.all_named() || failures.len() > RUN_AGAIN {
        return Ok(sums);
    }
    println!("     Running again, alone: {}", failures.join(" "));
    let again =
        output::follow(&mut command(&[&["--exact".to_owned()], failures.as_slice()].concat()))?;
    if !again.good() {
        return Ok(sums);
    }
    println!("failed beside others, passed alone: {}", failures.join(" "));
    Ok(sums.mended())
}
