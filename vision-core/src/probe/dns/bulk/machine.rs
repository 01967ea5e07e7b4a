use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::DnsQuery;
use super::super::machine::{DnsCommand, DnsInput, DnsMachine};
use super::super::report::{DnsMismatch, DnsOutcome};
use super::super::{Letters, Transport};
use super::flight::{Flight, Verdicts, judge};
use super::random::Random;
use super::report::{DnsBulkAnswer, DnsBulkReport, Tally};
use crate::base::{Gap, Pacer};
use crate::netns::NetnsId;
use crate::probe::Anchor;
use crate::probe::machine::{Machine, Step};
use crate::socket::BATCH;
use crate::wire::dns::{Message, Question};

/// Sockets for each server: queries to it leave from so many ports.
const LANES: usize = 16;
/// Questions that are asked one by one, over TCP or with care, at the same time.
pub(super) const CAREFUL: usize = 64;
/// Distance of the first slots of two careful questions; lanes come below the first.
pub(super) const SLOTS: u32 = 32;

/// Keeps many questions under way at once.
pub(super) struct BulkMachine {
    pub(super) query: DnsQuery,
    pub(super) questions: Vec<Question>,
    /// Begin again at the first question until then.
    pub(super) until: Option<Instant>,
    pub(super) window: usize,
    pub(super) pacer: Option<Pacer>,
    /// Whether answers are handed out; else they are only counted.
    pub(super) deliver: bool,
    pub(super) random: Random,
    pub(super) place: (NetnsId, Anchor),
    next: usize,
    /// The moment the pacer allows the next datagram.
    may_leave: Option<Instant>,
    pub(super) flights: Vec<Flight>,
    pub(super) free: Vec<usize>,
    /// For each lane, the identifiers under way on it.
    lanes: Vec<Vec<(u16, usize)>>,
    deadlines: VecDeque<(Instant, usize, u64)>,
    /// Flights to be sent once more.
    again: VecDeque<usize>,
    pub(super) careful: HashMap<u64, (usize, DnsMachine)>,
    pub(super) waiting: VecDeque<usize>,
    pub(super) careful_next: u64,
    pub(super) to_close: Vec<u64>,
    events: VecDeque<DnsBulkAnswer>,
    pub(super) tally: Tally,
    pub(super) gaps: Vec<Gap>,
}

impl BulkMachine {
    pub(super) fn new(query: DnsQuery, questions: Vec<Question>, random: Random) -> Self {
        let lanes = query.servers.len() * LANES;
        Self {
            query,
            questions,
            until: None,
            window: 256,
            pacer: None,
            deliver: true,
            random,
            place: (NetnsId { dev: 0, ino: 0 }, Anchor::now()),
            next: 0,
            may_leave: None,
            flights: Vec::new(),
            free: Vec::new(),
            lanes: vec![Vec::new(); lanes],
            deadlines: VecDeque::new(),
            again: VecDeque::new(),
            careful: HashMap::new(),
            waiting: VecDeque::new(),
            careful_next: 1,
            to_close: Vec::new(),
            events: VecDeque::new(),
            tally: Tally::default(),
            gaps: Vec::new(),
        }
    }

    fn under_way(&self) -> usize {
        self.flights.len() - self.free.len()
    }

    /// Takes the next question, round and round if there is a time to fill.
    fn next_question(&mut self, now: Instant) -> Option<usize> {
        let over = self.until.is_some_and(|until| now >= until);
        if self.next >= self.questions.len() && self.until.is_some() && !over {
            self.next = 0;
        }
        let question = self.next;
        if over || question >= self.questions.len() {
            return None;
        }
        self.next += 1;
        self.tally.asked += 1;
        Some(question)
    }

    /// Tells whether a datagram may leave now, and takes the pacer's leave if so.
    fn leave(&mut self, now: Instant) -> bool {
        let Some(pacer) = &self.pacer else {
            return true;
        };
        let at = self.may_leave.take().unwrap_or_else(|| pacer.reserve(now));
        if at > now {
            self.may_leave = Some(at);
        }
        at <= now
    }

    /// Collects datagrams that leave together from one port of one server.
    fn batch(&mut self, now: Instant) -> Option<DnsCommand> {
        if !matches!(self.query.transport, Transport::Auto | Transport::Udp) {
            while self.waiting.len() < CAREFUL && self.careful.len() < CAREFUL {
                match self.next_question(now) {
                    Some(question) => self.waiting.push_back(question),
                    None => break,
                }
            }
            return None;
        }
        // All of a batch go to the server whose turn it is for the first of them.
        let first = self.again.front().and_then(|n| self.flights.get(*n));
        let turn = first.map_or(0, |flight| usize::from(flight.tries));
        let server = turn % self.query.servers.len().max(1);
        let to = *self.query.servers.get(server)?;
        let lane = server * LANES + self.random.below(LANES);
        let mut datagrams = Vec::new();
        while datagrams.len() < BATCH {
            let retry = self.again.front().copied();
            if retry.is_none() && self.under_way() >= self.window || !self.leave(now) {
                break;
            }
            let flight = match retry {
                Some(flight) if self.server_of(flight) != server => break,
                Some(flight) => {
                    self.again.pop_front();
                    self.tally.retries += 1;
                    flight
                }
                None if server != 0 => break,
                None => match self.next_question(now).map(|q| self.begin(q, now)) {
                    Some(flight) => flight,
                    None => break,
                },
            };
            datagrams.extend(self.launch(flight, lane, now));
        }
        self.tally.datagrams += datagrams.len() as u64;
        (!datagrams.is_empty()).then_some(DnsCommand::Batch { lane: lane as u64, to, datagrams })
    }

