//! Probes from a multi-threaded runtime: always in the right namespace, and gone when dropped.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_core::Stream;
use tokio::runtime::{Builder, Runtime};
use vision_core::probe::{Ping, Probe, TcpProbe};
use vision_core::{Budget, Cancel, Error, Netns, Result, Selector, Target, aio};
use vision_lab::{Lab, Node, require};

/// Tests that count descriptors and threads of this process: none runs beside another.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn target(node: &Node) -> Target {
    Target::of(Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace"))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn count(dir: &str) -> usize {
    std::fs::read_dir(dir).expect("/proc is mounted").count()
}

/// Sockets of this process.
fn sockets() -> usize {
    let fds = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted").flatten();
    fds.filter_map(|fd| std::fs::read_link(fd.path()).ok())
        .filter(|to| to.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Waits until something holds; what ends on another thread needs a moment.
fn soon(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + secs(3);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Threads of this process per network namespace.
fn threads() -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").expect("own threads").flatten() {
        // A thread that ends meanwhile is in no namespace.
        if let Ok(to) = std::fs::read_link(task.path().join("ns/net")) {
            *seen.entry(to.display().to_string()).or_insert(0) += 1;
        }
    }
    seen
}

/// Threads whose names begin with one of these; the harness has threads of its own.
fn threads_named(heads: &[&str]) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("own threads").flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok())
        .filter(|name| heads.iter().any(|head| name.starts_with(head)))
        .count()
}

/// Polls a future for so long and then drops it.
async fn drop_after<F: Future>(future: F, after: Duration) -> Option<F::Output> {
    tokio::time::timeout(after, future).await.ok()
}

#[test]
fn many_tasks_in_several_namespaces_are_never_in_the_wrong_one() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let nodes: Vec<Node> = (0..4).map(|n| lab.node(&format!("n{n}")).expect("a node")).collect();
    // An address that exists in one namespace only; elsewhere it is unreachable.
    for (n, node) in nodes.iter().enumerate() {
        node.sh(&format!("ip addr add 10.77.{n}.1/32 dev lo"));
    }
    let own = std::fs::read_link("/proc/self/ns/net").expect("own").display().to_string();
    let runtime = runtime();
    let end = Instant::now() + secs(6);
    let task = |n: usize| {
        let target = target(&nodes[n % 4]);
        let id = target.id();
        async move {
            let mut rounds = 0_usize;
            while Instant::now() < end {
                let there = n % 4;
                let asked = (n + rounds) % 4;
                let to = IpAddr::from([10, 77, asked as u8, 1]);
                let target = target.clone();
                let report = aio::run(secs(5), move |budget| {
                    TcpProbe::new(to, [9]).wait(secs(1)).run(&target, budget)
                });
                let report = match rounds % 7 {
                    6 => drop_after(report, Duration::from_micros(300)).await,
                    _ => Some(report.await),
                };
                if let Some(report) = report.transpose().expect("measured") {
                    // Nobody listens: a refusal comes from the address itself.
                    let outcome = format!("{:?}", report.attempts[0].outcome);
                    assert_eq!(outcome.starts_with("Refused"), there == asked, "{outcome}");
                    assert_eq!(report.netns, id);
                }
                rounds += 1;
            }
            rounds
        }
    };
    let tasks: Vec<_> = (0..64).map(|n| runtime.spawn(task(n))).collect();
    let rounds: usize =
        tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic")).sum();
    assert!(rounds > 640, "only {rounds} rounds");
    println!("{rounds} rounds of 64 tasks in 4 namespaces");
    soon("every thread is at home", || threads().keys().all(|ns| *ns == own));
}

#[test]
fn futures_dropped_at_any_moment_leave_nothing_behind() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let (target, to) = (target(&a), IpAddr::from(b.v4()));
    let runtime = runtime();
    let endless = |target: &Target| {
        let target = target.clone();
        let ping = Ping::new(to).endless().interval(Duration::from_millis(10));
        aio::run(secs(60), move |budget| ping.run(&target, budget))
    };
    runtime.block_on(drop_after(endless(&target), Duration::from_millis(20)));
    soon("the first is over", || sockets() == 0);
    let fds = count("/proc/self/fd");
    let began = Instant::now();
    for n in 0..300_u64 {
        // Before the first poll, while the thread starts, enters, opens, waits.
        let after = Duration::from_micros(n * n % 7919);
        match n % 3 {
            0 => drop(endless(&target)),
            1 => drop(runtime.block_on(drop_after(endless(&target), after))),
            _ => {
                let task = runtime.spawn(endless(&target));
                runtime.block_on(async { tokio::time::sleep(after).await });
                task.abort();
            }
        }
    }
    soon("all descriptors are closed", || count("/proc/self/fd") == fds && sockets() == 0);
    println!("300 futures dropped in {:?}", began.elapsed());
    runtime.shutdown_timeout(secs(5));
    soon("all threads are gone", || threads_named(&["tokio", "vision"]) == 0);
}

