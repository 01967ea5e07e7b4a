use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use nix::libc;

use super::answer::{Answer, Heard, Said};
use super::codec::Shot;
use super::report::{HopAnswer, PathEnd, PathReport, ReachedBy};
use super::table::Table;
use super::{Probing, ProbingMethod};
use crate::base::{Gap, Pacer, Reason};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError};

/// What is to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) to: IpAddr,
    pub(crate) probing: Probing,
    pub(crate) first_ttl: u8,
    pub(crate) max_ttl: u8,
    pub(crate) rounds: Option<u32>,
    pub(crate) interval: Duration,
    pub(crate) wait: Duration,
    pub(crate) window: usize,
    pub(crate) flows: u16,
    pub(crate) size_bytes: u16,
    pub(crate) pacer: Pacer,
}

/// Where a run takes place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) netns: NetnsId,
    pub(crate) from: IpAddr,
    pub(crate) method: ProbingMethod,
    pub(crate) anchor: Anchor,
}

/// Decides which hop to ask when, and what its answer means.
pub(crate) struct PathMachine {
    plan: Plan,
    place: Place,
    /// The latest probes; the first has sequence number `base`.
    sent: VecDeque<Sent>,
    base: u32,
    /// Everything before this sequence number is decided.
    settled: u32,
    round: u32,
    /// One beyond the last hop when the round has asked them all.
    next_ttl: u16,
    /// When the present round was to begin, and when it did.
    round_at: Option<Instant>,
    began: Option<Instant>,
    /// The moment a token allows the next probe.
    slot: Option<Instant>,
    table: Table,
    /// By flow.
    ends: Vec<Option<End>>,
    refused: Option<(Reason, Option<u32>)>,
    worst: Duration,
    events: VecDeque<HopAnswer>,
    duplicates: u32,
    late: u32,
    ignored: u32,
    over: bool,
    gaps: Vec<Gap>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    ttl: u8,
    flow: u16,
    round: u32,
    at: Instant,
    answered: bool,
}

#[derive(Debug, Clone, Copy)]
struct End {
    ttl: u8,
    what: EndedBy,
}

#[derive(Debug, Clone, Copy)]
enum EndedBy {
    Destination(ReachedBy),
    Refusal(IcmpError),
}

enum Turn {
    Send,
    Wait(Instant),
    Over,
}

/// How far beyond the last hop that answered the first round looks, and those after it.
const REACH: (u8, u8) = (16, 3);
/// How long a full queue of the own host is given.
const NO_ROOM: Duration = Duration::from_millis(10);
/// Probes remembered for late and repeated answers.
const REMEMBERED: usize = 4096;
/// Once the destination has answered, nobody else is waited for longer than this or ten times the
/// longest round trip.
const PATIENCE: Duration = Duration::from_millis(300);

impl PathMachine {
    pub(crate) fn new(plan: Plan, place: Place, gaps: Vec<Gap>) -> Self {
        let ends = vec![None; usize::from(plan.flows)];
        Self {
            next_ttl: plan.first_ttl.into(),
            table: Table::new(plan.first_ttl),
            plan,
            place,
            sent: VecDeque::new(),
            base: 0,
            settled: 0,
            round: 0,
            round_at: None,
            began: None,
            slot: None,
            ends,
            refused: None,
            worst: Duration::ZERO,
            events: VecDeque::new(),
            duplicates: 0,
            late: 0,
            ignored: 0,
            over: false,
            gaps,
        }
    }

    fn flow(&self) -> u16 {
        (self.round % u32::from(self.plan.flows.max(1))) as u16
    }

    fn end_of(&self, flow: u16) -> Option<End> {
        self.ends.get(usize::from(flow)).copied().flatten()
    }

    /// The first round of a flow finds out how long its path is.
    fn is_discovering(&self) -> bool {
        self.round < u32::from(self.plan.flows) && self.end_of(self.flow()).is_none()
    }

