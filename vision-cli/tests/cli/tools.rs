//! Running the binary where something is missing: capabilities, system calls, descriptors.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vision_lab::Node;

use crate::run::{Run, finish};

/// Whether a program is there; without it the test is skipped, which CI forbids.
pub fn has(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').any(|dir| Path::new(dir).join(tool).exists());
    if !found {
        let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
        assert!(!forbidden, "may not be skipped: no `{tool}` in PATH");
        let current = std::thread::current();
        eprintln!("SKIP {}: no `{tool}` in PATH", current.name().unwrap_or("test"));
    }
    found
}

/// What a shell script in a node says; `$V` in it is the binary.
pub fn script(node: &Node, text: &str) -> Run {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net={}", node.path().display())).args(["sh", "-c", text]);
    command.env("V", env!("CARGO_BIN_EXE_vision")).env_remove("NO_COLOR");
    finish(command)
}

/// As [`script`] outside of any node.
pub fn host_script(text: &str) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", text]).env("V", env!("CARGO_BIN_EXE_vision")).env_remove("NO_COLOR");
    finish(command)
}

/// The binary with some system calls failing: `inject` is strace's, as in `setns:error=EPERM`.
pub fn injected(node: &Node, inject: &str, line: &str) -> Run {
    script(node, &strace(inject, line))
}

/// The shell words of an injected run.
pub fn strace(inject: &str, line: &str) -> String {
    let calls = inject.split(':').next().unwrap_or_default();
    format!(
        "exec timeout 60 strace --seccomp-bpf -f -qq -o /dev/null -e trace={calls} \
         -e inject={inject} \"$V\" {line}"
    )
}

/// Every run, however it was hurt: no panic, no signal, a code of the table, and one line on
/// standard error at most.
pub fn assert_orderly(run: &Run, what: &str) {
    let code = run.code.unwrap_or_else(|| panic!("{what}: ended by a signal: {run:?}"));
    assert!(code <= 5, "{what}: {run:?}");
    assert!(!run.err.contains("panicked") && !run.out.contains("panicked"), "{what}: {run:?}");
    assert!(run.err.lines().count() <= 1, "{what}: {run:?}");
    let refused = matches!(code, 2 | 4 | 5);
    assert!(!refused || run.err.starts_with("vision: "), "{what}: {run:?}");
}

/// Starts a shell script whose output is not kept.
pub fn background(text: &str) -> Background {
    let mut command = Command::new("sh");
    command.args(["-c", text]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Background(command.env("V", env!("CARGO_BIN_EXE_vision")).spawn().expect("sh"))
}

/// A process that is gone with the test.
pub struct Background(pub Child);

impl Background {
    /// Waits until `ready` holds.
    pub fn until(self, ready: impl Fn(u32) -> bool) -> Self {
        let end = Instant::now() + Duration::from_secs(5);
        while !ready(self.0.id()) {
            assert!(Instant::now() < end, "did not get going");
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A library that stands before the C library; gone with the test.
pub struct Preloaded(PathBuf);

impl Preloaded {
    /// Compiles it; `None` where the binary would not use it.
    pub fn build(name: &str, source: &str) -> Option<Self> {
        if !cfg!(target_env = "gnu") || !has("cc") {
            return None;
        }
        let path = std::env::temp_dir().join(format!("vision-{name}-{}.so", std::process::id()));
        let file = path.with_extension("c");
        std::fs::write(&file, source).expect("written");
        let mut cc = Command::new("cc");
        let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&path).arg(&file).status();
        std::fs::remove_file(&file).expect("removed");
        assert!(built.expect("cc runs").success());
        Some(Self(path))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs the binary in a node with the library before all others.
    pub fn run(&self, node: &Node, line: &str) -> Run {
        script(node, &format!("LD_PRELOAD={} exec \"$V\" {line}", self.0.display()))
    }
}

impl Drop for Preloaded {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
