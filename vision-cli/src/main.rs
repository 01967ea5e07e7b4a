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
mod signal;
mod usage;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match args::Cli::try_parse() {
        Ok(cli) => command::run(cli),
        Err(refusal) => usage::report(&refusal),
    }
}
