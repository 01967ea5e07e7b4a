use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{TcpAttempt, TcpOutcome, TcpProbe, TcpReport};
use crate::base::{Gap, Pacer, Reason, Ttl};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError, Method};
use crate::socket::with_scope;

/// Connections being opened at the same time.
const HALF_OPEN: usize = 64;

/// Decides which port is tried when, and what each answer means.
pub(crate) struct TcpMachine {
    probe: TcpProbe,
    netns: NetnsId,
    anchor: Anchor,
    pacer: Pacer,
    attempts: Vec<TcpAttempt>,
    /// When each attempt began.
    started: Vec<Instant>,
    /// The pacer's word for the next attempt, asked once.
    may_start: Option<Instant>,
    open: usize,
    expired: VecDeque<usize>,
    events: VecDeque<usize>,
}

/// What the machine asks its channel to do; `slot` numbers the attempts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TcpCommand {
    Connect { slot: usize, to: SocketAddr },
    Abandon { slot: usize },
}

/// What became of a connect.
#[derive(Debug)]
pub(crate) enum TcpInput {
    Connected { slot: usize, local: Option<SocketAddr> },
    Failed { slot: usize, reason: Reason, icmp: Option<IcmpError>, ttl: Option<Ttl> },
}

impl TcpMachine {
    pub(crate) fn new(probe: &TcpProbe, netns: NetnsId, anchor: Anchor) -> Self {
        let attempt =
            |port: &u16| TcpAttempt { port: *port, started_at: None, outcome: TcpOutcome::Pending };
        Self {
            attempts: probe.ports.iter().map(attempt).collect(),
            pacer: probe.pacer.clone(),
            probe: probe.clone(),
            netns,
            anchor,
            started: Vec::new(),
            may_start: None,
            open: 0,
            expired: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    fn is_pending(&self, slot: usize) -> bool {
        slot < self.started.len()
            && self.attempts.get(slot).is_some_and(|a| a.outcome == TcpOutcome::Pending)
    }

    fn start(&mut self, now: Instant) -> Option<TcpCommand> {
        let slot = self.started.len();
        let attempt = self.attempts.get_mut(slot)?;
        attempt.started_at = Some(self.anchor.wall(now));
        let to = with_scope(self.probe.to, attempt.port, self.probe.scope);
        self.started.push(now);
        self.may_start = None;
        self.open += 1;
        Some(TcpCommand::Connect { slot, to })
    }

    fn decide(&mut self, slot: usize, outcome: TcpOutcome) {
        if self.is_pending(slot) {
            if let Some(attempt) = self.attempts.get_mut(slot) {
                attempt.outcome = outcome;
                self.open -= 1;
                self.events.push_back(slot);
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        for slot in 0..self.started.len() {
            let overdue = self.started.get(slot).is_some_and(|at| *at + self.probe.wait <= now);
            if overdue && self.is_pending(slot) {
                self.decide(slot, TcpOutcome::TimedOut);
                self.expired.push_back(slot);
            }
        }
    }

    /// The moment the next port may be tried; `None` when all were, or too many are open.
    fn next_start(&mut self, now: Instant) -> Option<Instant> {
        if self.started.len() >= self.attempts.len() || self.open >= HALF_OPEN {
            return None;
        }
        let pacer = &self.pacer;
        Some(*self.may_start.get_or_insert_with(|| pacer.reserve(now)))
    }
}

/// A refusal is an answer of the destination; the rest says that it was not reached.
fn meaning(reason: Reason, icmp: Option<IcmpError>, ttl: Option<Ttl>, rtt: Duration) -> TcpOutcome {
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
    type Input<'a> = TcpInput;
    type Event = TcpAttempt;
    type Report = TcpReport;

    fn poll(&mut self, now: Instant) -> Step<TcpCommand> {
        self.expire(now);
        if let Some(slot) = self.expired.pop_front() {
            return Step::Do(TcpCommand::Abandon { slot });
        }
        let next = self.next_start(now);
        if next.is_some_and(|at| at <= now) {
            if let Some(command) = self.start(now) {
                return Step::Do(command);
            }
        }
        let pending = (0..self.started.len()).find(|slot| self.is_pending(*slot));
        let expiry = pending.and_then(|slot| Some(*self.started.get(slot)? + self.probe.wait));
        match [next, expiry].into_iter().flatten().min() {
            Some(at) => Step::WaitUntil(at),
            None => Step::Done,
        }
    }

    fn handle(&mut self, input: TcpInput, now: Instant) {
        let since = |slot: usize| {
            let started = self.started.get(slot).copied().unwrap_or(now);
            now.saturating_duration_since(started)
        };
        match input {
            TcpInput::Connected { slot, local } => {
                let rtt = since(slot);
                self.decide(slot, TcpOutcome::Open { rtt, local });
            }
            TcpInput::Failed { slot, reason, icmp, ttl } => {
                let rtt = since(slot);
                self.decide(slot, meaning(reason, icmp, ttl, rtt));
            }
        }
    }

    fn next_event(&mut self) -> Option<TcpAttempt> {
        let slot = self.events.pop_front()?;
        self.attempts.get(slot).cloned()
    }

    fn finish(mut self, now: Instant) -> TcpReport {
        self.expire(now);
        let open = self.attempts.iter().filter(|a| a.outcome == TcpOutcome::Pending).count();
        let mut gaps = Vec::new();
        if open > 0 {
            let why = format!("the run ended with {open} of {} open", self.attempts.len());
            gaps.push(Gap::new("ports", why));
        }
        let (netns, to) = (self.netns, self.probe.to);
        TcpReport { netns, to, method: Method::Connect, attempts: self.attempts, gaps }
    }
}
