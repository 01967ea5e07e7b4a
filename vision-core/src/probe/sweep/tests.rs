//! Scripts on a virtual clock: no socket, no waiting.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{Ask, Heard, SweepInput, SweepMachine};
use super::{AddrRange, Sweep, SweepReport, SweepVerdict, SweptHost};
use crate::base::{Family, Reason, Timestamp};
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError, Method, Rate};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn addr(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn targets(count: u8) -> Vec<IpAddr> {
    (1..=count).map(addr).collect()
}

/// A machine and the clock it lives by.
struct Script {
    machine: SweepMachine,
    start: Instant,
    now: Instant,
}

impl Script {
    fn new(sweep: &Sweep) -> Self {
        let start = Instant::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
        let netns = Netns::current().expect("own namespace").id();
        let machine = SweepMachine::new(sweep, vec![Method::Raw], netns, anchor);
        Self { machine, start, now: start }
    }

    fn at(&mut self, millis: u64) -> &mut Self {
        self.now = self.start + ms(millis);
        self
    }

    /// Sends what is due; returns who was asked.
    fn send(&mut self) -> Vec<Ask> {
        let mut asked = Vec::new();
        while let Step::Do(burst) = self.machine.poll(self.now) {
            assert!(burst.asks.len() <= 64);
            assert!(burst.asks.iter().all(|ask| Family::of(ask.to) == burst.family));
            self.machine.handle(SweepInput::Sending { at: self.now }, self.now);
            asked.extend(burst.asks);
        }
        asked
    }

    /// Gathers one burst, which is just being sent.
    fn burst(&mut self) -> Vec<Ask> {
        let Step::Do(burst) = self.machine.poll(self.now) else { panic!("something is due") };
        self.machine.handle(SweepInput::Sending { at: self.now }, self.now);
        burst.asks
    }

    fn input(&mut self, input: SweepInput) -> &mut Self {
        self.machine.handle(input, self.now);
        self
    }

    fn reply(&mut self, from: IpAddr, host: u32, round: u16) -> &mut Self {
        let heard = Heard { from, host: Some(host), round: Some(round), lladdr: None };
        self.input(SweepInput::Heard { heard, at: self.now })
    }

    fn is_done(&mut self) -> bool {
        self.machine.poll(self.now) == Step::Done
    }

    fn events(&mut self) -> Vec<(usize, SweptHost)> {
        std::iter::from_fn(|| self.machine.next_event()).collect()
    }

    fn report(self) -> SweepReport {
        self.machine.finish(self.now)
    }
}

fn at_once(count: u8) -> Sweep {
    Sweep::new(targets(count)).rate(Rate::Max)
}

fn icmp(from: u8) -> IcmpError {
    let from = Some(addr(from));
    IcmpError { from, family: Family::V4, kind: 3, code: 1, mtu_bytes: None }
}

#[test]
fn a_reply_ends_the_asking_and_silence_asks_again() {
    let mut script = Script::new(&at_once(2));
    assert_eq!(script.send().len(), 2);
    script.at(3).reply(addr(1), 0, 0);
    let [(0, host)] = &script.events()[..] else { panic!("one is decided") };
    assert_eq!(
        (host.verdict, host.rtts_ns.as_slice()),
        (SweepVerdict::Alive, &[Some(3_000_000)][..])
    );
    assert_eq!(script.at(999).send(), []);
    assert_eq!(script.at(1000).send(), [Ask { to: addr(2), host: 1, round: 1 }]);
    assert!(script.at(2000).is_done());
    let report = script.report();
    assert_eq!(report.hosts[1].verdict, SweepVerdict::Silent);
    assert_eq!((report.hosts[1].sent, report.hosts[1].lost), (2, 2));
    let summary = report.summary();
    assert_eq!((summary.alive, summary.sent, summary.received), (1, 3, 1));
    assert!((summary.loss_percent - 200.0 / 3.0).abs() < 1e-9);
    assert!(report.gaps.is_empty());
}

#[test]
fn a_count_is_kept_with_its_interval_and_every_loss_has_its_place() {
    let mut script = Script::new(&at_once(1).count(3).interval(ms(100)).wait(ms(50)));
    let mut asked = Vec::new();
    for (millis, reply) in [(0, true), (100, false), (200, true)] {
        asked.extend(script.at(millis).send().iter().map(|ask| (millis, ask.round)));
        if reply {
            let round = asked.len() as u16 - 1;
            script.at(millis + 10).reply(addr(1), 0, round);
        }
    }
    assert_eq!(asked, [(0, 0), (100, 1), (200, 2)]);
    assert!(script.at(250).is_done());
    let host = script.report().hosts.remove(0);
    assert_eq!(host.rtts_ns, [Some(10_000_000), None, Some(10_000_000)]);
    assert_eq!((host.sent, host.received, host.lost), (3, 2, 1));
    assert_eq!(host.jitter_ns(), Some(0));
}

#[test]
fn replies_out_of_order_find_their_requests() {
    let mut script = Script::new(&at_once(3));
    script.send();
    for (at, last) in [(1, 3), (2, 1), (4, 2)] {
        script.at(at).reply(addr(last), u32::from(last) - 1, 0);
    }
    let order: Vec<_> = script.events().iter().map(|(place, _)| *place).collect();
    assert_eq!(order, [2, 0, 1]);
    assert!(script.is_done());
    let rtts: Vec<_> = script.report().hosts.iter().map(|host| host.rtts_ns[0]).collect();
    assert_eq!(rtts, [Some(2_000_000), Some(4_000_000), Some(1_000_000)]);
}

#[test]
fn duplicates_and_late_replies_count_once_and_as_such() {
    let mut script = Script::new(&at_once(2).until_answered(1));
    script.send();
    script.at(1).reply(addr(1), 0, 0).reply(addr(1), 0, 0);
    assert!(script.at(1000).is_done());
    script.at(1500).reply(addr(2), 1, 0);
    let report = script.report();
    assert_eq!((report.hosts[0].received, report.hosts[0].duplicates), (1, 1));
    assert_eq!((report.hosts[1].verdict, report.hosts[1].duplicates), (SweepVerdict::Silent, 1));
    assert_eq!(report.hosts[1].rtts_ns, [None]);
}

#[test]
fn a_reply_that_lay_unread_beyond_its_wait_is_late() {
    let mut script = Script::new(&at_once(1).until_answered(1));
    script.send();
    script.at(1001).reply(addr(1), 0, 0);
    assert!(script.is_done());
    assert_eq!(script.report().hosts[0].received, 0);
}

#[test]
fn what_nobody_was_asked_is_ignored() {
    let mut script = Script::new(&at_once(2));
    script.send();
    // A wrong sender, a place and a round that do not exist, and a request not yet sent.
    script.reply(addr(9), 0, 0).reply(addr(1), 7, 0).reply(addr(1), 0, 9).reply(addr(1), 0, 1);
    script.input(SweepInput::Stray);
    let report = script.report();
    assert_eq!(report.ignored, 5);
    assert!(report.hosts.iter().all(|host| host.received == 0));
}

#[test]
fn an_icmp_error_fails_one_request_and_a_later_reply_wins() {
    let mut script = Script::new(&at_once(2));
    script.send();
    for last in [1, 2] {
        script.at(5).input(SweepInput::Error { error: icmp(254), to: addr(last), round: 0 });
    }
    let again = script.send();
    assert_eq!(again.len(), 2, "both are asked again at once");
    script.at(6).reply(addr(1), 0, 1);
    script.input(SweepInput::Error { error: icmp(254), to: addr(2), round: 1 });
    assert!(script.is_done());
    let report = script.report();
    assert_eq!(report.hosts[0].verdict, SweepVerdict::Alive);
    assert_eq!(report.hosts[1].verdict, SweepVerdict::Unreachable(icmp(254)));
}

#[test]
fn a_refusal_is_final_for_its_target_and_the_others_go_on() {
    let mut script = Script::new(&at_once(3));
    script.burst();
    let reason = Reason::new(nix::libc::ENETUNREACH);
    script.input(SweepInput::Refused { nth: 1, reason });
    script.at(1).reply(addr(1), 0, 0).reply(addr(3), 2, 0);
    assert!(script.is_done());
    let verdicts: Vec<_> = script.report().hosts.iter().map(|host| host.verdict).collect();
    let alive = SweepVerdict::Alive;
    assert_eq!(verdicts, [alive, SweepVerdict::LocalError(reason), alive]);
}

#[test]
fn a_full_kernel_gets_the_rest_a_moment_later_and_nothing_twice() {
    for sweep in [at_once(5), at_once(5).count(2).interval(ms(500))] {
        let mut script = Script::new(&sweep);
        assert_eq!(script.burst().len(), 5);
        script.input(SweepInput::Full { nth: 2 });
        assert_eq!(script.send(), []);
        let rest: Vec<_> = script.at(1).send().iter().map(|ask| (ask.host, ask.round)).collect();
        assert_eq!(rest, [(2, 0), (3, 0), (4, 0)]);
        for host in 0..5 {
            script.at(2).reply(addr(host + 1), host.into(), 0);
        }
        let report = script.report();
        assert_eq!(report.summary().received, 5);
        assert_eq!(report.summary().sent, 5);
    }
}

#[test]
fn the_rate_holds_over_all_targets_and_rounds() {
    let sweep = Sweep::new(targets(250)).rate(Rate::PerSecond(100)).count(2).interval(ms(10));
    let mut script = Script::new(&sweep);
    let sent: Vec<u64> =
        (0..6000).flat_map(|millis| vec![millis; script.at(millis).send().len()]).collect();
    assert_eq!(sent.len(), 500);
    for from in &sent {
        let window = sent.iter().filter(|at| (*from..from + 1000).contains(*at)).count();
        assert!(window <= 105, "{window} in the second after {from} ms");
    }
    assert!(*sent.last().expect("sent") < 5100, "and it is used");
}

#[test]
fn two_families_never_share_a_burst() {
    let mixed = ["10.0.0.1", "fd00::1", "10.0.0.2"].map(|text| text.parse().expect("address"));
    let mut script = Script::new(&Sweep::new(mixed).rate(Rate::Max));
    assert_eq!(script.send().len(), 3);
}

#[test]
fn the_end_of_the_budget_leaves_what_is_open_undecided() {
    let mut script = Script::new(&at_once(3));
    script.send();
    script.at(1).reply(addr(2), 1, 0);
    let report = script.report();
    let verdicts: Vec<_> = report.hosts.iter().map(|host| host.verdict).collect();
    use SweepVerdict::{Alive, Undecided};
    assert_eq!(verdicts, [Undecided, Alive, Undecided]);
    assert!(report.gaps[0].to_string().contains("2 of 3 undecided"), "{:?}", report.gaps);
}

#[test]
fn a_stopped_process_counts_against_nobody() {
    let mut script = Script::new(&at_once(1).until_answered(1));
    script.send();
    // Stopped over the whole wait; the reply is read afterwards, with the kernel's stamp.
    script.at(9000);
    let heard = Heard { from: addr(1), host: Some(0), round: Some(0), lladdr: None };
    script.input(SweepInput::Heard { heard, at: script.start + ms(2) });
    let report = script.report();
    assert_eq!(report.hosts[0].rtts_ns, [Some(2_000_000)]);
    assert_eq!(report.stalls.len(), 1);
}

#[test]
fn a_network_of_65534_is_decided_with_and_without_answers() {
    let range: AddrRange = "10.9.0.0/16".parse().expect("a range");
    let sweep = Sweep::new(range.iter()).rate(Rate::Max).until_answered(1);
    let mut script = Script::new(&sweep);
    let asked = script.send();
    assert_eq!(asked.len(), 65_534);
    for ask in asked.iter().filter(|ask| ask.host % 2 == 0) {
        script.reply(ask.to, ask.host, ask.round);
    }
    assert!(script.at(1000).is_done());
    let summary = script.report().summary();
    assert_eq!((summary.hosts, summary.alive, summary.undecided), (65_534, 32_767, 0));
}

#[test]
fn addresses_named_again_are_asked_once_and_said() {
    let sweep = Sweep::new([addr(2), addr(1), addr(2)]).rate(Rate::Max);
    assert_eq!((sweep.targets(), sweep.repeated()), (&[addr(2), addr(1)][..], 1));
    let report = Script::new(&sweep).report();
    assert!(report.gaps[0].to_string().contains("more than once"), "{:?}", report.gaps);
}

#[test]
fn requests_that_cannot_be_meant_are_refused() {
    let refusal = |sweep: Sweep| sweep.check().expect_err("must be refused").to_string();
    assert!(refusal(Sweep::new([])).contains("no address"));
    assert!(refusal(Sweep::new(["224.0.0.1".parse().expect("address")])).contains("group"));
    assert!(refusal(at_once(1).count(0)).contains("from 1"));
    assert!(refusal(at_once(200).count(65_535).interval(ms(1))).contains("floor"));
    let range: AddrRange = "10.0.0.0/12".parse().expect("a range");
    assert!(refusal(Sweep::new(range.iter()).count(20)).contains("20 for each of 1048574"));
    assert!(refusal(at_once(1).size_bytes(13)).contains("13 is not from 14"));
    assert!(
        refusal(at_once(1).source("fd00::1".parse().expect("address"))).contains("cannot send")
    );
    assert!(at_once(1).check().is_ok());
}
