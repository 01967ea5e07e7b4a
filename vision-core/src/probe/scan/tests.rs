//! Scripts on a virtual clock: no socket, no waiting.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{ScanCommand, ScanInput, ScanMachine, Shot};
use super::{PortState, Scan, ScanReason, ScanReport, ScannedPort, Technique};
use crate::base::{Family, Reason};
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::{IcmpError, Rate};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Script {
    machine: ScanMachine,
    start: Instant,
    now: Instant,
    abandoned: Vec<u16>,
    done: bool,
}

fn scan(ports: impl IntoIterator<Item = u16>, technique: Technique) -> Scan {
    let to: IpAddr = "10.0.0.2".parse().expect("address");
    Scan::new(to, ports).technique(technique).rate(Rate::Max)
}

impl Script {
    fn new(scan: &Scan, most: usize) -> Self {
        let start = Instant::now();
        let netns = Netns::current().expect("own namespace").id();
        let machine = ScanMachine::new(scan, most, netns);
        Self { machine, start, now: start, abandoned: Vec::new(), done: false }
    }

    fn at(&mut self, millis: u64) -> &mut Self {
        self.now = self.start + ms(millis);
        self
    }

    fn send(&mut self) -> Vec<Shot> {
        let mut sent = Vec::new();
        while !self.done {
            match self.machine.poll(self.now) {
                Step::Do(ScanCommand::Shoot(shots)) => {
                    assert!(shots.len() <= 64);
                    self.machine.handle(ScanInput::Sending { at: self.now }, self.now);
                    sent.extend(shots);
                }
                Step::Do(ScanCommand::Abandon(ports)) => self.abandoned.extend(ports),
                Step::WaitUntil(_) => break,
                Step::Done => self.done = true,
            }
        }
        sent
    }

    fn ports(&mut self) -> Vec<u16> {
        self.send().iter().map(|shot| shot.port).collect()
    }

    fn input(&mut self, input: ScanInput) -> &mut Self {
        self.machine.handle(input, self.now);
        self
    }

    fn hear(&mut self, port: u16, attempt: u8, what: ScanReason) -> &mut Self {
        let (at, attempt) = (self.now, Some(attempt));
        self.input(ScanInput::Heard { port, attempt, at, what })
    }

    /// Gathers one burst, which is just being sent.
    fn burst(&mut self) -> Vec<Shot> {
        let Step::Do(ScanCommand::Shoot(shots)) = self.machine.poll(self.now) else {
            panic!("something is due")
        };
        self.machine.handle(ScanInput::Sending { at: self.now }, self.now);
        shots
    }

    fn is_done(&mut self) -> bool {
        assert!(self.send().is_empty());
        self.done
    }

    fn events(&mut self) -> Vec<ScannedPort> {
        std::iter::from_fn(|| self.machine.next_event()).collect()
    }

    fn report(self) -> ScanReport {
        self.machine.finish(self.now)
    }
}

fn icmp(code: u8) -> IcmpError {
    IcmpError { from: None, family: Family::V4, kind: 3, code, mtu_bytes: None }
}

fn states(report: &ScanReport) -> Vec<PortState> {
    report.ports.iter().map(|port| port.state).collect()
}

#[test]
fn each_answer_makes_its_state() {
    use PortState::{Closed, Filtered, Open, OpenOrFiltered, Undecided};
    let local = ScanReason::Local(Reason::new(nix::libc::EPERM));
    for (what, tcp, udp) in [
        (ScanReason::SynAck, Open, Open),
        (ScanReason::Reply, Open, Open),
        (ScanReason::Reset, Closed, Closed),
        (ScanReason::Icmp(icmp(3)), Filtered, Closed),
        (ScanReason::Icmp(icmp(13)), Filtered, Filtered),
        (ScanReason::NoResponse, Filtered, OpenOrFiltered),
        (local, Undecided, Undecided),
        (ScanReason::Unfinished, Undecided, Undecided),
    ] {
        assert_eq!(Technique::HalfOpen.state(&what), tcp, "{what:?}");
        assert_eq!(Technique::Connect.state(&what), tcp, "{what:?}");
        assert_eq!(Technique::Udp.state(&what), udp, "{what:?}");
    }
}

