//! Where the blocks lie, and how far the jumps between them are.

use std::collections::HashMap;

use super::Block;
use crate::capture::filter::cond::Compare;
use crate::capture::filter::graph::Place;
use crate::capture::filter::program::{Instruction, code};

/// What comes after a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goto {
    End,
    Next(Place),
    /// A comparison with a constant, or with the index register.
    Test {
        compare: Compare,
        operand: Option<u32>,
        yes: Place,
        no: Place,
    },
}

impl Goto {
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let places = match *self {
            Self::End => [None, None],
            Self::Next(next) => [Some(next), None],
            Self::Test { yes, no, .. } => [Some(yes), Some(no)],
        };
        places.into_iter().flatten()
    }
}

/// Which ways of a test are too long for a byte and need a jump of their own.
#[derive(Debug, Clone, Copy, Default)]
struct Far {
    yes: bool,
    no: bool,
}

/// Puts the blocks behind one another. They come in such an order that all jumps go forward.
pub(super) fn laid_out(blocks: &[Block]) -> Vec<Instruction> {
    let mut far = vec![Far::default(); blocks.len()];
    loop {
        let starts = starts(blocks, &far);
        let mut longer = false;
        for (at, (block, far)) in blocks.iter().zip(&mut far).enumerate() {
            let Goto::Test { yes, no, .. } = block.goto else { continue };
            let behind = end_of_test(blocks, &starts, at, *far);
            // With a jump of its own a way is at most two further.
            let too_far = |aim: Place| distance(&starts, aim, behind).is_none_or(|it| it > 253);
            for (flag, aim) in [(&mut far.yes, yes), (&mut far.no, no)] {
                if !*flag && too_far(aim) {
                    *flag = true;
                    longer = true;
                }
            }
        }
        if !longer {
            return written(blocks, &starts, &far);
        }
    }
}

type Starts = (HashMap<Place, usize>, Vec<usize>);

fn starts(blocks: &[Block], far: &[Far]) -> Starts {
    let (mut places, mut starts) = (HashMap::new(), Vec::new());
    let mut at = 0;
    for (index, (block, far)) in blocks.iter().zip(far).enumerate() {
        places.insert(block.place, at);
        starts.push(at);
        at += block.body.len();
        at += match block.goto {
            Goto::End => 0,
            Goto::Next(next) => usize::from(!follows(blocks, index, next)),
            Goto::Test { .. } => 1 + usize::from(far.yes) + usize::from(far.no),
        };
    }
    (places, starts)
}

fn follows(blocks: &[Block], index: usize, place: Place) -> bool {
    blocks.get(index + 1).is_some_and(|it| it.place == place)
}

/// The instruction behind a test and its far jumps.
fn end_of_test(blocks: &[Block], starts: &Starts, index: usize, far: Far) -> usize {
    let body = blocks.get(index).map_or(0, |it| it.body.len());
    let start = starts.1.get(index).copied().unwrap_or(0);
    start + body + 1 + usize::from(far.yes) + usize::from(far.no)
}

fn distance(starts: &Starts, aim: Place, behind: usize) -> Option<usize> {
    starts.0.get(&aim).and_then(|it| it.checked_sub(behind))
}

fn written(blocks: &[Block], starts: &Starts, far: &[Far]) -> Vec<Instruction> {
    let mut program = Vec::new();
    let jump = |k: usize| Instruction { code: code::JA, jt: 0, jf: 0, k: k as u32 };
    for (index, (block, far)) in blocks.iter().zip(far).enumerate() {
        program.extend_from_slice(&block.body);
        let to = |aim: Place, behind: usize| distance(starts, aim, behind).unwrap_or(0);
        match block.goto {
            Goto::End => {}
            Goto::Next(next) if follows(blocks, index, next) => {}
            Goto::Next(next) => program.push(jump(to(next, program.len() + 1))),
            Goto::Test { compare, operand, yes, no } => {
                let jumps = usize::from(far.yes) + usize::from(far.no);
                let at = program.len() + 1;
                let end = at + jumps;
                let jt = if far.yes { 0 } else { to(yes, end) + jumps };
                let jf = if far.no { usize::from(far.yes) } else { to(no, end) + jumps };
                let code = test_code(compare) | if operand.is_none() { 0x08 } else { 0 };
                let (jt, jf) = (jt as u8, jf as u8);
                program.push(Instruction { code, jt, jf, k: operand.unwrap_or(0) });
                if far.yes {
                    program.push(jump(to(yes, at + 1)));
                }
                if far.no {
                    program.push(jump(to(no, at + jumps)));
                }
            }
        }
    }
    program
}

fn test_code(compare: Compare) -> u16 {
    match compare {
        Compare::Equal => code::JEQ,
        Compare::Greater => code::JGT,
        Compare::AtLeast => code::JGE,
        Compare::Bits => code::JSET,
    }
}
