use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Echo, EchoOutcome, Ping, PingReport, Stall, is_group};
use crate::base::{Family, Gap, Reason, Ttl};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError, Method};
use crate::wire::icmp::EchoMessage;

/// Decides when to send, and which reply belongs to which request.
pub(crate) struct PingMachine {
    to: IpAddr,
    method: Method,
    netns: NetnsId,
    count: Option<u16>,
    interval: Duration,
    wait: Duration,
    payload: Vec<u8>,
    cookie_bytes: usize,
    id: u16,
    anchor: Anchor,
    next_send: Option<Instant>,
    /// Request `n` has sequence number `n + 1`.
    sent: Vec<Instant>,
    /// When each request counts as lost.
    deadlines: Vec<Instant>,
    /// When the machine asked to be woken.
    wake: Option<Instant>,
    stalls: Vec<Stall>,
    /// Requests before this index were open when the process was stopped.
    stalled_before: usize,
    echoes: Vec<Echo>,
    /// Everything before this index is decided.
    oldest_open: usize,
    events: VecDeque<usize>,
    duplicates: u32,
    ignored: u32,
    local_mtu: Option<u32>,
}

/// Woken so much later than asked, the process was stopped or the machine was.
const STALL: Duration = Duration::from_millis(200);

/// Send this request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) seq: u16,
    pub(crate) bytes: Vec<u8>,
}

