//! Namespaces: entering leaks nothing, never leaves a thread in the wrong place, and never follows
//! a number to another process.

mod containers;
#[cfg(feature = "cri")]
mod cri;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use vision_core::inventory::Inventory;
use vision_core::{Budget, Error, Netns, Selector, Target};
use vision_lab::{Lab, Node, require};

fn netns_of(node: &Node) -> Netns {
    Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a network namespace")
}

fn count(dir: &str) -> usize {
    std::fs::read_dir(dir).expect("/proc is mounted").count()
}

/// Every thread's namespaces of every kind, by what they lead to.
fn threads() -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").expect("own threads").flatten() {
        for ns in std::fs::read_dir(task.path().join("ns")).into_iter().flatten().flatten() {
            // A thread that ends meanwhile is in no namespace.
            if let Ok(to) = std::fs::read_link(ns.path()) {
                *seen.entry(to.display().to_string()).or_insert(0) += 1;
            }
        }
    }
    seen
}

/// Tests that count descriptors and threads of this process: none runs beside another.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn ten_thousand_visits_leave_nothing_behind() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("visited").expect("a node");
    let target = Target::of(netns_of(&node));
    let visit = || {
        let netns = target.open().expect("open");
        let socket = netns.run(|| std::net::UdpSocket::bind("127.0.0.1:0")).expect("enter");
        drop(socket.expect("a socket"));
    };
    let tasks = count("/proc/self/task");
    visit();
    let fds = count("/proc/self/fd");
    for _ in 0..10_000 {
        visit();
    }
    for _ in 0..500 {
        let mut inventory = Inventory::open(&target).expect("open");
        inventory.links(&Budget::unbounded()).expect("links");
    }
    assert_eq!(count("/proc/self/fd"), fds);
    // A thread that was joined is there for a moment more; the harness may have ended one of its own.
    let end = Instant::now() + Duration::from_secs(5);
    while count("/proc/self/task") > tasks {
        assert!(Instant::now() < end, "{} threads, {tasks} before", count("/proc/self/task"));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!threads().contains_key(&format!("net:[{}]", target.id().ino)));
}

#[test]
fn namespaces_made_and_dropped_are_gone() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let before = count("/proc/self/fd");
    for _ in 0..100 {
        let node = lab.node("short").expect("a node");
        let netns = netns_of(&node);
        netns.run(|| ()).expect("enter");
        lab.let_go(&node);
    }
    assert_eq!(count("/proc/self/fd"), before);
}

#[test]
fn no_thread_is_ever_seen_in_a_namespace_it_did_not_ask_for() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let nodes = [lab.node("one").expect("a node"), lab.node("two").expect("a node")];
    let spaces: Vec<Netns> = nodes.iter().map(netns_of).collect();
    let own = Netns::current().expect("own").id();
    let (entries, wrong) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for n in 0..8 {
            let (spaces, entries, wrong) = (&spaces, &entries, &wrong);
            scope.spawn(move || {
                for round in 0..500 {
                    let netns = &spaces[(n + round) % 2];
                    // One in five closures panics half way.
                    let visit = || {
                        netns.run(|| {
                            let inside = Netns::current().expect("inside").id();
                            assert!((n + round) % 5 != 0, "a planned panic");
                            inside
                        })
                    };
                    let inside = catch_unwind(AssertUnwindSafe(visit));
                    let mistaken = matches!(&inside, Ok(Ok(id)) if *id != netns.id());
                    let stranded = Netns::current().expect("own").id() != own;
                    wrong.fetch_add(usize::from(mistaken || stranded), Ordering::Relaxed);
                    entries.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(entries.into_inner(), 4000);
    assert_eq!(wrong.into_inner(), 0);
    let elsewhere = spaces.iter().map(|s| format!("net:[{}]", s.id().ino));
    let seen = threads();
    assert!(elsewhere.into_iter().all(|name| !seen.contains_key(&name)), "{seen:?}");
}

#[test]
fn a_panic_inside_reaches_the_caller() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let netns = netns_of(&lab.node("n").expect("a node"));
    let caught = catch_unwind(AssertUnwindSafe(|| netns.run(|| panic!("boom"))));
    let payload = caught.expect_err("the panic comes through");
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"boom"));
}

