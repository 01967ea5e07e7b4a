use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::timing::{MOST_ATTEMPTS, Timing};
use super::{PortState, Scan, ScanReason, ScanReport, ScannedPort, Technique};
use crate::base::{Gap, Pacer, Reason};
use crate::netns::NetnsId;
use crate::probe::IcmpError;
use crate::probe::machine::{Machine, Step};
use crate::probe::spread::nanos;

/// Decides which port is asked when, how often, and what an answer means.
pub(crate) struct ScanMachine {
    scan: Scan,
    netns: NetnsId,
    ports: Vec<Port>,
    /// The place of each port number in the list; [`NOWHERE`] if it is not in it.
    places: Vec<u32>,
    timing: Timing,
    pacer: Option<Pacer>,
    token: Option<Instant>,
    /// The kernel has no room before this moment.
    blocked: Option<Instant>,
    fresh: usize,
    again: VecDeque<u32>,
    /// What is under way, by attempt, in order of time.
    flights: Vec<VecDeque<(Instant, u32)>>,
    under_way: usize,
    /// Silent as often as a port may be; it may still be asked again, or answer late.
    given_up: Vec<u32>,
    abandoned: Vec<u16>,
    burst: Vec<u32>,
    events: VecDeque<u32>,
    decided: usize,
    open: usize,
    sent: u64,
    repeated: u64,
    ignored: u64,
    wake: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Port {
    attempts: u8,
    phase: Phase,
    sent: Option<Instant>,
    reason: ScanReason,
    rtt_ns: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not asked, or to be asked again.
    Waiting,
    UnderWay,
    GivenUp,
    Decided,
}

/// How far a scan has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanProgress {
    /// Ports of the scan.
    pub ports: usize,
    /// Ports that answered, or were silent as often as it takes.
    pub decided: usize,
    /// Ports that are open.
    pub open: usize,
    /// Probes handed to the kernel.
    pub sent: u64,
}

const NOWHERE: u32 = u32::MAX;
const BURST: usize = 64;
const BREATH: Duration = Duration::from_millis(1);
/// Woken so much later than asked, the process was stopped or the machine was.
const STALL: Duration = Duration::from_millis(200);

/// One probe of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) port: u16,
    /// From zero.
    pub(crate) attempt: u8,
}

/// What the channel is to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScanCommand {
    Shoot(Vec<Shot>),
    /// Forget the connections to these ports.
    Abandon(Vec<u16>),
}

/// What a scan hears.
#[derive(Debug)]
pub(crate) enum ScanInput {
    /// The burst is handed to the kernel at this very moment.
    Sending { at: Instant },
    /// The kernel refused probe `nth` of the burst.
    Refused { nth: usize, reason: Reason },
    /// The kernel has no room for probe `nth` of the burst and those behind it.
    Full { nth: usize },
    /// A port answered, or somebody for it; `attempt` where the answer tells which one it means.
    Heard { port: u16, attempt: Option<u8>, at: Instant, what: ScanReason },
    /// Something that looked like an answer was none.
    Stray,
}

impl ScanMachine {
    /// `most` is how many probes the channel can have under way.
    pub(crate) fn new(scan: &Scan, most: usize, netns: NetnsId) -> Self {
        let mut places = vec![NOWHERE; 1 << 16];
        for (at, port) in (0..).zip(&scan.ports) {
            places[usize::from(*port)] = at;
        }
        let pacer = scan.pacer.clone();
        let first = if pacer.is_some() { most } else { FIRST_WINDOW.min(most) };
        let timing = match scan.technique {
            Technique::Udp => {
                Timing::new(scan.wait, FIRST_UDP_WINDOW.min(most), most).slowing_down()
            }
            _ => Timing::new(scan.wait, first, most),
        };
        let blank = Port {
            attempts: 0,
            phase: Phase::Waiting,
            sent: None,
            reason: ScanReason::Unfinished,
            rtt_ns: None,
        };
        Self {
            ports: vec![blank; scan.ports.len()],
            places,
            scan: scan.clone(),
            netns,
            timing,
            pacer,
            token: None,
            blocked: None,
            fresh: 0,
            again: VecDeque::new(),
            flights: vec![VecDeque::new(); MOST_ATTEMPTS.into()],
            under_way: 0,
            given_up: Vec::new(),
            abandoned: Vec::new(),
            burst: Vec::with_capacity(BURST),
            events: VecDeque::new(),
            decided: 0,
            open: 0,
            sent: 0,
            repeated: 0,
            ignored: 0,
            wake: None,
        }
    }