    fn server_of(&self, flight: usize) -> usize {
        let tries = self.flights.get(flight).map_or(0, |flight| flight.tries);
        usize::from(tries) % self.query.servers.len().max(1)
    }

    fn begin(&mut self, question: usize, now: Instant) -> usize {
        let flight = Flight {
            question,
            id: 0,
            lane: 0,
            tries: 0,
            sent: now,
            bytes: Vec::new(),
            end: 0,
            turn: 0,
            other_case: false,
        };
        match self.free.pop() {
            Some(n) => {
                if let Some(place) = self.flights.get_mut(n) {
                    let bytes = std::mem::take(&mut place.bytes);
                    let turn = place.turn;
                    *place = Flight { bytes, turn, ..flight };
                }
                n
            }
            None => {
                self.flights.push(flight);
                self.flights.len() - 1
            }
        }
    }

    /// Writes the query anew: another identifier, other letters, perhaps another port.
    fn launch(&mut self, n: usize, lane: usize, now: Instant) -> Option<Vec<u8>> {
        let id = self.random.id(self.lanes.get(lane)?);
        let letters = self.random.letters();
        let flight = self.flights.get_mut(n)?;
        let mut ask = self.query.ask();
        ask.question = self.questions.get(flight.question)?.clone();
        if self.query.letters == Letters::Mixed {
            ask.question.name = ask.question.name.with_case(&letters);
        }
        flight.end = 12 + ask.question.name.as_wire().len() + 4;
        let query = ask.query(id);
        match query.encode() {
            Ok(bytes) => flight.bytes = bytes,
            Err(error) => {
                self.gaps.push(Gap::because("query", &error));
                return None;
            }
        }
        (flight.id, flight.lane, flight.sent) = (id, lane, now);
        flight.tries += 1;
        flight.turn += 1;
        self.deadlines.push_back((now + self.query.timeout, n, flight.turn));
        let bytes = flight.bytes.clone();
        self.lanes.get_mut(lane)?.push((id, n));
        Some(bytes)
    }

    pub(super) fn forget(&mut self, n: usize) {
        let Some(flight) = self.flights.get(n) else {
            return;
        };
        let key = (flight.id, n);
        if let Some(lane) = self.lanes.get_mut(flight.lane)
            && let Some(at) = lane.iter().position(|known| *known == key)
        {
            lane.swap_remove(at);
        }
    }

    /// Ends a flight for good.
    fn end(&mut self, n: usize, outcome: DnsOutcome, from: Option<SocketAddr>) {
        self.forget(n);
        let Some(flight) = self.flights.get_mut(n) else {
            return;
        };
        flight.turn += 1;
        let (question, tries) = (flight.question, flight.tries);
        self.free.push(n);
        self.conclude(question, outcome, (from, tries));
    }

