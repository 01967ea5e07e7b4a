//! Probes over real links, beside the programs people use for the same questions.

mod mtu;
mod neigh;
mod path;
mod path_faults;
mod ping;
mod polite;
mod release;
mod scan;
mod sweep;
mod tcp;

use std::time::Duration;

use vision_core::{Budget, Netns, Target};
use vision_lab::{Lab, Node, require};

fn target(node: &Node) -> Target {
    Target::of(Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace"))
}

fn lab() -> Option<Lab> {
    require(Lab::new())
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

/// Whether a program to compare with is here; says SKIP where it is not.
fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|dir| std::path::Path::new(dir).join(program).exists());
    if !found {
        println!("SKIP: {program} is not installed");
    }
    found
}

/// What a command says, and whether it succeeded.
fn outcome(node: &Node, command: &str) -> (bool, String) {
    let said = node.sh(&format!("if {command} 2>&1; then echo '|yes'; else echo '|no'; fi"));
    let (text, verdict) = said.rsplit_once('|').expect("a verdict");
    (verdict.trim() == "yes", text.to_owned())
}