#[test]
fn a_panic_goes_on_in_the_caller_and_a_spent_budget_is_an_error() {
    let _alone = alone();
    let runtime = runtime();
    let panics = aio::run(secs(1), |_| -> Result<()> { panic!("planned") });
    let caught = runtime.block_on(async { tokio::spawn(panics).await.expect_err("a panic") });
    assert_eq!(caught.into_panic().downcast_ref::<&str>(), Some(&"planned"));
    let late = runtime.block_on(aio::run(Duration::ZERO, |_| Ok(())));
    assert!(matches!(late, Err(Error::Elapsed)));
    let cancel = Cancel::new().expect("a switch");
    cancel.cancel();
    let inner = runtime.block_on(aio::run(secs(1), move |budget| {
        budget.clone().cancelled_by(&cancel).remaining().map(|_| ())
    }));
    assert!(matches!(inner, Err(Error::Cancelled)));
}

async fn next<S: Stream>(mut stream: Pin<&mut S>) -> Option<S::Item> {
    poll_fn(|cx| stream.as_mut().poll_next(cx)).await
}

#[test]
fn a_stream_yields_every_event_and_closes_its_sockets() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let ping = Ping::new(b.v4().into()).count(5).interval(Duration::from_millis(20));
    let runtime = runtime();
    let before = count("/proc/self/fd");
    runtime.block_on(async {
        let mut echoes = pin!(aio::stream(ping.start(&target(&a)).expect("started")));
        let mut seen = Vec::new();
        while let Some(echo) = next(echoes.as_mut()).await {
            seen.push(echo.expect("an echo").seq);
        }
        assert_eq!(seen, [1, 2, 3, 4, 5]);
        assert_eq!(sockets(), 0, "a stream that ended holds nothing");
        assert!(next(echoes.as_mut()).await.is_none());
    });
    for n in 0..50 {
        runtime.block_on(async {
            let session = ping.clone().endless().start(&target(&a)).expect("started");
            let mut echoes = Box::pin(aio::stream(session));
            for _ in 0..n % 3 {
                next(echoes.as_mut()).await.expect("endless").expect("an echo");
            }
            assert_eq!(sockets(), 1);
        });
    }
    assert_eq!((sockets(), count("/proc/self/fd")), (0, before));
}

#[test]
fn sixty_four_streams_run_beside_each_other() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let runtime = runtime();
    let began = Instant::now();
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let (from, to) = if n % 2 == 0 { (&a, &b) } else { (&b, &a) };
            let ping = Ping::new(to.v6().into()).count(10).interval(Duration::from_millis(50));
            let session = ping.start(&target(from)).expect("started");
            runtime.spawn(async move {
                let mut echoes = pin!(aio::stream(session));
                let mut answered = 0;
                while let Some(echo) = next(echoes.as_mut()).await {
                    answered += usize::from(echo.expect("an echo").rtt_ns().is_some());
                }
                answered
            })
        })
        .collect();
    let answered: Vec<usize> =
        tasks.into_iter().map(|task| runtime.block_on(task).expect("no panic")).collect();
    assert_eq!(answered, [10; 64]);
    assert!(began.elapsed() < secs(5), "{:?}", began.elapsed());
}

#[test]
fn a_stream_ends_with_its_target() {
    let _alone = alone();
    let Some(lab) = require(Lab::new()) else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let pod = a.sleeper();
    let target = Target::resolve(&Selector::Pid(pod.pid()), &Budget::unbounded()).expect("alive");
    let runtime = runtime();
    runtime.block_on(async {
        let ping = Ping::new(b.v4().into()).endless().interval(secs(60));
        let mut echoes = pin!(aio::stream(ping.start(&target).expect("started")));
        next(echoes.as_mut()).await.expect("endless").expect("an echo");
        let began = Instant::now();
        pod.kill();
        let last = next(echoes.as_mut()).await.expect("an error");
        assert!(matches!(last, Err(Error::TargetExited(_))));
        assert!(began.elapsed() < secs(1));
        assert_eq!(sockets(), 0);
        assert!(next(echoes.as_mut()).await.is_none());
    });
}
