//! Scripts on a virtual clock, with a network that is a list of links.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::machine::{Findings, MtuMachine, Plan};
use super::report::{MtuEnd, MtuStep};
use crate::base::{Family, Pacer, Reason};
use crate::probe::IcmpError;
use crate::probe::machine::{Machine, Step};
use crate::probe::path::{Answer, Heard, Said, Shot};

/// A link as the packet meets it: its MTU, and whether the router before it says so.
#[derive(Debug, Clone, Copy)]
struct Link(u16, bool);

struct Network {
    links: Vec<Link>,
    /// Every so many answers one is lost; zero for none.
    lossy: u32,
    answers: u32,
    destination: bool,
}

fn router(ttl: usize) -> IpAddr {
    IpAddr::from([10, 0, ttl as u8, 1])
}

fn there() -> IpAddr {
    IpAddr::from([10, 0, 99, 9])
}

fn icmp(from: IpAddr, kind: u8, code: u8, mtu: Option<u32>) -> Said {
    let from = Some(from);
    Said::Icmp(IcmpError { from, family: Family::V4, kind, code, mtu_bytes: mtu })
}

impl Network {
    fn new(links: &[Link]) -> Self {
        Self { links: links.to_vec(), lossy: 0, answers: 0, destination: true }
    }

    fn answer(&mut self, shot: &Shot) -> Option<(IpAddr, Said)> {
        let said = self.route(shot)?;
        self.answers += 1;
        (self.lossy == 0 || !self.answers.is_multiple_of(self.lossy)).then_some(said)
    }

    fn route(&self, shot: &Shot) -> Option<(IpAddr, Said)> {
        for (hop, Link(mtu, tells)) in self.links.iter().enumerate() {
            // The router `hop` looks at the life of a packet first.
            if hop > 0 && usize::from(shot.ttl) == hop {
                return Some((router(hop), icmp(router(hop), 11, 0, None)));
            }
            if shot.size_bytes > *mtu {
                let said = icmp(router(hop), 3, 4, Some(u32::from(*mtu)));
                return tells.then_some((router(hop), said));
            }
        }
        self.destination.then_some((there(), Said::Echo))
    }
}

fn plan(ceiling: u16) -> Plan {
    Plan {
        to: there(),
        least: 40,
        ceiling,
        max_ttl: 30,
        breadth: 8,
        tries: 3,
        patience: Duration::from_millis(200),
        wait: Duration::from_secs(2),
        pacer: Pacer::per_second(200, 64),
    }
}

/// Runs to the end on a clock of its own; every answer takes a millisecond.
fn run(plan: Plan, network: &mut Network) -> (Findings, Duration) {
    let start = Instant::now();
    let mut machine = MtuMachine::new(plan);
    let mut now = start;
    let mut coming: Vec<(Instant, Answer)> = Vec::new();
    loop {
        match machine.poll(now) {
            Step::Do(shot) => {
                if let Some((from, said)) = network.answer(&shot) {
                    let at = now + Duration::from_millis(1);
                    coming.push((at, Answer::new(Some(shot.seq), Some(from), None, said, at)));
                }
            }
            Step::WaitUntil(wake) => {
                coming.sort_by_key(|(at, _)| *at);
                match coming.first().map(|(at, _)| *at).filter(|at| *at <= wake) {
                    Some(at) => {
                        now = at;
                        machine.handle(Heard::Answer(coming.remove(0).1), now);
                    }
                    None => now = wake,
                }
            }
            Step::Done => return (machine.finish(now), now - start),
        }
    }
}

#[test]
fn an_unlimited_path_takes_two_packets() {
    let mut network = Network::new(&[Link(1500, true); 4]);
    let (found, took) = run(plan(1500), &mut network);
    assert_eq!((found.mtu, found.end, found.sent), (Some(1500), MtuEnd::Unlimited, 2));
    assert!(took < Duration::from_millis(5) && found.steps.is_empty() && found.finished);
}

#[test]
fn every_router_that_tells_is_named_with_its_hop() {
    let links = [Link(1500, true), Link(1500, true), Link(1400, true), Link(1280, true)];
    let (found, _) = run(plan(1500), &mut Network::new(&links));
    assert_eq!((found.mtu, found.end, found.hops), (Some(1280), MtuEnd::Told, Some(4)));
    let step = |mtu: u32, size: u16, hop: usize| MtuStep {
        mtu_bytes: Some(mtu),
        size_bytes: size,
        from: Some(router(hop)),
        hop: Some(hop as u8),
    };
    assert_eq!(found.steps, [step(1400, 1500, 2), step(1280, 1400, 3)]);
    assert!(found.black_hole.is_none());
}

#[test]
fn a_black_hole_is_found_to_the_byte_and_placed() {
    for mtu in [41, 576, 1279, 1399, 1450, 1492, 1499] {
        let links = [Link(1500, true), Link(1500, true), Link(mtu, false), Link(1500, true)];
        let (found, took) = run(plan(1500), &mut Network::new(&links));
        assert_eq!((found.mtu, found.end), (Some(mtu.into()), MtuEnd::Swallowed));
        let hole = found.black_hole.expect("placed");
        let at = |hop: Option<super::HopAt>| hop.map(|hop| (hop.ttl, hop.addr));
        assert_eq!(at(hole.after), Some((2, Some(router(2)))));
        assert_eq!(at(hole.before), Some((3, Some(router(3)))));
        assert!(took < Duration::from_secs(6), "{took:?}");
    }
}

