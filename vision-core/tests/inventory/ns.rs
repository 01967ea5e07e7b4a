//! Namespaces held by descriptors: made by a thread, gone with the test.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use serde_json::Value;
use vision_core::inventory::Inventory;
use vision_core::{Budget, Netns, Target};

pub struct Ns(OwnedFd);

impl Ns {
    /// Makes a namespace; `None` with a message when that is not allowed here.
    pub fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("VISION_FORBID_SKIP").is_none(), "needs root");
            eprintln!("SKIP: needs root");
            return None;
        }
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("unshare");
            File::open("/proc/thread-self/ns/net").expect("own namespace")
        });
        let ns = Self(made.join().expect("thread").into());
        ns.sh("ip link set lo up");
        Some(ns)
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    pub fn fd(&self) -> &OwnedFd {
        &self.0
    }

    /// Runs a closure in the namespace, on a thread of its own.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).expect("setns");
                f()
            });
            inside.join().expect("thread")
        })
    }

    /// Runs shell lines, each of which must succeed, and returns what they print.
    pub fn sh(&self, script: &str) -> String {
        let out = self.try_sh(script);
        assert!(out.status.success(), "{script}\n{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("text")
    }

    pub fn try_sh(&self, script: &str) -> std::process::Output {
        self.within(|| Command::new("sh").args(["-ec", script]).output().expect("sh"))
    }

    /// Runs a command that prints JSON.
    pub fn json(&self, script: &str) -> Vec<Value> {
        let text = self.sh(script);
        match text.trim() {
            "" => Vec::new(),
            text => serde_json::from_str(text).unwrap_or_else(|e| panic!("{script}: {e}\n{text}")),
        }
    }

    pub fn target(&self) -> Target {
        let fd = self.0.try_clone().expect("descriptor");
        Target::of(Netns::from_fd(fd).expect("namespace"))
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::open(&self.target()).expect("inventory")
    }
}

pub fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

/// Compares two values that must be equal, naming the field and the row.
#[track_caller]
pub fn same<A: PartialEq<B> + std::fmt::Debug, B: std::fmt::Debug>(
    what: &str,
    ours: A,
    theirs: B,
    row: &Value,
) {
    assert!(ours == theirs, "{what}: ours {ours:?}, theirs {theirs:?}\n{row:#}");
}

pub fn text(row: &Value, key: &str) -> Option<String> {
    match row.get(key)? {
        Value::String(s) => Some(s.clone()),
        other => Some(other.to_string()),
    }
}

pub fn number(row: &Value, key: &str) -> Option<u64> {
    row.get(key)?.as_u64()
}

/// Names in a list, sorted.
pub fn list(row: &Value, key: &str) -> Vec<String> {
    let names = row.get(key).and_then(Value::as_array).into_iter().flatten();
    let mut names: Vec<_> = names.filter_map(|v| v.as_str()).map(str::to_owned).collect();
    names.sort();
    names
}

/// A field of ours, shown as the tools show it.
pub fn show<T: std::fmt::Display>(field: Option<T>) -> Option<String> {
    field.map(|f| f.to_string())
}

/// Compares fields with what a row has under their names.
#[track_caller]
pub fn fields(row: &Value, table: &[(&str, Option<String>)]) {
    for (key, ours) in table {
        same(key, ours.clone(), text(row, key), row);
    }
}