#[test]
fn answers_in_any_order_find_their_ports() {
    let mut script = Script::new(&scan([80, 81, 82], Technique::HalfOpen), 64);
    assert_eq!(script.ports(), [80, 81, 82]);
    script.at(2).hear(82, 0, ScanReason::Reset).hear(80, 0, ScanReason::SynAck);
    script.at(5).hear(81, 0, ScanReason::Icmp(icmp(13)));
    let order: Vec<_> = script.events().iter().map(|port| port.port).collect();
    assert_eq!(order, [82, 80, 81]);
    assert!(script.is_done());
    let report = script.report();
    assert_eq!(states(&report), [PortState::Open, PortState::Filtered, PortState::Closed]);
    assert_eq!(report.ports[1].rtt_ns, Some(5_000_000));
    assert_eq!((report.sent, report.repeated), (3, 0));
}

#[test]
fn silence_is_asked_three_times_with_doubled_waits_before_it_is_believed() {
    let mut script = Script::new(&scan([9], Technique::Connect), 64);
    let attempts: Vec<_> = [0, 999, 1000, 2999, 3000, 6999]
        .into_iter()
        .flat_map(|at| vec![at; script.at(at).send().len()])
        .collect();
    assert_eq!(attempts, [0, 1000, 3000]);
    assert!(script.at(7000).send().is_empty());
    assert!(script.is_done());
    assert_eq!(script.abandoned, [9, 9, 9]);
    let events = script.events();
    assert_eq!((events[0].state, events[0].attempts), (PortState::Filtered, 3));
    let udp = Script::new(&scan([9], Technique::Udp), 64);
    assert_eq!(states(&udp.report()), [PortState::Undecided]);
}

#[test]
fn duplicates_late_answers_and_strangers_change_nothing() {
    let mut script = Script::new(&scan([80, 81], Technique::HalfOpen), 64);
    script.send();
    script.at(1).hear(80, 0, ScanReason::SynAck).hear(80, 0, ScanReason::Reset);
    script.hear(9999, 0, ScanReason::SynAck).input(ScanInput::Stray);
    // The first attempt is answered after the second has left.
    script.at(150).send();
    script.at(151).hear(81, 0, ScanReason::Reset);
    assert!(script.is_done());
    let report = script.report();
    assert_eq!(states(&report), [PortState::Open, PortState::Closed]);
    assert_eq!(report.ignored, 2);
    assert_eq!(report.ports[1].rtt_ns, None, "which attempt took how long is not known");
}

#[test]
fn nothing_open_is_lost_where_the_way_loses_a_tenth_each_way() {
    let mut script = Script::new(&scan(1..=65_535, Technique::HalfOpen), 2048);
    let mut seed = 7_u64;
    let mut lost = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) % 100 < 19
    };
    let mut millis = 0;
    while !script.done {
        let shots = script.at(millis).send();
        script.at(millis + 1);
        for shot in shots.into_iter().filter(|_| !lost()) {
            let what = if shot.port % 1000 == 0 { ScanReason::SynAck } else { ScanReason::Reset };
            script.hear(shot.port, shot.attempt, what);
        }
        millis += 2;
        assert!(millis < 600_000, "it never ends");
    }
    let report = script.report();
    assert_eq!(report.in_state(PortState::Open).count(), 65);
    assert_eq!(report.in_state(PortState::Closed).count(), 65_535 - 65);
    assert!(report.sent < 90_000, "{} probes", report.sent);
}

