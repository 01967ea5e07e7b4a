use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::super::DnsQuery;
use super::super::plan::{Asked, Plan};
use super::super::report::DnsReport;
use super::super::schedule::Verdict;
use super::{TraceEnd, TraceReport, TraceResult, TraceStep};
use crate::base::{Family, Gap};
use crate::netns::NetnsId;
use crate::wire::dns::{Message, Name, Question, RData, Rcode, RecordType};

/// Servers asked at most.
const MAX_STEPS: usize = 100;
/// Searches for the address of a server inside of each other at most.
const MAX_DEPTH: usize = 5;

type Server = (Option<Name>, SocketAddr);

/// Goes down from the root, one server at a time.
pub(super) struct Walk {
    query: DnsQuery,
    roots: Vec<Server>,
    family: Option<Family>,
    port: u16,
    /// The way to the answer, and on top of it searches for addresses of servers.
    frames: Vec<Frame>,
    current: Option<Server>,
    steps: Vec<TraceStep>,
    end: TraceEnd,
}

struct Frame {
    question: Question,
    zone: Name,
    servers: VecDeque<Server>,
    /// Servers whose address is not known yet.
    nameless: VecDeque<Name>,
}

impl Walk {
    pub(super) fn new(
        query: DnsQuery,
        roots: Vec<Server>,
        family: Option<Family>,
        port: u16,
    ) -> Self {
        let wanted = |(_, addr): &Server| family.is_none_or(|f| f == Family::of(addr.ip()));
        let roots: Vec<_> = roots.into_iter().filter(wanted).collect();
        let first = Frame::at_root(query.question.clone(), &roots);
        Self {
            query,
            roots,
            family,
            port,
            frames: vec![first],
            current: None,
            steps: Vec::new(),
            end: TraceEnd::Unfinished,
        }
    }

    fn take(&mut self, report: DnsReport) {
        let depth = self.frames.len().saturating_sub(1);
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        let message = report.answer();
        let result = message.map_or(TraceResult::Failed, |m| frame.judge(m));
        let zone_asked = frame.zone.clone();
        let current = self.current.take();
        let mut found = Vec::new();
        let mut over = None;
        match (&result, message) {
            (TraceResult::Referral { zone, servers, .. }, Some(message)) => {
                frame.descend(zone, servers, message, (self.family, self.port));
            }
            (TraceResult::Answer, Some(message)) => {
                found = message.answers.iter().filter_map(|r| r.data.addr()).collect();
                over = Some(TraceEnd::Answered);
            }
            // A server may have addresses of the other family only.
            (TraceResult::NoData, _) if depth > 0 && frame.question.rtype == RecordType::A => {
                frame.question.rtype = RecordType::Aaaa;
                frame.servers.extend(current.clone());
            }
            (TraceResult::NoData, _) => over = Some(TraceEnd::NoData),
            (TraceResult::NoSuchName, _) => over = Some(TraceEnd::NoSuchName),
            _ => {}
        }
        self.steps.push(TraceStep {
            zone: zone_asked,
            server_name: current.and_then(|(name, _)| name),
            depth: u8::try_from(depth).unwrap_or(u8::MAX),
            result,
            report,
        });
        if let Some(end) = over {
            self.close(end, &found);
        }
    }

    /// Ends the innermost search; the outer one goes on with the addresses found.
    fn close(&mut self, end: TraceEnd, found: &[IpAddr]) {
        let Some(closed) = self.frames.pop() else {
            return;
        };
        let Some(outer) = self.frames.last_mut() else {
            self.end = end;
            return;
        };
        for addr in found.iter().filter(|addr| fits(self.family, **addr)) {
            let server = SocketAddr::new(*addr, self.port);
            outer.servers.push_back((Some(closed.question.name.clone()), server));
        }
    }

