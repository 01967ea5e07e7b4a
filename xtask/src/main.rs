//! What the project does to itself: `cargo xtask test`, `ceilings` and `doctor-score`.

mod ceilings;
#[cfg(feature = "pages")]
mod pages;
#[cfg(not(feature = "pages"))]
#[path = "no_pages.rs"]
mod pages;
mod score;
mod test;

use std::{
    env,
    error::Error,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

/// The result of a task: `Ok(false)` when what was checked is not as it should be.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const USAGE: &str = "\
usage: cargo xtask TASK

  test [--forbid-skip]    install the oracles the tests need, run all tests, sum up
  ceilings [--aims]       check the length of files and functions
  doctor-score [--vision PATH] [--only TEXT] [--jobs N] [--json] [--bars]
                          examine the doctor over faults and healthy networks
  completions [FOLDER]    write shell completions (bash, zsh, fish) to target/completions
  man [FOLDER]            write manual pages to target/man";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let (task, rest) = match args.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("--help", &[][..]),
    };
    let done = match task {
        "test" => test::run(rest),
        "ceilings" => ceilings::run(rest),
        "doctor-score" => score::run(rest),
        "completions" | "man" => pages::run(task, rest),
        "help" | "-h" | "--help" => {
            println!("{USAGE}");
            Ok(true)
        }
        other => Err(format!("unknown task `{other}`\n\n{USAGE}").into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

/// The workspace's root, whatever the current directory.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Where cargo puts what it builds.
fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs this task, without what it tells of this package: build scripts that read those variables
/// (ring's does) would run again, and all that builds on them would be compiled again.
fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let told = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(told) {
            command.env_remove(name);
        }
    }
    command
}
