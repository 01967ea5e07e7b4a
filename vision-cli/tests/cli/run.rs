//! Running the binary.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use vision_lab::{Lab, Node, require};

/// What a run left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
    pub raw: Output,
}

impl Run {
    /// Parses the only line of standard output.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "one object: {self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("no JSON: {e}: {self:?}"))
    }

    /// Checks the code, and that the streams hold what they should for it.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}

/// The binary, with arguments separated by blanks.
pub fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vision"));
    command.args(line.split_whitespace()).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

pub fn finish(mut command: Command) -> Run {
    let raw = command.output().expect("the binary starts");
    Run {
        code: raw.status.code(),
        out: String::from_utf8(raw.stdout.clone()).expect("UTF-8 on stdout"),
        err: String::from_utf8(raw.stderr.clone()).expect("UTF-8 on stderr"),
        raw,
    }
}

/// Runs the binary in the caller's own namespace.
pub fn vision(line: &str) -> Run {
    finish(command(line))
}

/// Runs the binary with a node as its target.
pub fn vision_in(node: &Node, line: &str) -> Run {
    finish(command_in(node, line))
}

pub fn command_in(node: &Node, line: &str) -> Command {
    let mut command = command("");
    command.arg("--in").arg(format!("path:{}", node.path().display()));
    command.args(line.split_whitespace());
    command
}

/// Runs the binary inside a node, as its own namespace, without a single capability.
pub fn powerless(node: &Node, line: &str) -> Run {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", node.path().display()));
    command.args(["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
    command.arg(env!("CARGO_BIN_EXE_vision")).args(line.split_whitespace());
    finish(command)
}

/// A lab, or the reason why there is none on stderr.
pub fn lab() -> Option<Lab> {
    require(Lab::new())
}

/// A lab with two nodes on one wire.
pub fn pair() -> Option<(Lab, Node, Node)> {
    let lab = lab()?;
    let [a, b] = lab.pair().expect("two nodes on a wire");
    Some((lab, a, b))
}
