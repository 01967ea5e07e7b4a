use std::net::SocketAddr;
use std::time::Instant;

use super::flight::Flight;
use super::letters;
use super::nonce::{Nonce, Nonces};
use super::report::{DnsOutcome, DnsReport, DnsTransport};
use super::schedule::{Next, Planned, Policy, Schedule};
use crate::base::{Gap, Reason};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::{Anchor, IcmpError};
use crate::wire::dns::{EdnsOption, Flags, Message, Query, QueryEdns, Question};

/// What a DNS machine asks its channel to do; every query has a slot, and with it a socket and a
/// port, of its own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DnsCommand {
    /// Open a socket and send one datagram.
    Udp { slot: u64, to: SocketAddr, bytes: Vec<u8> },
    /// Send datagrams from a socket that is kept for more, one per lane.
    Batch { lane: u64, to: SocketAddr, datagrams: Vec<Vec<u8>> },
    /// Connect, then send.
    Tcp { slot: u64, to: SocketAddr, bytes: Vec<u8> },
    /// Forget the socket.
    Close { slot: u64 },
}

/// What a DNS machine hears.
#[derive(Debug)]
pub(crate) enum DnsInput<'a> {
    Datagram {
        slot: u64,
        from: Option<SocketAddr>,
        bytes: &'a [u8],
    },
    Connected {
        slot: u64,
    },
    /// The connection is secured, with this version of TLS.
    Secured {
        slot: u64,
        version: &'a str,
    },
    /// The connection cannot be secured, or the server says no on a level above.
    NotSecured {
        slot: u64,
        why: String,
    },
    Stream {
        slot: u64,
        bytes: &'a [u8],
    },
    /// The server ended the connection in order.
    Closed {
        slot: u64,
    },
    Failed {
        slot: u64,
        reason: Reason,
        icmp: Option<IcmpError>,
    },
    /// One datagram of a lane did not get through: these were its bytes, as far as they are known.
    Bounced {
        slot: u64,
        bytes: &'a [u8],
        reason: Reason,
        icmp: Option<IcmpError>,
    },
}

/// What is asked, apart from how often and whom.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) question: Question,
    pub(crate) flags: Flags,
    pub(crate) edns: Option<QueryEdns>,
    pub(crate) extras: Extras,
}

/// What is done beside asking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras {
    /// Send cookies and insist on one's own in replies (RFC 7873).
    pub(crate) cookies: bool,
    /// Keep the bytes of the answer and of the query.
    pub(crate) keep_wire: bool,
}

impl Ask {
    /// Gives the query with this identifier.
    pub(super) fn query(self, id: u16) -> Query {
        Query { id, flags: self.flags, question: self.question, edns: self.edns }
    }
}

/// Asks one question until something settles it.
#[derive(Debug)]
pub(crate) struct DnsMachine {
    ask: Ask,
    schedule: Schedule,
    nonces: Nonces,
    netns: NetnsId,
    anchor: Anchor,
    /// The slot of the first query; the following ones count up.
    base: u64,
    flights: Vec<Flight>,
    current: Option<usize>,
    to_close: Vec<u64>,
    gaps: Vec<Gap>,
    /// Each server's cookie, after the client's own eight bytes.
    cookies: Vec<(SocketAddr, Vec<u8>)>,
}

impl DnsMachine {
    pub(crate) fn new(
        ask: Ask,
        policy: Policy,
        nonces: Nonces,
        base: u64,
        (netns, anchor): (NetnsId, Anchor),
    ) -> Self {
        Self {
            ask,
            schedule: Schedule::new(policy),
            nonces,
            netns,
            anchor,
            base,
            flights: Vec::new(),
            current: None,
            to_close: Vec::new(),
            gaps: Vec::new(),
            cookies: Vec::new(),
        }
    }

    /// Returns the slots used so far.
    pub(crate) fn slots(&self) -> std::ops::Range<u64> {
        self.base..self.base + self.flights.len() as u64
    }

    /// Tells whether an answer of that kind has come.
    pub(crate) fn has_answer(&self, of_kind: impl Fn(&Message) -> bool) -> bool {
        let answers = self.flights.iter().filter_map(|flight| match &flight.outcome {
            Some(DnsOutcome::Answer { message, .. }) => Some(message),
            _ => None,
        });
        answers.into_iter().any(|message| of_kind(message))
    }

