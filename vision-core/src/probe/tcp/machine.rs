use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::talk::Talk;
use super::{ExchangeEnd, TcpAttempt, TcpOutcome, TcpProbe, TcpReport, Until};
use crate::base::{Gap, Pacer, Reason, Ttl};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError, Method};
use crate::socket::with_scope;

/// Connections being opened, or talked over, at the same time.
const HALF_OPEN: usize = 64;

/// Decides which port is tried when, and what each answer means.
pub(crate) struct TcpMachine {
    probe: TcpProbe,
    netns: NetnsId,
    anchor: Anchor,
    pacer: Pacer,
    /// Those of the rounds begun so far.
    attempts: Vec<TcpAttempt>,
    /// One per attempt that was started.
    slots: Vec<Slot>,
    /// The started ones that are not decided.
    open: Vec<usize>,
    /// The pacer's word for the next attempt, asked once.
    may_start: Option<Instant>,
    /// When the current round began, and which it is.
    round_at: Option<Instant>,
    round: u16,
    commands: VecDeque<TcpCommand>,
    events: VecDeque<usize>,
}

/// A connection under way.
struct Slot {
    started: Instant,
    deadline: Instant,
    talk: Option<Talk>,
}

/// What the machine asks its channel to do; `slot` numbers the attempts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TcpCommand {
    Connect { slot: usize, to: SocketAddr },
    Send { slot: usize, bytes: Vec<u8> },
    Close { slot: usize },
}

/// What became of a connect, and what came over the connection.
#[derive(Debug)]
pub(crate) enum TcpInput<'a> {
    /// The first SYN leaves at this very moment.
    Connecting {
        slot: usize,
    },
    Connected {
        slot: usize,
        local: Option<SocketAddr>,
    },
    Failed {
        slot: usize,
        reason: Reason,
        icmp: Option<IcmpError>,
        ttl: Option<Ttl>,
    },
    Sent {
        slot: usize,
        count: usize,
    },
    Data {
        slot: usize,
        bytes: &'a [u8],
    },
    /// No more bytes will come: closed in order, or broken.
    Ended {
        slot: usize,
        reason: Option<Reason>,
    },
}

/// A machine that lives on TCP connections.
pub(crate) trait Talker:
    for<'a> Machine<Command = TcpCommand, Input<'a> = TcpInput<'a>>
{
}

impl<M> Talker for M where M: for<'a> Machine<Command = TcpCommand, Input<'a> = TcpInput<'a>> {}

impl TcpMachine {
    pub(crate) fn new(probe: &TcpProbe, netns: NetnsId, anchor: Anchor) -> Self {
        let mut machine = Self {
            attempts: Vec::new(),
            pacer: probe.pacer.clone(),
            probe: probe.clone(),
            netns,
            anchor,
            slots: Vec::new(),
            open: Vec::new(),
            may_start: None,
            round_at: None,
            round: 0,
            commands: VecDeque::new(),
            events: VecDeque::new(),
        };
        machine.next_round();
        machine
    }

    fn next_round(&mut self) {
        self.round += 1;
        self.round_at = None;
        let round = self.round;
        let attempt = |port: &u16| TcpAttempt {
            port: *port,
            round,
            started_at: None,
            outcome: TcpOutcome::Pending,
            exchange: None,
        };
        self.attempts.extend(self.probe.ports.iter().map(attempt));
    }

    fn all_started(&self) -> bool {
        self.slots.len() >= self.attempts.len()
    }

    fn round_is_over(&self) -> bool {
        self.all_started() && self.open.is_empty()
    }

    /// Whether the last round found what is waited for; `None` when nothing is.
    fn reached(&self) -> Option<bool> {
        let until = self.probe.until?;
        let first = self.attempts.len().saturating_sub(self.probe.ports.len());
        let mut last = self.attempts.get(first..).unwrap_or_default().iter();
        Some(
            self.round_is_over()
                && match until {
                    Until::Open => last.all(TcpAttempt::succeeded),
                    Until::Closed => !last.any(TcpAttempt::succeeded),
                },
        )
    }

