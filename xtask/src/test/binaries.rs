//! Where cargo put the test programs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Result, cargo, root};

/// A built test program.
pub(super) struct Binary {
    pub(super) name: String,
    /// Whether it tests its package from outside, not its own modules.
    pub(super) integration: bool,
    path: PathBuf,
    /// Where cargo would run it.
    package_dir: PathBuf,
}

impl Binary {
    /// The command that runs it: itself, or behind others, of which the last is to start it.
    pub(super) fn command(&self, behind: &[&str]) -> Command {
        let mut words = behind.iter().map(Path::new).chain([self.path.as_path()]);
        let mut command = Command::new(words.next().unwrap_or(&self.path));
        command.args(words).current_dir(&self.package_dir);
        command
    }

    /// How it is called in what is printed.
    pub(super) fn title(&self) -> String {
        let package = self.package_dir.file_name().unwrap_or_default().display();
        let kind = if self.integration { "tests of" } else { "unit tests of" };
        format!("{} ({kind} {package})", self.name)
    }
}

/// The workspace's unit and integration tests, built if need be.
pub(super) fn all() -> Result<Vec<Binary>> {
    let output = cargo()
        .args(["test", "--workspace", "--all-features", "--no-run", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the tests do not build: {}", output.status).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(messages.filter_map(|message| test_binary(&message)).collect())
}

/// The binary a message of `cargo test --message-format=json` tells of, if that is what it tells.
fn test_binary(message: &Value) -> Option<Binary> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let mut package_dir = PathBuf::from(message["manifest_path"].as_str()?);
    package_dir.pop();
    Some(Binary {
        name: message["target"]["name"].as_str()?.to_owned(),
        integration: message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test"),
        path: message["executable"].as_str()?.into(),
        package_dir,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message(kind: &str, test: bool) -> Value {
        json!({"reason": "compiler-artifact", "manifest_path": "/w/core/Cargo.toml",
               "profile": {"test": test}, "target": {"kind": [kind], "name": "lab"},
               "executable": "/t/lab-1"})
    }

    #[test]
    fn test_programs_are_told_from_the_rest() {
        let found = test_binary(&message("test", true)).expect("an integration test");
        assert_eq!(found.title(), "lab (tests of core)");
        let command = found.command(&[]);
        assert_eq!(command.get_program(), "/t/lab-1");
        assert_eq!(command.get_current_dir(), Some(Path::new("/w/core")));
        let unit = test_binary(&message("lib", true)).expect("unit tests");
        assert_eq!(unit.title(), "lab (unit tests of core)");
        assert!(test_binary(&message("lib", false)).is_none());
        assert!(test_binary(&json!({"reason": "build-finished"})).is_none());
    }

    #[test]
    fn a_program_is_run_behind_others() {
        let command = test_binary(&message("test", true)).expect("one").command(&["env", "-i"]);
        assert_eq!(command.get_program(), "env");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["-i", "/t/lab-1"]);
    }
}