    fn send(&mut self, planned: Planned, now: Instant) -> Option<DnsCommand> {
        let Some(nonce) = self.nonces.next() else {
            self.gaps.push(Gap::new("further queries", "more were needed than planned"));
            self.schedule.clear();
            return None;
        };
        let query = self.query(&planned, &nonce);
        let keep = self.ask.extras.keep_wire;
        let started = Flight::start(planned, &query, now, self.anchor.wall(now), keep);
        let (flight, bytes) = match started {
            Ok(started) => started,
            Err(error) => {
                self.gaps.push(Gap::because("query", &error));
                self.schedule.clear();
                return None;
            }
        };
        let slot = self.base + self.flights.len() as u64;
        self.current = Some(self.flights.len());
        self.flights.push(flight);
        let to = planned.server;
        Some(match planned.transport {
            DnsTransport::Udp => DnsCommand::Udp { slot, to, bytes },
            _ => DnsCommand::Tcp { slot, to, bytes },
        })
    }

    fn query(&mut self, planned: &Planned, nonce: &Nonce) -> Query {
        let mut question = self.ask.question.clone();
        if planned.mixed_case {
            question.name = question.name.with_case(&nonce.case);
        }
        let mut edns = self.ask.edns.clone().filter(|_| planned.edns);
        if let Some(edns) = edns.as_mut().filter(|_| self.ask.extras.cookies) {
            let known = self.cookies.iter().find(|(server, _)| *server == planned.server);
            let cookie = match known {
                Some((_, cookie)) => cookie.clone(),
                None => {
                    let own = nonce.cookie.to_vec();
                    self.cookies.push((planned.server, own.clone()));
                    own
                }
            };
            edns.options.push(EdnsOption::cookie(cookie));
        }
        Query { id: nonce.id, flags: self.ask.flags, question, edns }
    }

    fn answered(&mut self, index: usize, mut message: Message, now: Instant) {
        let Some(flight) = self.flights.get_mut(index) else {
            return;
        };
        if let Some(sent) = flight.mixed_name() {
            letters::restore(&mut message, sent, &self.ask.question.name);
        }
        let late = flight.outcome.is_some();
        let rtt = now.saturating_duration_since(flight.sent);
        let planned = flight.planned;
        let given = message.edns.iter().flat_map(|edns| &edns.options).find(|o| o.code == 10);
        if let Some(given) = given
            && let Some(known) = self.cookies.iter_mut().find(|(to, _)| *to == planned.server)
        {
            known.1 = given.data.as_bytes().to_vec();
        }
        let next = self.schedule.answered(&planned, &message);
        flight.outcome = Some(DnsOutcome::Answer { message: Box::new(message), rtt, late });
        match self.current {
            Some(current) if current == index => self.current = None,
            // A late answer makes the query under way needless, unless it is as good as none.
            Some(current) if next != Next::GoOn => {
                self.current = None;
                self.settle(current, DnsOutcome::Abandoned);
                self.release(current);
            }
            _ => {}
        }
        self.release(index);
    }

    fn failed(&mut self, index: usize, outcome: DnsOutcome) {
        let Some(flight) = self.flights.get(index) else {
            return;
        };
        match flight.outcome {
            None => {
                if self.current == Some(index) {
                    self.current = None;
                }
                self.settle(index, outcome);
                self.release(index);
            }
            // An error that comes late says more than silence does.
            Some(DnsOutcome::TimedOut { .. }) => self.settle(index, outcome),
            Some(_) => {}
        }
    }

    fn settle(&mut self, index: usize, outcome: DnsOutcome) {
        if let Some(flight) = self.flights.get_mut(index) {
            flight.outcome = Some(outcome);
        }
    }

    /// Connections are of no use once decided; datagram sockets stay to see what still comes.
    fn release(&mut self, index: usize) {
        let over_tcp = |f: &&Flight| f.planned.transport != DnsTransport::Udp;
        if self.flights.get(index).filter(over_tcp).is_some() {
            self.to_close.push(self.base + index as u64);
        }
    }

    fn time_out(&mut self, index: usize, now: Instant) {
        let Some(flight) = self.flights.get(index) else {
            return;
        };
        let server = flight.planned.server;
        let waited = now.saturating_duration_since(flight.sent);
        let other_case = flight.saw_other_case();
        self.current = None;
        self.settle(index, DnsOutcome::TimedOut { waited });
        self.release(index);
        if other_case {
            self.schedule.give_up_mixing(server);
        }
    }

