use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::report::{BlackHole, HopAt, MtuEnd, MtuStep};
use crate::base::{Pacer, Reason};
use crate::probe::IcmpError;
use crate::probe::machine::{Machine, Step};
use crate::probe::path::{Answer, Heard, Said, Shot, is_exceeded};

/// What is to be found out.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) to: IpAddr,
    /// The smallest packet that can be told apart.
    pub(super) least: u16,
    /// The largest that leaves the host, or that was asked for.
    pub(super) ceiling: u16,
    pub(super) max_ttl: u8,
    /// Sizes tried at once.
    pub(super) breadth: u16,
    pub(super) tries: u8,
    /// The shortest time that silence is given.
    pub(super) patience: Duration,
    pub(super) wait: Duration,
    pub(super) pacer: Pacer,
}

/// Narrows the size down, then looks for the hop that swallows or tells.
pub(super) struct MtuMachine {
    plan: Plan,
    phase: Phase,
    tasks: Vec<Task>,
    /// By sequence number: which batch, which task of it, when.
    sent: Vec<(u32, usize, Instant)>,
    batch: u32,
    slot: Option<Instant>,
    /// The largest that passed and the smallest that did not.
    low: u16,
    high: u16,
    /// Nobody said anything about the smallest that did not pass.
    silent: bool,
    steps: Vec<MtuStep>,
    told: Option<u16>,
    slowest: Duration,
    hops: Vec<HopAt>,
    distance: Option<u8>,
    passed: u8,
    refused: Option<(Reason, Option<u32>)>,
    rejected: Option<IcmpError>,
    pub(super) mss: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Does the destination answer at all?
    Base,
    Search,
    /// Who are the routers, and how many?
    Trace,
    /// How far does a packet come that is too big?
    Locate,
    Over,
}

/// One question, put until it is answered or has been put often enough.
#[derive(Debug, Clone, Copy)]
struct Task {
    size: u16,
    ttl: u8,
    sent: u8,
    at: Option<Instant>,
    done: Option<Found>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// It reached the destination.
    Reached,
    /// Its life ended at this router.
    Expired(IpAddr),
    /// Somebody said that it is too big.
    TooBig,
    /// Somebody else's answer made it pointless.
    Moot,
    /// Nobody said anything.
    Silence,
}

/// Beyond any path, and yet not for ever.
const FULL_TTL: u8 = 64;
/// Hops asked at once.
const TRACE: u8 = 10;

/// What the machine found, without its surroundings.
pub(super) struct Findings {
    pub(super) mtu: Option<u32>,
    pub(super) end: MtuEnd,
    pub(super) steps: Vec<MtuStep>,
    pub(super) black_hole: Option<BlackHole>,
    pub(super) hops: Option<u8>,
    pub(super) sent: u32,
    pub(super) mss: Option<u16>,
    pub(super) finished: bool,
}

impl MtuMachine {
    pub(super) fn new(plan: Plan) -> Self {
        let base = Task::new(plan.least, FULL_TTL);
        Self {
            low: 0,
            high: plan.ceiling.saturating_add(1),
            plan,
            phase: Phase::Base,
            tasks: vec![base],
            sent: Vec::new(),
            batch: 0,
            slot: None,
            silent: false,
            steps: Vec::new(),
            told: None,
            slowest: Duration::ZERO,
            hops: Vec::new(),
            distance: None,
            passed: 0,
            refused: None,
            rejected: None,
            mss: None,
        }
    }

    fn patience(&self) -> Duration {
        match self.slowest {
            Duration::ZERO => self.plan.wait,
            rtt => (rtt * 10).max(self.plan.patience).min(self.plan.wait),
        }
    }

    fn give_up(&mut self, now: Instant) {
        let (patience, tries) = (self.patience(), self.plan.tries);
        for task in &mut self.tasks {
            let spent = task.sent >= tries && task.at.is_some_and(|at| at + patience <= now);
            if task.done.is_none() && spent {
                task.done = Some(Found::Silence);
            }
        }
    }

