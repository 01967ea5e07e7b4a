//! Where cargo put the test programs.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Result, cargo, root};

/// A built test program.
pub(super) struct Binary {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Where cargo would run it.
    pub(super) package_dir: PathBuf,
}

/// The workspace's integration tests, built if need be.
pub(super) fn integration_tests() -> Result<Vec<Binary>> {
    let output = Command::new(cargo())
        .args(["test", "--workspace", "--no-run", "--message-format=json"])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("the tests do not build: {}", output.status).into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    Ok(messages.filter_map(|message| integration_test(&message)).collect())
}

/// The binary a message of `cargo test --message-format=json` tells of, if that is what it tells.
fn integration_test(message: &Value) -> Option<Binary> {
    let is_test = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "test");
    if message["reason"] != "compiler-artifact" || !is_test {
        return None;
    }
    let mut package_dir = PathBuf::from(message["manifest_path"].as_str()?);
    package_dir.pop();
    Some(Binary {
        name: message["target"]["name"].as_str()?.to_owned(),
        path: message["executable"].as_str()?.into(),
        package_dir,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integration_tests_are_told_from_the_rest() {
        let message = |kind: &str| {
            json!({"reason": "compiler-artifact", "manifest_path": "/w/core/Cargo.toml",
                   "target": {"kind": [kind], "name": "lab"}, "executable": "/t/lab-1"})
        };
        let found = integration_test(&message("test")).expect("an integration test");
        assert_eq!((found.name.as_str(), found.path), ("lab", "/t/lab-1".into()));
        assert_eq!(found.package_dir, PathBuf::from("/w/core"));
        assert!(integration_test(&message("lib")).is_none());
        assert!(integration_test(&json!({"reason": "build-finished"})).is_none());
    }
}
