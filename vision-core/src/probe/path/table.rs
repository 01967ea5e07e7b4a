use std::net::IpAddr;
use std::time::Duration;

use super::answer::{Answer, Said};
use super::report::{Hop, HopAnswer, Responder, Times};
use crate::base::Ttl;

/// What is known of every hop so far.
pub(super) struct Table {
    first_ttl: u8,
    rows: Vec<Row>,
    last_answered: u8,
    last_transit: u8,
}

#[derive(Debug, Clone, Default)]
struct Row {
    sent: u32,
    received: u32,
    lost: u32,
    times: Times,
    responders: Vec<Responder>,
    answers: Vec<HopAnswer>,
}

/// More addresses at one hop are counted and not named.
const MAX_RESPONDERS: usize = 64;
const KEPT_ANSWERS: usize = 16;

impl Table {
    pub(super) fn new(first_ttl: u8) -> Self {
        Self { first_ttl, rows: Vec::new(), last_answered: 0, last_transit: 0 }
    }

    fn row(&mut self, ttl: u8) -> &mut Row {
        let index = usize::from(ttl.saturating_sub(self.first_ttl));
        if self.rows.len() <= index {
            self.rows.resize_with(index + 1, Row::default);
        }
        &mut self.rows[index]
    }

    pub(super) fn last_answered(&self) -> u8 {
        self.last_answered
    }

    /// The last hop that passes packets on.
    pub(super) fn last_transit(&self) -> u8 {
        self.last_transit
    }

    pub(super) fn sent(&mut self, ttl: u8) {
        self.row(ttl).sent += 1;
    }

    pub(super) fn unsent(&mut self, ttl: u8) {
        let sent = &mut self.row(ttl).sent;
        *sent = sent.saturating_sub(1);
    }

    pub(super) fn lost(&mut self, ttl: u8) {
        self.row(ttl).lost += 1;
    }

    pub(super) fn note(&mut self, answer: &HopAnswer) {
        let kept = &mut self.row(answer.ttl).answers;
        if kept.len() < KEPT_ANSWERS {
            kept.push(answer.clone());
        }
    }

    pub(super) fn answered(
        &mut self,
        ttl: u8,
        flow: u16,
        answer: &Answer,
        rtt: Duration,
        transit: bool,
    ) {
        self.last_answered = self.last_answered.max(ttl);
        if transit {
            self.last_transit = self.last_transit.max(ttl);
        }
        let row = self.row(ttl);
        row.received += 1;
        row.times.add(rtt);
        if let Some(addr) = answer.from {
            row.responder(addr, flow, answer, transit);
        }
    }

    /// Returns all hops up to `last`.
    pub(super) fn hops(&self, last: u8) -> Vec<Hop> {
        let numbered = (self.first_ttl..=last).zip(&self.rows);
        numbered.map(|(ttl, row)| row.clone().hop(ttl)).collect()
    }
}

impl Row {
    fn responder(&mut self, addr: IpAddr, flow: u16, answer: &Answer, transit: bool) {
        let known = self.responders.iter().position(|r| r.addr == addr);
        let index = match known {
            Some(index) => index,
            None if self.responders.len() >= MAX_RESPONDERS => return,
            None => {
                self.responders.push(Responder::new(addr));
                self.responders.len() - 1
            }
        };
        let Some(one) = self.responders.get_mut(index) else { return };
        one.received += 1;
        if !one.flows.contains(&flow) {
            one.flows.push(flow);
        }
        one.reply_ttl = answer.ttl.or(one.reply_ttl);
        one.hops_back = one.reply_ttl.map(hops_back);
        if !answer.labels.is_empty() {
            one.labels.clone_from(&answer.labels);
        }
        if let Some(facts) = &answer.quote {
            one.quoted_ttl = Some(facts.ttl);
            one.changed.clone_from(&facts.changed);
        }
        if let (Said::Icmp(error), false) = (answer.said, transit) {
            one.error = Some(error);
        }
    }

    fn hop(mut self, ttl: u8) -> Hop {
        let decided = self.received + self.lost;
        let loss_percent = match decided {
            0 => 0.0,
            _ => 100.0 * f64::from(self.lost) / f64::from(decided),
        };
        self.responders.sort_by_key(|r| std::cmp::Reverse(r.received));
        self.answers.sort_by_key(|answer| answer.round);
        Hop {
            ttl,
            sent: self.sent,
            received: self.received,
            lost: self.lost,
            loss_percent,
            rtt: self.times.figures(),
            responders: self.responders,
            answers: self.answers,
        }
    }
}

impl Responder {
    fn new(addr: IpAddr) -> Self {
        Self {
            addr,
            received: 0,
            flows: Vec::new(),
            reply_ttl: None,
            hops_back: None,
            quoted_ttl: None,
            changed: Vec::new(),
            labels: Vec::new(),
            error: None,
        }
    }
}

/// Hosts send with 64, 128 or 255.
fn hops_back(ttl: Ttl) -> u8 {
    let from = [64, 128].into_iter().find(|start| ttl.0 <= *start).unwrap_or(255);
    from - ttl.0 + 1
}