    /// The next question that is due, or when one will be.
    fn next(&self, now: Instant) -> Result<usize, Option<Instant>> {
        let patience = self.patience();
        let mut earliest: Option<Instant> = None;
        for (index, task) in self.tasks.iter().enumerate().filter(|(_, t)| t.done.is_none()) {
            let due = task.at.map_or(now, |at| at + patience);
            if due <= now {
                return Ok(index);
            }
            earliest = Some(earliest.map_or(due, |at| at.min(due)));
        }
        Err(earliest)
    }

    fn send(&mut self, index: usize, now: Instant) -> Step<Shot> {
        let slot = *self.slot.get_or_insert_with(|| self.plan.pacer.reserve(now));
        if slot > now {
            return Step::WaitUntil(slot);
        }
        self.slot = None;
        let Some(task) = self.tasks.get_mut(index) else {
            return Step::Done;
        };
        task.sent += 1;
        task.at = Some(now);
        let seq = self.sent.len() as u32;
        self.sent.push((self.batch, index, now));
        Step::Do(Shot { seq, ttl: task.ttl, flow: 0, size_bytes: task.size, df: true })
    }

    fn ask(&mut self, phase: Phase, tasks: Vec<Task>) {
        self.phase = phase;
        self.tasks = tasks;
        self.batch += 1;
    }

    /// Draws the conclusion from a batch and begins the next.
    fn advance(&mut self) {
        match self.phase {
            Phase::Base => self.based(),
            Phase::Search => self.narrowed(),
            Phase::Trace => self.traced(),
            Phase::Locate => {
                let expired = |t: &&Task| matches!(t.done, Some(Found::Expired(_)));
                let far = self.tasks.iter().filter(expired).map(|task| task.ttl).max();
                self.passed = far.unwrap_or(0);
                self.phase = Phase::Over;
            }
            Phase::Over => {}
        }
    }

    fn based(&mut self) {
        let answered = self.tasks.first().is_some_and(|t| t.done == Some(Found::Reached));
        if answered {
            self.low = self.plan.least;
            self.search();
        } else {
            // A router may still say what it cannot pass on.
            self.ask(Phase::Search, vec![Task::new(self.plan.ceiling, FULL_TTL)]);
        }
    }

    fn narrowed(&mut self) {
        if self.low == 0 {
            return self.trace();
        }
        let tried = |found: Found| {
            let sizes = self.tasks.iter().filter(move |t| t.done == Some(found));
            sizes.map(|task| task.size)
        };
        self.low = self.low.max(tried(Found::Reached).max().unwrap_or(0));
        let (low, high) = (self.low, self.high);
        let failed = tried(Found::Silence).filter(|size| (low..high).contains(size)).min();
        if let Some(size) = failed.filter(|size| *size > low) {
            (self.high, self.silent) = (size, true);
        }
        self.search();
    }

    fn search(&mut self) {
        if self.high <= self.low.saturating_add(1) || self.rejected.is_some() {
            return self.trace();
        }
        let fresh = self.high > self.plan.ceiling;
        let told = self.told.take().filter(|size| *size > self.low && *size < self.high);
        let sizes = match told {
            Some(size) => vec![size],
            None if fresh => vec![self.plan.ceiling],
            None => spread(self.low, self.high, self.plan.breadth),
        };
        let tasks = sizes.into_iter().map(|size| Task::new(size, FULL_TTL)).collect();
        self.ask(Phase::Search, tasks);
    }

    /// Only a limit has a place that is worth looking for.
    fn trace(&mut self) {
        let wanted = self.low == 0 || self.high <= self.plan.ceiling;
        if wanted && self.distance.is_none() && self.hops.len() < usize::from(self.plan.max_ttl) {
            let from = self.hops.len() as u8 + 1;
            let to = from.saturating_add(TRACE - 1).min(self.plan.max_ttl);
            let least = self.plan.least;
            self.ask(Phase::Trace, (from..=to).map(|ttl| Task::new(least, ttl)).collect());
        } else {
            self.locate();
        }
    }

