//! Scripts on a virtual clock: no socket, no waiting.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::machine::{NeighInput, NeighMachine};
use super::station::Station;
use super::{NeighProbe, NeighReport};
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
        let start = Instant::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(0));
        let station = Station {
            ifindex: 2,
            name: "eth0".into(),
            mac: OWN_MAC,
            source: source.parse().expect("address"),
        };
        let netns = Netns::current().expect("own namespace").id();
        Self { machine: NeighMachine::new(probe, station, netns, anchor), start, sent: 0 }
    }

    fn v4() -> Self {
        Self::new(&probe("10.0.0.2"), "10.0.0.1")
    }

    fn at(&mut self, millis: u64) -> Option<u64> {
        let now = self.start + ms(millis);
        loop {
            match self.machine.poll(now) {
                Step::Do(_) => self.sent += 1,
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
