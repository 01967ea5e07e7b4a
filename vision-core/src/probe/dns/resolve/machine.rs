use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Instant;

use super::config::{Candidate, Libc};
use super::report::{Resolution, ResolveOutcome, ResolvedBy, Tried};
use crate::base::Gap;
use crate::netns::NetnsId;
use crate::probe::Anchor;
use crate::probe::dns::machine::{Ask, DnsCommand, DnsInput, DnsMachine, Extras};
use crate::probe::dns::nonce::Nonces;
use crate::probe::dns::report::{DnsAttempt, DnsOutcome, DnsReport, DnsTransport};
use crate::probe::dns::schedule::{Policy, is_conclusive};
use crate::probe::machine::{Machine, Step};
use crate::wire::dns::{Flags, Message, Name, QueryEdns, Question, RData, Rcode, RecordType};

/// Walks the names of a lookup, asking for the addresses of each, until one has some.
pub(crate) struct ResolveMachine {
    /// One for each server that is asked for itself.
    pub(super) policies: Vec<Policy>,
    pub(super) libc: Libc,
    pub(super) edns: Option<QueryEdns>,
    pub(super) types: Vec<RecordType>,
    /// A and AAAA one after the other instead of at once.
    pub(super) in_turn: bool,
    pub(super) nonces: VecDeque<Nonces>,
    pub(super) place: (NetnsId, Anchor),
    pub(super) candidates: VecDeque<Candidate>,
    pub(super) running: Vec<Running>,
    /// Types of the current name that wait for their turn.
    pub(super) waiting: VecDeque<(Candidate, RecordType)>,
    pub(super) next_query: u64,
    /// Sockets of names that are done with.
    pub(super) to_close: Vec<u64>,
    pub(super) walk: Walk,
    pub(super) result: Resolution,
}

/// One question of the current name.
pub(super) struct Running {
    candidate: Candidate,
    rtype: RecordType,
    machine: DnsMachine,
    started: Instant,
    decided: Option<Instant>,
}

/// What the names so far have come to (resolv/res_query.c, `__res_context_search`).
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The result of the name as given, when it was tried first: it prevails in the end.
    first: Option<ResolveOutcome>,
    last: Option<ResolveOutcome>,
    no_data: bool,
    server_failed: bool,
    names: usize,
}

/// Distance of the first slots of two questions.
const SLOTS: u32 = 32;

impl ResolveMachine {
    fn begin(&mut self, candidate: Candidate) {
        for rtype in &self.types {
            self.waiting.push_back((candidate.clone(), *rtype));
        }
    }

    /// Starts what may run now; `false` when nothing is left to start.
    fn start_waiting(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some((candidate, rtype)) = self.waiting.pop_front() {
            for policy in &self.policies {
                let Some(nonces) = self.nonces.pop_front() else {
                    break;
                };
                let ask = Ask {
                    question: Question::new(candidate.name.clone(), rtype),
                    flags: Flags { rd: true, ..Flags::default() },
                    edns: self.edns.clone(),
                    extras: Extras::default(),
                };
                let base = self.next_query << SLOTS;
                self.next_query += 1;
                let machine = DnsMachine::new(ask, policy.clone(), nonces, base, self.place);
                self.running.push(Running {
                    candidate: candidate.clone(),
                    rtype,
                    machine,
                    started: now,
                    decided: None,
                });
            }
            any = true;
            if self.in_turn {
                break;
            }
        }
        any
    }

    /// Tells whether no server needs to be waited for any more: one has answered each type.
    fn first_answers_are_there(&self) -> bool {
        let answered = |rtype: &RecordType| {
            let mut of_type = self.running.iter().filter(|question| question.rtype == *rtype);
            of_type.any(|q| q.decided.is_some() && q.machine.has_answer(is_conclusive))
        };
        self.libc == Libc::Musl && self.types.iter().all(answered)
    }

