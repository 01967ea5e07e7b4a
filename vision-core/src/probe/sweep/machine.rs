use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::slots::{Host, Slot};
use super::{Effort, Sweep, SweepReport, SweepVerdict, SweptHost};
use crate::base::{Family, Gap, LinkAddr, Pacer, Reason};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::spread::nanos;
use crate::probe::{Anchor, IcmpError, Method, Stall};

/// Decides whom to ask when, and which reply belongs to which request.
pub(crate) struct SweepMachine {
    targets: Vec<IpAddr>,
    tries: u16,
    effort: Effort,
    interval: Duration,
    wait: Duration,
    pacer: Option<Pacer>,
    /// The moment the next packet may leave, once a token was taken for it.
    token: Option<Instant>,
    size_bytes: usize,
    netns: NetnsId,
    methods: Vec<Method>,
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
    lladdrs: HashMap<u32, LinkAddr>,
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

/// Ask these, who are all of one family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Burst {
    pub(crate) family: Family,
    pub(crate) asks: Vec<Ask>,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) to: IpAddr,
    /// The target's place in the list.
    pub(crate) host: u32,
    /// From zero.
    pub(crate) round: u16,
}

/// What an answer says, once it has proved to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) from: IpAddr,
    /// The target's place, where the answer tells it.
    pub(crate) host: Option<u32>,
    /// The request it is for; the latest where the answer does not tell.
    pub(crate) round: Option<u16>,
    pub(crate) lladdr: Option<LinkAddr>,
}

/// What a sweep hears.
#[derive(Debug)]
pub(crate) enum SweepInput {
    /// The burst is handed to the kernel at this very moment.
    Sending { at: Instant },
    /// The kernel refused request `nth` of the burst.
    Refused { nth: usize, reason: Reason },
    /// The kernel has no room for request `nth` of the burst and those behind it.
    Full { nth: usize },
    /// An answer.
    Heard { heard: Heard, at: Instant },
    /// It looked like an answer and was none.
    Stray,
    /// An error from the queue: where the request went and which one it was.
    Error { error: IcmpError, to: IpAddr, round: u16 },
}

impl SweepMachine {
    pub(crate) fn new(sweep: &Sweep, methods: Vec<Method>, netns: NetnsId, anchor: Anchor) -> Self {
        let (count, tries) = (sweep.targets.len(), usize::from(sweep.tries));
        Self {
            targets: sweep.targets.clone(),
            tries: sweep.tries,
            effort: sweep.effort,
            interval: sweep.interval,
            wait: sweep.wait,
            pacer: sweep.pacer.clone(),
            token: None,
            size_bytes: sweep.size_bytes,
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
            lladdrs: HashMap::new(),
        }
    }

    pub(crate) fn progress(&self) -> SweepProgress {
        self.progress
    }

    /// The target that is next, and when.
    fn candidate(&self, now: Instant) -> Option<(Instant, u32)> {
        let again = self.again.front().copied();
        let fresh = (self.fresh < self.targets.len()).then_some((now, self.fresh as u32));
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
            let burst = burst.get_or_insert_with(|| Burst { family, asks: Vec::new() });
            self.ask(host, to, burst, now);
        }
        burst.ok_or(next)
    }

    fn ask(&mut self, host: u32, to: IpAddr, burst: &mut Burst, now: Instant) {
        let Some(state) = self.hosts.get_mut(host as usize) else { return };
        let round = state.sent;
        state.sent += 1;
        state.open += 1;
        burst.asks.push(Ask { to, host, round });
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

    fn place(&mut self, addr: IpAddr) -> Option<u32> {
        if self.by_addr.is_empty() {
            self.by_addr = (0..).zip(&self.targets).map(|(host, to)| (*to, host)).collect();
        }
        self.by_addr.get(&addr).copied()
    }

    fn take_reply(&mut self, heard: Heard, at: Instant) {
        let host = heard.host.or_else(|| self.place(heard.from));
        let is_ours = |host: &u32| self.targets.get(*host as usize) == Some(&heard.from);
        let Some(host) = host.filter(is_ours) else {
            self.ignored += 1;
            return;
        };
        let latest = self.hosts.get(host as usize).and_then(|state| state.sent.checked_sub(1));
        let Some(round) = heard.round.or(latest).filter(|round| *round < self.tries) else {
            self.ignored += 1;
            return;
        };
        if let Some(lladdr) = heard.lladdr {
            self.lladdrs.insert(host, lladdr);
        }
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

    fn take_error(&mut self, error: IcmpError, to: IpAddr, round: u16, now: Instant) {
        let Some(host) = self.place(to).filter(|_| round < self.tries) else {
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
            lladdr: self.lladdrs.get(&host).copied(),
        })
    }
}

impl Machine for SweepMachine {
    type Command = Burst;
    type Input<'a> = SweepInput;
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

    fn handle(&mut self, input: SweepInput, now: Instant) {
        self.notice_stall(now);
        match input {
            SweepInput::Sending { at } => self.left(at),
            SweepInput::Refused { nth, reason } => self.refused(nth, reason, now),
            SweepInput::Full { nth } => self.take_back(nth, now),
            SweepInput::Heard { heard, at } => self.take_reply(heard, at),
            SweepInput::Stray => self.ignored += 1,
            SweepInput::Error { error, to, round } => self.take_error(error, to, round, now),
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
            methods: self.methods,
            size_bytes: self.size_bytes,
            hosts,
            ignored: self.ignored,
            stalls: self.stalls,
            gaps,
        }
    }
}