    pub(crate) fn progress(&self) -> ScanProgress {
        ScanProgress {
            ports: self.ports.len(),
            decided: self.decided + self.given_up.len(),
            open: self.open,
            sent: self.sent,
        }
    }

    /// Gathers what may leave now; `Err` says when something may.
    fn gather(&mut self, now: Instant) -> Result<Vec<Shot>, Option<Instant>> {
        if let Some(until) = self.blocked.take_if(|until| *until > now) {
            self.blocked = Some(until);
            return Err(Some(until));
        }
        self.burst.clear();
        let mut shots = Vec::new();
        let mut next = None;
        while shots.len() < BURST && self.under_way < self.timing.window() {
            let Some(place) = self.candidate() else { break };
            if let Err(at) = self.allowed(now) {
                next = Some(at);
                break;
            }
            let fresh = self.again.pop_front().is_none();
            self.fresh += usize::from(fresh);
            self.repeated += u64::from(!fresh);
            shots.extend(self.shoot(place, now));
        }
        if shots.is_empty() { Err(next) } else { Ok(shots) }
    }

    fn candidate(&mut self) -> Option<u32> {
        // Answers may have come while a port waited to be asked again.
        while let Some(place) = self.again.front() {
            let waiting = self.ports.get(*place as usize).map(|port| port.phase);
            if waiting == Some(Phase::Waiting) {
                return Some(*place);
            }
            self.again.pop_front();
        }
        (self.fresh < self.ports.len()).then_some(self.fresh as u32)
    }

    fn allowed(&mut self, now: Instant) -> Result<(), Instant> {
        let spaced = self.timing.next_send(now);
        if self.timing.is_slowed() && spaced > now {
            return Err(spaced);
        }
        if let Some(pacer) = &self.pacer {
            let at = *self.token.get_or_insert_with(|| pacer.reserve(now));
            if at > now {
                return Err(at);
            }
            self.token = None;
        }
        Ok(())
    }

    fn shoot(&mut self, place: u32, now: Instant) -> Option<Shot> {
        let number = *self.scan.ports.get(place as usize)?;
        let port = self.ports.get_mut(place as usize)?;
        let attempt = port.attempts;
        port.attempts += 1;
        port.phase = Phase::UnderWay;
        port.sent = Some(now);
        self.under_way += 1;
        self.sent += 1;
        self.timing.sent(now);
        self.burst.push(place);
        Some(Shot { port: number, attempt })
    }

    fn left(&mut self, at: Instant) {
        for place in &self.burst {
            if let Some(port) = self.ports.get_mut(*place as usize) {
                port.sent = Some(at);
                let flight = usize::from(port.attempts.saturating_sub(1));
                if let Some(flight) = self.flights.get_mut(flight) {
                    flight.push_back((at, *place));
                }
            }
        }
    }

    /// Takes back what the kernel had no room for, to be sent in a moment.
    fn take_back(&mut self, nth: usize, now: Instant) {
        let back: Vec<u32> = self.burst.drain(nth.min(self.burst.len())..).collect();
        for place in back.into_iter().rev() {
            let Some(port) = self.ports.get_mut(place as usize) else { continue };
            port.attempts -= 1;
            port.phase = Phase::Waiting;
            if let Some(flight) = self.flights.get_mut(usize::from(port.attempts)) {
                flight.pop_back();
            }
            self.under_way -= 1;
            self.sent -= 1;
            self.again.push_front(place);
            self.repeated = self.repeated.saturating_sub(1);
        }
        self.blocked = Some(now + BREATH);
    }

