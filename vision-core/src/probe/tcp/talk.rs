use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{ExchangeEnd, Payload, TcpExchange, TcpOutcome};
use crate::base::Untrusted;

/// How much is read.
pub(super) const KEPT_BYTES: usize = 4096;

/// A peer that says nothing for so long after something has finished its greeting.
const PAUSE: Duration = Duration::from_millis(100);

/// What to say over a connection, and what to hear.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange {
    pub(super) send: Payload,
    pub(super) expect: Option<Payload>,
}

/// One conversation.
pub(super) struct Talk {
    expect: Option<Payload>,
    rtt: Duration,
    local: Option<SocketAddr>,
    connected: Instant,
    /// When the wait is over.
    until: Instant,
    sent_bytes: usize,
    received: Vec<u8>,
    first_byte: Option<Duration>,
}

impl Talk {
    pub(super) fn new(
        wanted: &Exchange,
        rtt: Duration,
        local: Option<SocketAddr>,
        connected: Instant,
        wait: Duration,
    ) -> Self {
        Self {
            expect: wanted.expect.clone(),
            rtt,
            local,
            connected,
            until: connected + wait,
            sent_bytes: 0,
            received: Vec::new(),
            first_byte: None,
        }
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent_bytes += count;
    }

    /// Takes bytes, and says until when more are waited for.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Instant) -> Result<Instant, ExchangeEnd> {
        self.first_byte.get_or_insert(now.saturating_duration_since(self.connected));
        let room = KEPT_BYTES - self.received.len().min(KEPT_BYTES);
        self.received.extend(bytes.iter().take(room));
        match self.is_matched() {
            Some(true) => Err(ExchangeEnd::Matched),
            _ if self.received.len() >= KEPT_BYTES => Err(ExchangeEnd::Full),
            Some(false) => Ok(self.until),
            None => Ok(self.until.min(now + PAUSE)),
        }
    }

    fn is_matched(&self) -> Option<bool> {
        let wanted = self.expect.as_ref()?.as_bytes();
        // An empty pattern is in anything, and windows of zero bytes there are none.
        let found = wanted.is_empty() || self.received.windows(wanted.len()).any(|w| w == wanted);
        Some(found)
    }

    /// What it means that the time is up.
    pub(super) fn time_up(&self) -> ExchangeEnd {
        match self.received.is_empty() || self.expect.is_some() {
            true => ExchangeEnd::TimedOut,
            false => ExchangeEnd::Paused,
        }
    }

    pub(super) fn end(&mut self, end: ExchangeEnd) -> (TcpOutcome, TcpExchange) {
        let expected = self.is_matched();
        let received = Untrusted::from(std::mem::take(&mut self.received));
        let exchange = TcpExchange {
            sent_bytes: self.sent_bytes,
            received_hex: received.hex_unless_utf8(),
            received,
            first_byte: self.first_byte,
            expected,
            end,
        };
        (TcpOutcome::Open { rtt: self.rtt, local: self.local }, exchange)
    }
}
