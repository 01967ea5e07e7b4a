//! `vision`: a thin printer over `vision-core`.
//!
//! Every verb parses its arguments, makes one call into the library and prints the report it gets
//! back, for a person or as JSON. Standard output holds the result, standard error the diagnostics.

mod args;
mod command;
mod context;
mod exit;
mod hint;
mod output;
mod rights;
mod sandbox;
mod signal;
mod usage;

use std::process::ExitCode;

use clap::CommandFactory;

/// Does what the arguments of this process ask for.
pub fn run() -> ExitCode {
    rights::raise();
    let words: Vec<_> = std::env::args_os().collect();
    match args::Cli::read(&words) {
        Ok(cli) => command::run(cli),
        Err(refusal) => usage::report(&refusal),
    }
}

/// Returns the command line's own description, for completions and manual pages.
pub fn command_line() -> clap::Command {
    args::Cli::command()
}