    /// Takes the answers of one name and decides whether to go on.
    fn conclude(&mut self, now: Instant) {
        let running = std::mem::take(&mut self.running);
        self.to_close.extend(running.iter().flat_map(|question| question.machine.slots()));
        let tried: Vec<_> =
            running.into_iter().map(|question| question.finish(now, self.libc)).collect();
        let count = tried.len();
        let other_type_is_due = self.in_turn && !self.waiting.is_empty();
        self.result.tried.extend(tried);
        if other_type_is_due {
            return;
        }
        let about = if self.in_turn { self.types.len() } else { count };
        let start = self.result.tried.len().saturating_sub(about);
        let of_name = self.result.tried.get(start..).unwrap_or_default();
        let counting: Vec<_> = counting(of_name, self.libc);
        let outcome = judge(&counting);
        if outcome == ResolveOutcome::Found {
            take_addresses(counting.iter().copied(), &mut self.result.addresses);
            let decisive = counting.iter().copied().find(|tried| !tried.addresses.is_empty());
            let server = decisive.and_then(|tried| tried.server);
            self.result.source = server.map(|server| ResolvedBy::Dns { server });
            self.result.canonical = decisive.and_then(canonical);
            self.candidates.clear();
        } else if self.libc == Libc::Musl {
            // Anything but "no such name" is the answer (src/network/lookup_name.c).
            if outcome != ResolveOutcome::NoSuchName {
                self.candidates.clear();
            }
            self.result.outcome = outcome;
            return;
        } else if !self.walk.goes_on(outcome, of_name) {
            // A search that broke off still tries the name as given (it is the last one then).
            self.candidates.retain(|candidate| candidate.search.is_none());
            if of_name.iter().all(|tried| refused_everywhere(&tried.report)) {
                self.candidates.clear();
            }
        }
        self.result.outcome = self.walk.outcome(outcome);
    }
}

impl Walk {
    fn goes_on(&mut self, outcome: ResolveOutcome, tried: &[Tried]) -> bool {
        let as_given = tried.iter().any(|tried| tried.search.is_none());
        if as_given && self.names == 0 {
            self.first = Some(outcome);
        }
        self.names += 1;
        self.last = Some(outcome);
        if as_given {
            return true;
        }
        let server_failed = tried.iter().any(|t| last_rcode(&t.report) == Some(Rcode::ServFail));
        self.no_data |= outcome == ResolveOutcome::NoAddress;
        match outcome {
            ResolveOutcome::NoAddress | ResolveOutcome::NoSuchName => true,
            ResolveOutcome::TryAgain if server_failed => {
                self.server_failed = true;
                true
            }
            _ => false,
        }
    }

    fn outcome(&self, current: ResolveOutcome) -> ResolveOutcome {
        match self.first {
            _ if current == ResolveOutcome::Found => current,
            Some(first) => first,
            None if self.no_data => ResolveOutcome::NoAddress,
            None if self.server_failed => ResolveOutcome::TryAgain,
            None => self.last.unwrap_or(current),
        }
    }
}

impl Running {
    fn finish(self, now: Instant, libc: Libc) -> Tried {
        let elapsed = self.decided.unwrap_or(now).saturating_duration_since(self.started);
        let report = self.machine.finish(now);
        let decisive = report.decisive();
        // What was cut and could not be had whole is no answer to glibc; musl takes what there is.
        let whole = |attempt: &&DnsAttempt| {
            let cut = attempt.transport == DnsTransport::Udp
                && attempt.answer().is_some_and(|message| message.header.flags.tc);
            !cut || libc == Libc::Musl
        };
        let usable = decisive.filter(whole).and_then(|attempt| attempt.answer());
        let name = &self.candidate.name;
        let found = usable.map(|m| addresses(m, name, self.rtype).0).unwrap_or_default();
        Tried {
            server: decisive.map(|attempt| attempt.server),
            rcode: usable.map(|message| message.header.rcode),
            addresses: found,
            name: self.candidate.name,
            rtype: self.rtype,
            search: self.candidate.search,
            elapsed,
            report,
        }
    }
}

/// The questions whose answers count: where all servers were asked at once, the first answer to
/// each type.
fn counting(tried: &[Tried], libc: Libc) -> Vec<&Tried> {
    let conclusive = |tried: &Tried| tried.report.answer().is_some_and(is_conclusive);
    if libc == Libc::Glibc || !tried.iter().any(conclusive) {
        return tried.iter().collect();
    }
    let mut first: Vec<&Tried> = Vec::new();
    for one in tried.iter().filter(|one| conclusive(one)) {
        match first.iter_mut().find(|known| known.rtype == one.rtype) {
            Some(known) if known.elapsed > one.elapsed => *known = one,
            Some(_) => {}
            None => first.push(one),
        }
    }
    let silent = |one: &&Tried| !tried.iter().any(|t| t.rtype == one.rtype && conclusive(t));
    first.extend(tried.iter().filter(silent));
    first
}

