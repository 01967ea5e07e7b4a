//! Scripts on a virtual clock: no socket, no waiting.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{IcmpOrLocal, PingInput, PingMachine, Request};
use super::{EchoOutcome, Ping, PingReport};
use crate::base::{Family, Reason, Timestamp, Ttl};
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError, Method};
use crate::wire::icmp::EchoMessage;

const PEER: &str = "10.0.0.2";

struct Script {
    machine: PingMachine,
    start: Instant,
    sent: Vec<Request>,
}

fn peer() -> IpAddr {
    PEER.parse().expect("address")
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Script {
    fn new(ping: &Ping) -> Self {
        let start = Instant::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
        let netns = Netns::current().expect("own namespace").id();
        let machine = PingMachine::new(ping, Method::Raw, *b"\x12\x34cookie", netns, anchor);
        Self { machine, start, sent: Vec::new() }
    }

    /// Lets the machine do all it wants at a moment; gives the next one it waits for, in ms.
    fn at(&mut self, millis: u64) -> Option<u64> {
        let now = self.start + ms(millis);
        loop {
            match self.machine.poll(now) {
                Step::Do(request) => self.sent.push(request),
                Step::WaitUntil(at) => {
                    return Some(at.duration_since(self.start).as_millis() as u64);
                }
                Step::Done => return None,
            }
        }
    }

    fn reply_bytes(&self, seq: u16) -> Vec<u8> {
        let request = self.sent.iter().find(|r| r.seq == seq).expect("sent before");
        let mut bytes = request.bytes.clone();
        bytes[0] = 0;
        bytes
    }

    fn hear(&mut self, millis: u64, from: IpAddr, bytes: &[u8]) {
        let at = self.start + ms(millis);
        let input = PingInput::Message { from, ttl: Some(Ttl(64)), at, bytes };
        self.machine.handle(input, self.start + ms(millis));
    }

    fn reply(&mut self, millis: u64, seq: u16) {
        let bytes = self.reply_bytes(seq);
        self.hear(millis, peer(), &bytes);
    }

    fn end(self, millis: u64) -> PingReport {
        let end = self.start + ms(millis);
        self.machine.finish(end)
    }
}

fn two() -> Ping {
    Ping::new(peer()).count(2).interval(ms(100)).wait(ms(300))
}

fn rtt_ms(report: &PingReport, index: usize) -> Option<u64> {
    report.echoes[index].rtt_ns().map(|ns| ns / 1_000_000)
}

#[test]
fn replies_give_round_trip_times_and_the_run_ends_at_once() {
    let mut script = Script::new(&two());
    assert_eq!(script.at(0), Some(100));
    script.reply(7, 1);
    assert_eq!(script.at(100), Some(400));
    script.reply(105, 2);
    assert_eq!(script.at(105), None);
    let report = script.end(105);
    assert_eq!((rtt_ms(&report, 0), rtt_ms(&report, 1)), (Some(7), Some(5)));
    assert_eq!(report.summary().loss_percent, 0.0);
    assert!(report.gaps.is_empty());
}

#[test]
fn a_late_reply_counts_as_lost_but_is_kept() {
    let mut script = Script::new(&two());
    script.at(0);
    script.at(100);
    script.at(300);
    script.reply(350, 1);
    script.at(400);
    let report = script.end(400);
    assert_eq!(report.echoes[0].outcome, EchoOutcome::Lost { late: Some(ms(350)) });
    assert_eq!(report.echoes[1].outcome, EchoOutcome::Lost { late: None });
    assert_eq!(report.summary().loss_percent, 100.0);
}

#[test]
fn replies_out_of_order_find_their_requests() {
    let mut script = Script::new(&two());
    script.at(0);
    script.at(100);
    script.reply(110, 2);
    script.reply(120, 1);
    assert_eq!(script.at(120), None);
    let report = script.end(120);
    assert_eq!((rtt_ms(&report, 0), rtt_ms(&report, 1)), (Some(120), Some(10)));
}

#[test]
fn a_duplicate_is_counted_and_changes_nothing() {
    let mut script = Script::new(&two());
    script.at(0);
    script.reply(5, 1);
    script.reply(6, 1);
    let report = script.end(50);
    assert_eq!((report.duplicates, rtt_ms(&report, 0)), (1, Some(5)));
}

#[test]
fn forged_replies_are_never_accepted() {
    let mut script = Script::new(&two());
    script.at(0);
    let good = script.reply_bytes(1);
    let mut wrong_id = good.clone();
    wrong_id[4] ^= 1;
    let mut wrong_cookie = good.clone();
    wrong_cookie[10] ^= 1;
    let mut unsent = good.clone();
    unsent[7] = 9;
    script.hear(1, peer(), &wrong_id);
    script.hear(1, peer(), &wrong_cookie);
    script.hear(1, peer(), &unsent);
    script.hear(1, peer(), &good[..9]);
    script.hear(1, peer(), &[]);
    script.hear(1, "10.0.0.66".parse().expect("address"), &good);
    script.reply(8, 1);
    let report = script.end(8);
    assert_eq!(rtt_ms(&report, 0), Some(8));
    assert_eq!(report.ignored, 4);
}

#[test]
fn an_icmp_error_is_tied_to_its_request() {
    let mut script = Script::new(&two());
    script.at(0);
    let icmp = IcmpError {
        from: Some("10.0.0.1".parse().expect("address")),
        family: Family::V4,
        kind: 3,
        code: 1,
        mtu_bytes: None,
    };
    let quoted = script.sent[0].bytes[..8].to_vec();
    let mut foreign = quoted.clone();
    foreign[5] ^= 1;
    for quoted in [&foreign, &quoted] {
        let input = PingInput::Error { error: IcmpOrLocal::Icmp(icmp), quoted };
        script.machine.handle(input, script.start + ms(3));
    }
    let event = script.machine.next_event().expect("decided");
    assert_eq!(event.outcome, EchoOutcome::Unreachable(icmp));
    assert!(script.machine.next_event().is_none());
}

#[test]
fn a_refused_send_is_an_outcome_with_the_mtu_in_the_way() {
    let mut script = Script::new(&two());
    script.at(0);
    let now = script.start;
    let local = PingInput::Error { error: IcmpOrLocal::Local { mtu: Some(1400) }, quoted: &[] };
    script.machine.handle(local, now);
    let reason = Reason::new(nix::libc::EMSGSIZE);
    script.machine.handle(PingInput::SendFailed { seq: 1, reason }, now);
    let report = script.end(1);
    let expected = EchoOutcome::LocalError { reason, mtu_bytes: Some(1400) };
    assert_eq!(report.echoes[0].outcome, expected);
}

#[test]
fn a_budget_that_ends_early_leaves_a_gap_not_a_loss() {
    let mut script = Script::new(&two());
    script.at(0);
    let report = script.end(50);
    assert_eq!(report.echoes[0].outcome, EchoOutcome::Pending);
    assert_eq!(report.summary().loss_percent, 0.0);
    assert_eq!(report.gaps.len(), 2);
    assert!(report.gaps[0].why.contains("after 1 of 2"));
}

#[test]
fn a_stopped_process_does_not_burst_to_catch_up() {
    let mut script = Script::new(&Ping::new(peer()).count(9).interval(ms(100)).wait(ms(300)));
    script.at(0);
    script.at(5000);
    assert_eq!(script.sent.len(), 2);
}

#[test]
fn a_payload_too_short_for_the_cookie_is_still_told_apart_by_its_id() {
    let mut script = Script::new(&two().size_bytes(3));
    script.at(0);
    assert_eq!(script.sent[0].bytes.len(), 8 + 3);
    assert_eq!(EchoMessage::quoted_request(Family::V4, &script.sent[0].bytes), Some((0x1234, 1)));
    script.reply(2, 1);
    assert_eq!(rtt_ms(&script.end(2), 0), Some(2));
}

#[test]
fn a_stopped_process_counts_as_a_stall_and_not_as_loss() {
    let mut script = Script::new(&Ping::new(peer()).count(9).interval(ms(100)).wait(ms(300)));
    script.at(0);
    assert_eq!(script.at(100), Some(200));
    // Stopped at 150 ms, awake at 3150 ms: the reply to the first request waited in the socket.
    let bytes = script.reply_bytes(1);
    let (from, at) = (peer(), script.start + ms(150));
    let input = PingInput::Message { from, ttl: None, at, bytes: &bytes };
    script.machine.handle(input, script.start + ms(3150));
    assert_eq!(script.at(3150), Some(3200));
    let report = script.end(4000);
    assert_eq!(rtt_ms(&report, 0), Some(150));
    assert_eq!(report.echoes[1].outcome, EchoOutcome::Stalled { late: None });
    assert_eq!(report.echoes.len(), 3, "no burst");
    let stall = report.stalls[0];
    assert_eq!((stall.at.as_unix_nanos(), stall.lasted), (200_000_000, ms(2950)));
    assert_eq!(report.summary().loss_percent, 50.0, "the third was sent after the stall");
}

#[test]
fn the_moment_of_sending_is_the_channels_word() {
    let mut script = Script::new(&two());
    script.at(0);
    let at = script.start + ms(3);
    script.machine.handle(PingInput::Sending { seq: 1, at }, at);
    script.reply(8, 1);
    assert_eq!(rtt_ms(&script.end(8), 0), Some(5));
}
