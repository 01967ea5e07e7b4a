//! Scripts on a virtual clock, with a network that is a list of routers.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::answer::Heard;
use super::codec::{Codec, Secret, Shot};
use super::machine::{PathMachine, Place, Plan};
use super::report::{PathEnd, PathReport, ReachedBy};
use super::{ProbeField, ProbeFlags, Probing, ProbingMethod, Remark};
use crate::base::{Family, Pacer, Reason, Timestamp, Ttl};
use crate::netns::Netns;
use crate::probe::Anchor;
use crate::probe::machine::{Machine, Step};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect(text)
}

const PROBINGS: [Probing; 3] =
    [Probing::Icmp, Probing::Udp { port: 33_434 }, Probing::Tcp { port: 443 }];

fn codec(probing: Probing, from: &str, to: &str) -> Codec {
    Codec {
        probing,
        from: addr(from),
        to: addr(to),
        tos: 0xb8,
        flags: ProbeFlags::Syn,
        lanes: vec![40_000, 40_001],
        secret: Secret { cookie: *b"\x01\x02cookie", number: 0xfff0_0007 },
        latest: None,
    }
}

fn v4(probing: Probing) -> Codec {
    codec(probing, "10.0.0.1", "10.0.9.9")
}

/// What a router says about a packet, quoting `keep` bytes behind the IP header.
fn error(packet: &[u8], kind: u8, code: u8, keep: usize) -> Vec<u8> {
    let ip = if packet[0] >> 4 == 4 { 20 } else { 40 };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    let end = packet.len().min(ip + keep);
    message.extend(&packet[..end]);
    // What life it had is used up.
    if let Some(ttl) = message.get_mut(8 + if ip == 20 { 8 } else { 7 }) {
        *ttl = 1;
    }
    message
}

struct Script {
    codec: Codec,
    machine: PathMachine,
    start: Instant,
    shots: Vec<(Shot, Vec<u8>)>,
}

impl Script {
    fn new(change: impl FnOnce(&mut Plan)) -> Self {
        let codec = v4(Probing::Icmp);
        let start = Instant::now();
        let mut plan = Plan {
            to: codec.to,
            probing: codec.probing,
            first_ttl: 1,
            max_ttl: 30,
            rounds: Some(1),
            interval: Duration::ZERO,
            wait: ms(1000),
            window: 16,
            flows: 1,
            size_bytes: 64,
            pacer: Pacer::per_second(10_000, 1000),
        };
        change(&mut plan);
        let place = Place {
            netns: Netns::current().expect("own namespace").id(),
            from: codec.from,
            method: ProbingMethod::Raw,
            anchor: Anchor::new(start, Timestamp::from_unix_nanos(0)),
        };
        Self { codec, machine: PathMachine::new(plan, place, Vec::new()), start, shots: Vec::new() }
    }

    /// Lets the machine do all it wants at a moment; gives the next one it waits for, in ms.
    fn at(&mut self, millis: u64) -> Option<u64> {
        let now = self.start + ms(millis);
        loop {
            match self.machine.poll(now) {
                Step::Do(shot) => {
                    let packet = self.codec.packet(&shot);
                    self.shots.push((shot, packet));
                }
                Step::WaitUntil(at) => {
                    return Some(at.duration_since(self.start).as_millis() as u64);
                }
                Step::Done => return None,
            }
        }
    }

    fn hear(&mut self, millis: u64, from: &str, message: &[u8]) -> bool {
        let at = self.start + ms(millis);
        let answer = self.codec.icmp(addr(from), Some(Ttl(60)), message, at);
        let heard = answer.is_some();
        if let Some(answer) = answer {
            self.machine.handle(Heard::Answer(answer), at);
        }
        heard
    }

    fn shot(&self, round: usize, ttl: u8) -> Vec<u8> {
        let mut of_ttl = self.shots.iter().filter(|(shot, _)| shot.ttl == ttl);
        of_ttl.nth(round).expect("sent").1.clone()
    }

    /// The router of a hop, 10.0.TTL.1, says that a probe's life ended.
    fn expire(&mut self, millis: u64, round: usize, ttl: u8) {
        let message = error(&self.shot(round, ttl), 11, 0, 8);
        assert!(self.hear(millis, &format!("10.0.{ttl}.1"), &message));
    }

    fn reach(&mut self, millis: u64, round: usize, ttl: u8) {
        let mut reply = self.shot(round, ttl)[20..].to_vec();
        reply[0] = 0;
        assert!(self.hear(millis, "10.0.9.9", &reply));
    }