    fn limit(&self) -> u8 {
        if let Some(end) = self.end_of(self.flow()) {
            return end.ttl;
        }
        let reach = if self.is_discovering() { REACH.0 } else { REACH.1 };
        let last = self.table.last_answered().max(self.plan.first_ttl - 1);
        last.saturating_add(reach).min(self.plan.max_ttl)
    }

    /// How long an answer is waited for before the run goes on without it.
    fn patience(&self) -> Duration {
        let begun = usize::try_from(self.round).unwrap_or(usize::MAX).saturating_add(1);
        match self.ends.iter().take(begun).all(Option::is_some) {
            true => (self.worst * 10).max(PATIENCE).min(self.plan.wait),
            false => self.plan.wait,
        }
    }

    /// Probes of the present round, or of all, that may still be answered.
    fn open(&self, now: Instant, round: Option<u32>) -> impl Iterator<Item = &Sent> {
        let patience = self.patience();
        let from = self.settled.saturating_sub(self.base) as usize;
        self.sent.iter().skip(from).filter(move |sent| {
            !sent.answered
                && sent.at + patience > now
                && round.is_none_or(|round| round == sent.round)
                && self.end_of(sent.flow).is_none_or(|end| sent.ttl <= end.ttl)
        })
    }

    fn turn(&mut self, now: Instant) -> Turn {
        loop {
            if self.plan.rounds.is_some_and(|rounds| self.round >= rounds) {
                return Turn::Over;
            }
            let begins = self.round_at.unwrap_or(now);
            let first = u16::from(self.plan.first_ttl);
            if self.next_ttl == first && begins > now {
                return Turn::Wait(begins);
            }
            let discovering = self.is_discovering();
            let more = self.next_ttl <= self.limit().into();
            if more && !discovering {
                return Turn::Send;
            }
            if discovering {
                let open: Vec<_> = self.open(now, Some(self.round)).map(|sent| sent.at).collect();
                let (full, patience) = (open.len() >= self.plan.window, self.patience());
                match (more, open.first(), open.last()) {
                    (true, Some(oldest), _) if full => return Turn::Wait(*oldest + patience),
                    (true, ..) => return Turn::Send,
                    (false, _, Some(youngest)) => return Turn::Wait(*youngest + patience),
                    (false, _, None) => {}
                }
            }
            self.round += 1;
            self.next_ttl = first;
            // After a pause the rhythm starts anew instead of catching up.
            let (planned, gap) = (begins + self.plan.interval, self.plan.interval / 2);
            self.round_at = Some(planned.max(self.began.map_or(now, |began| began + gap)));
        }
    }

    fn send(&mut self, now: Instant) -> Step<Shot> {
        let slot = *self.slot.get_or_insert_with(|| self.plan.pacer.reserve(now));
        if slot > now {
            return Step::WaitUntil(slot);
        }
        self.slot = None;
        let ttl = u8::try_from(self.next_ttl).unwrap_or(u8::MAX);
        let (flow, round) = (self.flow(), self.round);
        if ttl == self.plan.first_ttl {
            self.round_at.get_or_insert(now);
            self.began = Some(now);
        }
        self.next_ttl += 1;
        let seq = self.base.wrapping_add(self.sent.len() as u32);
        self.sent.push_back(Sent { ttl, flow, round, at: now, answered: false });
        self.table.sent(ttl);
        if self.sent.len() > REMEMBERED {
            self.settle_one();
            self.sent.pop_front();
            self.base = self.base.wrapping_add(1);
            self.settled = self.settled.max(self.base);
        }
        Step::Do(Shot { seq, ttl, flow, size_bytes: self.plan.size_bytes, df: false })
    }

    /// Gives up the oldest probe that is not decided, if it is the oldest of all.
    fn settle_one(&mut self) {
        if self.settled == self.base
            && let Some(sent) = self.sent.front().copied()
        {
            self.lose(sent);
            self.settled = self.base + 1;
        }
    }

