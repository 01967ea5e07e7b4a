//! What happens to the interface and to the target meanwhile.

use std::time::{Duration, Instant};

use vision_core::capture::{Capture, Taken};
use vision_core::{Budget, Error, Selector, Target};

use crate::{budget, lab, ms, send, target, until_quiet};

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
    time.expect("a clock").into()
}

#[test]
fn down_and_up_are_told_and_the_capture_goes_on() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    b.sh("ip link set eth0 down");
    let before = cpu();
    let (_, notices) = until_quiet(&mut capture, ms(1000));
    let used = cpu() - before;
    assert_eq!(notices, ["eth0 is down"]);
    assert!(used < ms(100), "{used:?}");
    assert!(!capture.interface().up);
    b.sh(&format!("ip link set eth0 up; ip addr replace {}/24 dev eth0", b.v4()));
    let (_, notices) = until_quiet(&mut capture, ms(300));
    assert_eq!(notices, ["eth0 is up"]);
    send(&a, &b, 20, 64);
    let (packets, _) = until_quiet(&mut capture, ms(300));
    assert!(packets.iter().filter(|packet| packet.len == 106).count() >= 15, "{}", packets.len());
}

#[test]
fn a_capture_may_begin_while_its_interface_is_down() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    b.sh("ip link set eth0 down");
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    b.sh(&format!("ip link set eth0 up; ip addr replace {}/24 dev eth0", b.v4()));
    send(&a, &b, 20, 64);
    let (packets, notices) = until_quiet(&mut capture, ms(1500));
    assert_eq!(notices, ["eth0 is down", "eth0 is up"]);
    assert!(!packets.is_empty());
}

/// Does something to eth0 while packets come, and returns what was told after how long.
fn ended_by(command: &str) -> Option<(Vec<String>, usize, Duration)> {
    let lab = lab()?;
    let [a, b] = lab.pair().expect("two nodes");
    let other = lab.node("other").expect("a node");
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    send(&a, &b, 100, 64);
    let command = command.replace("OTHER", &other.path().display().to_string());
    b.sh(&command);
    let began = Instant::now();
    let (mut count, mut notices) = (0, Vec::new());
    while let Some(taken) = capture.next_taken(&budget()).expect("ends well") {
        match taken {
            Taken::Frame(frame) => count += usize::from(frame.len == 106),
            Taken::Notice(notice) => notices.push(notice.to_string()),
            _ => {}
        }
    }
    let took = began.elapsed();
    assert!(capture.next_taken(&budget()).expect("stays so").is_none());
    assert_eq!(capture.stats().expect("counted").interface_dropped, None);
    Some((notices, count, took))
}

#[test]
fn a_deleted_interface_ends_the_capture_with_all_its_packets() {
    let Some((notices, count, took)) = ended_by("ip link del eth0") else { return };
    assert_eq!(notices.last().expect("told"), "interface vanished: eth0 was deleted");
    assert!(count == 100 && took < Duration::from_secs(1), "{count} {took:?}");
}

#[test]
fn an_interface_that_moves_away_ends_the_capture_with_all_its_packets() {
    let command = "ip link set eth0 netns OTHER";
    let Some((notices, count, took)) = ended_by(command) else { return };
    let last = notices.last().expect("told");
    assert_eq!(last, "interface moved: eth0 is in another namespace now");
    assert!(count == 100 && took < Duration::from_secs(1), "{count} {took:?}");
}

#[test]
fn a_new_name_and_a_new_mtu_are_told_and_the_capture_goes_on() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("two nodes");
    let mut capture = Capture::on("eth0").start(&target(&b)).expect("starts");
    b.sh("ip link set eth0 name wan0 || { ip link set eth0 down; ip link set eth0 name wan0; \
          ip link set wan0 up; }; ip link set wan0 mtu 1400; ip link set wan0 promisc on");
    let (_, notices) = until_quiet(&mut capture, ms(300));
    assert!(notices.contains(&"eth0 is now called wan0".to_owned()), "{notices:?}");
    assert!(notices.contains(&"wan0 has an MTU of 1400 bytes now".to_owned()), "{notices:?}");
    assert_eq!(capture.interface().name, *"wan0");
    send(&a, &b, 20, 64);
    let (packets, _) = until_quiet(&mut capture, ms(300));
    assert!(packets.iter().filter(|packet| packet.len == 106).count() >= 15);
}

#[test]
fn a_dead_target_ends_the_capture_and_its_namespace_goes() {
    let Some(lab) = lab() else { return };
    let mut worst = Duration::ZERO;
    for round in 0..6 {
        let [pod, host] = lab.pair().expect("two nodes");
        let process = pod.sleeper();
        let at = Target::resolve(&Selector::Pid(process.pid()), &budget()).expect("alive");
        let mut capture = Capture::on("eth0").start(&at).expect("starts");
        let to = pod.v4();
        lab.let_go(&pod);
        drop(pod);
        let killed = std::thread::scope(|scope| {
            let running = scope.spawn(move || {
                loop {
                    match capture.next_frame(&Budget::unbounded()) {
                        Ok(Some(_)) => {}
                        ended => break matches!(ended, Err(Error::TargetExited(_))),
                    }
                }
            });
            // In half of the rounds packets never cease.
            let flood = (round % 2 == 0).then(|| host.spawn(&format!("ping -f {to}")));
            std::thread::sleep(ms(120));
            drop(process);
            let began = Instant::now();
            while host.enter(|| nix::net::if_::if_nametoindex("eth0").is_ok()) {
                assert!(began.elapsed() < Duration::from_secs(5), "the namespace is pinned");
                std::thread::sleep(ms(2));
            }
            worst = worst.max(began.elapsed());
            drop(flood);
            running.join().expect("no panic")
        });
        assert!(killed, "the reason is told");
    }
    println!("gone after {worst:?} at worst");
    assert!(worst < Duration::from_secs(1), "{worst:?}");
}