/// What a ping hears.
#[derive(Debug)]
pub(crate) enum PingInput<'a> {
    /// An ICMP message without its IP header.
    Message { from: IpAddr, ttl: Option<Ttl>, at: Instant, bytes: &'a [u8] },
    /// An error from the queue, with the start of the request it belongs to.
    Error { error: IcmpOrLocal, quoted: &'a [u8] },
    /// A request is handed to the kernel at this very moment.
    Sending { seq: u16, at: Instant },
    /// The kernel refused a request.
    SendFailed { seq: u16, reason: Reason },
}

/// Where an error arose.
#[derive(Debug, Clone, Copy)]
pub(crate) enum IcmpOrLocal {
    Icmp(IcmpError),
    /// The kernel's own refusal; "message too long" comes with the MTU in the way.
    Local {
        mtu: Option<u32>,
    },
}

impl PingMachine {
    pub(crate) fn new(
        ping: &Ping,
        method: Method,
        cookie: [u8; 8],
        netns: NetnsId,
        anchor: Anchor,
    ) -> Self {
        let filler = (0x10..=u8::MAX).take(ping.size_bytes);
        let mut payload: Vec<u8> = cookie.into_iter().chain(filler).collect();
        payload.resize(ping.size_bytes.max(payload.len()), 0x55);
        payload.truncate(ping.size_bytes);
        let [high, low, ..] = cookie;
        Self {
            to: ping.to,
            method,
            netns,
            count: ping.count,
            interval: ping.interval,
            wait: ping.wait,
            cookie_bytes: payload.len().min(cookie.len()),
            payload,
            id: u16::from_be_bytes([high, low]),
            anchor,
            next_send: None,
            sent: Vec::new(),
            deadlines: Vec::new(),
            wake: None,
            stalls: Vec::new(),
            stalled_before: 0,
            echoes: Vec::new(),
            oldest_open: 0,
            events: VecDeque::new(),
            duplicates: 0,
            ignored: 0,
            local_mtu: None,
        }
    }

    fn family(&self) -> Family {
        Family::of(self.to)
    }

    fn all_sent(&self) -> bool {
        // Sequence numbers are 16 bits wide; an endless run stops before they repeat.
        self.sent.len() >= usize::from(self.count.unwrap_or(u16::MAX))
    }

    fn send(&mut self, now: Instant) -> Request {
        let seq = u16::try_from(self.sent.len() + 1).unwrap_or(u16::MAX);
        let echo = EchoMessage { id: self.id, seq, payload: &self.payload };
        let bytes = echo.request(self.family());
        self.sent.push(now);
        self.deadlines.push(now + self.wait);
        let sent_at = self.anchor.wall(now);
        self.echoes.push(Echo { seq, sent_at, outcome: EchoOutcome::Pending });
        // After a pause of the whole process the rhythm starts anew instead of catching up.
        let planned = self.next_send.unwrap_or(now) + self.interval;
        self.next_send = Some(planned.max(now + self.interval / 2));
        Request { seq, bytes }
    }

    fn expire(&mut self, now: Instant) {
        for index in self.oldest_open..self.echoes.len() {
            let overdue = self.deadlines.get(index).is_some_and(|at| *at <= now);
            match self.echoes.get(index).map(|echo| &echo.outcome) {
                Some(EchoOutcome::Pending) if overdue => {
                    self.decide(index, self.without_reply(index, None));
                }
                Some(EchoOutcome::Pending) => break,
                _ => {}
            }
        }
        while self.echoes.get(self.oldest_open).is_some_and(|e| e.outcome != EchoOutcome::Pending) {
            self.oldest_open += 1;
        }
    }

    /// What a request comes to that was not answered in time.
    fn without_reply(&self, index: usize, late: Option<Duration>) -> EchoOutcome {
        match index < self.stalled_before {
            true => EchoOutcome::Stalled { late },
            false => EchoOutcome::Lost { late },
        }
    }

    /// Notices that nobody looked for a while: the time does not count against open requests.
    fn notice_stall(&mut self, now: Instant) {
        let Some(wake) = self.wake.take_if(|wake| *wake + STALL <= now) else {
            return;
        };
        let lasted = now.saturating_duration_since(wake);
        self.stalls.push(Stall { at: self.anchor.wall(wake), lasted });
        let open = self.deadlines.iter_mut().skip(self.oldest_open);
        open.for_each(|deadline| *deadline += lasted);
        self.stalled_before = self.sent.len();
    }

    fn decide(&mut self, index: usize, outcome: EchoOutcome) {
        if let Some(echo) = self.echoes.get_mut(index) {
            echo.outcome = outcome;
            self.events.push_back(index);
        }
    }

    fn take_reply(&mut self, from: IpAddr, ttl: Option<Ttl>, bytes: &[u8], at: Instant) {
        let Ok(Some(reply)) = EchoMessage::reply(self.family(), bytes) else {
            return;
        };
        // A datagram socket has an id of the kernel's own choice, and hears no other.
        if self.method == Method::Raw && reply.id != self.id {
            return;
        }
        let cookie = |bytes: &[u8]| bytes.get(..self.cookie_bytes).map(<[u8]>::to_vec);
        let is_ours = (from == self.to || is_group(self.to))
            && cookie(reply.payload) == cookie(&self.payload);
        let index = usize::from(reply.seq).wrapping_sub(1);
        let Some(sent) = self.sent.get(index).filter(|_| is_ours).copied() else {
            self.ignored += 1;
            return;
        };
        let rtt = at.saturating_duration_since(sent);
        match self.echoes.get_mut(index).map(|echo| &mut echo.outcome) {
            Some(EchoOutcome::Pending) if rtt > self.wait => {
                self.decide(index, self.without_reply(index, Some(rtt)));
            }
            Some(EchoOutcome::Pending) => self.decide(index, EchoOutcome::Reply { from, rtt, ttl }),
            Some(
                EchoOutcome::Lost { late: late @ None }
                | EchoOutcome::Stalled { late: late @ None },
            ) => *late = Some(rtt),
            _ => self.duplicates += 1,
        }
    }

    fn take_error(&mut self, error: IcmpOrLocal, quoted: &[u8]) {
        let icmp = match error {
            // The refused send itself is reported right after, and names the request.
            IcmpOrLocal::Local { mtu } => return self.local_mtu = mtu,
            IcmpOrLocal::Icmp(icmp) => icmp,
        };
        let Some((id, seq)) = EchoMessage::quoted_request(self.family(), quoted) else {
            return;
        };
        // A datagram socket's id is the kernel's choice, and its queue holds no other's errors.
        if self.method != Method::Raw || id == self.id {
            self.fail(seq, EchoOutcome::Unreachable(icmp));
        }
    }

    fn fail(&mut self, seq: u16, outcome: EchoOutcome) {
        let index = usize::from(seq).wrapping_sub(1);
        let open = self.echoes.get(index).is_some_and(|e| e.outcome == EchoOutcome::Pending);
        if open {
            self.decide(index, outcome);
        }
    }
}

impl Machine for PingMachine {
    type Command = Request;
    type Input<'a> = PingInput<'a>;
    type Event = Echo;
    type Report = PingReport;

    fn poll(&mut self, now: Instant) -> Step<Request> {
        self.notice_stall(now);
        self.expire(now);
        let due = self.next_send.unwrap_or(now);
        if !self.all_sent() && due <= now {
            return Step::Do(self.send(now));
        }
        let expiry = self.deadlines.get(self.oldest_open).copied();
        let next_send = (!self.all_sent()).then_some(due);
        self.wake = [expiry, next_send].into_iter().flatten().min();
        match self.wake {
            Some(at) => Step::WaitUntil(at),
            None => Step::Done,
        }
    }

    fn handle(&mut self, input: PingInput<'_>, now: Instant) {
        self.notice_stall(now);
        match input {
            PingInput::Message { from, ttl, at, bytes } => self.take_reply(from, ttl, bytes, at),
            PingInput::Sending { seq, at } => {
                if let Some(sent) = self.sent.get_mut(usize::from(seq).wrapping_sub(1)) {
                    *sent = at;
                }
            }
            PingInput::Error { error, quoted } => self.take_error(error, quoted),
            PingInput::SendFailed { seq, reason } => {
                let mtu_bytes = self.local_mtu.take();
                self.fail(seq, EchoOutcome::LocalError { reason, mtu_bytes });
            }
        }
    }

    fn next_event(&mut self) -> Option<Echo> {
        let index = self.events.pop_front()?;
        self.echoes.get(index).cloned()
    }

    fn finish(mut self, now: Instant) -> PingReport {
        self.expire(now);
        let mut gaps = Vec::new();
        let open = self.echoes.iter().filter(|e| e.outcome == EchoOutcome::Pending).count();
        if let Some(count) = self.count.map(usize::from).filter(|_| !self.all_sent()) {
            let why = format!("the run ended after {} of {count}", self.echoes.len());
            gaps.push(Gap::new("requests", why));
        }
        if open > 0 {
            gaps.push(Gap::new("replies", format!("the run ended while {open} were open")));
        }
        PingReport {
            netns: self.netns,
            to: self.to,
            method: self.method,
            size_bytes: self.payload.len(),
            echoes: self.echoes,
            duplicates: self.duplicates,
            ignored: self.ignored,
            stalls: self.stalls,
            gaps,
        }
    }
}
