//! What is known of values behind the ways out of tests.

use std::collections::HashMap;

use crate::capture::filter::cond::{Compare, Test};
use crate::capture::filter::value::{Id, Values};

/// The bounds of a value, and its bits that are known.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    low: u32,
    high: u32,
    ones: u32,
    zeros: u32,
}

/// Facts, added and taken back like a stack.
#[derive(Debug, Default)]
pub(super) struct Facts {
    bounds: HashMap<Id, Vec<Bounds>>,
    answers: HashMap<Test, Vec<bool>>,
}

impl Facts {
    pub(super) fn push(&mut self, test: Test, holds: bool, values: &Values) {
        self.answers.entry(test).or_default().push(holds);
        if let Some(k) = values.constant_of(test.b) {
            let most = values.most(test.a);
            let before = Bounds { low: 0, high: most, ones: 0, zeros: !most };
            let mut bounds = self.bounds(test.a).unwrap_or(before);
            bounds.learn(test.compare, k, holds);
            self.bounds.entry(test.a).or_default().push(bounds);
        }
    }

    pub(super) fn pop(&mut self, test: Test, values: &Values) {
        if let Some(answers) = self.answers.get_mut(&test) {
            answers.pop();
        }
        if values.constant_of(test.b).is_some()
            && let Some(bounds) = self.bounds.get_mut(&test.a)
        {
            bounds.pop();
        }
    }

    fn bounds(&self, id: Id) -> Option<Bounds> {
        self.bounds.get(&id).and_then(|it| it.last()).copied()
    }

    /// The answer to a test, where the facts give it.
    pub(super) fn answer(&self, test: Test, values: &Values) -> Option<bool> {
        let given = self.answers.get(&test).and_then(|it| it.last());
        let computed = || {
            let k = values.constant_of(test.b)?;
            self.bounds(test.a)?.answer(test.compare, k)
        };
        given.copied().or_else(computed)
    }
}

impl Bounds {
    fn learn(&mut self, compare: Compare, k: u32, holds: bool) {
        match (compare, holds) {
            (Compare::Equal, true) => *self = Self { low: k, high: k, ones: k, zeros: !k },
            (Compare::Equal, false) => {
                if k == self.low {
                    self.low = self.low.saturating_add(1);
                }
                if k == self.high {
                    self.high = self.high.saturating_sub(1);
                }
            }
            (Compare::Greater, true) => self.low = self.low.max(k.saturating_add(1)),
            (Compare::Greater, false) => self.high = self.high.min(k),
            (Compare::AtLeast, true) => self.low = self.low.max(k),
            (Compare::AtLeast, false) => self.high = self.high.min(k.saturating_sub(1)),
            (Compare::Bits, true) if k.is_power_of_two() => self.ones |= k,
            (Compare::Bits, true) => {}
            (Compare::Bits, false) => self.zeros |= k,
        }
    }

    fn answer(&self, compare: Compare, k: u32) -> Option<bool> {
        match compare {
            Compare::Equal => {
                let out = k < self.low || k > self.high;
                let clash = k & self.zeros != 0 || !k & self.ones != 0;
                match (self.low == k && self.high == k, out || clash) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                }
            }
            Compare::Greater if self.low > k => Some(true),
            Compare::Greater if self.high <= k => Some(false),
            Compare::AtLeast if self.low >= k => Some(true),
            Compare::AtLeast if self.high < k => Some(false),
            Compare::Bits if k & self.ones != 0 => Some(true),
            Compare::Bits if k & !self.zeros == 0 => Some(false),
            _ => None,
        }
    }
}