#[test]
fn a_black_hole_on_the_first_and_on_the_last_link_is_placed() {
    for (links, after, before) in [
        ([Link(1300, false), Link(1500, true)], None, (1, router(1))),
        ([Link(1500, true), Link(1300, false)], Some((1, router(1))), (2, there())),
    ] {
        let (found, _) = run(plan(1500), &mut Network::new(&links));
        let hole = found.black_hole.expect("placed");
        assert_eq!(hole.after.map(|hop| (hop.ttl, hop.addr.expect("named"))), after);
        assert_eq!(hole.before.map(|hop| (hop.ttl, hop.addr.expect("named"))), Some(before));
    }
}

#[test]
fn a_router_that_tells_and_a_hole_behind_it_are_both_found() {
    let links = [Link(1500, true), Link(1400, true), Link(1350, false), Link(1500, true)];
    let (found, _) = run(plan(1500), &mut Network::new(&links));
    assert_eq!((found.mtu, found.end), (Some(1350), MtuEnd::Swallowed));
    assert_eq!(found.steps.len(), 1);
    assert_eq!(found.black_hole.and_then(|hole| hole.after).map(|hop| hop.ttl), Some(2));
}

#[test]
fn lost_answers_do_not_make_the_path_narrower() {
    for one_in in [2, 3, 4, 5, 7] {
        for links in [[Link(1500, true); 3], [Link(1500, true), Link(1400, true), Link(1400, true)]]
        {
            let mut network = Network { lossy: one_in, ..Network::new(&links) };
            let (found, _) = run(plan(1500), &mut network);
            assert_eq!(found.mtu, Some(links[2].0.into()), "one in {one_in} lost");
        }
    }
}

#[test]
fn a_router_without_rfc_1191_names_no_mtu_and_the_search_goes_on() {
    struct Old(Network);
    let mut old = Old(Network::new(&[Link(1500, true), Link(1006, true)]));
    let start = Instant::now();
    let mut machine = MtuMachine::new(plan(1500));
    let mut now = start;
    loop {
        match machine.poll(now) {
            Step::Do(shot) => {
                let Some((from, said)) = old.0.answer(&shot) else { continue };
                let said = match said {
                    Said::Icmp(error) if error.code == 4 => icmp(from, 3, 4, Some(0)),
                    other => other,
                };
                let answer = Answer::new(Some(shot.seq), Some(from), None, said, now);
                machine.handle(Heard::Answer(answer), now);
            }
            Step::WaitUntil(at) => now = at,
            Step::Done => break,
        }
    }
    let found = machine.finish(now);
    assert_eq!((found.mtu, found.end), (Some(1006), MtuEnd::Told));
}

#[test]
fn a_destination_that_answers_nothing_leaves_it_unknown() {
    let mut network = Network { destination: false, ..Network::new(&[Link(1500, true); 3]) };
    let (found, _) = run(plan(1500), &mut network);
    assert_eq!((found.mtu, found.end), (None, MtuEnd::Unanswered));
    let links = [Link(1500, true), Link(1400, true), Link(1500, true)];
    let mut network = Network { destination: false, ..Network::new(&links) };
    let (found, _) = run(plan(1500), &mut network);
    assert_eq!((found.mtu, found.end), (None, MtuEnd::Unanswered));
    assert_eq!(found.steps.first().and_then(|step| step.mtu_bytes), Some(1400));
}

#[test]
fn the_kernel_s_own_refusal_counts_as_told_by_it() {
    let mut machine = MtuMachine::new(plan(1500));
    let now = Instant::now();
    let mut sizes = Vec::new();
    loop {
        match machine.poll(now) {
            Step::Do(shot) => {
                sizes.push(shot.size_bytes);
                let input = match shot.size_bytes > 1420 {
                    true => {
                        let reason = Reason::new(nix::libc::EMSGSIZE);
                        Heard::SendFailed { seq: shot.seq, reason, mtu: Some(1420) }
                    }
                    false => {
                        let seq = Some(shot.seq);
                        Heard::Answer(Answer::new(seq, Some(there()), None, Said::Echo, now))
                    }
                };
                machine.handle(input, now);
            }
            Step::WaitUntil(_) => panic!("nothing to wait for"),
            Step::Done => break,
        }
    }
    let found = machine.finish(now);
    assert_eq!((found.mtu, found.end), (Some(1420), MtuEnd::Told));
    assert_eq!((found.steps[0].from, found.steps[0].mtu_bytes), (None, Some(1420)));
    assert_eq!(sizes[..3], [40, 1500, 1420]);
}

#[test]
fn a_refusal_of_every_size_and_an_early_end_are_said() {
    let mut machine = MtuMachine::new(plan(1500));
    let now = Instant::now();
    let Step::Do(shot) = machine.poll(now) else { panic!("nothing to send") };
    let said = icmp(router(2), 3, 13, None);
    machine
        .handle(Heard::Answer(Answer::new(Some(shot.seq), Some(router(2)), None, said, now)), now);
    let found = machine.finish(now);
    assert!(matches!(found.end, MtuEnd::Refused { error } if error.code == 13), "{:?}", found.end);
    let mut machine = MtuMachine::new(plan(1500));
    machine.poll(now);
    let found = machine.finish(now);
    assert_eq!((found.mtu, found.end, found.finished), (None, MtuEnd::Open, false));
}
