//! `cargo xtask completions` and `cargo xtask man`, in a build that cannot: built again so that it can.

use crate::{Result, cargo, root};

pub(crate) fn run(task: &str, args: &[String]) -> Result<bool> {
    let status = cargo()
        .args(["run", "--quiet", "--package", "xtask", "--features", "pages", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .args(["--", task])
        .args(args)
        .status()?;
    Ok(status.success())
}