    pub(super) fn conclude(
        &mut self,
        index: usize,
        outcome: DnsOutcome,
        (server, tries): (Option<SocketAddr>, u8),
    ) {
        self.tally.conclude(&outcome);
        if let Some(question) = self.questions.get(index).filter(|_| self.deliver) {
            let question = question.clone();
            self.events.push_back(DnsBulkAnswer { index, question, server, tries, outcome });
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, n, turn)) = self.deadlines.front().copied() {
            let current = self.flights.get(n).is_some_and(|flight| flight.turn == turn);
            if current && at > now {
                return;
            }
            self.deadlines.pop_front();
            if current {
                let waited = self.query.timeout;
                self.retry(n, DnsOutcome::TimedOut { waited });
            }
        }
    }

    /// Asks once more, or ends with `outcome` when that was the last try.
    fn retry(&mut self, n: usize, outcome: DnsOutcome) {
        let most = usize::from(self.query.tries) * self.query.servers.len();
        let Some(flight) = self.flights.get_mut(n) else {
            return;
        };
        if flight.other_case {
            self.with_care(n);
        } else if usize::from(flight.tries) < most {
            flight.turn += 1;
            self.forget(n);
            self.again.push_back(n);
        } else {
            let servers = self.query.servers.len().max(1);
            let server = self.query.servers.get(usize::from(flight.tries - 1) % servers).copied();
            self.end(n, outcome, server);
        }
    }

    fn datagram(&mut self, lane: u64, from: Option<SocketAddr>, bytes: &[u8], now: Instant) {
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        let server = self.query.servers.get(lane / LANES).copied();
        if from != server {
            self.tally.ignored.count(DnsMismatch::WrongSource, from, bytes);
            return;
        }
        let Some(id) = bytes.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
            self.tally.ignored.count(DnsMismatch::Malformed, from, bytes);
            return;
        };
        let known = self.lanes.get(lane).and_then(|lane| lane.iter().find(|(it, _)| *it == id));
        let Some(n) = known.map(|(_, n)| *n) else {
            self.tally.ignored.count(DnsMismatch::WrongId, from, bytes);
            return;
        };
        let Some(flight) = self.flights.get_mut(n) else {
            return;
        };
        let verdict = judge(flight, bytes, self.query.letters == Letters::Mixed);
        flight.other_case |= verdict == Verdicts::Ignore(DnsMismatch::WrongCase);
        let rtt = now.saturating_duration_since(flight.sent);
        match verdict {
            Verdicts::Ignore(why) => self.tally.ignored.count(why, from, bytes),
            Verdicts::Careful => self.with_care(n),
            Verdicts::Take => self.take(n, bytes, (from, rtt)),
        }
    }

    fn take(&mut self, n: usize, bytes: &[u8], (from, rtt): (Option<SocketAddr>, Duration)) {
        if !self.deliver {
            self.forget(n);
            if let Some(flight) = self.flights.get_mut(n) {
                flight.turn += 1;
                self.free.push(n);
            }
            // The lower four bits are all that a header has of the result.
            let rcode = bytes.get(3).copied().unwrap_or_default() & 15;
            self.tally.answer(rcode.into(), rtt);
            return;
        }
        let Ok(mut message) = Message::decode(bytes) else {
            return;
        };
        if let Some(flight) = self.flights.get(n)
            && let Some(question) = self.questions.get(flight.question)
            && let Some(sent) = message.questions.first().map(|sent| sent.name.clone())
        {
            super::super::letters::restore(&mut message, &sent, &question.name);
        }
        let message = Box::new(message);
        self.end(n, DnsOutcome::Answer { message, rtt, late: false }, from);
    }

    fn bounced(&mut self, lane: u64, bytes: &[u8], outcome: DnsOutcome) {
        let lane = usize::try_from(lane).unwrap_or(usize::MAX);
        let id = bytes.first_chunk().map(|id| u16::from_be_bytes(*id));
        let known = self.lanes.get(lane).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, n)) = known.iter().find(|(it, _)| Some(*it) == id).copied() {
            self.retry(n, outcome);
        }
    }
}

impl Machine for BulkMachine {
    type Command = DnsCommand;
    type Input<'a> = DnsInput<'a>;
    type Event = DnsBulkAnswer;
    type Report = DnsBulkReport;

    fn poll(&mut self, now: Instant) -> Step<DnsCommand> {
        self.tally.begin(now);
        if let Some(slot) = self.to_close.pop() {
            return Step::Do(DnsCommand::Close { slot });
        }
        self.start_careful();
        let careful = match self.poll_careful(now) {
            Ok(command) => return Step::Do(command),
            Err(nearest) => nearest,
        };
        self.expire(now);
        if let Some(command) = self.batch(now) {
            return Step::Do(command);
        }
        let idle = self.careful.is_empty() && self.waiting.is_empty() && self.again.is_empty();
        if idle && self.under_way() == 0 && self.may_leave.is_none() && careful.is_none() {
            self.tally.end(now);
            return Step::Done;
        }
        let moments = [careful, self.deadlines.front().map(|(at, ..)| *at), self.may_leave];
        let waiting = if self.waiting.is_empty() { None } else { Some(now) };
        let nearest = moments.into_iter().flatten().chain(waiting).min();
        Step::WaitUntil(nearest.unwrap_or(now))
    }

    fn handle(&mut self, input: DnsInput<'_>, now: Instant) {
        let slot = input.slot();
        if slot >> SLOTS > 0 {
            if let Some((_, machine)) = self.careful.get_mut(&(slot >> SLOTS)) {
                machine.handle(input, now);
            }
            return;
        }
        match input {
            DnsInput::Datagram { from, bytes, .. } => self.datagram(slot, from, bytes, now),
            DnsInput::Bounced { bytes, reason, icmp, .. } => {
                let rtt = Duration::ZERO;
                let outcome = match icmp {
                    Some(icmp) if icmp.is_port_unreachable() => {
                        DnsOutcome::PortClosed { from: icmp.from, rtt }
                    }
                    Some(icmp) => DnsOutcome::Unreachable { icmp, rtt },
                    None => DnsOutcome::LocalError { reason },
                };
                self.bounced(slot, bytes, outcome);
            }
            _ => {}
        }
    }

    fn next_event(&mut self) -> Option<DnsBulkAnswer> {
        self.events.pop_front()
    }

    fn finish(mut self, now: Instant) -> DnsBulkReport {
        let open = self.under_way() + self.careful.len() + self.waiting.len();
        let left = match self.until {
            Some(_) => open,
            None => open + self.questions.len() - self.next.min(self.questions.len()),
        };
        if left > 0 {
            let what = format!("{left} questions");
            self.gaps.push(Gap::new(what, "the run ended first"));
        }
        self.tally.end(now);
        self.tally.into_report(self.place.0, open as u64, self.gaps)
    }
}