#[test]
fn an_idle_target_does_not_keep_a_dead_namespace_alive() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let host = lab.node("host").expect("a node");
    let pod = lab.node("pod").expect("a node");
    lab.link(&host, "v-pod", &pod, "eth0").expect("a link");
    let process = pod.sleeper();
    let target = Target::resolve(&Selector::Pid(process.pid()), &Budget::unbounded())
        .expect("a live process");
    target.open().expect("alive");
    lab.let_go(&pod);
    drop(pod);
    drop(process);
    let gone_by = Instant::now() + Duration::from_secs(1);
    while host.try_sh("ip link show v-pod").is_ok() {
        assert!(Instant::now() < gone_by, "the veth pair outlived its namespace");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(matches!(target.open(), Err(Error::TargetExited(_))));
}

/// Starts a process with a chosen number; `None` when somebody else took it first.
fn process_with_pid(pid: u32) -> Option<std::process::Child> {
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).ok()?;
    let child = std::process::Command::new("sleep").arg("60").spawn().ok()?;
    if child.id() == pid {
        return Some(child);
    }
    end(child);
    None
}

fn end(mut child: std::process::Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_reused_number_is_refused_every_time() {
    let _alone = alone();
    let Some(_lab) = require(Lab::new()) else { return };
    if std::fs::write("/proc/sys/kernel/ns_last_pid", "300").is_err() {
        // Only the owner of the pid namespace may choose numbers; as another user nothing is lost.
        assert!(Path::new("/proc/self").exists());
        return;
    }
    let mut reused = 0;
    for _ in 0..400 {
        let first = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = first.id();
        let target = Target::resolve(&Selector::Pid(pid), &Budget::unbounded()).expect("alive");
        end(first);
        if let Some(second) = process_with_pid(pid) {
            assert!(Path::new(&format!("/proc/{pid}")).exists());
            let refused = target.open();
            end(second);
            assert!(matches!(refused, Err(Error::TargetExited(_))), "{refused:?}");
            reused += 1;
        }
        if reused == 100 {
            return;
        }
    }
    assert!(reused >= 50, "numbers were reused only {reused} times");
}

#[test]
fn zombies_and_kernel_threads_are_named_as_such() {
    let _alone = alone();
    let mut child = std::process::Command::new("true").spawn().expect("true");
    let deadline = Instant::now() + Duration::from_secs(5);
    let stat = format!("/proc/{}/stat", child.id());
    while !std::fs::read_to_string(&stat).is_ok_and(|s| s.contains(") Z ")) {
        assert!(Instant::now() < deadline, "the child never became a zombie");
        std::thread::sleep(Duration::from_millis(5));
    }
    let zombie = Target::resolve(&Selector::Pid(child.id()), &Budget::unbounded());
    assert!(matches!(zombie, Err(Error::TargetExited(_))), "{zombie:?}");
    child.wait().expect("reaped");
    let is_kernel_thread = std::fs::read_to_string("/proc/2/comm").is_ok_and(|c| c == "kthreadd\n");
    if is_kernel_thread {
        let thread = Target::resolve(&Selector::Pid(2), &Budget::unbounded());
        let why = thread.expect_err("no network of its own").to_string();
        assert!(why.contains("kernel thread"), "{why}");
    }
}

#[test]
fn a_name_that_now_leads_elsewhere_is_refused() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let [one, two] = [lab.node("one").expect("a node"), lab.node("two").expect("a node")];
    let link = std::env::temp_dir().join(format!("vision-moved-{}", std::process::id()));
    std::os::unix::fs::symlink(one.path(), &link).expect("a link");
    let target = Target::resolve(&Selector::Path(link.clone()), &Budget::unbounded());
    let target = target.expect("leads to a namespace");
    std::fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink(two.path(), &link).expect("a link");
    let refused = target.open().expect_err("another namespace").to_string();
    std::fs::remove_file(&link).expect("removed");
    assert!(refused.contains("which now is"), "{refused}");
}