    fn expire(&mut self, now: Instant) {
        for attempt in 0..self.flights.len() {
            let wait = self.timing.wait(attempt as u8);
            while let Some((_, place)) = self
                .flights
                .get_mut(attempt)
                .and_then(|flight| flight.pop_front_if(|(sent, _)| *sent + wait <= now))
            {
                self.silent(place, attempt as u8);
            }
        }
    }

    fn silent(&mut self, place: u32, attempt: u8) {
        let Some(port) = self.ports.get_mut(place as usize) else { return };
        // Answered meanwhile, or a later attempt is under way.
        if port.phase != Phase::UnderWay || port.attempts != attempt + 1 {
            return;
        }
        self.under_way -= 1;
        self.timing.silent();
        if self.scan.technique == Technique::Connect {
            self.abandoned.extend(self.scan.ports.get(place as usize));
        }
        if port.attempts < self.timing.attempts() {
            port.phase = Phase::Waiting;
            self.again.push_back(place);
        } else {
            port.phase = Phase::GivenUp;
            self.given_up.push(place);
        }
    }

    /// Asks those again that were given up too early, as losses on the way have shown.
    fn reconsider(&mut self) {
        let attempts = self.timing.attempts();
        let Self { ports, again, given_up, .. } = self;
        given_up.retain(|place| match ports.get_mut(*place as usize) {
            Some(port) if port.phase == Phase::GivenUp && port.attempts < attempts => {
                port.phase = Phase::Waiting;
                again.push_back(*place);
                false
            }
            Some(port) => port.phase == Phase::GivenUp,
            None => false,
        });
    }

    fn heard(&mut self, number: u16, attempt: Option<u8>, at: Instant, what: ScanReason) {
        let place = self.places.get(usize::from(number)).copied().unwrap_or(NOWHERE);
        let Some(port) = self.ports.get_mut(place as usize).filter(|port| port.attempts > 0) else {
            self.ignored += 1;
            return;
        };
        if port.phase == Phase::Decided {
            return;
        }
        self.under_way -= usize::from(port.phase == Phase::UnderWay);
        let latest = port.attempts - 1;
        let attempt = attempt.unwrap_or(latest).min(latest);
        // Of earlier attempts the time of sending is not kept.
        let rtt = port.sent.filter(|_| attempt == latest);
        let rtt = rtt.map(|sent| at.saturating_duration_since(sent));
        port.phase = Phase::Decided;
        port.reason = what;
        port.rtt_ns = rtt.map(nanos);
        self.decided += 1;
        self.open += usize::from(self.scan.technique.state(&what) == PortState::Open);
        self.events.push_back(place);
        if self.timing.answered(attempt, rtt) {
            self.reconsider();
        }
    }

    fn refused(&mut self, nth: usize, reason: Reason) {
        let Some(place) = self.burst.get(nth).copied() else { return };
        let Some(port) = self.ports.get_mut(place as usize) else { return };
        if port.phase == Phase::UnderWay {
            port.phase = Phase::Decided;
            port.reason = ScanReason::Local(reason);
            self.under_way -= 1;
            self.decided += 1;
            self.events.push_back(place);
        }
    }

    fn notice_stall(&mut self, now: Instant) {
        let Some(wake) = self.wake.take_if(|wake| *wake + STALL <= now) else {
            return;
        };
        let lasted = now.saturating_duration_since(wake);
        for (sent, _) in self.flights.iter_mut().flatten() {
            *sent += lasted;
        }
    }

    /// At the end silence is the answer.
    fn settle(&mut self) {
        for place in std::mem::take(&mut self.given_up) {
            let Some(port) = self.ports.get_mut(place as usize) else { continue };
            if port.phase == Phase::GivenUp {
                port.phase = Phase::Decided;
                port.reason = ScanReason::NoResponse;
                self.decided += 1;
                self.events.push_back(place);
            }
        }
    }