    fn ask(&mut self) -> Vec<Asked> {
        loop {
            let depth = self.frames.len();
            let Some(frame) = self.frames.last_mut() else {
                break;
            };
            if self.steps.len() >= MAX_STEPS {
                self.end = TraceEnd::TooLong;
                break;
            }
            if let Some(server) = frame.servers.pop_front() {
                let mut ask = self.query.ask();
                ask.question = frame.question.clone();
                let policy = self.query.policy_for(&[server.1], Verdict::Any);
                self.current = Some(server);
                return vec![Asked { ask, policy }];
            }
            match frame.nameless.pop_front() {
                Some(name) if depth <= MAX_DEPTH => {
                    let rtype = match self.family {
                        Some(Family::V6) => RecordType::Aaaa,
                        _ => RecordType::A,
                    };
                    self.frames.push(Frame::at_root(Question::new(name, rtype), &self.roots));
                }
                Some(_) => {}
                None => {
                    let zone = frame.zone.clone();
                    self.close(TraceEnd::DeadEnd { zone }, &[]);
                }
            }
        }
        Vec::new()
    }
}

fn fits(family: Option<Family>, addr: IpAddr) -> bool {
    family.is_none_or(|family| family == Family::of(addr))
}

impl Frame {
    fn at_root(question: Question, roots: &[Server]) -> Self {
        let servers = roots.iter().cloned().collect();
        Self { question, zone: Name::root(), servers, nameless: VecDeque::new() }
    }

    fn judge(&self, message: &Message) -> TraceResult {
        match message.header.rcode {
            Rcode::NoError => {}
            Rcode::NxDomain => return TraceResult::NoSuchName,
            _ => return TraceResult::Failed,
        }
        if !message.answers.is_empty() {
            return TraceResult::Answer;
        }
        let asked = &self.question.name;
        let below = |name: &Name| name.is_within(&self.zone) && *name != self.zone;
        let mut delegations = message.authorities.iter().filter(|r| r.rtype == RecordType::Ns);
        let delegation = delegations.find(|r| below(&r.name) && asked.is_within(&r.name));
        if let Some(zone) = delegation.map(|record| record.name.clone()) {
            return referral(zone, message);
        }
        let has_start = message.authorities.iter().any(|r| r.rtype == RecordType::Soa);
        match message.header.flags.aa || has_start {
            true => TraceResult::NoData,
            false => TraceResult::Lame,
        }
    }

    fn descend(
        &mut self,
        zone: &Name,
        names: &[Name],
        message: &Message,
        (family, port): (Option<Family>, u16),
    ) {
        self.zone = zone.clone();
        self.servers.clear();
        self.nameless.clear();
        for name in names {
            let addresses = glue(message, name).filter(|addr| fits(family, *addr));
            let servers: Vec<_> =
                addresses.map(|addr| (Some(name.clone()), SocketAddr::new(addr, port))).collect();
            if servers.is_empty() {
                self.nameless.push_back(name.clone());
            }
            self.servers.extend(servers);
        }
        self.servers.make_contiguous().sort_by_key(|(_, addr)| addr.is_ipv6());
    }
}

fn referral(zone: Name, message: &Message) -> TraceResult {
    let records = message.authorities.iter().filter(|record| record.name == zone);
    let mut servers = Vec::new();
    let mut signed = false;
    for record in records {
        match &record.data {
            RData::Ns(name) => servers.push(name.clone()),
            _ => signed |= record.rtype == RecordType::Ds,
        }
    }
    let addresses = servers.iter().map(|name| glue(message, name).count()).sum();
    TraceResult::Referral { zone, servers, addresses, signed }
}

fn glue<'m>(message: &'m Message, name: &'m Name) -> impl Iterator<Item = IpAddr> + 'm {
    let records = message.additionals.iter().filter(move |record| record.name == *name);
    records.filter_map(|record| record.data.addr())
}

impl Plan for Walk {
    type Report = TraceReport;

    fn next(&mut self, answered: Vec<DnsReport>) -> Vec<Asked> {
        for report in answered {
            self.take(report);
        }
        self.ask()
    }

    fn finish(self, netns: NetnsId, gaps: Vec<Gap>) -> TraceReport {
        let question = self.query.question;
        TraceReport { netns, question, steps: self.steps, end: self.end, gaps }
    }
}
