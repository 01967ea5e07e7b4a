use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::report::{
    DnsAttempt, DnsIgnored, DnsMismatch, DnsOutcome, DnsSecured, DnsTransport, DnsWire,
};
use super::schedule::Planned;
use crate::base::{Error, Result, Timestamp};
use crate::wire::dns::{Message, Name, Opaque, Query, Rcode};

/// One query under way: what was sent, and which reply would be believed.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) planned: Planned,
    pub(super) sent: Instant,
    pub(super) deadline: Instant,
    pub(super) outcome: Option<DnsOutcome>,
    sent_at: Timestamp,
    query: Message,
    connect: Option<Duration>,
    secured: Option<DnsSecured>,
    ignored: DnsIgnored,
    /// The bytes sent, and those of the answer, if they are wanted.
    wire: Option<[Vec<u8>; 2]>,
    /// What came over TCP so far; at most one message with its length.
    stream: Vec<u8>,
}

/// Bytes of the length before a message on a stream (RFC 1035 §4.2.2).
const PREFIX: usize = 2;

impl Flight {
    /// Notes a query that is about to be sent, and gives its bytes as its transport wants them.
    pub(super) fn start(
        planned: Planned,
        query: &Query,
        now: Instant,
        sent_at: Timestamp,
        keep_wire: bool,
    ) -> Result<(Self, Vec<u8>)> {
        let mut bytes = query.encode()?;
        let message = Message::decode(&bytes)?;
        let wire = keep_wire.then(|| [bytes.clone(), Vec::new()]);
        if planned.transport != DnsTransport::Udp {
            let length = u16::try_from(bytes.len())
                .map_err(|_| Error::invalid("query", "longer than 65535 bytes"))?;
            bytes.splice(0..0, length.to_be_bytes());
        }
        let flight = Self {
            deadline: now + planned.wait,
            planned,
            sent: now,
            outcome: None,
            sent_at,
            query: message,
            connect: None,
            secured: None,
            ignored: DnsIgnored::default(),
            wire,
            stream: Vec::new(),
        };
        Ok((flight, bytes))
    }

    /// Judges a datagram; only the one reply that fits in every respect comes back.
    pub(super) fn datagram(&mut self, from: Option<SocketAddr>, bytes: &[u8]) -> Option<Message> {
        if !from.is_some_and(|from| same_endpoint(from, self.planned.server)) {
            self.ignored.count(DnsMismatch::WrongSource, from, bytes);
            return None;
        }
        self.judge(from, bytes)
    }

    /// Takes a piece of a stream; messages that do not fit are counted and skipped.
    pub(super) fn stream(&mut self, mut bytes: &[u8]) -> Option<Message> {
        while !bytes.is_empty() {
            let missing = self.missing();
            let (piece, rest) = bytes.split_at(missing.min(bytes.len()));
            self.stream.extend_from_slice(piece);
            bytes = rest;
            // A length of zero leaves nothing missing once its two bytes are there.
            if self.stream.len() >= PREFIX && self.missing() == 0 {
                let whole = std::mem::take(&mut self.stream);
                let message = whole.get(PREFIX..).unwrap_or_default();
                let server = Some(self.planned.server);
                if let Some(message) = self.judge(server, message) {
                    return Some(message);
                }
            }
        }
        None
    }

    /// Bytes until the length, then until the end of the message, are there.
    fn missing(&self) -> usize {
        match self.stream.first_chunk() {
            None => PREFIX - self.stream.len(),
            Some(prefix) => {
                let whole = PREFIX + usize::from(u16::from_be_bytes(*prefix));
                whole.saturating_sub(self.stream.len())
            }
        }
    }

    fn judge(&mut self, from: Option<SocketAddr>, bytes: &[u8]) -> Option<Message> {
        match self.check(bytes) {
            Ok(message) => {
                if let Some([_, answer]) = &mut self.wire {
                    *answer = bytes.to_vec();
                }
                Some(message)
            }
            Err(why) => {
                self.ignored.count(why, from, bytes);
                None
            }
        }
    }