    fn failure(
        flight: &Flight,
        reason: Reason,
        icmp: Option<IcmpError>,
        now: Instant,
    ) -> DnsOutcome {
        let rtt = now.saturating_duration_since(flight.sent);
        let refused = reason.errno == nix::libc::ECONNREFUSED;
        match icmp {
            Some(icmp) if icmp.is_port_unreachable() => {
                DnsOutcome::PortClosed { from: icmp.from, rtt }
            }
            Some(icmp) => DnsOutcome::Unreachable { icmp, rtt },
            None if flight.has_connected() => flight.cut(Some(reason)),
            None if refused => {
                // A reset comes from the server; a datagram's error without a sender does not say.
                let over_tcp = flight.planned.transport != DnsTransport::Udp;
                let from = over_tcp.then(|| flight.planned.server.ip());
                DnsOutcome::PortClosed { from, rtt }
            }
            None => DnsOutcome::LocalError { reason },
        }
    }

    fn index(&self, slot: u64) -> Option<usize> {
        let index = usize::try_from(slot.checked_sub(self.base)?).ok()?;
        (index < self.flights.len()).then_some(index)
    }
}

impl Machine for DnsMachine {
    type Command = DnsCommand;
    type Input<'a> = DnsInput<'a>;
    /// Nothing is handed out while under way: a late answer may still change an attempt.
    type Event = std::convert::Infallible;
    type Report = DnsReport;

    fn poll(&mut self, now: Instant) -> Step<DnsCommand> {
        loop {
            if let Some(slot) = self.to_close.pop() {
                return Step::Do(DnsCommand::Close { slot });
            }
            if let Some(index) = self.current {
                match self.flights.get(index).map(|flight| flight.deadline) {
                    Some(deadline) if deadline > now => return Step::WaitUntil(deadline),
                    _ => self.time_out(index, now),
                }
                continue;
            }
            let Some(planned) = self.schedule.next() else {
                return Step::Done;
            };
            if let Some(command) = self.send(planned, now) {
                return Step::Do(command);
            }
        }
    }

    fn handle(&mut self, input: DnsInput<'_>, now: Instant) {
        let slot = input.slot();
        let Some(index) = self.index(slot) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(index) else {
            return;
        };
        match input {
            DnsInput::Datagram { from, bytes, .. } => {
                if let Some(message) = flight.datagram(from, bytes) {
                    self.answered(index, message, now);
                }
            }
            DnsInput::Stream { bytes, .. } => {
                if let Some(message) = flight.stream(bytes) {
                    self.answered(index, message, now);
                }
            }
            DnsInput::Connected { .. } => flight.connected(now),
            DnsInput::Secured { version, .. } => flight.secured(version, now),
            DnsInput::NotSecured { why, .. } => {
                self.failed(index, DnsOutcome::NotSecured { why });
            }
            DnsInput::Closed { .. } => {
                let outcome = flight.cut(None);
                self.failed(index, outcome);
            }
            DnsInput::Failed { reason, icmp, .. } | DnsInput::Bounced { reason, icmp, .. } => {
                let outcome = Self::failure(flight, reason, icmp, now);
                self.failed(index, outcome);
            }
        }
    }

    fn next_event(&mut self) -> Option<Self::Event> {
        None
    }

    fn finish(mut self, now: Instant) -> DnsReport {
        if let Some(index) = self.current {
            let overdue = self.flights.get(index).is_some_and(|f| f.deadline <= now);
            if overdue {
                self.time_out(index, now);
            } else {
                self.gaps.push(Gap::new("answer", "the run ended before the wait was over"));
            }
        }
        DnsReport {
            netns: self.netns,
            question: self.ask.question,
            attempts: self.flights.into_iter().map(Flight::into_attempt).collect(),
            gaps: self.gaps,
        }
    }
}

impl DnsInput<'_> {
    pub(crate) fn slot(&self) -> u64 {
        match self {
            Self::Datagram { slot, .. }
            | Self::Connected { slot }
            | Self::Secured { slot, .. }
            | Self::NotSecured { slot, .. }
            | Self::Stream { slot, .. }
            | Self::Closed { slot }
            | Self::Failed { slot, .. }
            | Self::Bounced { slot, .. } => *slot,
        }
    }
}
