//! Scripts on a virtual clock: no socket, no waiting.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::machine::{NeighInput, NeighMachine};
use super::station::Station;
use super::{NeighProbe, NeighReport, OwnAddress};
use crate::base::{Reason, Timestamp};
use crate::netns::Netns;
use crate::probe::Anchor;
use crate::probe::machine::{Machine, Step};
use crate::wire::arp::{self, Arp};
use crate::wire::ndp;

const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

struct Script {
    machine: NeighMachine,
    start: Instant,
    sent: usize,
    last: Vec<u8>,
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn probe(to: &str) -> NeighProbe {
    let probe = NeighProbe::new(to.parse().expect("address"), "eth0");
    probe.count(2).interval(ms(250)).wait(ms(250))
}

impl Script {
    fn new(probe: &NeighProbe, source: &str) -> Self {
        Self::with(probe, source, None)
    }

    fn duplicates(to: &str, own: OwnAddress) -> Self {
        let nobody = if to.contains(':') { "::" } else { "0.0.0.0" };
        Self::with(&probe(to).duplicates(), nobody, Some(own))
    }

    fn with(probe: &NeighProbe, source: &str, own: Option<OwnAddress>) -> Self {
        let start = Instant::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
        let source = source.parse().expect("address");
        let station = Station { ifindex: 2, name: "eth0".into(), mac: OWN_MAC, source, own };
        let netns = Netns::current().expect("own namespace").id();
        let machine = NeighMachine::new(probe, station, netns, anchor);
        Self { machine, start, sent: 0, last: Vec::new() }
    }

    fn v4() -> Self {
        Self::new(&probe("10.0.0.2"), "10.0.0.1")
    }

    fn at(&mut self, millis: u64) -> Option<u64> {
        let now = self.start + ms(millis);
        loop {
            match self.machine.poll(now) {
                Step::Do(bytes) => {
                    self.sent += 1;
                    self.last = bytes;
                }
                Step::WaitUntil(at) => {
                    return Some(at.duration_since(self.start).as_millis() as u64);
                }
                Step::Done => return None,
            }
        }
    }

    fn hear(&mut self, millis: u64, input: NeighInput<'_>) {
        self.machine.handle(input, self.start + ms(millis));
    }