    fn check(&self, bytes: &[u8]) -> Result<Message, DnsMismatch> {
        if matches!(self.outcome, Some(DnsOutcome::Answer { .. })) {
            return Err(DnsMismatch::Duplicate);
        }
        // Cheap tests first: a flood of forgeries must not cost a decode each.
        let id = bytes.first_chunk().map(|id| u16::from_be_bytes(*id));
        if id.is_some_and(|id| id != self.query.header.id) {
            return Err(DnsMismatch::WrongId);
        }
        let message = Message::decode(bytes).map_err(|_| DnsMismatch::Malformed)?;
        if !message.header.flags.qr {
            return Err(DnsMismatch::Malformed);
        }
        if !self.echoes_cookie(&message) {
            return Err(DnsMismatch::WrongCookie);
        }
        match message.questions.as_slice() {
            // A server that did not understand the query may not repeat its question.
            [] if message.header.rcode != Rcode::NoError && message.answers.is_empty() => {
                Ok(message)
            }
            [question] => {
                let asked = self.query.question();
                if asked != Some(question) {
                    return Err(DnsMismatch::WrongQuestion);
                }
                let same_case = asked.is_some_and(|q| q.name.same_case(&question.name));
                if self.planned.mixed_case && !same_case {
                    return Err(DnsMismatch::WrongCase);
                }
                Ok(message)
            }
            _ => Err(DnsMismatch::WrongQuestion),
        }
    }

    /// A cookie in a reply begins with one's own (RFC 7873 §5.3); none at all is allowed.
    fn echoes_cookie(&self, reply: &Message) -> bool {
        let cookie = |message: &Message| -> Option<Vec<u8>> {
            let mut options = message.edns.iter().flat_map(|edns| &edns.options);
            options.find(|o| o.code == 10).map(|o| o.data.as_bytes().to_vec())
        };
        match (cookie(&self.query), cookie(reply)) {
            (Some(sent), Some(given)) => given.first_chunk::<8>() == sent.first_chunk::<8>(),
            _ => true,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.connect = Some(now.saturating_duration_since(self.sent));
    }

    pub(super) fn secured(&mut self, version: &str, now: Instant) {
        let since = now.saturating_duration_since(self.sent);
        let handshake = since.saturating_sub(self.connect.unwrap_or_default());
        self.secured = Some(DnsSecured { version: version.to_owned(), handshake });
    }

    /// Tells how the connection ended early: bytes of the answer so far.
    pub(super) fn cut(&self, reason: Option<crate::base::Reason>) -> DnsOutcome {
        DnsOutcome::Cut { reason, received_bytes: self.stream.len() }
    }

    /// Tells whether the only fault of the replies was their case.
    pub(super) fn saw_other_case(&self) -> bool {
        self.ignored.wrong_case > 0
    }

    /// Returns the name in the random letters it was asked for with, if it was.
    pub(super) fn mixed_name(&self) -> Option<&Name> {
        let question = self.query.question().filter(|_| self.planned.mixed_case);
        question.map(|question| &question.name)
    }

    pub(super) fn has_connected(&self) -> bool {
        self.connect.is_some()
    }

    pub(super) fn into_attempt(self) -> DnsAttempt {
        DnsAttempt {
            server: self.planned.server,
            transport: self.planned.transport,
            cause: self.planned.cause,
            sent_at: self.sent_at,
            query: self.query,
            connect: self.connect,
            secured: self.secured,
            outcome: self.outcome.unwrap_or(DnsOutcome::Abandoned),
            ignored: self.ignored,
            wire: self.wire.map(|[query, answer]| DnsWire {
                query: Opaque::new(query),
                answer: Opaque::new(answer),
            }),
        }
    }
}

/// Compares address, port and, where both name one, scope.
fn same_endpoint(from: SocketAddr, server: SocketAddr) -> bool {
    let scope = |addr: SocketAddr| match addr {
        SocketAddr::V6(v6) => v6.scope_id(),
        SocketAddr::V4(_) => 0,
    };
    let scopes = [scope(from), scope(server)];
    let scopes_agree = scopes[0] == scopes[1] || scopes.contains(&0);
    from.ip() == server.ip() && from.port() == server.port() && scopes_agree
}