#[test]
fn a_loss_that_shows_late_earns_the_silent_another_attempt() {
    // One at a time: port 1 is given up before port 2 is asked.
    let mut script = Script::new(&scan([1, 2], Technique::HalfOpen), 1);
    let asked = [0, 1000, 3000, 7000, 8000].map(|millis| script.at(millis).ports());
    assert_eq!(asked, [[1], [1], [1], [2], [2]]);
    script.hear(2, 1, ScanReason::SynAck);
    assert_eq!(script.send(), [Shot { port: 1, attempt: 3 }]);
    script.at(8001).hear(1, 3, ScanReason::SynAck);
    assert!(script.is_done());
    assert_eq!(states(&script.report()), [PortState::Open; 2]);
}

#[test]
fn a_full_kernel_gets_the_rest_later() {
    let mut script = Script::new(&scan(1..=10, Technique::Connect), 64);
    assert_eq!(script.burst().len(), 10);
    script.input(ScanInput::Full { nth: 4 });
    assert!(script.ports().is_empty());
    assert_eq!(script.at(1).ports(), [5, 6, 7, 8, 9, 10]);
    for port in 1..=10 {
        script.hear(port, 0, ScanReason::Reset);
    }
    assert!(script.is_done());
    let report = script.report();
    assert_eq!((report.sent, report.in_state(PortState::Closed).count()), (10, 10));
}

#[test]
fn a_refusal_is_about_its_port_only() {
    let mut script = Script::new(&scan([1, 2], Technique::HalfOpen), 64);
    script.burst();
    let reason = Reason::new(nix::libc::EPERM);
    script.input(ScanInput::Refused { nth: 0, reason }).hear(2, 0, ScanReason::SynAck);
    assert!(script.is_done());
    let report = script.report();
    assert_eq!(states(&report), [PortState::Undecided, PortState::Open]);
    assert_eq!(report.ports[0].reason, ScanReason::Local(reason));
}

#[test]
fn the_window_holds_and_the_rate_too() {
    let mut script = Script::new(&scan(1..=1000, Technique::Connect), 64);
    assert_eq!(script.send().len(), 64);
    let polite = scan(1..=3000, Technique::HalfOpen).rate(Rate::PerSecond(1000));
    let mut script = Script::new(&polite, 2048);
    let sent: usize = (0..1000).map(|millis| script.at(millis).send().len()).sum();
    assert!((950..=1050).contains(&sent), "{sent}");
}

#[test]
fn udp_slows_down_to_the_rate_at_which_a_host_answers() {
    let mut script = Script::new(&scan(1..=20, Technique::Udp), 64);
    let (mut millis, mut next_error) = (0, 0);
    // As Linux does: one ICMP error a second, the others are not sent.
    while !script.done && millis < 300_000 {
        for shot in script.at(millis).send() {
            if millis >= next_error {
                script.hear(shot.port, shot.attempt, ScanReason::Icmp(icmp(3)));
                next_error = millis + 1000;
            }
        }
        millis += 10;
    }
    let report = script.report();
    assert_eq!(report.in_state(PortState::Closed).count(), 20, "{report:?}");
}

#[test]
fn the_end_of_the_budget_is_a_gap() {
    let mut script = Script::new(&scan([1, 2], Technique::HalfOpen), 64);
    script.send();
    script.hear(1, 0, ScanReason::SynAck);
    let report = script.report();
    assert_eq!(states(&report), [PortState::Open, PortState::Undecided]);
    assert!(report.gaps[0].to_string().contains("1 of 2 undecided"), "{:?}", report.gaps);
}

#[test]
fn requests_that_cannot_be_meant_are_refused() {
    let refusal = |scan: Scan| scan.check().expect_err("must be refused").to_string();
    let any: [IpAddr; 2] = ["0.0.0.0", "224.0.0.1"].map(|text| text.parse().expect("address"));
    assert!(refusal(scan([], Technique::Connect)).contains("none to ask"));
    assert!(refusal(scan([0], Technique::Connect)).contains("no port"));
    for to in any {
        assert!(refusal(Scan::new(to, [80])).contains("not one host"));
    }
    assert!(refusal(scan([1], Technique::Udp).wait(Duration::ZERO)).contains("wait"));
}