    fn traced(&mut self) {
        let any = self.tasks.iter().any(|t| t.done != Some(Found::Silence));
        for task in &self.tasks {
            match task.done {
                Some(Found::Reached) => self.distance = self.distance.or(Some(task.ttl)),
                Some(Found::Expired(addr)) => {
                    self.hops.push(HopAt { ttl: task.ttl, addr: Some(addr) });
                }
                _ => self.hops.push(HopAt { ttl: task.ttl, addr: None }),
            }
        }
        if any && self.distance.is_none() { self.trace() } else { self.locate() }
    }

    fn locate(&mut self) {
        let black = self.low > 0 && self.silent && self.high <= self.plan.ceiling;
        if !black {
            self.phase = Phase::Over;
            return;
        }
        let far = self.distance.map_or(self.hops.len() as u8, |hops| hops.saturating_sub(1));
        let big = self.high;
        self.ask(Phase::Locate, (1..=far).map(|ttl| Task::new(big, ttl)).collect());
    }

    /// Somebody cannot pass on more than this.
    fn too_big(&mut self, size: u16, mtu: Option<u32>, from: Option<IpAddr>) {
        let sensible = self.plan.least..size;
        let hint = mtu.and_then(|mtu| u16::try_from(mtu).ok()).filter(|mtu| sensible.contains(mtu));
        let below = hint.map_or(size, |mtu| mtu.saturating_add(1));
        if below < self.high {
            self.high = below;
            self.silent = false;
        }
        self.told = hint.or(self.told);
        let step = MtuStep { mtu_bytes: mtu, size_bytes: size, from, hop: None };
        let known = |s: &MtuStep| s.from == from && s.mtu_bytes == mtu;
        if !self.steps.iter().any(known) {
            self.steps.push(step);
        }
        for task in self.tasks.iter_mut().filter(|task| task.size >= below) {
            task.done.get_or_insert(Found::Moot);
        }
    }

    fn take(&mut self, answer: &Answer) {
        let Some((batch, index, at)) =
            answer.seq.and_then(|seq| self.sent.get(seq as usize)).copied()
        else {
            return;
        };
        let rtt = answer.at.saturating_duration_since(at);
        let Some(task) = self.tasks.get_mut(index).filter(|_| batch == self.batch) else {
            return;
        };
        let size = task.size;
        self.slowest = self.slowest.max(rtt.min(self.plan.wait));
        let from_there = answer.from == Some(self.plan.to);
        let found = match answer.said {
            Said::Icmp(error) if is_too_big(&error) => {
                task.done = Some(Found::TooBig);
                return self.too_big(size, error.mtu_bytes, answer.from);
            }
            Said::Icmp(error) if is_exceeded(&error) => match answer.from {
                Some(addr) => Found::Expired(addr),
                None => return,
            },
            Said::Icmp(error) if !from_there => {
                self.rejected = Some(error);
                Found::Moot
            }
            Said::Open { mss } => {
                self.mss = mss.or(self.mss);
                Found::Reached
            }
            _ => Found::Reached,
        };
        task.done = Some(found);
        if found == Found::Reached && self.phase == Phase::Search {
            self.low = self.low.max(size);
            for task in self.tasks.iter_mut().filter(|task| task.size < size) {
                task.done.get_or_insert(Found::Moot);
            }
        }
    }

    fn named(&self, mut step: MtuStep) -> MtuStep {
        let hop = step.from.and_then(|from| self.hops.iter().find(|h| h.addr == Some(from)));
        step.hop = hop.map(|hop| hop.ttl);
        step
    }

