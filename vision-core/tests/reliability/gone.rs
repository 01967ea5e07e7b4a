//! A hundred pods that die, each under something else that looks into it.

use std::time::{Duration, Instant};

use vision_core::base::EventSource;
use vision_core::capture::Capture;
use vision_core::probe::{DnsQuery, NeighProbe, Ping, Probe, TcpProbe};
use vision_core::wire::dns::RecordType;
use vision_core::{Budget, Error, Result, Selector, Target};
use vision_lab::{Lab, Node, require};

/// Looks until it ends by itself or is told that the target is gone.
type Look = fn(&Target, &Node, &Budget) -> Result<()>;

fn follow<S: EventSource>(mut source: S, budget: &Budget) -> Result<()> {
    source.events(budget).try_for_each(|event| event.map(drop))
}

const LOOKS: &[(&str, Look)] = &[
    ("capture", |target, _, budget| {
        let mut capture = Capture::on("eth0").start(target)?;
        while capture.next_frame(budget)?.is_some() {}
        Ok(())
    }),
    ("capture of all", |target, _, budget| {
        let mut capture = Capture::any().start(target)?;
        while capture.next_frame(budget)?.is_some() {}
        Ok(())
    }),
    ("ping", |target, host, budget| {
        let ping = Ping::new(host.v4().into()).endless().interval(Duration::from_millis(20));
        follow(ping.start(target)?, budget)
    }),
    ("connects", |target, host, budget| {
        let tcp = TcpProbe::new(host.v6().into(), [9]).endless();
        follow(tcp.interval(Duration::from_millis(20)).start(target)?, budget)
    }),
    ("neighbour", |target, _, budget| {
        let probe = NeighProbe::new("10.250.0.9".parse().expect("an address"), "eth0");
        follow(probe.count(60).wait(Duration::from_secs(60)).start(target)?, budget)
    }),
    ("question", |target, host, budget| {
        let name = "db.lab".parse().expect("a name");
        let query = DnsQuery::new(name, RecordType::A).server((host.v4(), 53).into());
        query.timeout(Duration::from_secs(60)).run(target, budget).map(drop)
    }),
    ("handle on the target alone", |target, _, _| {
        loop {
            target.check_alive()?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }),
];

/// How one pod ended under a look.
struct End {
    /// From the death of its only process to the answer that it is gone.
    told: Duration,
    /// From then to the end of its wire on the host.
    left: Duration,
}

fn has(host: &Node, dev: &str) -> bool {
    host.enter(|| nix::net::if_::if_nametoindex(dev).is_ok())
}

/// How long the look takes to end with the pod's only process, and the pod with the look.
///
/// The kernel takes namespaces down in batches, one after the other and also those of other
/// programs, so that no time of its own is a bound: namespaces let go later than the pod are
/// the clock, for none goes before one that nothing holds. A socket holds its namespace until
/// a grace period after it was closed, in which the first of them may be overtaken.
fn survived(lab: &Lab, (what, look): (&str, Look)) -> End {
    let [pod, host] = lab.pair().expect("two nodes");
    let process = pod.sleeper();
    let all = Budget::within(Duration::from_secs(20));
    let target = Target::resolve(&Selector::Pid(process.pid()), &all).expect("alive");
    // Questions are to stay without an answer.
    host.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; \
             add rule inet t i udp dport 53 drop'");
    lab.let_go(&pod);
    drop(pod);
    // From here: what came before may have waited for namespaces that are taken down.
    let budget = Budget::within(Duration::from_secs(20));
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| look(&target, &host, &budget));
        std::thread::sleep(Duration::from_millis(30));
        drop(process);
        let died = Instant::now();
        let ended = looking.join().expect("no panic");
        let told = died.elapsed();
        assert!(matches!(ended, Err(Error::TargetExited(_))), "{what} for {told:?}: {ended:?}");
        let ended = Instant::now();
        for witness in ["witness1", "witness2", "witness3"] {
            let node = lab.node_raw(witness).expect("a namespace");
            lab.link(&host, witness, &node, "eth0").expect("a wire");
            lab.let_go(&node);
            drop(node);
            while has(&host, witness) {
                assert!(ended.elapsed() < Duration::from_secs(60), "the kernel takes nothing down");
                std::thread::sleep(Duration::from_millis(2));
            }
            if !has(&host, "eth0") {
                break;
            }
        }
        assert!(!has(&host, "eth0"), "three that were let go later are gone: it is pinned");
        End { told, left: ended.elapsed() }
    })
}

#[test]
fn of_a_hundred_dead_pods_none_is_kept() {
    let beside = 5_u8;
    let one = |thread: u8| -> Option<Vec<(usize, End)>> {
        let lab = require(Lab::numbered_after(thread * 40))?;
        let rounds = (usize::from(thread)..).step_by(beside.into()).take(20);
        let looks = rounds.map(|round| round % LOOKS.len());
        Some(looks.map(|at| (at, survived(&lab, LOOKS[at]))).collect())
    };
    let all: Option<Vec<_>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..beside).map(|n| scope.spawn(move || one(n))).collect();
        threads.into_iter().map(|thread| thread.join().expect("none is pinned")).collect()
    });
    let Some(all) = all else { return };
    let all: Vec<_> = all.into_iter().flatten().collect();
    for (at, (what, _)) in LOOKS.iter().enumerate() {
        let ends: Vec<_> = all.iter().filter(|one| one.0 == at).map(|one| &one.1).collect();
        let mut told: Vec<_> = ends.iter().map(|end| end.told).collect();
        told.sort();
        let (worst, left) = (told.last(), ends.iter().map(|end| end.left).max());
        println!("{what}: {} pods, told {worst:?}, gone {left:?} at worst", told.len());
        let median = told.get(told.len() / 2).expect("some");
        assert!(*median < Duration::from_secs(1), "{what}: {told:?}");
    }
    assert_eq!(all.len(), 100);
}