    fn end(self, millis: u64) -> PathReport {
        let end = self.start + ms(millis);
        self.machine.finish(end)
    }
}

#[test]
fn a_path_of_three_hops_ends_with_its_last_answer() {
    let mut script = Script::new(|plan| plan.rounds = Some(2));
    assert_eq!(script.at(0), Some(1000));
    assert_eq!(script.shots.len(), 16);
    (1..=2).for_each(|ttl| script.expire(5 * u64::from(ttl), 0, ttl));
    script.reach(15, 0, 3);
    script.reach(15, 0, 4);
    script.at(15);
    assert_eq!(script.shots.len(), 16 + 3, "the second round knows the length");
    (1..=2).for_each(|ttl| script.expire(16, 1, ttl));
    script.reach(18, 1, 3);
    assert_eq!(script.at(18), None);
    let report = script.end(18);
    assert_eq!(report.end, PathEnd::Reached { hops: 3, by: ReachedBy::EchoReply });
    assert_eq!((report.rounds, report.hops.len()), (2, 3));
    for (hop, from) in report.hops.iter().zip(["10.0.1.1", "10.0.2.1", "10.0.9.9"]) {
        assert_eq!((hop.sent, hop.received, hop.lost), (2, 2, 0));
        assert_eq!(hop.responders[0].addr, addr(from));
    }
    let rtt = report.hops[0].rtt.expect("answers");
    assert_eq!([rtt.last_ns, rtt.avg_ns, rtt.worst_ns], [1_000_000, 3_000_000, 5_000_000]);
    assert!((rtt.stdev_ns as i64 - 2_828_427).abs() < 2, "of the sample: {}", rtt.stdev_ns);
    assert_eq!(rtt.jitter_ns, 4_000_000);
    assert!(report.gaps.is_empty() && report.remarks.is_empty(), "{report:?}");
}

#[test]
fn answers_in_any_order_find_their_hops() {
    let mut script = Script::new(|_| {});
    script.at(0);
    script.reach(3, 0, 4);
    [2, 3, 1].into_iter().for_each(|ttl| script.expire(10, 0, ttl));
    assert_eq!(script.at(10), None);
    let report = script.end(10);
    let addrs: Vec<_> = report.hops.iter().map(|hop| hop.responders[0].addr).collect();
    assert_eq!(addrs, ["10.0.1.1", "10.0.2.1", "10.0.3.1", "10.0.9.9"].map(addr));
}

#[test]
fn a_silent_hop_is_waited_for_no_longer_than_the_others_suggest() {
    let mut script = Script::new(|_| {});
    script.at(0);
    script.expire(4, 0, 1);
    script.reach(8, 0, 3);
    assert_eq!(script.at(8), Some(300));
    assert_eq!(script.at(300), None);
    let report = script.end(300);
    assert_eq!((report.hops[1].received, report.hops[1].lost), (0, 1));
    assert_eq!(report.remarks, [Remark::NoAnswer { first: 2, last: 2 }]);
}

#[test]
fn an_answer_after_the_wait_is_late_and_counts_as_lost() {
    let mut script = Script::new(|plan| {
        plan.rounds = Some(30);
        plan.interval = ms(100);
    });
    script.at(0);
    script.reach(1, 0, 2);
    for tenth in 1..=12 {
        script.at(tenth * 100);
        if tenth == 10 {
            script.expire(1001, 10, 1);
        }
    }
    script.expire(1201, 0, 1);
    let report = script.end(1203);
    assert_eq!(report.late, 1);
    let hop = &report.hops[0];
    // Of those sent at 0 to 1200 ms one was answered, and of the last 300 ms two are open.
    assert_eq!((hop.sent, hop.received, hop.lost), (13, 1, 10));
    assert!(report.gaps.iter().any(|gap| gap.why.contains("while 5 were open")), "{report:?}");
}

#[test]
fn a_duplicate_is_counted_and_changes_nothing() {
    let mut script = Script::new(|_| {});
    script.at(0);
    script.expire(1, 0, 1);
    script.expire(2, 0, 1);
    script.reach(3, 0, 2);
    let report = script.end(4);
    assert_eq!((report.duplicates, report.hops[0].received), (1, 1));
    assert_eq!(report.hops[0].rtt.map(|rtt| rtt.worst_ns), Some(1_000_000));
}

