//! Questions that a bare datagram does not settle, each with a machine of its own.

use std::time::Instant;

use super::super::machine::{DnsCommand, DnsMachine};
use super::super::nonce::Nonces;
use super::super::schedule::Verdict;
use super::machine::{BulkMachine, CAREFUL, SLOTS};
use crate::base::Gap;
use crate::probe::machine::{Machine, Step};

impl BulkMachine {
    /// Hands a question over to a machine that knows TCP, servers without EDNS and all the rest.
    pub(super) fn with_care(&mut self, n: usize) {
        self.forget(n);
        if let Some(flight) = self.flights.get_mut(n) {
            flight.turn += 1;
            self.waiting.push_back(flight.question);
            self.free.push(n);
        }
    }

    pub(super) fn start_careful(&mut self) {
        while self.careful.len() < CAREFUL {
            let Some(question) = self.waiting.pop_front() else {
                return;
            };
            let policy = self.query.policy_for(&self.query.servers, Verdict::Any);
            let nonces = match Nonces::draw(policy.most_queries()) {
                Ok(nonces) => nonces,
                Err(error) => {
                    self.gaps.push(Gap::because("question", &error));
                    return;
                }
            };
            let mut ask = self.query.ask();
            if let Some(asked) = self.questions.get(question) {
                ask.question = asked.clone();
            }
            let key = self.careful_next;
            self.careful_next += 1;
            let machine = DnsMachine::new(ask, policy, nonces, key << SLOTS, self.place);
            self.careful.insert(key, (question, machine));
        }
    }

    /// Moves the careful questions on; the command or the moment that comes first.
    pub(super) fn poll_careful(&mut self, now: Instant) -> Result<DnsCommand, Option<Instant>> {
        let mut nearest: Option<Instant> = None;
        let mut over = Vec::new();
        for (key, (_, machine)) in &mut self.careful {
            match machine.poll(now) {
                Step::Do(command) => return Ok(command),
                Step::WaitUntil(at) => nearest = Some(nearest.map_or(at, |n| n.min(at))),
                Step::Done => over.push(*key),
            }
        }
        let any = !over.is_empty();
        for key in over {
            let Some((question, machine)) = self.careful.remove(&key) else {
                continue;
            };
            self.to_close.extend(machine.slots());
            let mut report = machine.finish(now);
            self.tally.over_tcp(&report);
            let decisive = report.decisive().map(|attempt| attempt.sent_at);
            let found = report.attempts.iter().rposition(|a| Some(a.sent_at) == decisive);
            let tries = u8::try_from(report.attempts.len()).unwrap_or(u8::MAX);
            let at = found.unwrap_or(report.attempts.len().saturating_sub(1));
            if at < report.attempts.len() {
                let attempt = report.attempts.swap_remove(at);
                self.conclude(question, attempt.outcome, (Some(attempt.server), tries));
            }
        }
        Err(if any { Some(now) } else { nearest })
    }
}
