//! Scripts on a virtual clock: no socket, no waiting.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{TcpCommand, TcpInput, TcpMachine};
use super::{ExchangeEnd, Payload, TcpExchange, TcpOutcome, TcpProbe, TcpReport, Until};
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

    fn hear(&mut self, millis: u64, input: TcpInput<'_>) {
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
    assert_eq!(script.commands.last(), Some(&TcpCommand::Close { slot: 5 }));
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

fn connected(slot: usize) -> TcpInput<'static> {
    TcpInput::Connected { slot, local: None }
}

fn exchange(report: &TcpReport) -> &TcpExchange {
    report.attempts[0].exchange.as_ref().expect("something was asked for")
}

#[test]
fn a_banner_ends_with_the_pause_after_it() {
    let mut script = Script::new(&probe([22]).banner());
    script.at(0);
    script.hear(4, connected(0));
    // The wait begins anew with the connection.
    assert_eq!(script.at(4), Some(504));
    script.hear(10, TcpInput::Data { slot: 0, bytes: b"220 mail" });
    assert_eq!(script.at(10), Some(110));
    script.hear(60, TcpInput::Data { slot: 0, bytes: b" ready\r\n" });
    assert_eq!(script.at(60), Some(160));
    assert_eq!(script.at(160), None);
    assert_eq!(script.commands.last(), Some(&TcpCommand::Close { slot: 0 }));
    let report = script.end(160);
    assert_eq!(exchange(&report).received, *"220 mail ready\r\n");
    assert_eq!(exchange(&report).first_byte, Some(ms(6)));
    assert_eq!((exchange(&report).end, exchange(&report).expected), (ExchangeEnd::Paused, None));
    assert_eq!(report.attempts[0].outcome, TcpOutcome::Open { rtt: ms(4), local: None });
}

#[test]
fn what_is_expected_may_come_in_pieces() {
    let ping = "PING\\r\\n".parse::<Payload>().expect("escapes");
    let mut script = Script::new(&probe([6379]).send(ping).expect(&b"PONG"[..]));
    script.at(0);
    script.hear(1, connected(0));
    script.at(1);
    let send = TcpCommand::Send { slot: 0, bytes: b"PING\r\n".to_vec() };
    assert_eq!(script.commands.last(), Some(&send));
    script.hear(1, TcpInput::Sent { slot: 0, count: 6 });
    script.hear(2, TcpInput::Data { slot: 0, bytes: b"+PO" });
    // No pause ends this: the rest may take the whole wait.
    assert_eq!(script.at(2), Some(501));
    script.hear(400, TcpInput::Data { slot: 0, bytes: b"NG\r\n" });
    assert_eq!(script.at(400), None);
    let report = script.end(400);
    assert_eq!((exchange(&report).sent_bytes, exchange(&report).expected), (6, Some(true)));
    assert_eq!(exchange(&report).end, ExchangeEnd::Matched);
    assert!(report.attempts[0].succeeded());
}

#[test]
fn an_open_port_that_says_something_else_is_no_success() {
    let ends = [
        (None, ExchangeEnd::TimedOut),
        (Some(TcpInput::Ended { slot: 0, reason: None }), ExchangeEnd::Closed),
        (
            Some(TcpInput::Ended { slot: 0, reason: Some(Reason::new(nix::libc::ECONNRESET)) }),
            ExchangeEnd::Broken(Reason::new(nix::libc::ECONNRESET)),
        ),
    ];
    for (input, end) in ends {
        let mut script = Script::new(&probe([80]).expect(&b"PONG"[..]));
        script.at(0);
        script.hear(1, connected(0));
        script.hear(2, TcpInput::Data { slot: 0, bytes: b"\xff-ERR" });
        input.into_iter().for_each(|input| script.hear(3, input));
        assert_eq!(script.at(501), None);
        let report = script.end(501);
        assert_eq!((exchange(&report).end, exchange(&report).expected), (end, Some(false)));
        assert_eq!(exchange(&report).received_hex.as_deref(), Some("ff2d455252"));
        assert!(report.attempts[0].outcome.is_open() && !report.attempts[0].succeeded());
    }
}

#[test]
fn an_endless_banner_is_cut_at_4096_bytes() {
    let mut script = Script::new(&probe([19]).banner());
    script.at(0);
    script.hear(1, connected(0));
    for millis in 2..9 {
        script.hear(millis, TcpInput::Data { slot: 0, bytes: &[b'a'; 1000] });
    }
    assert_eq!(script.at(9), None);
    let report = script.end(9);
    assert_eq!(exchange(&report).received.as_bytes().len(), 4096);
    assert_eq!(exchange(&report).end, ExchangeEnd::Full);
}

#[test]
fn a_run_that_ends_in_the_middle_of_a_banner_keeps_it() {
    let mut script = Script::new(&probe([22]).banner());
    script.at(0);
    script.hear(1, connected(0));
    script.hear(2, TcpInput::Data { slot: 0, bytes: b"SSH-" });
    let report = script.end(3);
    assert_eq!(exchange(&report).end, ExchangeEnd::Cut);
    assert!(report.gaps.is_empty());
}

#[test]
fn rounds_keep_their_rhythm_and_never_overlap() {
    let mut script = Script::new(&probe([80, 81]).count(3).interval(ms(200)));
    assert_eq!(script.at(0), Some(500));
    script.hear(1, connected(0));
    script.hear(2, connected(1));
    assert_eq!(script.at(2), Some(200));
    // The second round takes longer than the interval.
    assert_eq!(script.at(200), Some(700));
    script.hear(201, connected(2));
    assert_eq!(script.at(400), Some(700));
    script.at(700);
    script.hear(705, connected(4));
    script.hear(709, connected(5));
    assert_eq!(script.at(709), None);
    let report = script.end(709);
    let rounds: Vec<_> = report.attempts.iter().map(|a| (a.round, a.port)).collect();
    assert_eq!(rounds, [(1, 80), (1, 81), (2, 80), (2, 81), (3, 80), (3, 81)]);
    let summary = report.summary();
    assert_eq!((summary.attempts, summary.open, summary.timed_out), (6, 5, 1));
    let rtt = summary.rtt.expect("five handshakes");
    assert_eq!((rtt.min_ns, rtt.max_ns), (1_000_000, 9_000_000));
    assert!(report.gaps.is_empty() && report.reached.is_none());
}

#[test]
fn a_run_waits_until_a_port_opens() {
    let mut script = Script::new(&probe([80]).until(Until::Open).interval(ms(100)));
    script.at(0);
    script.fail(1, 0, nix::libc::ECONNREFUSED, None);
    assert_eq!(script.at(1), Some(100));
    script.at(100);
    script.hear(101, connected(1));
    assert_eq!(script.at(101), None);
    let report = script.end(101);
    assert_eq!((report.reached, report.attempts.len()), (Some(true), 2));
}

#[test]
fn a_port_that_stays_open_is_said_to() {
    let mut script = Script::new(&probe([80]).until(Until::Closed).interval(ms(100)));
    for round in 0..3 {
        script.at(round * 100);
        script.hear(round * 100 + 1, connected(round as usize));
    }
    script.at(201);
    let report = script.end(250);
    assert_eq!((report.reached, report.summary().open), (Some(false), 3));
    assert!(report.gaps.is_empty(), "its end is what the budget is for");
}

#[test]
fn a_run_cut_short_says_how_many_rounds_it_made() {
    let mut script = Script::new(&probe([80]).count(5).interval(ms(100)));
    script.at(0);
    script.hear(1, connected(0));
    assert!(script.end(50).gaps[0].why.contains("after 1 of 5"));
}