    fn is_last_round(&self) -> bool {
        self.round >= self.probe.count.unwrap_or(u16::MAX)
    }

    /// Begins another round if it is time, or says when it will be.
    fn next_round_at(&self) -> Option<Instant> {
        let more = self.round_is_over() && !self.is_last_round() && self.reached() != Some(true);
        more.then(|| self.round_at.map(|at| at + self.probe.interval)).flatten()
    }

    fn start(&mut self, now: Instant) -> Option<TcpCommand> {
        let slot = self.slots.len();
        let attempt = self.attempts.get_mut(slot)?;
        attempt.started_at = Some(self.anchor.wall(now));
        let to = with_scope(self.probe.to, attempt.port, self.probe.scope);
        self.slots.push(Slot { started: now, deadline: now + self.probe.wait, talk: None });
        self.open.push(slot);
        self.may_start = None;
        self.round_at.get_or_insert(now);
        Some(TcpCommand::Connect { slot, to })
    }

    fn decide(&mut self, slot: usize, outcome: TcpOutcome) {
        let Some(at) = self.open.iter().position(|open| *open == slot) else {
            return;
        };
        self.open.swap_remove(at);
        if let Some(attempt) = self.attempts.get_mut(slot) {
            attempt.outcome = outcome;
            self.events.push_back(slot);
        }
    }

    fn connected(&mut self, slot: usize, local: Option<SocketAddr>, now: Instant) {
        let Some(state) = self.slots.get_mut(slot).filter(|_| self.open.contains(&slot)) else {
            return;
        };
        let rtt = now.saturating_duration_since(state.started);
        let Some(wanted) = &self.probe.exchange else {
            return self.decide(slot, TcpOutcome::Open { rtt, local });
        };
        state.talk = Some(Talk::new(wanted, rtt, local, now, self.probe.wait));
        state.deadline = now + self.probe.wait;
        if !wanted.send.as_bytes().is_empty() {
            let bytes = wanted.send.as_bytes().to_vec();
            self.commands.push_back(TcpCommand::Send { slot, bytes });
        }
    }

    fn talk(&mut self, slot: usize) -> Option<&mut Talk> {
        self.slots.get_mut(slot).filter(|_| self.open.contains(&slot))?.talk.as_mut()
    }

    fn heard(&mut self, slot: usize, bytes: &[u8], now: Instant) {
        let Some(talk) = self.talk(slot) else {
            return;
        };
        match talk.hear(bytes, now) {
            Ok(until) => {
                if let Some(state) = self.slots.get_mut(slot) {
                    state.deadline = until;
                }
            }
            Err(end) => self.end_talk(slot, end),
        }
    }

    fn end_talk(&mut self, slot: usize, end: ExchangeEnd) {
        let Some((outcome, exchange)) = self.talk(slot).map(|talk| talk.end(end)) else {
            return;
        };
        self.decide(slot, outcome);
        if let Some(attempt) = self.attempts.get_mut(slot) {
            attempt.exchange = Some(exchange);
        }
        self.commands.push_back(TcpCommand::Close { slot });
    }

    fn expire(&mut self, now: Instant) {
        let overdue = |slot: &usize| self.slots.get(*slot).is_some_and(|s| s.deadline <= now);
        let overdue: Vec<usize> = self.open.iter().copied().filter(overdue).collect();
        for slot in overdue {
            match self.talk(slot).map(|talk| talk.time_up()) {
                Some(end) => self.end_talk(slot, end),
                None => {
                    self.decide(slot, TcpOutcome::TimedOut);
                    self.commands.push_back(TcpCommand::Close { slot });
                }
            }
        }
    }

    /// The moment the next port may be tried; `None` when all were, or too many are open.
    fn next_start(&mut self, now: Instant) -> Option<Instant> {
        if self.all_started() || self.open.len() >= HALF_OPEN {
            return None;
        }
        let pacer = &self.pacer;
        Some(*self.may_start.get_or_insert_with(|| pacer.reserve(now)))
    }

    fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let open = self.attempts.iter().filter(|a| a.outcome == TcpOutcome::Pending).count();
        if open > 0 {
            let why = format!("the run ended with {open} of {} open", self.attempts.len());
            gaps.push(Gap::new("ports", why));
        }
        // What waits for a state or goes on without end is meant to be ended.
        let wanted = self.probe.count.filter(|_| self.probe.until.is_none());
        if let Some(count) = wanted.filter(|count| self.round < *count) {
            let why = format!("the run ended after {} of {count}", self.round);
            gaps.push(Gap::new("rounds", why));
        }
        gaps
    }
}

/// A refusal is an answer of the destination; the rest says that it was not reached.
pub(crate) fn meaning(
    reason: Reason,
    icmp: Option<IcmpError>,
    ttl: Option<Ttl>,
    rtt: Duration,
) -> TcpOutcome {
    match icmp {
        Some(icmp) if icmp.is_port_unreachable() => {
            TcpOutcome::Refused { rtt, icmp: Some(icmp), ttl: None }
        }
        Some(icmp) => TcpOutcome::Unreachable { rtt, icmp },
        None if reason.errno == nix::libc::ECONNREFUSED => {
            TcpOutcome::Refused { rtt, icmp: None, ttl }
        }
        None if reason.errno == nix::libc::ETIMEDOUT => TcpOutcome::TimedOut,
        None => TcpOutcome::LocalError { reason, after: rtt },
    }
}

impl Machine for TcpMachine {
    type Command = TcpCommand;
    type Input<'a> = TcpInput<'a>;
    type Event = TcpAttempt;
    type Report = TcpReport;

    fn poll(&mut self, now: Instant) -> Step<TcpCommand> {
        self.expire(now);
        if let Some(command) = self.commands.pop_front() {
            return Step::Do(command);
        }
        let next_round = self.next_round_at();
        if next_round.is_some_and(|at| at <= now) {
            self.next_round();
        }
        let next = self.next_start(now);
        if next.is_some_and(|at| at <= now)
            && let Some(command) = self.start(now)
        {
            return Step::Do(command);
        }
        let deadline = |slot: &usize| self.slots.get(*slot).map(|s| s.deadline);
        let expiry = self.open.iter().filter_map(deadline).min();
        match [next, expiry, next_round].into_iter().flatten().min() {
            Some(at) => Step::WaitUntil(at),
            None => Step::Done,
        }
    }

    fn handle(&mut self, input: TcpInput<'_>, now: Instant) {
        match input {
            TcpInput::Connecting { slot } => {
                if let Some(state) = self.slots.get_mut(slot) {
                    *state = Slot { started: now, deadline: now + self.probe.wait, talk: None };
                }
            }
            TcpInput::Connected { slot, local } => self.connected(slot, local, now),
            TcpInput::Failed { slot, reason, icmp, ttl } => {
                let started = self.slots.get(slot).map_or(now, |s| s.started);
                let rtt = now.saturating_duration_since(started);
                self.decide(slot, meaning(reason, icmp, ttl, rtt));
            }
            TcpInput::Sent { slot, count } => {
                if let Some(talk) = self.talk(slot) {
                    talk.sent(count);
                }
            }
            TcpInput::Data { slot, bytes } => self.heard(slot, bytes, now),
            TcpInput::Ended { slot, reason } => {
                self.end_talk(slot, reason.map_or(ExchangeEnd::Closed, ExchangeEnd::Broken));
            }
        }
    }

    fn next_event(&mut self) -> Option<TcpAttempt> {
        let slot = self.events.pop_front()?;
        self.attempts.get(slot).cloned()
    }

    fn finish(mut self, now: Instant) -> TcpReport {
        self.expire(now);
        for slot in self.open.clone() {
            self.end_talk(slot, ExchangeEnd::Cut);
        }
        TcpReport {
            netns: self.netns,
            to: self.probe.to,
            method: Method::Connect,
            reached: self.reached(),
            gaps: self.gaps(),
            attempts: self.attempts,
        }
    }
}
