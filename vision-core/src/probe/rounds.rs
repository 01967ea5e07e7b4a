//! The rhythm of probes that put one question again and again: when to ask, and when to give up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Anchor;
use super::machine::{Machine, Step};
use crate::base::{Gap, Timestamp};

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Asked<O> {
    /// Which request it is, from 1.
    pub nth: u16,
    /// When it was due to be handed to the kernel.
    pub sent_at: Timestamp,
    /// What became of it.
    pub outcome: O,
}

/// What may become of a request without anything being heard.
pub(crate) trait Outcome: Clone + PartialEq {
    /// Nothing came within the wait.
    const SILENCE: Self;
    /// Still open.
    const PENDING: Self;
}

/// How often to ask, how far apart, and how long to wait for each answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rhythm {
    /// `None` goes on until the budget ends.
    pub(crate) count: Option<u16>,
    pub(crate) interval: Duration,
    pub(crate) wait: Duration,
}

/// What a channel hears.
pub(crate) enum Heard<O> {
    /// What became of the request of this number.
    Outcome { nth: u16, outcome: O },
    /// Something that looked like an answer and belongs to no request.
    Stray,
}

/// What is left at the end.
pub(crate) struct Rounded<O> {
    pub(crate) asked: Vec<Asked<O>>,
    pub(crate) ignored: u32,
    pub(crate) gaps: Vec<Gap>,
}

/// Decides when to ask.
pub(crate) struct Rounds<O> {
    rhythm: Rhythm,
    anchor: Anchor,
    next_send: Option<Instant>,
    asked: Vec<Asked<O>>,
    deadlines: Vec<Instant>,
    /// Everything before this index is decided.
    oldest_open: usize,
    events: VecDeque<usize>,
    ignored: u32,
}

impl<O: Outcome> Rounds<O> {
    pub(crate) fn new(rhythm: Rhythm, anchor: Anchor) -> Self {
        Self {
            rhythm,
            anchor,
            next_send: None,
            asked: Vec::new(),
            deadlines: Vec::new(),
            oldest_open: 0,
            events: VecDeque::new(),
            ignored: 0,
        }
    }

    fn all_sent(&self) -> bool {
        self.asked.len() >= usize::from(self.rhythm.count.unwrap_or(u16::MAX))
    }

    fn ask(&mut self, now: Instant) -> u16 {
        let nth = u16::try_from(self.asked.len() + 1).unwrap_or(u16::MAX);
        self.asked.push(Asked { nth, sent_at: self.anchor.wall(now), outcome: O::PENDING });
        self.deadlines.push(now + self.rhythm.wait);
        // After a pause of the whole process the rhythm starts anew instead of catching up.
        let planned = self.next_send.unwrap_or(now) + self.rhythm.interval;
        self.next_send = Some(planned.max(now + self.rhythm.interval / 2));
        nth
    }

    fn is_open(&self, index: usize) -> bool {
        self.asked.get(index).is_some_and(|asked| asked.outcome == O::PENDING)
    }

    fn decide(&mut self, index: usize, outcome: O) {
        if let Some(asked) = self.asked.get_mut(index) {
            asked.outcome = outcome;
            self.events.push_back(index);
        }
        while self.oldest_open < self.asked.len() && !self.is_open(self.oldest_open) {
            self.oldest_open += 1;
        }
    }

    fn expire(&mut self, now: Instant) {
        for index in self.oldest_open..self.asked.len() {
            if self.is_open(index) {
                if self.deadlines.get(index).is_none_or(|at| *at > now) {
                    return;
                }
                self.decide(index, O::SILENCE);
            }
        }
    }
}

impl<O: Outcome> Machine for Rounds<O> {
    type Command = u16;
    type Input<'a> = Heard<O>;
    type Event = Asked<O>;
    type Report = Rounded<O>;

    fn poll(&mut self, now: Instant) -> Step<u16> {
        self.expire(now);
        let due = self.next_send.unwrap_or(now);
        if !self.all_sent() && due <= now {
            return Step::Do(self.ask(now));
        }
        let expiry = self.deadlines.get(self.oldest_open).copied();
        let next_send = (!self.all_sent()).then_some(due);
        match [expiry, next_send].into_iter().flatten().min() {
            Some(at) => Step::WaitUntil(at),
            None => Step::Done,
        }
    }

