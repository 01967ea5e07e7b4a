//! Hundreds of visits, some of which the kernel refuses: nothing is left behind, nobody is lost.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use vision_core::capture::Capture;
use vision_core::inventory::Inventory;
use vision_core::probe::{EchoOutcome, Ping, Probe};
use vision_core::{Budget, Error, Netns, Target};
use vision_lab::{Lab, require, whole_machine};

use super::target_of;

const CHILD: &str = "VISION_TEST_VISITED";

/// Runs an ignored test of this program as a process of its own, where descriptors can be counted.
fn alone(test: &str, before: &str, env: &str) -> String {
    let program = std::env::current_exe().expect("own path");
    let script = format!(
        "exec {before} {} --ignored --exact visits::{test} --nocapture --test-threads 1",
        program.display()
    );
    let output = Command::new("sh").args(["-c", &script]).env(CHILD, env).output().expect("sh");
    let [out, err] =
        [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
    assert!(output.status.success(), "{out}{err}");
    out
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("own descriptors").count()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").expect("own threads").count()
}

/// Every namespace, of any kind, that a thread of this process is in.
fn namespaces() -> BTreeSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("own threads").flatten();
    let links =
        tasks.flat_map(|task| std::fs::read_dir(task.path().join("ns")).into_iter().flatten());
    let to = links.flatten().filter_map(|link| std::fs::read_link(link.path()).ok());
    to.map(|to| to.display().to_string()).collect()
}

#[test]
fn five_hundred_namespaces_and_captures_leave_nothing() {
    if require(Lab::new()).is_some() {
        alone("makes_and_drops", "", "1");
    }
}

/// A namespace that only the handle holds.
fn fresh() -> Netns {
    let make = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("allowed");
        Netns::current().expect("a handle")
    };
    std::thread::spawn(make).join().expect("no panic")
}

#[test]
#[ignore = "runs only as the child of another test"]
fn makes_and_drops() {
    let Ok(_) = std::env::var(CHILD) else { return };
    let lab = Lab::new().expect("checked");
    let [a, _b] = lab.pair().expect("two nodes on a wire");
    let target = target_of(&a);
    // The first use of anything may keep something for later.
    drop(Capture::on("eth0").start(&target).expect("started"));
    let before = (descriptors(), threads(), namespaces());
    for _ in 0..500 {
        let netns = fresh();
        let socket = netns.run(|| std::net::UdpSocket::bind("0.0.0.0:0")).expect("entered");
        drop(socket.expect("a socket"));
        let target = Target::of(netns);
        let mut inventory = Inventory::open(&target).expect("opened");
        let links = inventory.links(&Budget::within(Duration::from_secs(5))).expect("links");
        assert_eq!(links.items.len(), 1);
    }
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let capture = Capture::on("eth0").buffer_bytes(1 << 18).start(&target);
                    drop(capture.expect("started"));
                }
            });
        }
    });
    // A thread that was joined is there for a moment more.
    let end = Instant::now() + Duration::from_secs(5);
    while (descriptors(), threads(), namespaces()) != before {
        assert!(Instant::now() < end, "{} {} {before:?}", descriptors(), threads());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_kernel_that_refuses_now_and_then_strands_nobody() {
    let Some(lab) = require(Lab::new()) else { return };
    let path = std::env::var("PATH").unwrap_or_default();
    if !path.split(':').any(|dir| std::path::Path::new(dir).join("strace").exists()) {
        assert!(std::env::var_os("VISION_FORBID_SKIP").is_none(), "no strace");
        eprintln!("SKIP: no strace");
        return;
    }
    let node = lab.node("n").expect("a node");
    for inject in ["setns:error=EPERM", "clone3,clone:error=EAGAIN:when=40+7"] {
        let calls = inject.split(':').next().unwrap_or_default();
        let strace = format!(
            "strace --seccomp-bpf -f -qq -o /dev/null -e signal=none -e trace={calls} -e inject={inject}"
        );
        let out = alone("goes_in_and_out", &strace, &node.path().display().to_string());
        let refused = out.split("refused ").nth(1).and_then(|rest| rest.split(' ').next());
        let refused: usize =
            refused.and_then(|n| n.parse().ok()).unwrap_or_else(|| panic!("{out}"));
        println!("{inject}: {refused} of 1600 refused");
        assert!(refused > 50, "{inject}: {out}");
    }
}

#[test]
#[ignore = "runs only as the child of another test"]
fn goes_in_and_out() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let netns = Netns::from_path(path).expect("a namespace");
    let own = Netns::current().expect("own").id();
    let (before, refused) = (descriptors(), AtomicUsize::new(0));
    let visit = || {
        for _ in 0..200 {
            match netns.run(|| Netns::current().expect("inside").id()) {
                Ok(inside) => assert_eq!(inside, netns.id()),
                Err(Error::Permission { .. } | Error::Sys { .. }) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(Netns::current().expect("own").id(), own);
        }
    };
    std::thread::scope(|scope| {
        let started =
            (0..8).filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, visit).ok());
        assert!(started.count() > 4);
    });
    assert_eq!(descriptors(), before);
    assert!(!namespaces().contains(&format!("net:[{}]", netns.id().ino)));
    println!("refused {} times", refused.into_inner());
}

#[test]
fn of_sixty_four_pings_beside_each_other_none_takes_what_is_anothers() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes on a wire");
    let many: String = (1..=64).map(|n| format!("ip addr add 10.77.0.{n}/32 dev lo; ")).collect();
    b.sh(&many);
    a.sh(&format!("ip route add 10.77.0.0/24 via {}", b.v4()));
    // Half of them answer with silence.
    b.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; \
          add rule inet t i ip daddr 10.77.0.33-10.77.0.64 drop'");
    for groups in ["1 0", "0 2147483647"] {
        a.sysctl("net/ipv4/ping_group_range", groups).expect("set");
        let target = target_of(&a);
        std::thread::scope(|scope| {
            for n in 1..=64 {
                let target = &target;
                scope.spawn(move || {
                    let to = IpAddr::from(Ipv4Addr::new(10, 77, 0, n));
                    let ping = Ping::new(to).count(5).interval(Duration::from_millis(20));
                    let ping = ping.wait(Duration::from_secs(2));
                    let budget = Budget::within(Duration::from_secs(20));
                    let report = ping.run(target, &budget).expect("a report");
                    let from = report.echoes.iter().filter_map(|echo| match echo.outcome {
                        EchoOutcome::Reply { from, .. } => Some(from),
                        _ => None,
                    });
                    let from: Vec<_> = from.collect();
                    assert!(from.iter().all(|from| *from == to), "{to}: {from:?}");
                    let expected = if n <= 32 { 5 } else { 0 };
                    assert_eq!(from.len(), expected, "{to}: {report:?}");
                });
            }
        });
    }
}
