use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::message::Question;
use super::slots::{Host, Slot};
use super::{Effort, Sweep, SweepReport, SweepVerdict, SweptHost};
use crate::base::{Family, Gap, Pacer, Reason};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::spread::nanos;
use crate::probe::{Anchor, IcmpError, Method, Stall};
use crate::socket::with_scope;

/// Decides whom to ask when, and which reply belongs to which request.
pub(crate) struct SweepMachine {
    targets: Vec<IpAddr>,
    scope: u32,
    tries: u16,
    effort: Effort,
    interval: Duration,
    wait: Duration,
    pacer: Option<Pacer>,
    /// The moment the next packet may leave, once a token was taken for it.
    token: Option<Instant>,
    question: Question,
    netns: NetnsId,
    methods: Vec<(Family, Method)>,
    anchor: Anchor,
    hosts: Vec<Host>,
    /// Request `n` of target `t` is `t * tries + n`.
    slots: Vec<Slot>,
    /// Targets before this one were asked at least once.
    fresh: usize,
    /// Who is to be asked again, and when; in order of time, for all wait equally long.
    again: VecDeque<(Instant, u32)>,
    /// What has not been answered, and when it counts as lost; in order of time as well.
    open: VecDeque<(Instant, u32)>,
    /// Requests of the burst that is just being sent.
    burst: Vec<u32>,
    events: VecDeque<u32>,
    progress: SweepProgress,
    wake: Option<Instant>,
    stalls: Vec<Stall>,
    ignored: u64,
    repeated: usize,
    by_addr: HashMap<IpAddr, u32>,
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepProgress {
    /// Targets of the sweep.
    pub hosts: usize,
    /// Targets of which all is known that will be.
    pub decided: usize,
    /// Targets that answered.
    pub alive: usize,
    /// Requests handed to the kernel.
    pub sent: u64,
}

/// Woken so much later than asked, the process was stopped or the machine was.
const STALL: Duration = Duration::from_millis(200);
/// A kernel whose queues are full has room again after this.
const BREATH: Duration = Duration::from_millis(1);
/// What one system call takes.
const BURST: usize = 64;

/// Send these requests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) family: Family,
    /// The messages, one behind the other, all of one size.
    pub(crate) bytes: Vec<u8>,
    pub(crate) to: Vec<SocketAddr>,
}