    fn handle(&mut self, heard: Heard<O>, _: Instant) {
        match heard {
            Heard::Outcome { nth, outcome } if self.is_open(usize::from(nth).wrapping_sub(1)) => {
                self.decide(usize::from(nth).wrapping_sub(1), outcome);
            }
            Heard::Outcome { .. } | Heard::Stray => self.ignored += 1,
        }
    }

    fn next_event(&mut self) -> Option<Asked<O>> {
        let index = self.events.pop_front()?;
        self.asked.get(index).cloned()
    }

    fn finish(mut self, now: Instant) -> Rounded<O> {
        self.expire(now);
        let mut gaps = Vec::new();
        let open = self.asked.iter().filter(|asked| asked.outcome == O::PENDING).count();
        if let Some(count) = self.rhythm.count.filter(|_| !self.all_sent()) {
            let why = format!("the run ended after {} of {count}", self.asked.len());
            gaps.push(Gap::new("requests", why));
        }
        if open > 0 {
            gaps.push(Gap::new("replies", format!("the run ended while {open} were open")));
        }
        Rounded { asked: self.asked, ignored: self.ignored, gaps }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::driver;

    #[derive(Debug, Clone, PartialEq)]
    enum Came {
        Answer(u8),
        Silence,
        Pending,
    }

    impl Outcome for Came {
        const SILENCE: Self = Self::Silence;
        const PENDING: Self = Self::Pending;
    }

    const MS: Duration = Duration::from_millis(1);

    fn three() -> (Rounds<Came>, Instant) {
        let start = driver::now();
        let anchor = Anchor::new(start, Timestamp::from_unix_nanos(1_000_000_000));
        let rhythm = Rhythm { count: Some(3), interval: 10 * MS, wait: 25 * MS };
        (Rounds::new(rhythm, anchor), start)
    }

    fn answer(nth: u16, what: u8) -> Heard<Came> {
        Heard::Outcome { nth, outcome: Came::Answer(what) }
    }

    #[test]
    fn each_is_asked_in_time_and_given_up_in_time() {
        let (mut rounds, start) = three();
        assert_eq!(rounds.poll(start), Step::Do(1));
        assert_eq!(rounds.poll(start), Step::WaitUntil(start + 10 * MS));
        assert_eq!(rounds.poll(start + 10 * MS), Step::Do(2));
        rounds.handle(answer(2, 7), start + 12 * MS);
        assert_eq!(rounds.poll(start + 20 * MS), Step::Do(3));
        assert_eq!(rounds.poll(start + 20 * MS), Step::WaitUntil(start + 25 * MS));
        assert_eq!(rounds.poll(start + 25 * MS), Step::WaitUntil(start + 45 * MS));
        let events: Vec<_> = std::iter::from_fn(|| rounds.next_event()).collect();
        let seen: Vec<_> = events.into_iter().map(|event| (event.nth, event.outcome)).collect();
        assert_eq!(seen, [(2, Came::Answer(7)), (1, Came::Silence)]);
        assert_eq!(rounds.poll(start + 45 * MS), Step::Done);
        let report = rounds.finish(start + 45 * MS);
        assert!(report.gaps.is_empty() && report.ignored == 0);
        assert_eq!(report.asked[1].sent_at, Timestamp::from_unix_nanos(1_010_000_000));
    }

    #[test]
    fn what_comes_twice_or_too_late_or_unasked_changes_nothing() {
        let (mut rounds, start) = three();
        assert_eq!(rounds.poll(start), Step::Do(1));
        for heard in [answer(1, 1), answer(1, 2), answer(0, 3), answer(9, 4), Heard::Stray] {
            rounds.handle(heard, start + MS);
        }
        assert_eq!(rounds.poll(start + 10 * MS), Step::Do(2));
        assert_eq!(rounds.poll(start + 40 * MS), Step::Do(3));
        rounds.handle(answer(2, 5), start + 41 * MS);
        let report = rounds.finish(start + 41 * MS);
        let outcomes: Vec<_> = report.asked.iter().map(|asked| asked.outcome.clone()).collect();
        assert_eq!(outcomes, [Came::Answer(1), Came::Silence, Came::Pending]);
        assert_eq!((report.ignored, report.gaps.len()), (5, 1));
    }
}
