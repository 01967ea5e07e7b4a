//! Scripts on a virtual clock: no socket, no waiting.

use std::time::{Duration, Instant};

use super::machine::{UdpInput, UdpMachine};
use super::{UdpOutcome, UdpProbe};
use crate::base::{Family, Reason, Timestamp};
use crate::netns::Netns;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError};

fn machine(start: Instant) -> UdpMachine {
    let probe = UdpProbe::new("10.0.0.2".parse().expect("address"), 9);
    let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
    UdpMachine::new(&probe, Netns::current().expect("own namespace").id(), anchor)
}

/// Sends what is due `millis` after the start; tells whether the machine goes on.
fn at(machine: &mut UdpMachine, start: Instant, millis: u64) -> bool {
    loop {
        match machine.poll(start + Duration::from_millis(millis)) {
            Step::Do(_) => {}
            Step::WaitUntil(_) => return true,
            Step::Done => return false,
        }
    }
}

fn icmp(code: u8) -> IcmpError {
    IcmpError { from: None, family: Family::V4, kind: 3, code, mtu_bytes: None }
}

#[test]
fn silence_after_all_tries_is_silence_not_openness() {
    let start = Instant::now();
    let mut machine = machine(start);
    assert!(at(&mut machine, start, 0));
    assert!(at(&mut machine, start, 500));
    assert!(!at(&mut machine, start, 1000));
    let report = machine.finish(start);
    assert_eq!((report.sent.len(), report.outcome), (2, UdpOutcome::Silent));
}

#[test]
fn each_answer_has_its_own_outcome() {
    let start = Instant::now();
    let later = start + Duration::from_millis(4);
    let rtt = Duration::from_millis(4);
    let told = |input: UdpInput<'_>| {
        let mut machine = machine(start);
        at(&mut machine, start, 0);
        machine.handle(input, later);
        assert!(!at(&mut machine, start, 4));
        machine.finish(later).outcome
    };
    let closed = UdpOutcome::Closed { icmp: icmp(3), rtt };
    assert_eq!(told(UdpInput::Icmp(icmp(3))), closed);
    let unreachable = UdpOutcome::Unreachable { icmp: icmp(13), rtt };
    assert_eq!(told(UdpInput::Icmp(icmp(13))), unreachable);
    let reason = Reason::new(nix::libc::EPERM);
    assert_eq!(told(UdpInput::SendFailed(reason)), UdpOutcome::LocalError { reason });
    let UdpOutcome::Reply { length_bytes, bytes, .. } = told(UdpInput::Reply(&[0xff; 900])) else {
        panic!("a reply was heard");
    };
    assert_eq!((length_bytes, bytes.as_bytes().len()), (900, 512));
}

#[test]
fn an_early_end_is_a_gap() {
    let start = Instant::now();
    let mut machine = machine(start);
    at(&mut machine, start, 0);
    assert_eq!(machine.finish(start).gaps.len(), 1);
}