#[test]
fn a_refusal_ends_the_path_and_names_its_sender() {
    let mut script = Script::new(|_| {});
    script.at(0);
    script.expire(1, 0, 1);
    let message = error(&script.shot(0, 2), 3, 13, 8);
    script.hear(2, "10.0.2.1", &message);
    assert_eq!(script.at(2), None);
    let report = script.end(2);
    let PathEnd::Refused { hops: 2, error } = report.end else { panic!("{report:?}") };
    assert_eq!((error.from, error.code), (Some(addr("10.0.2.1")), 13));
    assert_eq!(report.hops.len(), 2);
    assert!(report.end.text().contains("administratively prohibited"));
}

#[test]
fn silence_beyond_a_hop_ends_after_one_wait_a_round() {
    let mut script = Script::new(|plan| plan.rounds = Some(3));
    script.at(0);
    (1..=4).for_each(|ttl| script.expire(1, 0, ttl));
    assert_eq!(script.at(1), Some(1001));
    assert_eq!(script.shots.len(), 20, "sixteen beyond the last that answered");
    assert_eq!(script.at(1001), Some(2001));
    assert_eq!(script.shots.len(), 20 + 2 * 7);
    assert_eq!(script.at(2001), None);
    let report = script.end(2001);
    assert_eq!((&report.end, report.hops.len()), (&PathEnd::Silent { after: 4 }, 4));
}

#[test]
fn a_budget_that_ends_early_leaves_gaps_not_losses() {
    let mut script = Script::new(|plan| plan.rounds = Some(3));
    script.at(0);
    script.expire(1, 0, 1);
    let report = script.end(2);
    assert_eq!((report.end, report.hops.len()), (PathEnd::Open, 1));
    assert_eq!(report.hops[0].lost, 0);
    let whys: Vec<_> = report.gaps.iter().map(|gap| gap.why.as_str()).collect();
    assert_eq!(whys, ["the run ended in round 1 of 3", "the run ended while 15 were open"]);
}

#[test]
fn a_probe_the_kernel_refuses_was_not_sent() {
    let mut script = Script::new(|_| {});
    let now = script.start;
    let Step::Do(shot) = script.machine.poll(now) else { panic!("nothing to send") };
    let reason = Reason::new(nix::libc::ENETUNREACH);
    script.machine.handle(Heard::SendFailed { seq: shot.seq, reason, mtu: None }, now);
    assert_eq!(script.at(0), None);
    let report = script.end(0);
    assert_eq!(report.end, PathEnd::NotSent { reason, mtu_bytes: None });
    assert!(report.gaps.is_empty() && report.hops.is_empty());
}

#[test]
fn a_full_queue_of_the_own_host_is_no_loss() {
    let mut script = Script::new(|_| {});
    let now = script.start;
    let Step::Do(shot) = script.machine.poll(now) else { panic!("nothing to send") };
    let reason = Reason::new(nix::libc::ENOBUFS);
    script.machine.handle(Heard::SendFailed { seq: shot.seq, reason, mtu: None }, now);
    assert_eq!(script.at(0), Some(10));
    script.at(10);
    script.reach(12, 0, 1);
    assert_eq!(script.at(12), None);
    let report = script.end(12);
    assert_eq!((report.hops[0].sent, report.hops[0].lost), (1, 0));
}

#[test]
fn the_last_hop_of_all_is_asked_once_a_round() {
    let mut script = Script::new(|plan| (plan.first_ttl, plan.max_ttl) = (250, 255));
    assert_eq!(script.at(0), Some(1000));
    assert_eq!(script.shots.len(), 6);
    assert_eq!(script.at(1000), None);
    assert_eq!(script.end(1000).end, PathEnd::Silent { after: 0 });
}

#[test]
fn the_pacer_spreads_what_the_window_allows() {
    let mut script = Script::new(|plan| plan.pacer = Pacer::per_second(100, 4));
    assert_eq!(script.at(0), Some(10));
    assert_eq!(script.shots.len(), 4);
    script.at(10);
    assert_eq!(script.shots.len(), 5);
    // A machine that slept a second may send the one whose token it has and one burst, no more.
    script.at(1000);
    assert_eq!(script.shots.len(), 10);
}

#[test]
fn rounds_keep_their_rhythm() {
    let mut script = Script::new(|plan| {
        plan.rounds = Some(4);
        plan.interval = ms(200);
    });
    script.at(0);
    script.reach(1, 0, 1);
    assert_eq!(script.at(1), Some(200));
    assert_eq!(script.at(207), Some(400), "a late start does not shift the next");
    assert_eq!(script.at(590), Some(690), "two never follow each other at once");
}

