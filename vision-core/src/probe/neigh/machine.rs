use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::station::Station;
use super::{NeighAnswer, NeighProbe, NeighReport};
use crate::base::{Gap, LinkAddr, Reason, Timestamp};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, Method};
use crate::wire::arp::{self, Arp};
use crate::wire::ndp::{self, Advertisement};

/// Decides when to ask, and what counts as an answer.
pub(crate) struct NeighMachine {
    to: IpAddr,
    station: Station,
    netns: NetnsId,
    count: u16,
    interval: Duration,
    wait: Duration,
    linger: Option<Duration>,
    anchor: Anchor,
    sent: Vec<Instant>,
    first_answer: Option<Instant>,
    answers: Vec<NeighAnswer>,
    events: VecDeque<NeighAnswer>,
    refused: Option<Reason>,
}

/// What a neighbour probe hears.
#[derive(Debug)]
pub(crate) enum NeighInput<'a> {
    /// An ARP packet that came in on the interface.
    Arp(&'a [u8]),
    /// An ICMPv6 message with the hop limit it arrived with.
    Icmpv6 { hop_limit: Option<u8>, bytes: &'a [u8] },
    /// The kernel refused a request.
    SendFailed(Reason),
}

impl NeighMachine {
    pub(crate) fn new(
        probe: &NeighProbe,
        station: Station,
        netns: NetnsId,
        anchor: Anchor,
    ) -> Self {
        Self {
            to: probe.to,
            station,
            netns,
            count: probe.count,
            interval: probe.interval,
            wait: probe.wait,
            linger: probe.linger,
            anchor,
            sent: Vec::new(),
            first_answer: None,
            answers: Vec::new(),
            events: VecDeque::new(),
            refused: None,
        }
    }

    fn request(&self) -> Vec<u8> {
        match (self.to, self.station.source) {
            (IpAddr::V4(target_ip), IpAddr::V4(sender_ip)) => Arp {
                operation: arp::REQUEST,
                sender_mac: self.station.mac,
                sender_ip,
                target_mac: [0; 6],
                target_ip,
            }
            .to_bytes()
            .to_vec(),
            (IpAddr::V6(target), IpAddr::V6(source)) if source.is_unspecified() => {
                ndp::duplicate_probe(target)
            }
            (IpAddr::V6(target), _) => ndp::solicitation(target, self.station.mac),
            (IpAddr::V4(_), IpAddr::V6(_)) => Vec::new(),
        }
    }

    fn answer_of(&self, input: &NeighInput<'_>) -> Option<(LinkAddr, Option<bool>)> {
        match input {
            NeighInput::Arp(bytes) => {
                let arp = Arp::parse(bytes)?;
                let holds = match self.station.own {
                    None => self.is_answer(&arp),
                    Some(_) => self.is_claim(&arp),
                };
                holds.then(|| (LinkAddr::ethernet(arp.sender_mac), None))
            }
            NeighInput::Icmpv6 { hop_limit, bytes } => {
                // Anything below 255 came through a router (RFC 4861 §7.1.2).
                let advert = Advertisement::parse(bytes).filter(|_| *hop_limit == Some(255))?;
                let mac = advert.mac.filter(|_| IpAddr::V6(advert.target) == self.to)?;
                let is_own = self.station.own.is_some() && mac == self.station.mac;
                if is_own {
                    return None;
                }
                Some((LinkAddr::ethernet(mac), Some(advert.is_router)))
            }
            NeighInput::SendFailed(_) => None,
        }
    }

    fn is_answer(&self, arp: &Arp) -> bool {
        arp.operation == arp::REPLY
            && IpAddr::V4(arp.sender_ip) == self.to
            && arp.target_mac == self.station.mac
    }

    /// Whether somebody else uses the address, or is about to (RFC 5227 §2.1.1): any packet from
    /// it, or a probe for it.
    fn is_claim(&self, arp: &Arp) -> bool {
        let probes = arp.operation == arp::REQUEST
            && arp.sender_ip.is_unspecified()
            && IpAddr::V4(arp.target_ip) == self.to;
        arp.sender_mac != self.station.mac && (IpAddr::V4(arp.sender_ip) == self.to || probes)
    }

    fn end(&self) -> Option<Instant> {
        let lingered = self.first_answer.zip(self.linger).map(|(at, linger)| at + linger);
        let all_sent = self.sent.len() >= usize::from(self.count);
        let waited = self.sent.last().filter(|_| all_sent).map(|at| *at + self.wait);
        [lingered, waited].into_iter().flatten().min()
    }
}

impl Machine for NeighMachine {
    type Command = Vec<u8>;
    type Input<'a> = NeighInput<'a>;
    type Event = NeighAnswer;
    type Report = NeighReport;

    fn poll(&mut self, now: Instant) -> Step<Vec<u8>> {
        let end = self.end();
        if self.refused.is_some() || self.count == 0 || end.is_some_and(|at| at <= now) {
            return Step::Done;
        }
        let next = self.sent.last().map_or(now, |at| *at + self.interval);
        let more = self.sent.len() < usize::from(self.count);
        if more && next <= now {
            self.sent.push(now);
            return Step::Do(self.request());
        }
        let next = more.then_some(next);
        Step::WaitUntil([next, end].into_iter().flatten().min().unwrap_or(now + self.wait))
    }

    fn handle(&mut self, input: NeighInput<'_>, now: Instant) {
        if let NeighInput::SendFailed(reason) = input {
            self.refused = Some(reason);
            return;
        }
        let Some((lladdr, is_router)) = self.answer_of(&input) else {
            return;
        };
        let Some(asked) = self.sent.last() else {
            return;
        };
        let seq = u16::try_from(self.sent.len()).unwrap_or(u16::MAX);
        let rtt = now.saturating_duration_since(*asked);
        let answer = NeighAnswer { lladdr, seq, rtt, is_router };
        self.first_answer.get_or_insert(now);
        self.answers.push(answer.clone());
        self.events.push_back(answer);
    }

    fn next_event(&mut self) -> Option<NeighAnswer> {
        self.events.pop_front()
    }

    fn finish(self, now: Instant) -> NeighReport {
        let mut gaps = Vec::new();
        if let Some(reason) = self.refused {
            gaps.push(Gap::new("requests", format!("the kernel refused to send: {reason}")));
        } else if self.end().is_none_or(|at| at > now) {
            let why = format!("the run ended after {} of {}", self.sent.len(), self.count);
            gaps.push(Gap::new("requests", why));
        }
        let requests: Vec<Timestamp> = self.sent.iter().map(|at| self.anchor.wall(*at)).collect();
        NeighReport {
            netns: self.netns,
            to: self.to,
            interface: self.station.name,
            ifindex: self.station.ifindex,
            source: self.station.source,
            method: match (self.to, self.station.own) {
                (IpAddr::V6(_), None) => Method::Raw,
                (IpAddr::V4(_), _) | (_, Some(_)) => Method::Packet,
            },
            requests,
            answers: self.answers,
            own: self.station.own,
            gaps,
        }
    }
}