    fn port(&self, place: usize) -> Option<ScannedPort> {
        let port = self.ports.get(place)?;
        Some(ScannedPort {
            port: *self.scan.ports.get(place)?,
            state: self.scan.technique.state(&port.reason),
            reason: port.reason,
            attempts: port.attempts,
            rtt_ns: port.rtt_ns,
        })
    }
}

/// The window before anything was heard, where no rate is given.
const FIRST_WINDOW: usize = 64;
/// Closed UDP ports answer at a limited rate: six at once, then one a second.
const FIRST_UDP_WINDOW: usize = 6;

impl Technique {
    /// What an answer makes of a port.
    pub(crate) fn state(self, reason: &ScanReason) -> PortState {
        match (self, reason) {
            (_, ScanReason::SynAck | ScanReason::Reply) => PortState::Open,
            (_, ScanReason::Reset) => PortState::Closed,
            (Self::Udp, ScanReason::Icmp(icmp)) if icmp.is_port_unreachable() => PortState::Closed,
            (_, ScanReason::Icmp(_)) => PortState::Filtered,
            (Self::Udp, ScanReason::NoResponse) => PortState::OpenOrFiltered,
            (_, ScanReason::NoResponse) => PortState::Filtered,
            (_, ScanReason::Local(_) | ScanReason::Unfinished) => PortState::Undecided,
        }
    }
}

impl IcmpError {
    /// Tells whether a scan believes that this is about one port and not about the way.
    pub(crate) fn is_final(&self) -> bool {
        // Codes that another packet may overcome, such as "too big" or a redirect, are none.
        matches!(
            (self.family, self.kind),
            (crate::base::Family::V4, 3) | (crate::base::Family::V6, 1)
        ) && !(self.family == crate::base::Family::V4 && self.code == 4)
    }
}

impl Machine for ScanMachine {
    type Command = ScanCommand;
    type Input<'a> = ScanInput;
    type Event = ScannedPort;
    type Report = ScanReport;

    fn poll(&mut self, now: Instant) -> Step<ScanCommand> {
        self.notice_stall(now);
        self.expire(now);
        if !self.abandoned.is_empty() {
            return Step::Do(ScanCommand::Abandon(std::mem::take(&mut self.abandoned)));
        }
        let next = match self.gather(now) {
            Ok(shots) => {
                self.wake = None;
                return Step::Do(ScanCommand::Shoot(shots));
            }
            Err(next) => next,
        };
        if self.under_way == 0 && next.is_none() {
            self.settle();
            return Step::Done;
        }
        let expiry = (0..).zip(&self.flights).filter_map(|(attempt, flight)| {
            flight.front().map(|(sent, _)| *sent + self.timing.wait(attempt))
        });
        self.wake = expiry.chain(next).min();
        self.wake.map_or(Step::Done, Step::WaitUntil)
    }

    fn handle(&mut self, input: ScanInput, now: Instant) {
        self.notice_stall(now);
        match input {
            ScanInput::Sending { at } => self.left(at),
            ScanInput::Refused { nth, reason } => self.refused(nth, reason),
            ScanInput::Full { nth } => self.take_back(nth, now),
            ScanInput::Heard { port, attempt, at, what } => self.heard(port, attempt, at, what),
            ScanInput::Stray => self.ignored += 1,
        }
    }

    fn next_event(&mut self) -> Option<ScannedPort> {
        let place = self.events.pop_front()?;
        self.port(place as usize)
    }

    fn finish(mut self, now: Instant) -> ScanReport {
        self.expire(now);
        self.settle();
        let ports: Vec<_> = (0..self.ports.len()).filter_map(|place| self.port(place)).collect();
        let mut gaps = Vec::new();
        let open = ports.iter().filter(|port| port.reason == ScanReason::Unfinished).count();
        if open > 0 {
            let why = format!("the run ended with {open} of {} undecided", ports.len());
            gaps.push(Gap::new("ports", why));
        }
        ScanReport {
            netns: self.netns,
            to: self.scan.to,
            technique: self.scan.technique,
            ports,
            sent: self.sent,
            repeated: self.repeated,
            ignored: self.ignored,
            gaps,
        }
    }
}