#[test]
fn flows_take_turns_and_show_branches() {
    let mut script = Script::new(|plan| {
        plan.rounds = Some(4);
        plan.flows = 2;
    });
    script.at(0);
    for round in 0..4 {
        let from = if round % 2 == 0 { "10.0.1.1" } else { "10.0.1.2" };
        let message = error(&script.shot(round, 1), 11, 0, 8);
        script.hear(round as u64 + 1, from, &message);
        script.reach(round as u64 + 1, round, 2);
        script.at(round as u64 + 1);
    }
    let report = script.end(5);
    let branches = Remark::Branches { ttl: 1, routers: 2, within_a_flow: false };
    assert_eq!((report.remarks, report.rounds), (vec![branches], 4));
    assert_eq!(report.hops[0].responders[0].flows.len(), 1);
}

#[test]
fn forged_and_foreign_errors_are_never_taken() {
    for probing in PROBINGS {
        for (from, to, kind) in [("10.0.0.1", "10.0.9.9", 11), ("fd00::1", "fd09::9", 3)] {
            let mut ours = codec(probing, from, to);
            let now = Instant::now();
            let shot = Shot { seq: 5, ttl: 3, flow: 0, size_bytes: 64, df: false };
            let packet = ours.packet(&shot);
            let ip = ours.ip_bytes();
            let hear = |codec: &Codec, packet: &[u8], keep: usize| {
                codec.icmp(addr(to), None, &error(packet, kind, 0, keep), now)
            };
            for keep in [8, 40] {
                let heard = hear(&ours, &packet, keep).expect("our own");
                assert_eq!(heard.seq, Some(5), "{probing} {keep}");
                let quote = heard.quote.expect("quoted");
                assert!(quote.changed.is_empty(), "{:?}", quote.changed);
            }
            // The identifier or port, the number, the cookie, a number never sent.
            let id_at = if probing == Probing::Icmp { 5 } else { 1 };
            for at in [ip + id_at, ip + 6, ip + 7] {
                let mut forged = packet.clone();
                forged[at] ^= 0x40;
                let answer = hear(&ours, &forged, 8);
                assert!(answer.is_none(), "{probing} byte {at}: {answer:?}");
            }
            if !matches!(probing, Probing::Tcp { .. }) {
                let mut forged = packet.clone();
                forged[ip + 8] ^= 1;
                assert!(hear(&ours, &forged, 40).is_none(), "{probing}: wrong cookie");
            }
            let later = Shot { seq: 9, ..shot };
            let unsent = ours.clone().packet(&later);
            assert!(hear(&ours, &unsent, 8).is_none(), "{probing}: not sent yet");
            for end in 1..packet.len() {
                let _ = hear(&ours, &packet[..end], 64);
            }
        }
    }
}

#[test]
fn what_balancers_look_at_stays_the_same_within_a_flow() {
    for probing in PROBINGS {
        for (from, to) in [("10.0.0.1", "10.0.9.9"), ("fd00::1", "fd09::9")] {
            let mut ours = codec(probing, from, to);
            let ip = ours.ip_bytes();
            let mut fields = |seq: u32, flow: u16| {
                let shot = Shot { seq, ttl: 3, flow, size_bytes: 64, df: false };
                let packet = ours.packet(&shot);
                assert_eq!(packet.len(), 64);
                let mut head = packet[..4].to_vec();
                // Ports, or type, code, checksum and identifier.
                head.extend(&packet[ip..ip + if probing == Probing::Icmp { 6 } else { 4 }]);
                head[2..4].copy_from_slice(if ip == 20 { &[0, 0] } else { &packet[2..4] });
                head
            };
            let first = fields(0, 0);
            assert!((1..200).all(|seq| fields(seq, 0) == first), "{probing}");
            assert_ne!(fields(200, 1), first);
        }
    }
}

#[test]
fn checksums_are_right_for_every_number() {
    for probing in PROBINGS {
        let mut ours = codec(probing, "fd00::1", "fd09::9");
        for seq in (0..70_000).step_by(97) {
            let shot = Shot { seq, ttl: 9, flow: 0, size_bytes: 81, df: false };
            let packet = ours.packet(&shot);
            let mut all = packet[8..40].to_vec();
            all.extend((packet.len() as u32 - 40).to_be_bytes());
            all.extend([0, 0, 0, packet[6]]);
            all.extend(&packet[40..]);
            assert_eq!(crate::wire::checksum(&all), 0, "{probing} {seq}");
            let heard = ours.icmp(addr("fd01::1"), None, &error(&packet, 3, 0, 8), Instant::now());
            assert_eq!(heard.and_then(|heard| heard.seq), Some(seq), "{probing}");
        }
    }
}

