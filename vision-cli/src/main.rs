//! The program `vision`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    vision_cli::run()
}