    /// Forgets a probe that never left; one for which there was no room is sent again a little later.
    fn unsend(&mut self, seq: u32, reason: Reason, mtu: Option<u32>, now: Instant) {
        let last = self.base.wrapping_add(self.sent.len() as u32).wrapping_sub(1);
        let Some(sent) = self.sent.pop_back_if(|_| seq == last) else {
            return;
        };
        self.table.unsent(sent.ttl);
        match [libc::EAGAIN, libc::ENOBUFS].contains(&reason.errno) {
            true => (self.next_ttl, self.slot) = (sent.ttl.into(), Some(now + NO_ROOM)),
            false => self.refused = Some((reason, mtu)),
        }
    }

    /// Counts as lost what is older than the wait.
    fn expire(&mut self, now: Instant, wait: Duration) {
        while let Some(sent) = self.sent.get((self.settled - self.base) as usize).copied() {
            if !sent.answered && sent.at + wait > now {
                return;
            }
            self.lose(sent);
            self.settled += 1;
        }
    }

    fn lose(&mut self, sent: Sent) {
        if !sent.answered {
            self.table.lost(sent.ttl);
            self.tell(sent, None, None);
        }
    }

    fn tell(&mut self, sent: Sent, from: Option<IpAddr>, rtt: Option<Duration>) {
        let Sent { ttl, flow, round, at, .. } = sent;
        let sent_at = self.place.anchor.wall(at);
        let answer = HopAnswer { ttl, round, flow, sent_at, from, rtt };
        self.table.note(&answer);
        if self.end_of(flow).is_none_or(|end| ttl <= end.ttl) {
            self.events.push_back(answer);
        }
    }

    /// Finds the probe of an answer that does not say which.
    fn guess(&self, said: &Said) -> Option<u32> {
        let mut open = (self.base..).zip(&self.sent).filter(|(_, sent)| !sent.answered);
        if *said == Said::Datagram {
            let beyond = self.table.last_transit();
            return open.find(|(_, sent)| sent.ttl > beyond).map(|(seq, _)| seq);
        }
        let only = open.next();
        only.filter(|_| open.next().is_none()).map(|(seq, _)| seq)
    }

    fn take(&mut self, answer: &Answer) {
        let seq = answer.seq.or_else(|| self.guess(&answer.said));
        let index = seq.map(|seq| seq.wrapping_sub(self.base) as usize);
        let Some(sent) = index.and_then(|index| self.sent.get_mut(index)) else {
            self.ignored += 1;
            return;
        };
        if sent.answered {
            self.duplicates += 1;
            return;
        }
        let rtt = answer.at.saturating_duration_since(sent.at);
        let decided = seq.is_some_and(|seq| seq < self.settled);
        if decided || rtt > self.plan.wait {
            sent.answered = decided;
            self.late += 1;
            return;
        }
        sent.answered = true;
        let sent = *sent;
        let transit = matches!(answer.said, Said::Icmp(error) if is_exceeded(&error));
        self.worst = self.worst.max(rtt);
        self.table.answered(sent.ttl, sent.flow, answer, rtt, transit);
        if !transit {
            self.ended(sent, answer);
        }
        let from = answer.from;
        self.tell(sent, from, Some(rtt));
    }

    fn ended(&mut self, sent: Sent, answer: &Answer) {
        let from_there = answer.from == Some(self.plan.to);
        let what = match answer.said {
            Said::Echo => EndedBy::Destination(ReachedBy::EchoReply),
            Said::Open { mss } => EndedBy::Destination(ReachedBy::Open { mss_bytes: mss }),
            Said::Closed => EndedBy::Destination(ReachedBy::Closed),
            Said::Datagram => EndedBy::Destination(ReachedBy::Datagram),
            Said::Icmp(error) if from_there && error.is_port_unreachable() => {
                EndedBy::Destination(ReachedBy::PortUnreachable)
            }
            Said::Icmp(error) if from_there => EndedBy::Destination(ReachedBy::Refusal(error)),
            Said::Icmp(error) => EndedBy::Refusal(error),
        };
        if let Some(end) = self.ends.get_mut(usize::from(sent.flow))
            && end.is_none_or(|end| sent.ttl < end.ttl)
        {
            *end = Some(End { ttl: sent.ttl, what });
        }
    }

