//! Scripts on a virtual clock: no socket, no waiting.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{TcpCommand, TcpInput, TcpMachine};
use super::{TcpOutcome, TcpProbe, TcpReport};
use crate::base::{Family, Pacer, Reason, Timestamp};
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError};

struct Script {
    machine: TcpMachine,
    start: Instant,
    commands: Vec<TcpCommand>,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn probe(ports: impl IntoIterator<Item = u16>) -> TcpProbe {
    let to: IpAddr = "10.0.0.2".parse().expect("address");
    TcpProbe::new(to, ports).wait(ms(500))
}

impl Script {
    fn new(probe: &TcpProbe) -> Self {
        let start = Instant::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
        let netns = Netns::current().expect("own namespace").id();
        Self { machine: TcpMachine::new(probe, netns, anchor), start, commands: Vec::new() }
    }

    fn at(&mut self, millis: u64) -> Option<u64> {
        let now = self.start + ms(millis);
        loop {
            match self.machine.poll(now) {
                Step::Do(command) => self.commands.push(command),
                Step::WaitUntil(at) => {
                    return Some(at.duration_since(self.start).as_millis() as u64);
                }
                Step::Done => return None,
            }
        }
    }

    fn hear(&mut self, millis: u64, input: TcpInput) {
        self.machine.handle(input, self.start + ms(millis));
    }

    fn fail(&mut self, millis: u64, slot: usize, errno: i32, icmp: Option<IcmpError>) {
        self.hear(millis, TcpInput::Failed { slot, reason: Reason::new(errno), icmp, ttl: None });
    }

    fn end(self, millis: u64) -> TcpReport {
        let end = self.start + ms(millis);
        self.machine.finish(end)
    }
}

fn icmp(kind: u8, code: u8) -> IcmpError {
    let from = Some("10.0.0.1".parse().expect("address"));
    IcmpError { from, family: Family::V4, kind, code, mtu_bytes: None }
}

#[test]
fn each_answer_has_its_own_outcome() {
    let mut script = Script::new(&probe(1..=6));
    assert_eq!(script.at(0), Some(500));
    script.hear(3, TcpInput::Connected { slot: 0, local: None });
    script.fail(4, 1, nix::libc::ECONNREFUSED, None);
    script.fail(5, 2, nix::libc::ECONNREFUSED, Some(icmp(3, 3)));
    script.fail(6, 3, nix::libc::EHOSTUNREACH, Some(icmp(3, 13)));
    script.fail(0, 4, nix::libc::EACCES, None);
    assert_eq!(script.at(500), None);
    assert_eq!(script.commands.last(), Some(&TcpCommand::Abandon { slot: 5 }));
    let outcomes: Vec<_> = script.end(500).attempts.into_iter().map(|a| a.outcome).collect();
    let (reason, rtt) = (Reason::new(nix::libc::EACCES), ms);
    let expected = [
        TcpOutcome::Open { rtt: rtt(3), local: None },
        TcpOutcome::Refused { rtt: rtt(4), icmp: None, ttl: None },
        TcpOutcome::Refused { rtt: rtt(5), icmp: Some(icmp(3, 3)), ttl: None },
        TcpOutcome::Unreachable { rtt: rtt(6), icmp: icmp(3, 13) },
        TcpOutcome::LocalError { reason, after: rtt(0) },
        TcpOutcome::TimedOut,
    ];
    assert_eq!(outcomes, expected);
}

#[test]
fn an_answer_after_the_wait_changes_nothing() {
    let mut script = Script::new(&probe([80]));
    script.at(0);
    script.at(500);
    script.hear(501, TcpInput::Connected { slot: 0, local: None });
    assert_eq!(script.end(501).attempts[0].outcome, TcpOutcome::TimedOut);
}

#[test]
fn no_more_than_64_are_half_open() {
    let mut script = Script::new(&probe(1..=200).pacer(&Pacer::per_second(10_000, 200)));
    script.at(0);
    assert_eq!(script.commands.len(), 64);
    script.hear(1, TcpInput::Connected { slot: 9, local: None });
    script.at(1);
    assert_eq!(script.commands.len(), 65);
}

#[test]
fn a_shared_pacer_is_obeyed() {
    let mut script = Script::new(&probe(1..=4).pacer(&Pacer::per_second(10, 1)));
    assert_eq!(script.at(0), Some(100));
    assert_eq!(script.commands.len(), 1);
    script.at(100);
    assert_eq!(script.commands.len(), 2);
}

#[test]
fn what_is_open_at_the_end_is_a_gap() {
    let mut script = Script::new(&probe([80, 81]));
    script.at(0);
    script.fail(1, 0, nix::libc::ECONNREFUSED, None);
    let report = script.end(2);
    assert_eq!(report.attempts[1].outcome, TcpOutcome::Pending);
    assert!(report.gaps[0].why.contains("1 of 2"));
}
