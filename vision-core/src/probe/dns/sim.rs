//! A network on a virtual clock for machine tests: each query meets a list of reactions.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::channel::DnsSpeaker;
use super::machine::{DnsCommand, DnsInput};
use crate::base::{Family, Reason, Timestamp};
use crate::netns::NetnsId;
use crate::probe::machine::Step;
use crate::probe::{Anchor, IcmpError};
use crate::socket::IcmpFault;
use crate::wire::dns::{Message, Question};

/// What happens to a query.
#[derive(Debug, Clone)]
pub(super) enum React {
    /// These bytes come from the server.
    Reply(Vec<u8>),
    /// These bytes come from elsewhere.
    ReplyFrom(SocketAddr, Vec<u8>),
    /// An ICMP error with this type and code, from this host.
    Icmp(IpAddr, u8, u8),
    /// The kernel refuses.
    Fail(i32),
    Connected,
    Stream(Vec<u8>),
    Closed,
}

/// A query on its way, as the network sees it.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) n: usize,
    pub(super) to: SocketAddr,
    pub(super) tcp: bool,
    pub(super) at: Duration,
    pub(super) bytes: Vec<u8>,
}

impl Sent {
    pub(super) fn question(&self) -> Question {
        self.message().questions.remove(0)
    }

    pub(super) fn message(&self) -> Message {
        Message::decode(&self.bytes).expect("our own query")
    }

    /// The reply with this rcode and these A or AAAA addresses.
    pub(super) fn reply(&self, rcode: u8, addresses: &[&str]) -> Vec<u8> {
        let mut out = self.bytes.clone();
        out.truncate(12 + self.question().name.as_wire().len() + 4);
        out[2] = 0x81;
        out[3] = 0x80 | rcode;
        out[6..12].copy_from_slice(&[0, addresses.len() as u8, 0, 0, 0, 0]);
        for addr in addresses {
            let (rtype, bytes) = match addr.parse().expect("an address") {
                IpAddr::V4(v4) => (1, v4.octets().to_vec()),
                IpAddr::V6(v6) => (28, v6.octets().to_vec()),
            };
            out.extend([0xc0, 12, 0, rtype, 0, 1, 0, 0, 0, 9, 0, bytes.len() as u8]);
            out.extend(bytes);
        }
        out
    }

    /// The same for a stream.
    pub(super) fn framed(&self, rcode: u8, addresses: &[&str]) -> Vec<u8> {
        let reply = self.reply(rcode, addresses);
        [&(reply.len() as u16).to_be_bytes()[..], &reply].concat()
    }
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn place() -> (NetnsId, Anchor) {
    let netns = NetnsId { dev: 4, ino: 1 };
    (netns, Anchor::new(Instant::now(), Timestamp::from_unix_nanos(0)))
}

/// Runs a machine to its end or to `limit`; the network answers each query with timed reactions.
pub(super) fn run<M: DnsSpeaker>(
    mut machine: M,
    limit: Duration,
    mut network: impl FnMut(&Sent) -> Vec<(Duration, React)>,
) -> (M::Report, Vec<Sent>) {
    let start = Instant::now();
    let mut now = start;
    let mut sent: Vec<Sent> = Vec::new();
    let mut due: Vec<(Instant, u64, SocketAddr, React)> = Vec::new();
    let mut closed = Vec::new();
    loop {
        let wake = match machine.poll(now) {
            Step::Do(DnsCommand::Close { slot }) => {
                closed.push(slot);
                continue;
            }
            Step::Do(DnsCommand::Udp { slot, to, bytes }) => {
                let one = Sent { n: sent.len(), to, tcp: false, at: now - start, bytes };
                due.extend(network(&one).into_iter().map(|(at, r)| (now + at, slot, to, r)));
                sent.push(one);
                continue;
            }
            Step::Do(DnsCommand::Batch { lane, to, datagrams }) => {
                for bytes in datagrams {
                    let one = Sent { n: sent.len(), to, tcp: false, at: now - start, bytes };
                    due.extend(network(&one).into_iter().map(|(at, r)| (now + at, lane, to, r)));
                    sent.push(one);
                }
                continue;
            }
            Step::Do(DnsCommand::Tcp { slot, to, bytes }) => {
                let bytes = bytes[2..].to_vec();
                let one = Sent { n: sent.len(), to, tcp: true, at: now - start, bytes };
                due.extend(network(&one).into_iter().map(|(at, r)| (now + at, slot, to, r)));
                sent.push(one);
                continue;
            }
            Step::WaitUntil(at) => at,
            Step::Done => return (machine.finish(now), sent),
        };
        due.retain(|(_, slot, ..)| !closed.contains(slot));
        due.sort_by_key(|(at, ..)| *at);
        let next = due.first().map(|(at, ..)| *at).filter(|at| *at <= wake);
        now = next.unwrap_or(wake);
        if now - start >= limit {
            return (machine.finish(start + limit), sent);
        }
        if next.is_some() {
            let (_, slot, to, react) = due.remove(0);
            hand_over(&mut machine, slot, to, &react, now);
            // What arrives together is handed over together, as a channel does.
            while due.first().is_some_and(|(at, ..)| *at == now) {
                let (_, slot, to, react) = due.remove(0);
                hand_over(&mut machine, slot, to, &react, now);
            }
        }
    }
}

fn hand_over<M: DnsSpeaker>(
    machine: &mut M,
    slot: u64,
    to: SocketAddr,
    react: &React,
    now: Instant,
) {
    let input = match react {
        React::Reply(bytes) => DnsInput::Datagram { slot, from: Some(to), bytes },
        React::ReplyFrom(from, bytes) => DnsInput::Datagram { slot, from: Some(*from), bytes },
        React::Icmp(from, kind, code) => {
            let fault = IcmpFault { from: Some(*from), kind: *kind, code: *code, mtu: None };
            let icmp = Some(IcmpError::new(Family::V4, fault));
            DnsInput::Failed { slot, reason: Reason::new(nix::libc::ECONNREFUSED), icmp }
        }
        React::Fail(errno) => DnsInput::Failed { slot, reason: Reason::new(*errno), icmp: None },
        React::Connected => DnsInput::Connected { slot },
        React::Stream(bytes) => DnsInput::Stream { slot, bytes },
        React::Closed => DnsInput::Closed { slot },
    };
    machine.handle(input, now);
}