    /// Sums up what is known at `now`.
    pub(super) fn report(&self, now: Instant) -> PathReport {
        let mut gaps = self.gaps.clone();
        let open = self.open(now, None).count();
        let begun = self.next_ttl > self.plan.first_ttl.into();
        let rounds = self.round + u32::from(begun);
        if let Some(wanted) = self.plan.rounds.filter(|_| !self.over && self.refused.is_none()) {
            gaps.push(Gap::new("rounds", format!("the run ended in round {rounds} of {wanted}")));
        }
        if open > 0 {
            gaps.push(Gap::new("answers", format!("the run ended while {open} were open")));
        }
        let longest = self.ends.iter().flatten().map(|end| end.ttl).max();
        let all = self.ends.iter().take(rounds as usize).all(Option::is_some);
        let last = longest.filter(|_| all).unwrap_or(self.table.last_answered());
        let report = PathReport {
            netns: self.place.netns,
            from: self.place.from,
            to: self.plan.to,
            probing: self.plan.probing,
            method: self.place.method,
            size_bytes: self.plan.size_bytes,
            flows: self.plan.flows,
            rounds,
            end: self.outcome(now),
            hops: self.table.hops(last),
            remarks: Vec::new(),
            duplicates: self.duplicates,
            late: self.late,
            ignored: self.ignored,
            gaps,
        };
        report.explained()
    }

    fn outcome(&self, now: Instant) -> PathEnd {
        if let Some((reason, mtu_bytes)) = self.refused {
            return PathEnd::NotSent { reason, mtu_bytes };
        }
        let known = || self.ends.iter().flatten();
        let reached = known().filter_map(|end| match end.what {
            EndedBy::Destination(by) => Some(PathEnd::Reached { hops: end.ttl, by }),
            EndedBy::Refusal(_) => None,
        });
        let refused = known().filter_map(|end| match end.what {
            EndedBy::Refusal(error) => Some(PathEnd::Refused { hops: end.ttl, error }),
            EndedBy::Destination(_) => None,
        });
        let after = self.table.last_answered();
        let asked_all = after < self.plan.max_ttl && self.open(now, None).next().is_none();
        let silent = (self.over || self.round > 0) && asked_all;
        let otherwise = if silent { PathEnd::Silent { after } } else { PathEnd::Open };
        reached.chain(refused).next().unwrap_or(otherwise)
    }
}

/// Whether a router says that the probe's life ended there.
pub(crate) fn is_exceeded(error: &IcmpError) -> bool {
    use crate::base::Family::{V4, V6};
    matches!((error.family, error.kind, error.code), (V4, 11, 0) | (V6, 3, 0))
}

impl Machine for PathMachine {
    type Command = Shot;
    type Input<'a> = Heard;
    type Event = HopAnswer;
    type Report = PathReport;

    fn poll(&mut self, now: Instant) -> Step<Shot> {
        self.expire(now, self.plan.wait);
        if self.over || self.refused.is_some() {
            return Step::Done;
        }
        match self.turn(now) {
            Turn::Send => self.send(now),
            Turn::Wait(at) => Step::WaitUntil(at),
            Turn::Over => match self.open(now, None).map(|sent| sent.at).last() {
                Some(at) => Step::WaitUntil(at + self.patience()),
                None => {
                    self.over = true;
                    self.expire(now, Duration::ZERO);
                    Step::Done
                }
            },
        }
    }

    fn handle(&mut self, input: Heard, now: Instant) {
        match input {
            Heard::Sending { seq, at } => {
                let index = seq.wrapping_sub(self.base) as usize;
                if let Some(sent) = self.sent.get_mut(index) {
                    sent.at = at;
                }
            }
            Heard::SendFailed { seq, reason, mtu } => self.unsend(seq, reason, mtu, now),
            Heard::Answer(answer) => {
                self.expire(now.min(answer.at), self.plan.wait);
                self.take(&answer);
            }
            Heard::Foreign => self.ignored += 1,
        }
    }

    fn next_event(&mut self) -> Option<HopAnswer> {
        self.events.pop_front()
    }

    fn finish(mut self, now: Instant) -> PathReport {
        self.expire(now, self.patience());
        self.report(now)
    }
}
