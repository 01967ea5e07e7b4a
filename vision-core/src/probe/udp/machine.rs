use std::time::{Duration, Instant};

use super::{UdpOutcome, UdpProbe, UdpReport};
use crate::base::{Gap, Reason, Untrusted};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError};

/// How much of an answer is kept.
const KEPT_BYTES: usize = 512;

/// Decides when to send again, and what an answer means.
pub(crate) struct UdpMachine {
    probe: UdpProbe,
    netns: NetnsId,
    anchor: Anchor,
    sent: Vec<Instant>,
    outcome: Option<UdpOutcome>,
}

/// Send this datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Send(pub(crate) Vec<u8>);

/// What a UDP probe hears; the socket is connected, so it comes from the peer.
#[derive(Debug)]
pub(crate) enum UdpInput<'a> {
    Reply(&'a [u8]),
    Icmp(IcmpError),
    SendFailed(Reason),
}

impl UdpMachine {
    pub(crate) fn new(probe: &UdpProbe, netns: NetnsId, anchor: Anchor) -> Self {
        Self { probe: probe.clone(), netns, anchor, sent: Vec::new(), outcome: None }
    }

    fn rtt(&self, now: Instant) -> Duration {
        self.sent.last().map_or(Duration::ZERO, |at| now.saturating_duration_since(*at))
    }
}

impl Machine for UdpMachine {
    type Command = Send;
    type Input<'a> = UdpInput<'a>;
    type Event = ();
    type Report = UdpReport;

    fn poll(&mut self, now: Instant) -> Step<Send> {
        if self.outcome.is_some() {
            return Step::Done;
        }
        let next = self.sent.last().map_or(now, |at| *at + self.probe.wait);
        match (next <= now, self.sent.len() < usize::from(self.probe.tries)) {
            (false, _) => Step::WaitUntil(next),
            (true, true) => {
                self.sent.push(now);
                Step::Do(Send(self.probe.payload.clone()))
            }
            (true, false) => {
                self.outcome = Some(UdpOutcome::Silent);
                Step::Done
            }
        }
    }

    fn handle(&mut self, input: UdpInput<'_>, now: Instant) {
        let rtt = self.rtt(now);
        let outcome = match input {
            UdpInput::Reply(bytes) => {
                let kept = Untrusted::from(bytes.get(..KEPT_BYTES).unwrap_or(bytes));
                let bytes_hex = kept.hex_unless_utf8();
                UdpOutcome::Reply { rtt, bytes: kept, bytes_hex, length_bytes: bytes.len() }
            }
            UdpInput::Icmp(icmp) if icmp.is_port_unreachable() => UdpOutcome::Closed { icmp, rtt },
            UdpInput::Icmp(icmp) => UdpOutcome::Unreachable { icmp, rtt },
            UdpInput::SendFailed(reason) => UdpOutcome::LocalError { reason },
        };
        self.outcome.get_or_insert(outcome);
    }

    fn next_event(&mut self) -> Option<()> {
        None
    }

    fn finish(self, _now: Instant) -> UdpReport {
        let mut gaps = Vec::new();
        let outcome = self.outcome.unwrap_or_else(|| {
            let (sent, tries) = (self.sent.len(), self.probe.tries);
            let why = format!("the run ended while datagram {sent} of {tries} was open");
            gaps.push(Gap::new("answers", why));
            UdpOutcome::Silent
        });
        let sent = self.sent.iter().map(|at| self.anchor.wall(*at)).collect();
        UdpReport { netns: self.netns, to: self.probe.to, sent, outcome, gaps }
    }
}
