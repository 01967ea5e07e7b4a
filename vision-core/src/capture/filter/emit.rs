//! From a graph to instructions. What is in the accumulator, the index register and scratch memory
//! on all ways to a node is not loaded again.

mod follow;
mod jumps;

use std::collections::HashMap;

use self::jumps::{Goto, laid_out};
use super::cond::Compare;
use super::graph::{Graph, Node, Place};
use super::program::{Instruction, code};
use super::value::{Id, Op, Size, Value, Values};

/// Why no program can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Scratch memory has 16 words (linux/filter.h `BPF_MEMWORDS`).
    Memory,
}

/// Makes the program; `reuse` keeps registers from one test to the next.
pub(super) fn emit(
    graph: &Graph,
    values: &Values,
    reuse: bool,
    verdict: u32,
) -> Result<Vec<Instruction>, Unfit> {
    // What is read on a way where nothing was stored must be something all the same: the kernel
    // wants it so.
    let (_, unset) = Emitter::new(values, reuse, verdict, 0).run(graph)?;
    let (blocks, _) = Emitter::new(values, reuse, verdict, unset).run(graph)?;
    Ok(laid_out(&blocks))
}

/// The instructions of a node and where they lead.
struct Block {
    place: Place,
    body: Vec<Instruction>,
    goto: Goto,
}

/// What is where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    a: Option<Id>,
    x: Option<Id>,
    /// A bit for each word of scratch memory that was stored to.
    stored: u16,
}

struct Emitter<'a> {
    values: &'a Values,
    reuse: bool,
    verdict: u32,
    state: State,
    body: Vec<Instruction>,
    /// Words used for parts of arithmetic, from the last one down.
    parts: u8,
    unset: u16,
    read_unset: u16,
}

const MEMORY: u8 = 16;
/// The first word that arithmetic may not use.
const KEPT: u8 = 12;

impl<'a> Emitter<'a> {
    fn new(values: &'a Values, reuse: bool, verdict: u32, unset: u16) -> Self {
        let state = State::default();
        let body = Vec::new();
        Self { values, reuse, verdict, state, body, parts: 0, unset, read_unset: 0 }
    }

    fn run(mut self, graph: &Graph) -> Result<(Vec<Block>, u16), Unfit> {
        let mut entries: HashMap<Place, State> = HashMap::new();
        let mut blocks = Vec::new();
        let order = graph.order();
        for place in order {
            self.state = entries.remove(&place).unwrap_or_default();
            if place == graph.root {
                self.prologue();
            }
            let goto = self.node(graph.get(place))?;
            if !self.reuse {
                (self.state.a, self.state.x) = (None, None);
            }
            for next in goto.places() {
                match entries.get_mut(&next) {
                    Some(state) => state.meet(&self.state),
                    None => drop(entries.insert(next, self.state.clone())),
                }
            }
            blocks.push(Block { place, body: std::mem::take(&mut self.body), goto });
        }
        Ok((blocks, self.read_unset))
    }

    fn prologue(&mut self) {
        if self.unset != 0 {
            self.push(code::LD_IMM, 0);
        }
        for place in 0..MEMORY {
            if self.unset & (1 << place) != 0 {
                self.push(code::ST, place.into());
            }
        }
        self.state.stored = self.unset;
    }

    fn push(&mut self, code: u16, k: u32) {
        self.body.push(Instruction { code, jt: 0, jf: 0, k });
    }

    fn node(&mut self, node: Node) -> Result<Goto, Unfit> {
        Ok(match node {
            Node::Verdict(taken) => {
                self.push(code::RET, if taken { self.verdict } else { 0 });
                Goto::End
            }
            Node::Store { slot, value, next } => {
                let Value::Slot { place, .. } = self.values.get(slot) else {
                    return Ok(Goto::Next(next));
                };
                if self.state.x == Some(value) && self.state.a != Some(value) {
                    self.push(code::STX, place.into());
                } else {
                    self.want_a(value)?;
                    self.push(code::ST, place.into());
                }
                self.forget(place);
                self.state.stored |= 1 << place;
                // What was stored is still where it came from.
                match self.state.a == Some(value) {
                    true => self.state.a = Some(slot),
                    false => self.state.x = Some(slot),
                }
                Goto::Next(next)
            }
            Node::Follow { chain, yes, no } => {
                self.body = follow::body(chain);
                self.state.a = None;
                self.state.x = None;
                self.forget(chain.place);
                self.state.stored |= 1 << chain.place;
                Goto::Test { compare: Compare::Equal, operand: Some(chain.wanted), yes, no }
            }
            Node::Test { test, yes, no } => {
                let operand = match self.values.constant_of(test.b) {
                    Some(k) => {
                        self.want_a(test.a)?;
                        Some(k)
                    }
                    None => {
                        self.both(test.a, test.b)?;
                        None
                    }
                };
                Goto::Test { compare: test.compare, operand, yes, no }
            }
        })
    }