#[test]
fn a_rewritten_destination_is_seen_and_still_ours() {
    for probing in PROBINGS {
        let mut ours = v4(probing);
        ours.lanes.truncate(1);
        let shot = Shot { seq: 3, ttl: 2, flow: 0, size_bytes: 64, df: false };
        let mut packet = ours.packet(&shot);
        packet[16..20].copy_from_slice(&[192, 168, 0, 7]);
        packet[1] = 0;
        if let Probing::Udp { .. } = probing {
            // The translator mended the checksum.
            packet[26] ^= 0x11;
        }
        let heard = ours.icmp(addr("10.0.2.1"), None, &error(&packet, 11, 0, 8), Instant::now());
        let heard = heard.expect("ours");
        assert_eq!(heard.seq, Some(3), "{probing}");
        let changed = heard.quote.expect("quoted").changed;
        let fields: Vec<_> = changed.iter().map(|change| change.field).collect();
        assert_eq!(fields, [ProbeField::Destination, ProbeField::Tos]);
        assert_eq!(changed[0].to_string(), "the destination became 192.168.0.7 (sent 10.0.9.9)");
    }
}

/// A segment from the destination: ports, numbers and flags.
fn segment(to: u16, seq: u32, ack: u32, flags: u8) -> Vec<u8> {
    let mut bytes = 443_u16.to_be_bytes().to_vec();
    bytes.extend(to.to_be_bytes());
    bytes.extend(seq.to_be_bytes());
    bytes.extend(ack.to_be_bytes());
    bytes.extend([0x60, flags, 0, 0, 0, 0, 0, 0, 2, 4, 0x05, 0x50]);
    bytes
}

#[test]
fn half_open_answers_are_tied_to_their_segments() {
    use super::answer::Said;
    let mut ours = v4(Probing::Tcp { port: 443 });
    let now = Instant::now();
    let shot = Shot { seq: 7, ttl: 30, flow: 1, size_bytes: 64, df: false };
    let packet = ours.packet(&shot);
    let number = u32::from_be_bytes(packet[24..28].try_into().expect("four"));
    let hear = |from: &str, bytes: &[u8]| ours.tcp(addr(from), None, bytes, now);
    let open = hear("10.0.9.9", &segment(40_001, 1, number.wrapping_add(1), 0x12));
    let open = open.expect("a SYN-ACK");
    assert_eq!((open.seq, open.said), (Some(7), Said::Open { mss: Some(1360) }));
    // The probe's twenty bytes of payload are acknowledged by some.
    let closed = hear("10.0.9.9", &segment(40_001, 0, number.wrapping_add(21), 0x14));
    assert_eq!(closed.map(|c| (c.seq, c.said)), Some((Some(7), Said::Closed)));
    assert!(hear("10.0.9.8", &segment(40_001, 1, number.wrapping_add(1), 0x12)).is_none());
    assert!(hear("10.0.9.9", &segment(40_005, 1, number.wrapping_add(1), 0x12)).is_none());
    assert!(hear("10.0.9.9", &segment(40_001, 1, number.wrapping_add(9 << 16), 0x12)).is_none());
    assert!(hear("10.0.9.9", &segment(40_001, 1, number.wrapping_add(1), 0x10)).is_none());
    let whole = segment(40_001, 1, number.wrapping_add(1), 0x12);
    for end in 0..whole.len() {
        let _ = hear("10.0.9.9", &whole[..end]);
    }
}

#[test]
fn the_kernel_s_own_sequence_of_numbers_wraps_without_confusion() {
    let mut ours = v4(Probing::Udp { port: 33_434 });
    for seq in [0, 65_533, 65_534, 65_535, 131_068, u32::from(u16::MAX) * 3] {
        let shot = Shot { seq, ttl: 1, flow: 0, size_bytes: 64, df: false };
        let packet = ours.packet(&shot);
        let heard = ours.icmp(addr("10.0.1.1"), None, &error(&packet, 11, 0, 8), Instant::now());
        assert_eq!(heard.and_then(|heard| heard.seq), Some(seq));
    }
    assert_eq!(Family::of(ours.to), Family::V4);
}
