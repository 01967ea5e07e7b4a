//! A dead target's namespace goes within a second, whatever probe runs in it.

use std::time::{Duration, Instant};

use vision_core::base::EventSource;
use vision_core::probe::{NeighProbe, Ping, Probe, TcpProbe};
use vision_core::{Budget, Error, Result, Selector, Target};
use vision_lab::{Lab, Node, Proc};

use crate::{budget, lab, ms};

/// Host and pod on one wire; nothing but the pod's only process holds its namespace.
struct Pod {
    host: Node,
    process: Option<Proc>,
    target: Target,
}

impl Pod {
    fn start(lab: &Lab) -> Self {
        let [pod, host] = lab.pair().expect("two nodes");
        let process = pod.sleeper();
        let target = Target::resolve(&Selector::Pid(process.pid()), &budget()).expect("alive");
        lab.let_go(&pod);
        drop(pod);
        Self { host, process: Some(process), target }
    }

    /// Kills the process and says how long the host's end of the wire stays.
    fn kill(&mut self) -> Duration {
        drop(self.process.take());
        let began = Instant::now();
        while self.host.enter(|| nix::net::if_::if_nametoindex("eth0").is_ok()) {
            assert!(began.elapsed() < Duration::from_secs(5), "the namespace is pinned");
            std::thread::sleep(ms(2));
        }
        began.elapsed()
    }
}

fn ping(pod: &Pod) -> Ping {
    Ping::new(pod.host.v4().into()).endless().interval(ms(20))
}

fn tcp(pod: &Pod) -> TcpProbe {
    TcpProbe::new(pod.host.v6().into(), [9]).endless().interval(ms(20))
}

fn worst_of<R>(rounds: usize, round: impl Fn(&mut Pod) -> R, took: impl Fn(&R) -> Duration) {
    let Some(lab) = lab() else { return };
    let worst = (0..rounds).map(|_| took(&round(&mut Pod::start(&lab)))).max().unwrap_or_default();
    println!("gone after {worst:?} at worst, of {rounds}");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}

/// Kills the pod in the middle of a blocking run, which must say why it ended.
fn killed_while_running<T: Send>(
    pod: &mut Pod,
    run: impl FnOnce() -> Result<T> + Send,
) -> Duration {
    std::thread::scope(|scope| {
        let running = scope.spawn(run);
        std::thread::sleep(ms(120));
        let took = pod.kill();
        let ended = running.join().expect("no panic");
        assert!(matches!(ended, Err(Error::TargetExited(_))));
        took
    })
}

#[test]
fn an_endless_ping_lets_go() {
    let round = |pod: &mut Pod| {
        let (ping, target) = (ping(pod), pod.target.clone());
        killed_while_running(pod, move || ping.run(&target, &Budget::unbounded()))
    };
    worst_of(10, round, |took| *took);
}

#[test]
fn an_endless_connect_lets_go() {
    let round = |pod: &mut Pod| {
        let (tcp, target) = (tcp(pod), pod.target.clone());
        killed_while_running(pod, move || tcp.run(&target, &Budget::unbounded()))
    };
    worst_of(10, round, |took| *took);
}

#[test]
fn a_connection_under_way_and_a_silent_neighbour_let_go() {
    let round = |pod: &mut Pod| {
        pod.host.sh("nft 'add table inet t
                     add chain inet t i { type filter hook input priority 0 ; }
                     add rule inet t i tcp dport 9 drop'");
        let (tcp, target) = (tcp(pod).wait(Duration::from_secs(60)), pod.target.clone());
        killed_while_running(pod, move || tcp.run(&target, &Budget::unbounded()))
    };
    worst_of(3, round, |took| *took);
    let round = |pod: &mut Pod| {
        let absent = "10.250.0.9".parse().expect("an address");
        let probe = NeighProbe::new(absent, "eth0").count(60).wait(Duration::from_secs(60));
        let target = pod.target.clone();
        killed_while_running(pod, move || probe.run(&target, &Budget::unbounded()))
    };
    worst_of(3, round, |took| *took);
}

#[test]
fn a_polled_source_lets_go_even_while_it_is_held() {
    let round = |pod: &mut Pod| {
        let mut pings = ping(pod).start(&pod.target).expect("started");
        let mut connects = tcp(pod).start(&pod.target).expect("started");
        pings.recv(&budget()).expect("runs").expect("an echo");
        connects.recv(&budget()).expect("runs").expect("an attempt");
        drop(pod.process.take());
        // As a reactor would: the descriptor wakes, the source is drained until it says why.
        let ended = |result: Result<()>| matches!(result, Err(Error::TargetExited(_)));
        assert!(ended(pings.events(&budget()).try_for_each(|event| event.map(drop))));
        assert!(ended(connects.events(&budget()).try_for_each(|event| event.map(drop))));
        let took = pod.kill();
        // Both still hold what they found.
        assert!(!pings.finish().echoes.is_empty() && !connects.finish().attempts.is_empty());
        took
    };
    worst_of(10, round, |took| *took);
}
