//! Comparisons of numbers that packets make.

use super::Builder;
use super::layer::Place;
use super::protocol::{Versions, ether_type, transport};
use crate::capture::filter::cond::{Compare, Cond};
use crate::capture::filter::error::Checked;
use crate::capture::filter::tree::{Arith, Number, Relation};
use crate::capture::filter::value::{Id, Op, Size, Value};
use crate::capture::filter::words::Protocol;

impl Builder<'_> {
    /// Compares, once the packet is known to have what both sides load.
    pub(super) fn relation(
        &mut self,
        relation: Relation,
        left: &Arith,
        right: &Arith,
    ) -> Checked<Cond> {
        let mut needed = Vec::new();
        let a = self.number(left, &mut needed)?;
        let b = self.number(right, &mut needed)?;
        let test = match relation {
            Relation::Equal => self.values.test(Compare::Equal, a, b),
            Relation::Differ => self.values.test(Compare::Equal, a, b).not(),
            Relation::Greater => self.values.test(Compare::Greater, a, b),
            Relation::LessOrEqual => self.values.test(Compare::Greater, a, b).not(),
            Relation::GreaterOrEqual => self.values.test(Compare::AtLeast, a, b),
            Relation::Less => self.values.test(Compare::AtLeast, a, b).not(),
        };
        needed.push(test);
        Ok(Cond::All(needed))
    }

    fn number(&mut self, arith: &Arith, needed: &mut Vec<Cond>) -> Checked<Id> {
        let outer = std::mem::replace(&mut self.span, arith.span);
        let value = match &arith.node {
            Number::Constant(k) => self.values.constant(*k),
            Number::Length => self.values.add(Value::Length),
            Number::Negated(of) => {
                let of = self.number(of, needed)?;
                self.values.negated(of)
            }
            Number::Of(sign, a, b) => {
                let a = self.number(a, needed)?;
                // As in libpcap, only what the left side loads must be there: the right side of an
                // operator is looked at wherever its place is, whatever the packet carries.
                let b = self.number(b, &mut Vec::new())?;
                self.operation(*sign, a, b)?
            }
            Number::Load(protocol, index, size) => {
                // What the index needs comes first, then what its use needs.
                let index = self.number(index, needed)?;
                self.indexed(*protocol, index, *size, needed)?
            }
        };
        self.span = outer;
        Ok(value)
    }

    fn operation(&mut self, sign: char, a: Id, b: Id) -> Checked<Id> {
        let op = match sign {
            '+' => Op::Add,
            '-' => Op::Sub,
            '*' => Op::Mul,
            '/' => Op::Div,
            '%' => Op::Mod,
            '&' => Op::And,
            '|' => Op::Or,
            '^' => Op::Xor,
            '<' => Op::Shl,
            _ => Op::Shr,
        };
        match (op, self.values.constant_of(b)) {
            (Op::Div | Op::Mod, Some(0)) => self.fail("division by zero"),
            (Op::Shl | Op::Shr, Some(32..)) => self.fail("a shift by more than 31 bits"),
            _ => Ok(self.values.of(op, a, b)),
        }
    }

    /// Bytes of a protocol, and the conditions that the packet has them.
    fn indexed(
        &mut self,
        protocol: Protocol,
        index: Id,
        size: u32,
        needed: &mut Vec<Cond>,
    ) -> Checked<Id> {
        let size = match size {
            1 => Size::Byte,
            2 => Size::Half,
            4 => Size::Word,
            _ => return self.fail(format!("1, 2 or 4 bytes can be looked at, not {size}")),
        };
        let place = match (protocol, ether_type(protocol), transport(protocol)) {
            (Protocol::Link, ..) => self.layer.header,
            (Protocol::Radio, ..) if self.layer.header.behind.is_some() && self.slots == 0 => {
                Place::at(0)
            }
            (Protocol::Aarp | Protocol::Ah | Protocol::Esp, ..) => {
                return self.fail(format!("bytes of `{}` cannot be asked for", protocol.text()));
            }
            (_, Some(number), _) => {
                let link = self.link_type(number)?;
                needed.push(link);
                self.network()
            }
            (_, None, Some((number, Versions::Six))) => {
                let carried = self.carries6_plainly(number)?;
                needed.push(carried);
                self.network().plus(40)
            }
            (_, None, Some((number, _))) => {
                let carried = self.carries4(number)?;
                needed.push(carried);
                let first = self.first_fragment();
                needed.push(first);
                self.transport_place()
            }
            _ => {
                return self.fail(format!("bytes of `{}` cannot be asked for", protocol.text()));
            }
        };
        Ok(self.at(place, index, size))
    }

    /// Only right behind the header, where the bytes are looked for.
    fn carries6_plainly(&mut self, number: u32) -> Checked<Cond> {
        let link = self.link_type(super::layer::carried::IP6)?;
        let network = self.network();
        Ok(link.and(self.equal(network, 6, Size::Byte, number)))
    }

    fn at(&mut self, place: Place, index: Id, size: Size) -> Id {
        let behind = match place.behind {
            Some(base) => self.values.of(Op::Add, index, base),
            None => index,
        };
        self.values.load(size, place.constant, Some(behind))
    }
}