    fn end(self, millis: u64) -> NeighReport {
        let end = self.start + ms(millis);
        self.machine.finish(end)
    }
}

fn reply(from: Ipv4Addr, mac: [u8; 6]) -> [u8; 28] {
    Arp {
        operation: arp::REPLY,
        sender_mac: mac,
        sender_ip: from,
        target_mac: OWN_MAC,
        target_ip: Ipv4Addr::new(10, 0, 0, 1),
    }
    .to_bytes()
}

const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

#[test]
fn an_unanswered_run_asks_as_often_as_told_and_ends() {
    let mut script = Script::v4();
    assert_eq!(script.at(0), Some(250));
    assert_eq!(script.at(250), Some(500));
    assert_eq!(script.at(500), None);
    assert_eq!(script.sent, 2);
    let report = script.end(500);
    assert!(report.answers.is_empty() && report.gaps.is_empty());
    assert_eq!(report.requests.len(), 2);
}

#[test]
fn two_holders_are_both_named() {
    let mut script = Script::v4();
    script.at(0);
    script.hear(3, NeighInput::Arp(&reply(PEER, PEER_MAC)));
    script.hear(4, NeighInput::Arp(&reply(PEER, [2, 0, 0, 0, 0, 9])));
    script.hear(5, NeighInput::Arp(&reply(PEER, PEER_MAC)));
    let report = script.end(500);
    assert_eq!(report.answers.len(), 3);
    let holders: Vec<_> = report.holders().iter().map(ToString::to_string).collect();
    assert_eq!(holders, ["02:00:00:00:00:02", "02:00:00:00:00:09"]);
    assert_eq!(report.answers[0].rtt, ms(3));
}

#[test]
fn other_arp_traffic_is_no_answer() {
    let mut script = Script::v4();
    script.at(0);
    let mut request = reply(PEER, PEER_MAC);
    request[7] = 1;
    let other_target = {
        let mut bytes = reply(PEER, PEER_MAC);
        bytes[18] = 0x66;
        bytes
    };
    script.hear(1, NeighInput::Arp(&request));
    script.hear(1, NeighInput::Arp(&other_target));
    script.hear(1, NeighInput::Arp(&reply(Ipv4Addr::new(10, 0, 0, 3), PEER_MAC)));
    script.hear(1, NeighInput::Arp(&[0; 5]));
    assert!(script.end(500).answers.is_empty());
}

#[test]
fn the_run_lingers_after_the_first_answer() {
    let mut script = Script::new(&probe("10.0.0.2").stop_after_answer(ms(30)), "10.0.0.1");
    script.at(0);
    script.hear(2, NeighInput::Arp(&reply(PEER, PEER_MAC)));
    assert_eq!(script.at(2), Some(32));
    assert_eq!(script.at(32), None);
    assert_eq!(script.sent, 1);
    assert!(script.end(32).gaps.is_empty());
}

#[test]
fn an_advertisement_that_crossed_a_router_is_no_answer() {
    let target: IpAddr = "fd00::2".parse().expect("address");
    let IpAddr::V6(v6) = target else { unreachable!("written as IPv6") };
    let mut advert = ndp::solicitation(v6, PEER_MAC);
    advert[0] = ndp::ADVERTISEMENT;
    advert[24] = 2;
    let mut script = Script::new(&probe("fd00::2"), "fd00::1");
    script.at(0);
    script.hear(1, NeighInput::Icmpv6 { hop_limit: Some(254), bytes: &advert });
    script.hear(2, NeighInput::Icmpv6 { hop_limit: Some(255), bytes: &advert });
    let report = script.end(500);
    assert_eq!(report.answers.len(), 1);
    assert_eq!(report.answers[0].is_router, Some(false));
}

#[test]
fn a_refused_send_ends_the_run_with_a_gap() {
    let mut script = Script::v4();
    script.at(0);
    script.hear(0, NeighInput::SendFailed(Reason::new(nix::libc::ENETDOWN)));
    assert_eq!(script.at(0), None);
    assert!(script.end(0).gaps[0].why.contains("ENETDOWN"));
}

#[test]
fn a_search_for_duplicates_speaks_for_nobody() {
    let mut script = Script::duplicates("10.0.0.2", OwnAddress::Absent);
    script.at(0);
    let probe = Arp::parse(&script.last).expect("ARP");
    assert_eq!((probe.sender_ip, probe.target_ip), (Ipv4Addr::UNSPECIFIED, PEER));
    assert_eq!(script.end(500).is_duplicate(), Some(false));
}

#[test]
fn every_claim_counts_as_a_duplicate_except_our_own() {
    let arp = |operation, mac, sender_ip, target_ip| {
        Arp { operation, sender_mac: mac, sender_ip, target_mac: [0; 6], target_ip }.to_bytes()
    };
    let (nobody, other) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::new(10, 0, 0, 9));
    let cases = [
        (arp(arp::REPLY, PEER_MAC, PEER, nobody), true),
        (arp(arp::REQUEST, PEER_MAC, PEER, other), true),
        (arp(arp::REQUEST, PEER_MAC, nobody, PEER), true),
        (arp(arp::REQUEST, PEER_MAC, other, PEER), false),
        (arp(arp::REQUEST, OWN_MAC, PEER, PEER), false),
        (arp(arp::REPLY, PEER_MAC, other, nobody), false),
    ];
    for (bytes, is_duplicate) in cases {
        let mut script = Script::duplicates("10.0.0.2", OwnAddress::Held);
        script.at(0);
        script.hear(1, NeighInput::Arp(&bytes));
        assert_eq!(script.end(500).is_duplicate(), Some(is_duplicate), "{bytes:?}");
    }
}

#[test]
fn the_kernels_own_finding_is_a_duplicate_without_any_answer() {
    let mut script = Script::duplicates("fd00::2", OwnAddress::DadFailed);
    script.at(0);
    assert_eq!(script.last.first(), Some(&0x60), "a whole IPv6 packet");
    assert_eq!(script.end(500).is_duplicate(), Some(true));
    assert_eq!(Script::v4().end(0).is_duplicate(), None);
}
