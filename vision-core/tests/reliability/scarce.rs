//! With few descriptors left, every call says so, gives back what it took and stays where it was.

use std::process::Command;
use std::time::Duration;

use vision_core::base::EventSource;
use vision_core::inventory::Inventory;
use vision_core::probe::Ping;
use vision_core::{Budget, Cancel, Error, Netns, Selector, Target, netns};
use vision_lab::{Lab, require};

const TARGET: &str = "VISION_TEST_TARGET";

#[test]
fn a_limit_of_descriptors_is_met_with_typed_errors_and_no_leak() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let program = std::env::current_exe().expect("own path");
    let mut whole = 0;
    for limit in 5..=32 {
        let script = format!(
            "ulimit -n {limit}; exec {} --ignored --exact scarce::takes_what_it_gets --nocapture",
            program.display()
        );
        let mut child = Command::new("sh");
        child.args(["-c", &script]).env(TARGET, sleeper.pid().to_string());
        let output = child.output().expect("sh");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        if err.contains("shared libraries") {
            continue;
        }
        assert!(output.status.success(), "{limit}: {text}{err}");
        whole += u32::from(text.contains("4 of 4 steps"));
    }
    assert!(whole >= 10, "{whole} runs got to the end");
}

/// Steps of growing greed; how many worked.
fn steps(target: &Target) -> Vec<Result<(), Error>> {
    let budget = Budget::within(Duration::from_secs(5));
    let list = netns::list(&budget).map(drop);
    let enter = target.open().and_then(|netns| netns.run(|| ()));
    let read = Inventory::open(target).and_then(|mut inventory| inventory.links(&budget).map(drop));
    let ping = Ping::new(std::net::Ipv4Addr::LOCALHOST.into()).count(1).start(target);
    let cancel = Cancel::new().map(drop);
    let probe = ping.and_then(|mut session| session.try_recv().map(drop)).and(cancel);
    vec![list, enter, read, probe]
}

#[test]
#[ignore = "runs only as the child of another test"]
fn takes_what_it_gets() {
    let Ok(pid) = std::env::var(TARGET) else { return };
    let pid = pid.parse().expect("a number");
    let count = || std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok();
    let own = std::fs::read_link("/proc/thread-self/ns/net").expect("own namespace");
    let budget = Budget::unbounded();
    let before = count();
    let mut best = 0;
    for _ in 0..20 {
        let target = match Target::resolve(&Selector::Pid(pid), &budget) {
            Ok(target) => target,
            Err(error) => {
                assert_eq!(error.errno(), Some(nix::libc::EMFILE), "{error}");
                continue;
            }
        };
        let results = steps(&target);
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            assert_eq!(error.errno(), Some(nix::libc::EMFILE), "{error}");
        }
        best = results.iter().filter(|result| result.is_ok()).count();
    }
    assert_eq!(count(), before);
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").expect("own namespace"), own);
    assert!(Netns::current().is_ok() || before.is_none());
    println!("{best} of 4 steps");
}
