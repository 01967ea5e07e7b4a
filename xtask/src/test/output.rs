//! Reads what test programs print, and shows the part worth seeing.

use std::{
    fmt,
    io::{self, BufRead, BufReader},
    process::{Command, Stdio},
};

/// Tests that only ever run as another test's child are ignored with a reason that begins like this.
const CHILD_ONLY: &str = "ignored, runs only as";

/// How many tests passed, failed and were skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    passed: i64,
    failed: i64,
    pub(super) skipped: i64,
    /// Programs that ended badly, also without a summary line.
    broken: i64,
    /// Tests that failed, by name.
    pub(super) failures: Vec<String>,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.broken += other.broken;
        self.failures.extend_from_slice(&other.failures);
    }

    /// Whether tests failed and nothing else did: the program came to its end and named them.
    pub(super) fn all_named(&self) -> bool {
        self.failed > 0 && usize::try_from(self.failed) == Ok(self.failures.len())
    }

    /// What holds after those that had failed passed when run once more.
    pub(super) fn mended(mut self) -> Self {
        self.passed += self.failed;
        (self.failed, self.broken) = (0, 0);
        self.failures.clear();
        self
    }

    /// Where nothing may be skipped, a test that was has failed.
    pub(super) fn and_skips_are_failures(mut self) -> Self {
        println!("{} skipped, which is forbidden here", self.skipped);
        self.failed += self.skipped;
        self.skipped = 0;
        self
    }

    pub(super) fn good(&self) -> bool {
        self.failed == 0 && self.broken == 0 && self.passed > 0
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A program that fails to build or dies has no failed test to count, and has failed all the same.
        let failed = self.failed.max(self.broken);
        write!(f, "{} passed, {failed} failed, {} skipped", self.passed, self.skipped)
    }
}

/// Runs the command and adds its output up; with it comes the part that is worth seeing.
pub(super) fn follow(command: &mut Command) -> io::Result<(Sums, String)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let mut reader = Reader::default();
    let mut shown = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if reader.take(&line) {
                shown.push_str(&line);
                shown.push('\n');
            }
        }
    }
    let mut sums = reader.sums;
    if !child.wait()?.success() {
        sums.broken += 1;
    }
    Ok((sums, shown))
}

/// Reads libtest's output line by line.
#[derive(Default)]
struct Reader {
    sums: Sums,
    /// Between `successes:` and what follows it: what passed tests had to say.
    in_successes: bool,
}

impl Reader {
    /// Counts the line and says whether to show it.
    fn take(&mut self, line: &str) -> bool {
        if line == "successes:" {
            self.in_successes = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            self.in_successes = false;
        }
        let failed = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
        self.sums.failures.extend(failed.map(str::to_owned));
        if let Some(result) = line.strip_prefix("test result: ") {
            self.sums.passed += count(result, " passed");
            self.sums.failed += count(result, " failed");
            self.sums.skipped += count(result, " ignored");
        } else if line.starts_with("test ") && line.contains(CHILD_ONLY) {
            self.sums.skipped -= 1;
        } else if line.starts_with("SKIP") && self.in_successes {
            // The test returned early, and libtest takes that for a pass.
            self.sums.skipped += 1;
            self.sums.passed -= 1;
            return true;
        }
        !self.in_successes && !line.ends_with(" ... ok") && !line.is_empty()
    }
}

/// The number before `what` in a summary line.
fn count(result: &str, what: &str) -> i64 {
    let before = result.split(what).next().unwrap_or_default();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 4 tests
test a ... ok
test b ... FAILED
test c ... ignored, runs only as the child of another test
test d ... ignored, slow
test e ... ok

successes:

---- e stdout ----
SKIP e: the tool `ip` is not in PATH
chatter

successes:
    a
    e

failures:

---- b stdout ----
why it failed

test result: FAILED. 2 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.10s";

    #[test]
    fn skips_are_not_passes_and_helpers_are_not_skips() {
        let mut reader = Reader::default();
        let shown: Vec<_> = OUTPUT.lines().filter(|line| reader.take(line)).collect();
        assert_eq!(reader.sums.to_string(), "1 passed, 1 failed, 2 skipped");
        assert!(shown.contains(&"why it failed") && !shown.contains(&"chatter"));
        assert!(shown.contains(&"SKIP e: the tool `ip` is not in PATH"));
        assert!(!reader.sums.good());
        assert!(reader.sums.failures == ["b"] && reader.sums.all_named());
        let mended = reader.sums.mended();
        assert!(mended.good() && mended.failures.is_empty());
        assert_eq!(mended.to_string(), "2 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_program_that_dies_is_a_failure() {
        let (sums, _) = follow(Command::new("sh").args(["-c", "exit 3"])).expect("it starts");
        assert_eq!(sums.to_string(), "0 passed, 1 failed, 0 skipped");
        assert!(!sums.all_named());
    }
}
