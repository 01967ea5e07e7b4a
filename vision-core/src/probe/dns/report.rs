use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::{Gap, Reason, Timestamp};
use crate::netns::NetnsId;
use crate::probe::IcmpError;
use crate::wire::dns::{Message, Opaque, Question};

/// What became of a question put to one or more servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsReport {
    /// The namespace it was asked in.
    pub netns: NetnsId,
    /// What was asked, in the caller's case.
    pub question: Question,
    /// Every query sent, in order; the last one with an answer decided.
    pub attempts: Vec<DnsAttempt>,
    /// What was not done, and why.
    pub gaps: Vec<Gap>,
}

/// One query and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsAttempt {
    /// The server asked.
    pub server: SocketAddr,
    /// How it was asked.
    pub transport: DnsTransport,
    /// Why this query was sent.
    pub cause: DnsCause,
    /// When it was handed to the kernel.
    pub sent_at: Timestamp,
    /// The query as sent.
    pub query: Message,
    /// How long the TCP handshake took.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "connect_ns",
            with = "crate::base::nanos::option",
            skip_serializing_if = "Option::is_none"
        )
    )]
    pub connect: Option<Duration>,
    /// How the connection was secured, if it was.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub secured: Option<DnsSecured>,
    /// What became of it.
    pub outcome: DnsOutcome,
    /// Replies that came and were not believed.
    pub ignored: DnsIgnored,
    /// The bytes on the wire, if they were asked for ([`super::DnsQuery::keep_wire`]).
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub wire: Option<DnsWire>,
}

/// How a connection was secured.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsSecured {
    /// The version of TLS.
    pub version: String,
    /// From the TCP handshake's end to the end of that of TLS.
    #[cfg_attr(feature = "serde", serde(rename = "handshake_ns", with = "crate::base::nanos"))]
    pub handshake: Duration,
}

/// The bytes of a query and of the answer to it, without the length that a stream puts before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsWire {
    /// What was sent.
    pub query: Opaque,
    /// What was believed; empty without an answer.
    pub answer: Opaque,
}

/// The transport of one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DnsTransport {
    /// One datagram each way.
    Udp,
    /// A connection (RFC 7766).
    Tcp,
    /// A connection secured by TLS (RFC 7858).
    Tls,
    /// HTTP over a connection secured by TLS (RFC 8484).
    Https,
}

/// Why a query was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DnsCause {
    /// It was the first one.
    First,
    /// The one before failed; this is another server or another try.
    Retry,
    /// The answer was cut to fit a datagram.
    Truncated,
    /// The server did not understand the extension record (RFC 6891 §7).
    WithoutEdns,
    /// The server wants its own cookie back (RFC 7873 §5.2.3).
    BadCookie,
    /// The server's answers had another case than the question, so this one was asked in one case.
    PlainCase,
}

/// What became of one query.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum DnsOutcome {
    /// The server answered.
    Answer {
        /// The answer.
        message: Box<Message>,
        /// From the query, the TCP handshake included, to the answer.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
        /// It came after the wait was over, while a later query was under way.
        late: bool,
    },
    /// Nothing came that could be believed.
    TimedOut {
        /// How long was waited.
        #[cfg_attr(feature = "serde", serde(rename = "waited_ns", with = "crate::base::nanos"))]
        waited: Duration,
    },
    /// Nobody listens there: ICMP port unreachable, or a reset of the connection.
    PortClosed {
        /// Who said so.
        from: Option<IpAddr>,
        /// From the query to the refusal.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
    },
    /// A host on the way said that the server cannot be reached.
    Unreachable {
        /// Who said so, and what.
        icmp: IcmpError,
        /// From the query to the error.
        #[cfg_attr(feature = "serde", serde(rename = "rtt_ns", with = "crate::base::nanos"))]
        rtt: Duration,
    },
    /// The own kernel refused to send, or gave up by itself.
    LocalError {
        /// Why.
        reason: Reason,
    },
    /// The connection ended before the whole answer was there.
    Cut {
        /// Why, unless the server closed in order.
        reason: Option<Reason>,
        /// Bytes of the answer that came, its two bytes of length included.
        received_bytes: usize,
    },
    /// The connection stands, but its security or its protocol fails.
    NotSecured {
        /// Why: the certificate, the handshake, or what the server says over HTTP.
        why: String,
    },
    /// Given up because another query was answered or the run ended.
    Abandoned,
}

/// Replies that were not believed: counts, and the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsIgnored {
    /// From another address or port than the server's.
    pub wrong_source: u32,
    /// With another identifier.
    pub wrong_id: u32,
    /// To another question.
    pub wrong_question: u32,
    /// To the question in another case (draft-vixie-dnsext-dns0x20).
    pub wrong_case: u32,
    /// No DNS response at all.
    pub malformed: u32,
    /// After the answer had been taken already.
    pub duplicate: u32,
    /// With another cookie than the one sent (RFC 7873 §5.3).
    #[cfg_attr(feature = "serde", serde(default))]
    pub wrong_cookie: u32,
    /// The first of them.
    pub first: Option<DnsIgnoredReply>,
}

/// An example of a reply that was not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct DnsIgnoredReply {
    /// Who sent it.
    pub from: Option<SocketAddr>,
    /// What was wrong with it.
    pub why: DnsMismatch,
    /// The reply, where it could be read.
    pub message: Option<Box<Message>>,
}

/// Why a reply was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[allow(missing_docs, reason = "named like the counters of DnsIgnored")]
#[non_exhaustive]
pub enum DnsMismatch {
    WrongSource,
    WrongId,
    WrongQuestion,
    WrongCase,
    Malformed,
    Duplicate,
    WrongCookie,
}

impl DnsReport {
    /// Returns the answer that decided: the last one that came.
    pub fn answer(&self) -> Option<&Message> {
        self.decisive().and_then(DnsAttempt::answer)
    }

    /// Returns the attempt whose answer decided.
    pub fn decisive(&self) -> Option<&DnsAttempt> {
        self.attempts.iter().rfind(|attempt| attempt.answer().is_some())
    }
}

impl DnsAttempt {
    /// Returns the answer if there is one.
    pub fn answer(&self) -> Option<&Message> {
        match &self.outcome {
            DnsOutcome::Answer { message, .. } => Some(message),
            _ => None,
        }
    }
}

impl DnsIgnored {
    /// Returns how many there were.
    pub fn total(&self) -> u32 {
        let Self { wrong_source, wrong_id, wrong_question, .. } = self;
        let counts = [
            *wrong_source,
            *wrong_id,
            *wrong_question,
            self.wrong_case,
            self.malformed,
            self.duplicate,
            self.wrong_cookie,
        ];
        counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// Counts a reply and keeps it if it is the first.
    pub(super) fn count(&mut self, why: DnsMismatch, from: Option<SocketAddr>, bytes: &[u8]) {
        let counter = match why {
            DnsMismatch::WrongSource => &mut self.wrong_source,
            DnsMismatch::WrongId => &mut self.wrong_id,
            DnsMismatch::WrongQuestion => &mut self.wrong_question,
            DnsMismatch::WrongCase => &mut self.wrong_case,
            DnsMismatch::Malformed => &mut self.malformed,
            DnsMismatch::Duplicate => &mut self.duplicate,
            DnsMismatch::WrongCookie => &mut self.wrong_cookie,
        };
        *counter = counter.saturating_add(1);
        self.first.get_or_insert_with(|| DnsIgnoredReply {
            from,
            why,
            message: Message::decode(bytes).ok().map(Box::new),
        });
    }
}
