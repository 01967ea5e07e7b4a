use std::collections::VecDeque;
use std::time::Instant;

use super::hello::{Hello, Turn};
use super::{TlsOutcome, TlsProbe, TlsReport};
use crate::base::{Reason, Untrusted};
use crate::netns::NetnsId;
use crate::probe::machine::{Machine, Step};
use crate::probe::tcp::{TcpCommand, TcpInput, meaning};
use crate::probe::{Anchor, TcpOutcome};
use crate::socket::with_scope;

/// The only connection there is.
const SLOT: usize = 0;
/// Bytes that show what speaks there, where it is no TLS.
const SHOWN: usize = 64;
/// More than any handshake takes.
const LIMIT_BYTES: usize = 128 * 1024;

/// Decides what is said when, and what each answer means.
pub(crate) struct TlsMachine {
    probe: TlsProbe,
    hello: Option<Hello>,
    stage: Stage,
    /// Of the stage.
    began: Instant,
    deadline: Instant,
    taken: usize,
    commands: VecDeque<TcpCommand>,
    report: TlsReport,
}

// closed: a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    Connecting,
    Talking,
    Over,
}

impl TlsMachine {
    pub(crate) fn new(probe: &TlsProbe, netns: NetnsId, anchor: Anchor, now: Instant) -> Self {
        let report = TlsReport {
            netns,
            to: probe.to,
            name: probe.asked().to_string(),
            at: anchor.wall(now),
            connection: TcpOutcome::Pending,
            outcome: TlsOutcome::Unconnected,
            first_byte: None,
            version: None,
            cipher: None,
            certificate: None,
            received: None,
        };
        let commands = VecDeque::new();
        let (stage, deadline) = (Stage::New, now + probe.wait);
        let (probe, hello) = (probe.clone(), None);
        Self { probe, hello, stage, began: now, deadline, taken: 0, commands, report }
    }

    fn enter(&mut self, stage: Stage, now: Instant) {
        self.stage = stage;
        self.began = now;
        self.deadline = now + self.probe.wait;
    }

    fn end(&mut self, outcome: TlsOutcome) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.report.outcome = outcome;
        if let Some(hello) = &mut self.hello {
            self.report.version = hello.version().map(str::to_owned);
            self.report.cipher = hello.cipher();
            self.report.certificate = hello.certificate();
            // The last words: the end of the handshake, or the alert that says why not.
            let bytes = hello.output();
            if !bytes.is_empty() {
                self.commands.push_back(TcpCommand::Send { slot: SLOT, bytes });
            }
        }
        self.commands.push_back(TcpCommand::Close { slot: SLOT });
    }

    fn unconnected(&mut self, outcome: TcpOutcome) {
        self.report.connection = outcome;
        self.end(TlsOutcome::Unconnected);
    }

    fn greet(&mut self, now: Instant) {
        match Hello::new(&self.probe.asked(), &self.probe.authorities) {
            Ok(mut hello) => {
                let bytes = hello.output();
                self.hello = Some(hello);
                self.enter(Stage::Talking, now);
                self.commands.push_back(TcpCommand::Send { slot: SLOT, bytes });
            }
            Err(why) => self.end(TlsOutcome::Failed { why }),
        }
    }

    fn hear(&mut self, bytes: &[u8], now: Instant) {
        let Some(hello) = self.hello.as_mut().filter(|_| self.stage == Stage::Talking) else {
            return;
        };
        if self.taken == 0 {
            self.report.first_byte = Some(now.saturating_duration_since(self.began));
            if !is_tls(bytes) {
                let shown = bytes.get(..SHOWN.min(bytes.len())).unwrap_or_default();
                self.report.received = Some(Untrusted::from(shown));
                return self.end(TlsOutcome::NotTls);
            }
        }
        self.taken += bytes.len();
        match hello.take(bytes) {
            Turn::Done => self.end(TlsOutcome::Completed),
            Turn::Alert(name) => self.end(TlsOutcome::Alert { name }),
            Turn::Failed(why) => self.end(TlsOutcome::Failed { why }),
            Turn::More if self.taken > LIMIT_BYTES => {
                let why = "the handshake exceeds 128 KiB".to_owned();
                self.end(TlsOutcome::Failed { why });
            }
            Turn::More => {
                let bytes = hello.output();
                if !bytes.is_empty() {
                    self.commands.push_back(TcpCommand::Send { slot: SLOT, bytes });
                }
            }
        }
    }

    fn broken(&mut self, reason: Option<Reason>) {
        self.end(TlsOutcome::Closed { reason });
    }

    fn expire(&mut self, now: Instant) {
        if self.deadline > now {
            return;
        }
        match self.stage {
            Stage::New | Stage::Connecting => self.unconnected(TcpOutcome::TimedOut),
            Stage::Talking if self.taken == 0 => self.end(TlsOutcome::Silent),
            Stage::Talking => self.end(TlsOutcome::Stalled),
            Stage::Over => {}
        }
    }
}

/// Tells whether bytes begin as a record of a handshake or an alert does (RFC 8446 §5.1).
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=23] | [20..=23, 3, ..])
}

impl Machine for TlsMachine {
    type Command = TcpCommand;
    type Input<'a> = TcpInput<'a>;
    type Event = ();
    type Report = TlsReport;

    fn poll(&mut self, now: Instant) -> Step<TcpCommand> {
        self.expire(now);
        if let Some(command) = self.commands.pop_front() {
            return Step::Do(command);
        }
        match self.stage {
            Stage::New => {
                self.enter(Stage::Connecting, now);
                let to = with_scope(self.probe.to.ip(), self.probe.to.port(), self.probe.scope);
                Step::Do(TcpCommand::Connect { slot: SLOT, to })
            }
            Stage::Connecting | Stage::Talking => Step::WaitUntil(self.deadline),
            Stage::Over => Step::Done,
        }
    }

    fn handle(&mut self, input: TcpInput<'_>, now: Instant) {
        match input {
            TcpInput::Connecting { .. } => self.enter(Stage::Connecting, now),
            TcpInput::Connected { local, .. } => {
                let rtt = now.saturating_duration_since(self.began);
                self.report.connection = TcpOutcome::Open { rtt, local };
                self.greet(now);
            }
            TcpInput::Failed { reason, icmp, ttl, .. } => {
                let rtt = now.saturating_duration_since(self.began);
                self.unconnected(meaning(reason, icmp, ttl, rtt));
            }
            TcpInput::Sent { .. } => {}
            TcpInput::Data { bytes, .. } => self.hear(bytes, now),
            TcpInput::Ended { reason, .. } => self.broken(reason),
        }
    }

    fn next_event(&mut self) -> Option<()> {
        None
    }

    fn finish(mut self, now: Instant) -> TlsReport {
        self.expire(now);
        match self.stage {
            Stage::New | Stage::Connecting => self.end(TlsOutcome::Unconnected),
            Stage::Talking => self.end(TlsOutcome::Cut),
            Stage::Over => {}
        }
        self.report
    }
}