    fn black_hole(&self) -> Option<BlackHole> {
        let black = self.low > 0 && self.silent && self.high <= self.plan.ceiling;
        let at = |ttl: u8| self.hops.iter().find(|hop| hop.ttl == ttl).copied();
        let last = self.distance.map(|ttl| HopAt { ttl, addr: Some(self.plan.to) });
        let beyond = self.hops.iter().find(|h| h.ttl > self.passed && h.addr.is_some()).copied();
        black.then(|| BlackHole { after: at(self.passed), before: beyond.or(last) })
    }

    pub(super) fn findings(self) -> Findings {
        let found = self.phase == Phase::Over || self.phase == Phase::Trace;
        let black_hole = self.black_hole().filter(|_| self.phase == Phase::Over);
        let end = match (self.refused, self.rejected) {
            (Some((reason, mtu_bytes)), _) => MtuEnd::NotSent { reason, mtu_bytes },
            (None, Some(error)) if self.low == 0 => MtuEnd::Refused { error },
            _ if !found && self.phase != Phase::Locate => MtuEnd::Open,
            _ if self.low == 0 => MtuEnd::Unanswered,
            _ if self.high > self.plan.ceiling => MtuEnd::Unlimited,
            _ if self.silent => MtuEnd::Swallowed,
            _ => MtuEnd::Told,
        };
        let known = self.low > 0 && !matches!(end, MtuEnd::Open | MtuEnd::NotSent { .. });
        Findings {
            mtu: known.then_some(self.low.into()),
            end,
            steps: self.steps.iter().map(|step| self.named(*step)).collect(),
            black_hole,
            hops: self.distance,
            sent: self.sent.len() as u32,
            mss: self.mss,
            finished: self.phase == Phase::Over || self.refused.is_some(),
        }
    }
}

impl Task {
    fn new(size: u16, ttl: u8) -> Self {
        Self { size, ttl, sent: 0, at: None, done: None }
    }
}

/// Sizes between two that part the range evenly; all of them if there are no more.
fn spread(low: u16, high: u16, count: u16) -> Vec<u16> {
    let (span, parts) = (u32::from(high - low), u32::from(count) + 1);
    if span <= parts {
        return (low + 1..high).collect();
    }
    (1..parts).map(|part| low + (span * part / parts) as u16).collect()
}

fn is_too_big(error: &IcmpError) -> bool {
    use crate::base::Family::{V4, V6};
    matches!((error.family, error.kind, error.code), (V4, 3, 4) | (V6, 2, _))
}

impl Machine for MtuMachine {
    type Command = Shot;
    type Input<'a> = Heard;
    type Event = ();
    type Report = Findings;

    fn poll(&mut self, now: Instant) -> Step<Shot> {
        loop {
            if self.refused.is_some() || self.phase == Phase::Over {
                return Step::Done;
            }
            self.give_up(now);
            match self.next(now) {
                Ok(index) => return self.send(index, now),
                Err(Some(at)) => return Step::WaitUntil(at),
                Err(None) => self.advance(),
            }
        }
    }

    fn handle(&mut self, input: Heard, _: Instant) {
        match input {
            Heard::Sending { seq, at } => {
                if let Some((_, _, sent)) = self.sent.get_mut(seq as usize) {
                    *sent = at;
                }
            }
            Heard::SendFailed { seq, reason, mtu } => {
                let task = self.sent.get(seq as usize).map(|(_, index, _)| *index);
                let task = task.and_then(|index| self.tasks.get_mut(index));
                let too_big = reason.errno == nix::libc::EMSGSIZE;
                match task.filter(|_| too_big) {
                    Some(task) => {
                        task.done = Some(Found::TooBig);
                        let size = task.size;
                        self.too_big(size, mtu, None);
                    }
                    None => self.refused = Some((reason, mtu)),
                }
            }
            Heard::Answer(answer) => self.take(&answer),
            Heard::Foreign => {}
        }
    }

    fn next_event(&mut self) -> Option<()> {
        None
    }

    fn finish(self, _: Instant) -> Findings {
        self.findings()
    }
}
