//! What programs compute from a packet. A packet does not change while a program looks at it, so
//! that a value is the same wherever it is computed; equal values have equal numbers.

use std::collections::HashMap;

/// The number of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Constant(u32),
    /// The packet's length on the wire.
    Length,
    /// So many bytes at a place, behind what another value says.
    Load {
        size: Size,
        at: u32,
        index: Option<Id>,
    },
    /// Four times the low half of a byte: the length of an IPv4 header.
    Nibble(u32),
    Of(Op, Id, Id),
    Negated(Id),
    /// A word of scratch memory, between two stores.
    Slot {
        place: u8,
        version: u16,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Size {
    Byte,
    Half,
    Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Or,
    And,
    Shl,
    Shr,
    Mod,
    Xor,
}

/// All values of a program.
#[derive(Debug, Default)]
pub(super) struct Values {
    all: Vec<Value>,
    known: HashMap<Value, Id>,
}

impl Values {
    pub(super) fn get(&self, id: Id) -> Value {
        self.all.get(id.0 as usize).copied().unwrap_or(Value::Constant(0))
    }

    pub(super) fn constant_of(&self, id: Id) -> Option<u32> {
        match self.get(id) {
            Value::Constant(k) => Some(k),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, value: Value) -> Id {
        let next = Id(self.all.len() as u32);
        let id = *self.known.entry(value).or_insert(next);
        if id == next {
            self.all.push(value);
        }
        id
    }

    pub(super) fn constant(&mut self, k: u32) -> Id {
        self.add(Value::Constant(k))
    }

    pub(super) fn load(&mut self, size: Size, at: u32, index: Option<Id>) -> Id {
        let Some(index) = index else { return self.add(Value::Load { size, at, index: None }) };
        match self.get(index) {
            Value::Constant(k) => {
                let at = at.wrapping_add(k);
                self.add(Value::Load { size, at, index: None })
            }
            Value::Of(Op::Add, rest, k) if self.constant_of(k).is_some() => {
                let at = at.wrapping_add(self.constant_of(k).unwrap_or(0));
                self.add(Value::Load { size, at, index: Some(rest) })
            }
            _ => self.add(Value::Load { size, at, index: Some(index) }),
        }
    }

    pub(super) fn negated(&mut self, of: Id) -> Id {
        match self.get(of) {
            Value::Constant(k) => self.constant(k.wrapping_neg()),
            _ => self.add(Value::Negated(of)),
        }
    }

    /// Computes or, where all is known, folds; a division by zero is left for the packet to fail.
    pub(super) fn of(&mut self, op: Op, a: Id, b: Id) -> Id {
        let (ka, kb) = (self.constant_of(a), self.constant_of(b));
        if let (Some(ka), Some(kb)) = (ka, kb)
            && let Some(k) = op.apply(ka, kb)
        {
            return self.constant(k);
        }
        // A constant is best on the right, where it needs no register.
        let (a, b, kb) = match ka {
            Some(ka) if op.commutes() => (b, a, Some(ka)),
            _ => (a, b, kb),
        };
        match (op, kb) {
            (Op::Add | Op::Sub | Op::Or | Op::Xor | Op::Shl | Op::Shr, Some(0)) => a,
            (Op::Mul | Op::Div, Some(1)) | (Op::And, Some(u32::MAX)) => a,
            (Op::Mul | Op::And, Some(0)) | (Op::Mod, Some(1)) => self.constant(0),
            (Op::Shl | Op::Shr, Some(32..)) => self.constant(0),
            (Op::And, Some(k)) if k & self.most(a) == self.most(a) => a,
            (_, Some(k)) => self.joined(op, a, b, k),
            (_, None) => self.add(Value::Of(op, a, b)),
        }
    }

    /// `(x + 1) + 2` is `x + 3`.
    fn joined(&mut self, op: Op, a: Id, b: Id, k: u32) -> Id {
        if let Value::Of(before, rest, inner) = self.get(a)
            && before == op
            && let Some(inner) = self.constant_of(inner)
        {
            let both = match op {
                Op::Add | Op::Sub => Some(inner.wrapping_add(k)),
                Op::And => Some(inner & k),
                Op::Or => Some(inner | k),
                Op::Xor => Some(inner ^ k),
                _ => None,
            };
            if let Some(both) = both {
                let both = self.constant(both);
                return self.of(op, rest, both);
            }
        }
        self.add(Value::Of(op, a, b))
    }

    /// All bits that a value can have.
    pub(super) fn most(&self, id: Id) -> u32 {
        match self.get(id) {
            Value::Constant(k) => k,
            Value::Load { size: Size::Byte, .. } => 0xff,
            Value::Load { size: Size::Half, .. } => 0xffff,
            Value::Nibble(_) => 0x3c,
            Value::Of(Op::And, a, b) => match (self.constant_of(b), self.get(a)) {
                (Some(k), Value::Load { size: Size::Byte, .. }) => k & 0xff,
                (Some(k), Value::Load { size: Size::Half, .. }) => k & 0xffff,
                (Some(k), _) => k,
                _ => u32::MAX,
            },
            _ => u32::MAX,
        }
    }
}

impl Op {
    pub(super) fn commutes(self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::Or | Self::And | Self::Xor)
    }

    /// What the machine computes; `None` where it would give the packet up.
    pub(super) fn apply(self, a: u32, b: u32) -> Option<u32> {
        Some(match self {
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Mul => a.wrapping_mul(b),
            Self::Div => a.checked_div(b)?,
            Self::Mod => a.checked_rem(b)?,
            Self::Or => a | b,
            Self::And => a & b,
            Self::Xor => a ^ b,
            Self::Shl => a.checked_shl(b).unwrap_or(0),
            Self::Shr => a.checked_shr(b).unwrap_or(0),
        })
    }
}