/// What a sweep hears.
#[derive(Debug)]
pub(crate) enum SweepInput<'a> {
    /// The burst is handed to the kernel at this very moment.
    Sending { at: Instant },
    /// The kernel refused request `nth` of the burst.
    Refused { nth: usize, reason: Reason },
    /// The kernel has no room for request `nth` of the burst and those behind it.
    Full { nth: usize },
    /// An ICMP message without its IP header.
    Message { from: IpAddr, at: Instant, bytes: &'a [u8] },
    /// An error from the queue: where the request went and how it began.
    Error { error: IcmpError, to: IpAddr, quoted: &'a [u8] },
}

impl SweepMachine {
    pub(crate) fn new(
        sweep: &Sweep,
        methods: Vec<(Family, Method)>,
        cookie: [u8; 8],
        netns: NetnsId,
        anchor: Anchor,
    ) -> Self {
        let (count, tries) = (sweep.targets.len(), usize::from(sweep.tries));
        Self {
            targets: sweep.targets.clone(),
            scope: sweep.scope,
            tries: sweep.tries,
            effort: sweep.effort,
            interval: sweep.interval,
            wait: sweep.wait,
            pacer: sweep.pacer.clone(),
            token: None,
            question: Question::new(cookie, sweep.size_bytes),
            netns,
            methods,
            anchor,
            hosts: vec![Host::default(); count],
            slots: vec![Slot::Unsent; count * tries],
            fresh: 0,
            again: VecDeque::new(),
            open: VecDeque::new(),
            burst: Vec::with_capacity(BURST),
            events: VecDeque::new(),
            progress: SweepProgress { hosts: count, ..SweepProgress::default() },
            wake: None,
            stalls: Vec::new(),
            ignored: 0,
            repeated: sweep.repeated,
            by_addr: HashMap::new(),
        }
    }

    pub(crate) fn progress(&self) -> SweepProgress {
        self.progress
    }

    fn method(&self, family: Family) -> Method {
        let lane = self.methods.iter().find(|(of, _)| *of == family);
        lane.map_or(Method::Raw, |(_, method)| *method)
    }

    /// The target that is next, and when.
    fn candidate(&self, now: Instant) -> Option<(Instant, u32)> {
        let again = self.again.front().copied();
        let fresh = (self.fresh < self.targets.len()).then(|| (now, self.fresh as u32));
        match (again, fresh) {
            (Some((due, host)), Some(_)) if due <= now => Some((due, host)),
            (again, fresh) => fresh.or(again),
        }
    }

    /// Takes a token; `Err` says when there will be one.
    fn allowed(&mut self, now: Instant) -> Result<(), Instant> {
        let Some(pacer) = &self.pacer else {
            return Ok(());
        };
        let at = *self.token.get_or_insert_with(|| pacer.reserve(now));
        if at > now {
            return Err(at);
        }
        self.token = None;
        Ok(())
    }

    fn take(&mut self, host: u32) {
        match self.again.front() {
            Some((_, again)) if *again == host => drop(self.again.pop_front()),
            _ => self.fresh += 1,
        }
    }

    /// Gathers what may leave now; `Err` says when something may.
    fn gather(&mut self, now: Instant) -> Result<Burst, Option<Instant>> {
        let mut burst: Option<Burst> = None;
        self.burst.clear();
        let mut next = None;
        while self.burst.len() < BURST {
            let Some((due, host)) = self.candidate(now) else { break };
            if due > now {
                next = Some(due);
                break;
            }
            let at = host as usize;
            if self.hosts.get(at).is_none_or(|state| state.is_done()) {
                self.take(host);
                continue;
            }
            let Some(to) = self.targets.get(at).copied() else { break };
            let family = Family::of(to);
            if burst.as_ref().is_some_and(|burst| burst.family != family) {
                break;
            }
            if let Err(at) = self.allowed(now) {
                next = Some(at);
                break;
            }
            self.take(host);
            let burst = burst.get_or_insert_with(|| Burst {
                family,
                bytes: Vec::with_capacity(BURST * self.question.message_bytes()),
                to: Vec::with_capacity(BURST),
            });
            self.ask(host, to, burst, now);
        }
        burst.ok_or(next)
    }

    fn ask(&mut self, host: u32, to: IpAddr, burst: &mut Burst, now: Instant) {
        let Some(state) = self.hosts.get_mut(host as usize) else { return };
        let round = state.sent;
        state.sent += 1;
        state.open += 1;
        self.question.write(burst.family, host, round, &mut burst.bytes);
        burst.to.push(with_scope(to, 0, self.scope));
        let slot = host * u32::from(self.tries) + u32::from(round);
        if let Some(slot) = self.slots.get_mut(slot as usize) {
            *slot = Slot::Open(now);
        }
        self.burst.push(slot);
        self.progress.sent += 1;
    }

    /// Books a burst that left: when each request is due, and when its target is to be asked again.
    fn left(&mut self, at: Instant) {
        for slot in self.burst.iter().copied() {
            if let Some(state) = self.slots.get_mut(slot as usize) {
                *state = Slot::Open(at);
            }
            self.open.push_back((at + self.wait, slot));
            let host = slot / u32::from(self.tries);
            let sent = self.hosts.get(host as usize).map_or(0, |host| host.sent);
            if self.effort == Effort::All && sent < self.tries {
                self.again.push_back((at + self.interval, host));
            }
        }
    }

    /// Takes back what the kernel had no room for, to be sent in a moment.
    fn take_back(&mut self, nth: usize, now: Instant) {
        let back: Vec<u32> = self.burst.drain(nth.min(self.burst.len())..).collect();
        for slot in back.iter().rev() {
            let host = slot / u32::from(self.tries);
            self.open.pop_back();
            if let Some(slot) = self.slots.get_mut(*slot as usize) {
                *slot = Slot::Unsent;
            }
            if let Some(state) = self.hosts.get_mut(host as usize) {
                if self.effort == Effort::All && state.sent < self.tries {
                    self.again.pop_back();
                }
                state.sent -= 1;
                state.open -= 1;
            }
            self.progress.sent -= 1;
            self.again.push_front((now + BREATH, host));
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((_, slot)) = self.open.pop_front_if(|(at, _)| *at <= now) {
            if let Some(state @ Slot::Open(_)) = self.slots.get_mut(slot as usize) {
                *state = Slot::Lost;
                self.without_reply(slot, now);
            }
        }
    }

    /// A request came to nothing: its target is asked again, or it is done.
    fn without_reply(&mut self, slot: u32, now: Instant) {
        let host = slot / u32::from(self.tries);
        let Some(state) = self.hosts.get_mut(host as usize) else { return };
        state.open = state.open.saturating_sub(1);
        state.lost += 1;
        let more = state.sent < self.tries && !state.is_refused();
        match self.effort {
            Effort::UntilAnswered if more && !state.is_done() => {
                self.again.push_back((now, host));
            }
            _ => self.settle(host),
        }
    }

    /// Reports a target once nothing more can come.
    fn settle(&mut self, host: u32) {
        let Some(state) = self.hosts.get_mut(host as usize) else { return };
        let all_sent = state.sent >= self.tries || state.is_refused();
        let answered = self.effort == Effort::UntilAnswered && state.received > 0;
        if !state.is_done() && (answered || all_sent && state.open == 0) {
            state.finish();
            self.progress.decided += 1;
            self.events.push_back(host);
        }
    }

    fn take_reply(&mut self, from: IpAddr, bytes: &[u8], at: Instant) {
        let family = Family::of(from);
        let Some(reply) = self.question.read(family, self.method(family), bytes) else {
            return;
        };
        let Some((host, round)) = reply.filter(|(host, round)| {
            self.targets.get(*host as usize) == Some(&from) && *round < self.tries
        }) else {
            self.ignored += 1;
            return;
        };
        let slot = host as usize * usize::from(self.tries) + usize::from(round);
        let (Some(slot), Some(state)) =
            (self.slots.get_mut(slot), self.hosts.get_mut(host as usize))
        else {
            return;
        };
        match *slot {
            Slot::Open(sent) => {
                let rtt = at.saturating_duration_since(sent);
                if rtt > self.wait {
                    // Read after its time though it lay there: it came too late all the same.
                    state.duplicates = state.duplicates.saturating_add(1);
                    return;
                }
                *slot = Slot::Answered(nanos(rtt));
                self.progress.alive += usize::from(state.received == 0);
                state.received += 1;
                state.open = state.open.saturating_sub(1);
                self.settle(host);
            }
            Slot::Unsent => self.ignored += 1,
            _ => state.duplicates = state.duplicates.saturating_add(1),
        }
    }

    fn take_error(&mut self, error: IcmpError, to: IpAddr, quoted: &[u8], now: Instant) {
        let family = Family::of(to);
        let Some(round) = self.question.read_quoted(family, self.method(family), quoted) else {
            return;
        };
        if self.by_addr.is_empty() {
            self.by_addr = (0..).zip(&self.targets).map(|(host, to)| (*to, host)).collect();
        }
        let Some(host) = self.by_addr.get(&to).copied().filter(|_| round < self.tries) else {
            return;
        };
        let slot = host * u32::from(self.tries) + u32::from(round);
        if let Some(state @ Slot::Open(_)) = self.slots.get_mut(slot as usize) {
            *state = Slot::Lost;
            if let Some(host) = self.hosts.get_mut(host as usize) {
                host.unreachable(error);
            }
            self.without_reply(slot, now);
        }
    }

    fn refused(&mut self, nth: usize, reason: Reason, now: Instant) {
        let Some(slot) = self.burst.get(nth).copied() else { return };
        if let Some(state) = self.slots.get_mut(slot as usize) {
            *state = Slot::Lost;
        }
        if let Some(host) = self.hosts.get_mut((slot / u32::from(self.tries)) as usize) {
            host.refuse(reason);
        }
        self.without_reply(slot, now);
    }

    /// Notices that nobody looked for a while: the time does not count against open requests.
    fn notice_stall(&mut self, now: Instant) {
        let Some(wake) = self.wake.take_if(|wake| *wake + STALL <= now) else {
            return;
        };
        let lasted = now.saturating_duration_since(wake);
        self.stalls.push(Stall { at: self.anchor.wall(wake), lasted });
        self.open.iter_mut().for_each(|(deadline, _)| *deadline += lasted);
    }

    fn host(&self, host: u32) -> Option<SweptHost> {
        let (at, tries) = (host as usize, usize::from(self.tries));
        let state = self.hosts.get(at)?;
        let slots = self.slots.get(at * tries..(at + 1) * tries)?;
        let sent = slots.get(..usize::from(state.sent))?;
        Some(SweptHost {
            to: *self.targets.get(at)?,
            verdict: state.verdict(),
            sent: state.sent,
            received: state.received,
            lost: state.lost,
            duplicates: state.duplicates,
            rtts_ns: sent.iter().map(Slot::rtt_ns).collect(),
        })
    }
}

impl Machine for SweepMachine {
    type Command = Burst;
    type Input<'a> = SweepInput<'a>;
    type Event = (usize, SweptHost);
    type Report = SweepReport;

    fn poll(&mut self, now: Instant) -> Step<Burst> {
        self.notice_stall(now);
        self.expire(now);
        let next = match self.gather(now) {
            Ok(burst) => {
                self.wake = None;
                return Step::Do(burst);
            }
            Err(next) => next,
        };
        let expiry = self.open.front().map(|(at, _)| *at);
        self.wake = [expiry, next].into_iter().flatten().min();
        match self.wake {
            Some(at) if self.progress.decided < self.targets.len() => Step::WaitUntil(at),
            _ => Step::Done,
        }
    }

    fn handle(&mut self, input: SweepInput<'_>, now: Instant) {
        self.notice_stall(now);
        match input {
            SweepInput::Sending { at } => self.left(at),
            SweepInput::Refused { nth, reason } => self.refused(nth, reason, now),
            SweepInput::Full { nth } => self.take_back(nth, now),
            SweepInput::Message { from, at, bytes } => self.take_reply(from, bytes, at),
            SweepInput::Error { error, to, quoted } => self.take_error(error, to, quoted, now),
        }
    }

    fn next_event(&mut self) -> Option<(usize, SweptHost)> {
        let host = self.events.pop_front()?;
        Some((host as usize, self.host(host)?))
    }

    fn finish(mut self, now: Instant) -> SweepReport {
        self.expire(now);
        let hosts: Vec<_> = (0..self.targets.len() as u32).filter_map(|n| self.host(n)).collect();
        let mut gaps = Vec::new();
        if self.repeated > 0 {
            let why = format!("{} addresses were named more than once", self.repeated);
            gaps.push(Gap::new("repetitions", why));
        }
        let undecided = hosts.iter().filter(|h| h.verdict == SweepVerdict::Undecided).count();
        if undecided > 0 {
            let why = format!("the run ended with {undecided} of {} undecided", hosts.len());
            gaps.push(Gap::new("targets", why));
        }
        SweepReport {
            netns: self.netns,
            methods: self.methods.iter().map(|(_, method)| *method).collect(),
            size_bytes: self.question.size_bytes(),
            hosts,
            ignored: self.ignored,
            stalls: self.stalls,
            gaps,
        }
    }
}
