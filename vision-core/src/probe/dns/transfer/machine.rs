use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::machine::{Ask, DnsCommand, DnsInput};
use super::super::nonce::Nonces;
use super::super::report::DnsOutcome;
use super::{TransferEnd, TransferReport};
use crate::base::{Error, Result};
use crate::netns::NetnsId;
use crate::probe::Anchor;
use crate::probe::machine::{Machine, Step};
use crate::wire::dns::{Message, RData, Rcode, Record};

const SLOT: u64 = 0;

/// Reads a zone from one connection.
pub(super) struct TransferMachine {
    query: Option<Vec<u8>>,
    id: u16,
    wait: Duration,
    sent: Option<Instant>,
    /// When the message that is being read must be complete.
    deadline: Option<Instant>,
    stream: Vec<u8>,
    first: Option<Record>,
    events: VecDeque<Vec<Record>>,
    ended: Option<Instant>,
    report: TransferReport,
}

impl TransferMachine {
    pub(super) fn new(
        mut ask: Ask,
        (server, wait): (SocketAddr, Duration),
        mut nonces: Nonces,
        (netns, _): (NetnsId, Anchor),
    ) -> Result<Self> {
        let nonce = nonces.next().ok_or_else(|| Error::invalid("nonces", "none left"))?;
        ask.flags.rd = false;
        let zone = ask.question.name.clone();
        let mut query = ask.query(nonce.id).encode()?;
        let length = u16::try_from(query.len())
            .map_err(|_| Error::invalid("query", "longer than 65535 bytes"))?;
        query.splice(0..0, length.to_be_bytes());
        Ok(Self {
            query: Some(query),
            id: nonce.id,
            wait,
            sent: None,
            deadline: None,
            stream: Vec::new(),
            first: None,
            events: VecDeque::new(),
            ended: None,
            report: TransferReport {
                netns,
                zone,
                server,
                serial: None,
                messages: 0,
                records: 0,
                received_bytes: 0,
                connect: None,
                elapsed: Duration::ZERO,
                end: TransferEnd::Unfinished,
                gaps: Vec::new(),
            },
        })
    }

    fn end(&mut self, end: TransferEnd, now: Instant) {
        if self.ended.is_none() {
            self.ended = Some(now);
            self.report.end = end;
        }
    }

    fn fail(&mut self, outcome: DnsOutcome, now: Instant) {
        self.end(TransferEnd::Failed { outcome }, now);
    }

    /// Cuts the stream into messages; what is left over waits for more.
    fn read(&mut self, bytes: &[u8], now: Instant) {
        self.report.received_bytes += bytes.len() as u64;
        self.stream.extend_from_slice(bytes);
        let mut used = 0;
        while let Some((prefix, rest)) =
            self.stream.get(used..).and_then(|rest| rest.split_first_chunk::<2>())
            && self.ended.is_none()
        {
            let length = usize::from(u16::from_be_bytes(*prefix));
            let Some(message) = rest.get(..length) else {
                break;
            };
            let decoded = Message::decode(message);
            used += 2 + length;
            self.deadline = Some(now + self.wait);
            match decoded {
                Ok(message) => self.take(message, now),
                Err(_) => self.malformed("a message without a header", now),
            }
        }
        self.stream.drain(..used.min(self.stream.len()));
    }

    fn malformed(&mut self, why: impl Into<String>, now: Instant) {
        self.end(TransferEnd::Malformed { why: why.into() }, now);
    }

    fn take(&mut self, message: Message, now: Instant) {
        if message.header.id != self.id || !message.header.flags.qr {
            return self.malformed("a message that answers another question", now);
        }
        if message.header.rcode != Rcode::NoError {
            return self.end(TransferEnd::Refused { rcode: message.header.rcode }, now);
        }
        let asked = message.questions.first();
        if asked.is_some_and(|asked| asked.name != self.report.zone) {
            return self.malformed("a message about another name", now);
        }
        if let Some(fault) = &message.stopped {
            return self.malformed(format!("a message that cannot be read: {fault}"), now);
        }
        self.report.messages += 1;
        let mut records = message.answers;
        let mut complete = None;
        for (n, record) in records.iter().enumerate() {
            match &self.first {
                None => match &record.data {
                    RData::Soa(soa) if record.name == self.report.zone => {
                        self.report.serial = Some(soa.serial);
                        self.first = Some(record.clone());
                    }
                    _ => return self.malformed("no start of authority at the beginning", now),
                },
                Some(first) if first.rtype == record.rtype && first.data == record.data => {
                    complete = Some(n + 1);
                    break;
                }
                Some(_) => {}
            }
        }
        if self.first.is_none() {
            return self.malformed("an empty answer", now);
        }
        records.truncate(complete.unwrap_or(records.len()));
        self.report.records += records.len() as u64;
        self.events.push_back(records);
        if complete.is_some() {
            self.end(TransferEnd::Complete, now);
        }
    }
}

impl Machine for TransferMachine {
    type Command = DnsCommand;
    type Input<'a> = DnsInput<'a>;
    type Event = Vec<Record>;
    type Report = TransferReport;

    fn poll(&mut self, now: Instant) -> Step<DnsCommand> {
        if let Some(bytes) = self.query.take() {
            self.sent = Some(now);
            self.deadline = Some(now + self.wait);
            return Step::Do(DnsCommand::Tcp { slot: SLOT, to: self.report.server, bytes });
        }
        match self.deadline {
            _ if self.ended.is_some() => Step::Done,
            Some(deadline) if deadline > now => Step::WaitUntil(deadline),
            _ => {
                self.fail(DnsOutcome::TimedOut { waited: self.wait }, now);
                Step::Done
            }
        }
    }

    fn handle(&mut self, input: DnsInput<'_>, now: Instant) {
        let since = self.sent.map(|sent| now.saturating_duration_since(sent));
        match input {
            DnsInput::Connected { .. } => self.report.connect = since,
            DnsInput::Stream { bytes, .. } => self.read(bytes, now),
            DnsInput::Closed { .. } => {
                let received_bytes = self.stream.len();
                self.fail(DnsOutcome::Cut { reason: None, received_bytes }, now);
            }
            DnsInput::Failed { reason, icmp, .. } => {
                let rtt = since.unwrap_or_default();
                let refused = reason.errno == nix::libc::ECONNREFUSED;
                let received_bytes = self.stream.len();
                let outcome = match icmp {
                    Some(icmp) if !icmp.is_port_unreachable() => {
                        DnsOutcome::Unreachable { icmp, rtt }
                    }
                    Some(icmp) => DnsOutcome::PortClosed { from: icmp.from, rtt },
                    None if self.report.connect.is_some() => {
                        DnsOutcome::Cut { reason: Some(reason), received_bytes }
                    }
                    None if refused => {
                        DnsOutcome::PortClosed { from: Some(self.report.server.ip()), rtt }
                    }
                    None => DnsOutcome::LocalError { reason },
                };
                self.fail(outcome, now);
            }
            DnsInput::NotSecured { why, .. } => self.fail(DnsOutcome::NotSecured { why }, now),
            _ => {}
        }
    }

    fn next_event(&mut self) -> Option<Vec<Record>> {
        self.events.pop_front()
    }

    fn finish(mut self, now: Instant) -> TransferReport {
        let end = self.ended.unwrap_or(now);
        self.report.elapsed = self.sent.map_or(Duration::ZERO, |s| end.duration_since(s));
        self.report
    }
}