/// Sums up the questions about one name: an address from either family is enough.
fn judge(tried: &[&Tried]) -> ResolveOutcome {
    let outcome = |tried: &&Tried| match tried.rcode {
        _ if !tried.addresses.is_empty() => ResolveOutcome::Found,
        Some(Rcode::NoError) => ResolveOutcome::NoAddress,
        Some(Rcode::NxDomain) => ResolveOutcome::NoSuchName,
        // Answers that glibc throws away: the servers were used up.
        None | Some(Rcode::ServFail | Rcode::NotImp | Rcode::Refused) => ResolveOutcome::TryAgain,
        Some(_) => ResolveOutcome::Failed,
    };
    let outcomes: Vec<_> = tried.iter().map(outcome).collect();
    let order = [
        ResolveOutcome::Found,
        ResolveOutcome::TryAgain,
        ResolveOutcome::Failed,
        ResolveOutcome::NoAddress,
    ];
    let strongest = order.into_iter().find(|candidate| outcomes.contains(candidate));
    strongest.unwrap_or(ResolveOutcome::NoSuchName)
}

fn last_rcode(report: &DnsReport) -> Option<Rcode> {
    report.answer().map(|message| message.header.rcode)
}

/// Tells whether every server said at once that nobody listens (glibc: `ECONNREFUSED`).
fn refused_everywhere(report: &DnsReport) -> bool {
    let refused = |outcome: &DnsOutcome| {
        matches!(
            outcome,
            DnsOutcome::PortClosed { .. }
                | DnsOutcome::Unreachable { .. }
                | DnsOutcome::LocalError { .. }
        )
    };
    !report.attempts.is_empty() && report.attempts.iter().all(|a| refused(&a.outcome))
}

fn take_addresses<'t>(tried: impl Iterator<Item = &'t Tried>, into: &mut Vec<IpAddr>) {
    for addr in tried.flat_map(|tried| &tried.addresses) {
        if !into.contains(addr) {
            into.push(*addr);
        }
    }
}

fn canonical(tried: &Tried) -> Option<Name> {
    tried.report.answer().map(|message| addresses(message, &tried.name, tried.rtype).1)
}

/// Follows the aliases of an answer, each record once, in the order of the message.
fn addresses(message: &Message, name: &Name, rtype: RecordType) -> (Vec<IpAddr>, Name) {
    let mut owner = name.clone();
    let mut found = Vec::new();
    for record in &message.answers {
        if record.name != owner {
            continue;
        }
        match &record.data {
            RData::Cname(target) => owner = target.clone(),
            data if record.rtype == rtype => found.extend(data.addr()),
            _ => {}
        }
    }
    (found, owner)
}

impl Machine for ResolveMachine {
    type Command = DnsCommand;
    type Input<'a> = DnsInput<'a>;
    type Event = Infallible;
    type Report = Resolution;

    fn poll(&mut self, now: Instant) -> Step<DnsCommand> {
        loop {
            if let Some(slot) = self.to_close.pop() {
                return Step::Do(DnsCommand::Close { slot });
            }
            let mut nearest: Option<Instant> = None;
            for question in &mut self.running {
                match question.machine.poll(now) {
                    Step::Do(command) => return Step::Do(command),
                    Step::WaitUntil(at) => nearest = Some(nearest.map_or(at, |n| n.min(at))),
                    Step::Done => drop(question.decided.get_or_insert(now)),
                }
            }
            if let Some(at) = nearest.filter(|_| !self.first_answers_are_there()) {
                return Step::WaitUntil(at);
            }
            if !self.running.is_empty() {
                self.conclude(now);
            }
            if self.start_waiting(now) {
                continue;
            }
            match self.candidates.pop_front() {
                Some(candidate) => self.begin(candidate),
                None => return Step::Done,
            }
        }
    }

    fn handle(&mut self, input: DnsInput<'_>, now: Instant) {
        let query = input.slot() >> SLOTS;
        let first = self.next_query - self.running.len() as u64;
        let index = query.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(question) = index.and_then(|n| self.running.get_mut(n)) {
            question.machine.handle(input, now);
        }
    }

    fn next_event(&mut self) -> Option<Infallible> {
        None
    }

    fn finish(mut self, now: Instant) -> Resolution {
        if !self.running.is_empty() {
            let gap = Gap::new("remaining names and servers", "the run ended first");
            let running = std::mem::take(&mut self.running);
            let libc = self.libc;
            self.result
                .tried
                .extend(running.into_iter().map(|question| question.finish(now, libc)));
            take_addresses(self.result.tried.iter(), &mut self.result.addresses);
            self.result.outcome = ResolveOutcome::Unfinished;
            self.result.gaps.push(gap);
        }
        self.result
    }
}