    /// A word of memory is written: who names it otherwise is wrong from now on.
    fn forget(&mut self, place: u8) {
        let stale =
            |id: &Id| matches!(self.values.get(*id), Value::Slot { place: it, .. } if it == place);
        if self.state.a.as_ref().is_some_and(stale) {
            self.state.a = None;
        }
        if self.state.x.as_ref().is_some_and(stale) {
            self.state.x = None;
        }
    }

    fn want_a(&mut self, id: Id) -> Result<(), Unfit> {
        if self.state.a == Some(id) {
            return Ok(());
        }
        if self.state.x == Some(id) {
            self.push(code::TXA, 0);
            self.state.a = Some(id);
            return Ok(());
        }
        match self.values.get(id) {
            Value::Constant(k) => self.push(code::LD_IMM, k),
            Value::Length => self.push(code::LD_LEN, 0),
            Value::Load { size, at, index: None } => self.push(load(size, false), at),
            Value::Load { size, at, index: Some(index) } => {
                self.want_x(index)?;
                self.push(load(size, true), at);
            }
            Value::Nibble(_) => {
                self.want_x(id)?;
                self.push(code::TXA, 0);
            }
            Value::Slot { place, .. } => {
                self.reads(place);
                self.push(code::LD_MEM, place.into());
            }
            Value::Negated(of) => {
                self.want_a(of)?;
                self.push(code::NEG, 0);
            }
            Value::Of(op, a, b) => match self.values.constant_of(b) {
                Some(k) => {
                    self.want_a(a)?;
                    self.push(alu(op, false), k);
                }
                None => {
                    let (a, b) = match op.commutes() && self.easy(a) && !self.easy(b) {
                        true => (b, a),
                        false => (a, b),
                    };
                    self.both(a, b)?;
                    self.push(alu(op, true), 0);
                }
            },
        }
        self.state.a = Some(id);
        Ok(())
    }

    /// One value into the accumulator and another into the index register.
    fn both(&mut self, a: Id, b: Id) -> Result<(), Unfit> {
        if self.easy(b) {
            self.want_a(a)?;
            return self.want_x(b);
        }
        if self.state.x == Some(b) && !self.moves_x(a) {
            return self.want_a(a);
        }
        if !self.moves_x(a) {
            self.want_x(b)?;
            return self.want_a(a);
        }
        self.want_a(b)?;
        self.parts += 1;
        let place = MEMORY.checked_sub(self.parts).filter(|it| *it >= KEPT);
        let place = place.ok_or(Unfit::Memory)?;
        self.push(code::ST, place.into());
        self.state.stored |= 1 << place;
        self.want_a(a)?;
        self.push(code::LDX_MEM, place.into());
        self.state.x = Some(b);
        self.parts -= 1;
        Ok(())
    }

    /// Goes into the index register without touching the accumulator.
    fn easy(&self, id: Id) -> bool {
        let value = self.values.get(id);
        matches!(value, Value::Constant(_) | Value::Length | Value::Nibble(_) | Value::Slot { .. })
    }

    /// Computing it needs the index register.
    fn moves_x(&self, id: Id) -> bool {
        match self.values.get(id) {
            Value::Load { index, .. } => index.is_some(),
            Value::Nibble(_) => true,
            Value::Of(_, a, b) => self.values.constant_of(b).is_none() || self.moves_x(a),
            Value::Negated(a) => self.moves_x(a),
            _ => false,
        }
    }

    fn want_x(&mut self, id: Id) -> Result<(), Unfit> {
        if self.state.x == Some(id) {
            return Ok(());
        }
        if self.state.a == Some(id) {
            self.push(code::TAX, 0);
            self.state.x = Some(id);
            return Ok(());
        }
        match self.values.get(id) {
            Value::Constant(k) => self.push(code::LDX_IMM, k),
            Value::Length => self.push(code::LDX_LEN, 0),
            Value::Nibble(at) => self.push(code::LDX_MSH, at),
            Value::Slot { place, .. } => {
                self.reads(place);
                self.push(code::LDX_MEM, place.into());
            }
            _ => {
                self.want_a(id)?;
                self.push(code::TAX, 0);
            }
        }
        self.state.x = Some(id);
        Ok(())
    }

    fn reads(&mut self, place: u8) {
        self.read_unset |= (1 << place) & !self.state.stored;
    }
}

impl State {
    /// What holds on this way and on another.
    fn meet(&mut self, other: &Self) {
        if self.a != other.a {
            self.a = None;
        }
        if self.x != other.x {
            self.x = None;
        }
        self.stored &= other.stored;
    }
}

fn load(size: Size, indexed: bool) -> u16 {
    let size = match size {
        Size::Word => 0x00,
        Size::Half => 0x08,
        Size::Byte => 0x10,
    };
    size | if indexed { 0x40 } else { 0x20 }
}

fn alu(op: Op, register: bool) -> u16 {
    let op = match op {
        Op::Add => 0x00,
        Op::Sub => 0x10,
        Op::Mul => 0x20,
        Op::Div => 0x30,
        Op::Or => 0x40,
        Op::And => 0x50,
        Op::Shl => 0x60,
        Op::Shr => 0x70,
        Op::Mod => 0x90,
        Op::Xor => 0xa0,
    };
    0x04 | op | if register { 0x08 } else { 0 }
}
