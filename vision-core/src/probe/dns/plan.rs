//! Questions that follow from answers: round after round, all questions of a round at once.

use std::convert::Infallible;
use std::time::Instant;

use super::machine::{Ask, DnsCommand, DnsInput, DnsMachine};
use super::nonce::Nonces;
use super::report::DnsReport;
use super::schedule::Policy;
use crate::base::{Gap, Result};
use crate::netns::NetnsId;
use crate::probe::Anchor;
use crate::probe::machine::{Machine, Step};

/// One question of a round, and how it is asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) policy: Policy,
}

/// Decides from what came back what is asked next.
pub(super) trait Plan {
    type Report;
    /// Takes the reports of the last round in the order of its questions, none at the start, and
    /// gives the questions of the next round; none ends it.
    fn next(&mut self, answered: Vec<DnsReport>) -> Vec<Asked>;
    /// Says what all rounds came to; the last one may have been cut short.
    fn finish(self, netns: NetnsId, gaps: Vec<Gap>) -> Self::Report;
}

/// Where unpredictable numbers come from.
pub(super) type Draw = fn(usize) -> Result<Nonces>;

/// Carries a plan out.
pub(super) struct PlanMachine<P> {
    plan: P,
    draw: Draw,
    place: (NetnsId, Anchor),
    running: Vec<DnsMachine>,
    next_query: u64,
    to_close: Vec<u64>,
    gaps: Vec<Gap>,
    begun: bool,
}

/// Distance of the first slots of two questions.
const SLOTS: u32 = 32;

impl<P: Plan> PlanMachine<P> {
    pub(super) fn new(plan: P, draw: Draw, place: (NetnsId, Anchor)) -> Self {
        Self {
            plan,
            draw,
            place,
            running: Vec::new(),
            next_query: 0,
            to_close: Vec::new(),
            gaps: Vec::new(),
            begun: false,
        }
    }

    /// Ends the round and starts the next; `false` when there is none.
    fn turn(&mut self, now: Instant) -> bool {
        let over = std::mem::take(&mut self.running);
        if over.is_empty() && self.begun {
            return false;
        }
        self.begun = true;
        self.to_close.extend(over.iter().flat_map(DnsMachine::slots));
        let reports = over.into_iter().map(|machine| machine.finish(now)).collect();
        for Asked { ask, policy } in self.plan.next(reports) {
            let nonces = match (self.draw)(policy.most_queries()) {
                Ok(nonces) => nonces,
                Err(error) => {
                    self.gaps.push(Gap::because("further questions", &error));
                    break;
                }
            };
            let base = self.next_query << SLOTS;
            self.next_query += 1;
            self.running.push(DnsMachine::new(ask, policy, nonces, base, self.place));
        }
        !self.running.is_empty()
    }
}

impl<P: Plan> Machine for PlanMachine<P> {
    type Command = DnsCommand;
    type Input<'a> = DnsInput<'a>;
    type Event = Infallible;
    type Report = P::Report;

    fn poll(&mut self, now: Instant) -> Step<DnsCommand> {
        loop {
            if let Some(slot) = self.to_close.pop() {
                return Step::Do(DnsCommand::Close { slot });
            }
            let mut nearest: Option<Instant> = None;
            for machine in &mut self.running {
                match machine.poll(now) {
                    Step::Do(command) => return Step::Do(command),
                    Step::WaitUntil(at) => nearest = Some(nearest.map_or(at, |n| n.min(at))),
                    Step::Done => {}
                }
            }
            if let Some(at) = nearest {
                return Step::WaitUntil(at);
            }
            if !self.turn(now) && self.to_close.is_empty() {
                return Step::Done;
            }
        }
    }

    fn handle(&mut self, input: DnsInput<'_>, now: Instant) {
        let query = input.slot() >> SLOTS;
        let first = self.next_query - self.running.len() as u64;
        let index = query.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(machine) = index.and_then(|n| self.running.get_mut(n)) {
            machine.handle(input, now);
        }
    }

    fn next_event(&mut self) -> Option<Infallible> {
        None
    }

    fn finish(mut self, now: Instant) -> P::Report {
        if !self.running.is_empty() {
            let reports = self.running.drain(..).map(|machine| machine.finish(now)).collect();
            if !self.plan.next(reports).is_empty() {
                self.gaps.push(Gap::new("further questions", "the run ended first"));
            }
        }
        self.plan.finish(self.place.0, self.gaps)
    }
}
