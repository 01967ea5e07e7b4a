//! Conditions on values, still as a tree.

use super::tree::Join;
use super::value::{Id, Op, Value, Values};

#[derive(Debug, Clone)]
pub(super) enum Cond {
    Always(bool),
    Test(Test),
    Not(Box<Cond>),
    All(Vec<Cond>),
    Any(Vec<Cond>),
    Chain(Box<Cond>, Vec<(Join, Cond)>),
    /// A condition, what is asked where it holds, and what elsewhere.
    If(Box<[Cond; 3]>),
    /// Keeps a value in a slot, and holds.
    Store(Id, Id),
    Follow(HeaderChain),
}

/// Headers followed until one is what was asked for, in a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct HeaderChain {
    /// Where the network header begins.
    pub network: u32,
    pub six: bool,
    pub wanted: u32,
    /// A word of scratch memory.
    pub place: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Test {
    pub compare: Compare,
    pub a: Id,
    pub b: Id,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Compare {
    Equal,
    Greater,
    AtLeast,
    /// A bit of the second is set in the first.
    Bits,
}

impl Compare {
    pub(super) fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Greater => a > b,
            Self::AtLeast => a >= b,
            Self::Bits => a & b != 0,
        }
    }
}

impl Cond {
    pub(super) fn not(self) -> Self {
        match self {
            Self::Always(it) => Self::Always(!it),
            Self::Not(it) => *it,
            other => Self::Not(Box::new(other)),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut all) => {
                all.push(other);
                Self::All(all)
            }
            first => Self::All(vec![first, other]),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match self {
            Self::Any(mut any) => {
                any.push(other);
                Self::Any(any)
            }
            first => Self::Any(vec![first, other]),
        }
    }
}

impl Values {
    /// Builds a test in its simplest form.
    pub(super) fn test(&mut self, compare: Compare, a: Id, b: Id) -> Cond {
        if a == b {
            return match compare {
                Compare::Equal | Compare::AtLeast => Cond::Always(true),
                Compare::Greater => Cond::Always(false),
                Compare::Bits => {
                    let zero = self.constant(0);
                    self.test(Compare::Equal, a, zero).not()
                }
            };
        }
        match (self.constant_of(a), self.constant_of(b)) {
            (Some(ka), Some(kb)) => Cond::Always(compare.holds(ka, kb)),
            (Some(_), None) => match compare {
                Compare::Equal | Compare::Bits => self.test(compare, b, a),
                // k > x is no x >= k.
                Compare::Greater => self.test(Compare::AtLeast, b, a).not(),
                Compare::AtLeast => self.test(Compare::Greater, b, a).not(),
            },
            (None, Some(k)) => self.test_constant(compare, a, b, k),
            (None, None) => Cond::Test(Test { compare, a, b }),
        }
    }

    fn test_constant(&mut self, compare: Compare, a: Id, b: Id, k: u32) -> Cond {
        // What a byte can never be is asked all the same: a packet without that byte is not taken.
        match compare {
            Compare::Bits if k == 0 => return Cond::Always(false),
            Compare::Greater if k == 0 => return self.test(Compare::Equal, a, b).not(),
            _ => {}
        }
        if let Value::Of(op, x, y) = self.get(a)
            && let Some(inner) = self.constant_of(y)
        {
            let undone = match (compare, op) {
                (Compare::Equal, Op::Add) => Some((compare, k.wrapping_sub(inner))),
                (Compare::Equal, Op::Sub) => Some((compare, k.wrapping_add(inner))),
                (Compare::Equal, Op::Xor) => Some((compare, k ^ inner)),
                (Compare::Bits, Op::And) => Some((compare, k & inner)),
                _ => None,
            };
            if let Some((compare, k)) = undone {
                let k = self.constant(k);
                return self.test(compare, x, k);
            }
            if compare == Compare::Equal && op == Op::And {
                if k == 0 {
                    return self.test(Compare::Bits, x, y).not();
                }
                if k == inner && k.is_power_of_two() {
                    return self.test(Compare::Bits, x, y);
                }
            }
        }
        Cond::Test(Test { compare, a, b })
    }
}
