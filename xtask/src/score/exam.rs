//! Builds a scenario, asks the doctor there, and reads the answer.

use std::{
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use vision_lab::{Lab, Node};

use super::scenario::{Scenario, Sight, Site};
use crate::Result;

/// How long the doctor may take for one question.
const LIMIT: Duration = Duration::from_secs(20);

/// What the doctor said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) verdict: String,
    pub(super) findings: Vec<Finding>,
    /// Areas and causes it could not check.
    pub(super) unchecked: Vec<String>,
    /// The namespaces whose fault it really is.
    pub(super) places: Vec<u64>,
    pub(super) exit: Option<i32>,
    pub(super) elapsed_ms: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) cause: String,
    pub(super) severity: String,
    pub(super) confidence: String,
    pub(super) summary: String,
    /// The inode of the namespace it is about.
    pub(super) netns: Option<u64>,
}

impl Finding {
    /// Whether it claims that something is broken.
    pub(super) fn accuses(&self) -> bool {
        self.severity != "note"
    }

    pub(super) fn proved(&self) -> bool {
        self.confidence == "proved"
    }
}

/// Builds the scenario's network and asks. Everything it started is gone when this returns.
///
/// Scenarios under way at the same time have each their own `seat`, and share no addresses.
pub(super) fn sit(scenario: &Scenario, vision: &Path, seat: usize) -> Result<Answer> {
    // The lab panics where a test would.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::numbered_after(first_net(seat))?;
        let site = (scenario.build)(&lab).map_err(|error| format!("cannot be built: {error}"))?;
        let sleepers: Vec<_> = match scenario.sight {
            Sight::Own => Vec::new(),
            Sight::All => lab.nodes().iter().map(Node::sleeper).collect(),
        };
        let answer = ask(vision, &site);
        drop(sleepers);
        answer
    }));
    outcome.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.unwrap_or_else(|| "the scenario panicked".into()).into())
    })
}

/// Networks one scenario may build.
const NETS: usize = 8;

fn first_net(seat: usize) -> u8 {
    u8::try_from(seat % 24 * NETS).unwrap_or(0)
}

fn ask(vision: &Path, site: &Site) -> Result<Answer> {
    // The doctor dies with the thread that asks.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(vision);
    command.args(["--in", &site.target, "doctor"]);
    command.args(&site.destination).arg("--json");
    let start = Instant::now();
    let (status, stdout, stderr) = output_within(&mut command, LIMIT)?;
    let elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let envelope: Value = serde_json::from_str(&stdout).map_err(|error| {
        format!("{status}, stdout is not JSON ({error}): {}", first_line(&stdout, &stderr))
    })?;
    let mut answer = read(&envelope)?;
    (answer.exit, answer.elapsed_ms) = (status.code(), elapsed_ms);
    answer.places.clone_from(&site.places);
    Ok(answer)
}

/// Reads the envelope as the contract has it, and refuses one that lacks a part.
fn read(envelope: &Value) -> Result<Answer> {
    if let Some(error) = envelope.get("error") {
        return Err(format!("refused: {error}").into());
    }
    let report = &envelope["report"];
    let text = |value: &Value, key: &str| {
        let text = value[key].as_str().map(str::to_owned);
        text.ok_or_else(|| format!("no `{key}` in {value}"))
    };
    let list =
        |key: &str| report[key].as_array().ok_or_else(|| format!("the report has no list `{key}`"));
    for key in ["ruled_out", "consequences"] {
        list(key)?;
    }
    for key in ["probes_sent", "elapsed_ns"] {
        report[key].as_u64().ok_or_else(|| format!("the report has no number `{key}`"))?;
    }
    let finding = |value: &Value| -> Result<Finding> {
        Ok(Finding {
            cause: text(value, "cause")?,
            severity: text(value, "severity")?,
            confidence: text(value, "confidence")?,
            summary: text(value, "summary")?,
            netns: value["subject"]["netns"]["ino"].as_u64(),
        })
    };
    Ok(Answer {
        verdict: text(report, "verdict")?,
        findings: list("findings")?.iter().map(finding).collect::<Result<_>>()?,
        unchecked: list("unchecked")?
            .iter()
            .map(|value| text(value, "what"))
            .collect::<Result<_, _>>()?,
        ..Answer::default()
    })
}

/// Runs the command and kills it when the limit has passed.
fn output_within(command: &mut Command, limit: Duration) -> Result<(ExitStatus, String, String)> {
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let end = Instant::now() + limit;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let status = thread::scope(|scope| {
        // Both pipes are read while it runs, so that it never waits for us.
        scope.spawn(|| out.map(|mut pipe| pipe.read_to_string(&mut stdout)));
        scope.spawn(|| err.map(|mut pipe| pipe.read_to_string(&mut stderr)));
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(format!("no answer within {} s", limit.as_secs()).into());
                }
                Err(error) => return Err(error.to_string().into()),
            }
        }
    });
    status.map(|status| (status, stdout, stderr))
}

fn first_line(stdout: &str, stderr: &str) -> String {
    let line = stdout.lines().chain(stderr.lines()).find(|line| !line.trim().is_empty());
    line.unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_must_have_every_part_of_the_contract() {
        let report = json!({
            "verdict": "faulty", "ruled_out": [], "consequences": [], "probes_sent": 3, "elapsed_ns": 5,
            "unchecked": [{"what": "firewall", "why": "no view of the router"}],
            "findings": [{"cause": "link.down", "severity": "error", "confidence": "proved", "summary": "s"}],
        });
        let answer = read(&json!({ "report": report })).expect("a whole report");
        assert_eq!((answer.verdict.as_str(), answer.unchecked[0].as_str()), ("faulty", "firewall"));
        assert!(answer.findings[0].accuses() && answer.findings[0].proved());
        for key in ["verdict", "ruled_out", "elapsed_ns", "findings", "unchecked"] {
            let mut broken = report.clone();
            broken.as_object_mut().expect("an object").remove(key);
            let error = read(&json!({ "report": broken })).expect_err(key).to_string();
            assert!(error.contains(key), "{error}");
        }
        assert!(read(&json!({"error": {"kind": "permission"}})).is_err());
    }

    #[test]
    fn a_doctor_that_hangs_is_killed() {
        let mut slow = Command::new("sleep");
        let error = output_within(slow.arg("60"), Duration::from_millis(50)).expect_err("killed");
        assert!(error.to_string().contains("no answer"), "{error}");
    }
}
