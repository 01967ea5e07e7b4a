//! Refusals of the command line: one line that names the input and the next step.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::exit::{Failure, Outcome, code};
use crate::output;

/// Prints help or the version as asked, or says what is wrong with the command line.
pub fn report(refusal: &clap::Error) -> ExitCode {
    let text = refusal.render().to_string();
    let outcome = match refusal.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match output::help(&text, false) {
            Ok(()) => Outcome::Yes,
            Err(e) => Outcome::Failed(Failure::Output(e)),
        },
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = output::help(&text, true);
            Outcome::Usage
        }
        _ => {
            let (message, next) = condense(&text);
            match std::env::args_os().take_while(|a| a != "--").any(|a| a == "--json") {
                true => output::usage_as_json(&message, &next),
                false => output::diagnose(&message, Some(&next)),
            }
            Outcome::Usage
        }
    };
    code(&outcome).into()
}

/// Takes the message and the advice out of the many lines clap writes.
fn condense(text: &str) -> (String, String) {
    let one_line = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut parts = text.split("\n\n");
    let first = parts.next().unwrap_or_default();
    let message = one_line(first.strip_prefix("error: ").unwrap_or(first));
    let tip = text.lines().find_map(|line| line.trim_start().strip_prefix("tip: "));
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let next = match (tip, usage) {
        (Some(tip), _) => one_line(tip),
        (None, Some(usage)) => format!("usage: {}", one_line(usage)),
        (None, None) => "see `vision --help`".to_owned(),
    };
    (message, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_lines_become_one() {
        let text = "error: unrecognized subcommand 'pign'\n\n  tip: a similar subcommand exists: \
                    'ping'\n\nUsage: vision <COMMAND>\n\nFor more information, try '--help'.\n";
        let (message, next) = condense(text);
        assert_eq!(message, "unrecognized subcommand 'pign'");
        assert_eq!(next, "a similar subcommand exists: 'ping'");
    }
}
