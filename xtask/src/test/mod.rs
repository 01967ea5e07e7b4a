//! Runs every test: first as it is, then the ones that build networks again in a user namespace.

mod binaries;
mod oracles;
mod output;

use std::{
    env,
    process::{Command, Stdio},
    time::Instant,
};

use crate::{Result, cargo, root};
use output::Sums;

/// Test binaries that run once: they look at no network, or their daemons want user ids that a namespace of one
/// user does not have.
const ONCE: &[&str] = &["layering", "api", "machines", "dns"];

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

/// Unit, documentation and integration tests of every member.
fn everything(forbid: bool) -> Result<Sums> {
    let mut command = Command::new(cargo());
    command
        .args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"])
        .current_dir(root());
    if forbid {
        command.env("VISION_FORBID_SKIP", "1");
    }
    let sums = output::follow(&mut command)?;
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
    for binary in binaries::integration_tests()? {
        if ONCE.contains(&binary.name.as_str()) {
            continue;
        }
        println!("     Running {} of {}", binary.name, binary.package_dir.display());
        let mut command = Command::new("unshare");
        command
            .args(["-Urnm", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"])
            .arg(&binary.path)
            .arg("--show-output")
            .current_dir(&binary.package_dir)
            .env_remove("VISION_FORBID_SKIP");
        sums.add(&output::follow(&mut command)?);
    }
    Ok(sums)
}
