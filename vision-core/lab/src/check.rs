//! Can a lab be built here at all?

use std::{env, fmt, fs, path::Path, sync::OnceLock, thread};

use crate::node::Node;

/// Why no lab can be built here: the missing tool, capability or kernel feature.
#[derive(Debug, Clone)]
pub struct Skip {
    missing: String,
}

impl Skip {
    fn new(missing: impl Into<String>) -> Self {
        Self { missing: missing.into() }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.missing)
    }
}

impl std::error::Error for Skip {}

/// Unwraps the lab, or says `SKIP <test>: <why>` on stderr and returns `None`.
///
/// # Panics
/// When `VISION_FORBID_SKIP=1`: a skipped test must not look like a passed one in CI.
pub fn require<T>(lab: Result<T, Skip>) -> Option<T> {
    match lab {
        Ok(lab) => Some(lab),
        Err(skip) => {
            let current = thread::current();
            let test = current.name().unwrap_or("test");
            let forbidden = env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
            assert!(!forbidden, "{test} may not be skipped: {skip}");
            eprintln!("SKIP {test}: {skip}");
            None
        }
    }
}

/// Tells whether this user namespace has the ids of other users, which daemons, containers and
/// tcpdump turn to, and the rights over the machine's own `/proc`.
///
/// # Errors
/// [`Skip`] in a namespace of few users, as `unshare -Ur` makes.
pub fn whole_machine() -> Result<(), Skip> {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let ids = map.split_whitespace().nth(2).and_then(|count| count.parse::<u32>().ok());
    match ids {
        Some(ids) if ids >= 65_536 => Ok(()),
        _ => Err(Skip::new("this user namespace has no other users' ids")),
    }
}

/// Tries everything a lab rests on, once per process.
pub(crate) fn usable() -> Result<(), Skip> {
    static ANSWER: OnceLock<Result<(), Skip>> = OnceLock::new();
    ANSWER.get_or_init(probe).clone()
}

fn probe() -> Result<(), Skip> {
    for tool in ["ip", "tc", "nft", "nsenter", "setpriv", "sh", "sleep", "ping"] {
        if !in_path(tool) {
            return Err(Skip::new(format!("the tool `{tool}` is not in PATH")));
        }
    }
    let node = Node::create("check").map_err(|error| {
        Skip::new(format!("{error} (needs CAP_SYS_ADMIN: be root, or run under `unshare -Urnm`)"))
    })?;
    node.settle().map_err(|error| Skip::new(error.to_string()))?;
    node.try_sh("ip link add v0 type veth peer name v1")
        .map_err(|error| Skip::new(format!("no veth: {error}")))?;
    node.try_sh(
        "nft 'add table inet check; add chain inet check c; add rule inet check c counter drop'",
    )
    .map_err(|error| Skip::new(format!("no nftables: {error}")))?;
    Ok(())
}

fn in_path(tool: &str) -> bool {
    path().split(':').any(|dir| Path::new(dir).join(tool).exists())
}

/// PATH plus the sbin directories, which the PATH of a plain user under `unshare -Ur` does not have.
pub(crate) fn path() -> String {
    let own = env::var("PATH").unwrap_or_default();
    format!("{own}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
}
