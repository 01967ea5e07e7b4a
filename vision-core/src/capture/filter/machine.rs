use super::program::{Instruction, Program, code};
use super::value::Op;
use super::walk::Walk;
use crate::base::{Error, Result};

/// A checked program of classic BPF, ready to run on packets that are in memory.
///
/// The check is done once, when it is made; running it never fails and always ends. A packet that
/// is too short for what is loaded, or that makes it divide by zero, is not taken, as in the kernel
/// (net/core/filter.c). Jumps back, which only `protochain` makes and the kernel never takes, are
/// counted: a packet with more than 16384 of them is not taken.
///
/// ```
/// use vision_core::capture::filter::{Instruction, Machine, Program};
///
/// // ldh [12]; jeq #0x806; ret #96; ret #0
/// let arp = [(0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 96), (6, 0, 0, 0)];
/// let machine = Machine::new(&Program::new(arp.map(Instruction::from).to_vec()))?;
/// let mut frame = [0; 60];
/// frame[12..14].copy_from_slice(&[8, 6]);
/// assert_eq!(machine.run(&frame, 60), 96);
/// assert_eq!(machine.run(&frame[..10], 60), 0);
/// # Ok::<(), vision_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Machine {
    steps: Vec<Step>,
    /// The same as a table, if it has that form.
    walk: Option<Walk>,
}

/// The words of scratch memory.
const MEMORY: usize = 16;
/// As many headers as fit into a packet of 64 KiB, and more.
const BACKS: u32 = 16_384;
/// As many as the kernel takes, and then some: lists of hosts are long.
const LONGEST: usize = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Load4(u32),
    Load2(u32),
    Load1(u32),
    Indexed4(u32),
    Indexed2(u32),
    Indexed1(u32),
    Set(u32),
    SetX(u32),
    Length,
    LengthX,
    Recall(usize),
    RecallX(usize),
    Nibble(u32),
    Keep(usize),
    KeepX(usize),
    Calculate(Op, u32),
    CalculateX(Op),
    Negate,
    ToX,
    FromX,
    Jump(u32),
    Back(u32),
    Equal(u32, u32, u32),
    Greater(u32, u32, u32),
    AtLeast(u32, u32, u32),
    Bits(u32, u32, u32),
    EqualX(u32, u32),
    GreaterX(u32, u32),
    AtLeastX(u32, u32),
    BitsX(u32, u32),
    Return(u32),
    ReturnA,
}

impl Machine {
    /// Checks a program and makes it ready.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the instruction that is unknown, jumps out of the program, or uses
    /// memory that does not exist; and when the program is empty or does not end with a verdict.
    pub fn new(program: &Program) -> Result<Self> {
        let all = program.instructions();
        let invalid = |why: String| Error::invalid("filter program", why);
        if all.len() > LONGEST {
            return Err(invalid(format!("{} instructions are too many", all.len())));
        }
        let decoded = |(at, it): (usize, &Instruction)| {
            step(it, at, all.len()).ok_or_else(|| {
                let words = (it.code, it.jt, it.jf, it.k);
                invalid(format!("instruction {at} {words:?} is none, or leads out of it"))
            })
        };
        let steps: Vec<_> = all.iter().enumerate().map(decoded).collect::<Result<_>>()?;
        match steps.last() {
            Some(Step::Return(_) | Step::ReturnA) => {
                let walk = Walk::of(&steps);
                Ok(Self { steps, walk })
            }
            _ => Err(invalid("it does not end with a verdict".to_owned())),
        }
    }

    /// Runs on a packet of which `data` was kept and that had `len` bytes on the wire. Returns how
    /// many bytes the program takes; 0 refuses the packet.
    #[inline]
    pub fn run(&self, data: &[u8], len: u32) -> u32 {
        let taken = match &self.walk {
            Some(walk) => walk.run(data),
            None => self.verdict(data, len),
        };
        taken.unwrap_or(0)
    }

    #[cfg(test)]
    pub(super) fn is_table(&self) -> bool {
        self.walk.is_some()
    }

    /// Interprets the program; `None` where it gives the packet up.
    pub(super) fn verdict(&self, data: &[u8], len: u32) -> Option<u32> {
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut memory = [0_u32; MEMORY];
        let mut at = 0_usize;
        let mut backs = BACKS;
        loop {
            let step = *self.steps.get(at)?;
            at += 1;
            let mut branch = |holds: bool, yes: u32, no: u32| {
                at += if holds { yes } else { no } as usize;
            };
            match step {
                Step::Load4(k) => a = word(data, k)?,
                Step::Load2(k) => a = half(data, k)?,
                Step::Load1(k) => a = byte(data, k)?,
                Step::Indexed4(k) => a = word(data, x.wrapping_add(k))?,
                Step::Indexed2(k) => a = half(data, x.wrapping_add(k))?,
                Step::Indexed1(k) => a = byte(data, x.wrapping_add(k))?,
                Step::Equal(k, yes, no) => branch(a == k, yes, no),
                Step::Greater(k, yes, no) => branch(a > k, yes, no),
                Step::AtLeast(k, yes, no) => branch(a >= k, yes, no),
                Step::Bits(k, yes, no) => branch(a & k != 0, yes, no),
                Step::EqualX(yes, no) => branch(a == x, yes, no),
                Step::GreaterX(yes, no) => branch(a > x, yes, no),
                Step::AtLeastX(yes, no) => branch(a >= x, yes, no),
                Step::BitsX(yes, no) => branch(a & x != 0, yes, no),
                Step::Jump(by) => at += by as usize,
                Step::Back(by) => {
                    backs = backs.checked_sub(1)?;
                    at -= by as usize;
                }
                Step::Return(k) => return Some(k),
                Step::ReturnA => return Some(a),
                Step::Set(k) => a = k,
                Step::SetX(k) => x = k,
                Step::Length => a = len,
                Step::LengthX => x = len,
                Step::Nibble(k) => x = (byte(data, k)? & 0x0f) << 2,
                Step::Recall(place) => a = *memory.get(place)?,
                Step::RecallX(place) => x = *memory.get(place)?,
                Step::Keep(place) => *memory.get_mut(place)? = a,
                Step::KeepX(place) => *memory.get_mut(place)? = x,
                Step::Calculate(op, k) => a = op.apply(a, k)?,
                Step::CalculateX(op) => a = op.apply(a, x)?,
                Step::Negate => a = a.wrapping_neg(),
                Step::ToX => x = a,
                Step::FromX => a = x,
            }
        }
    }
}

#[inline]
fn word(data: &[u8], at: u32) -> Option<u32> {
    data.get(at as usize..)?.first_chunk().map(|it| u32::from_be_bytes(*it))
}

#[inline]
fn half(data: &[u8], at: u32) -> Option<u32> {
    data.get(at as usize..)?.first_chunk().map(|it| u16::from_be_bytes(*it).into())
}

#[inline]
fn byte(data: &[u8], at: u32) -> Option<u32> {
    data.get(at as usize).map(|it| u32::from(*it))
}

/// Decodes an instruction; `None` when it is none or leads out of a program of `count`.
fn step(it: &Instruction, at: usize, count: usize) -> Option<Step> {
    let k = it.k;
    let inside = |by: u32| at.checked_add(1)?.checked_add(by as usize).filter(|to| *to < count);
    let memory = || usize::try_from(k).ok().filter(|place| *place < MEMORY);
    Some(match it.code {
        0x20 => Step::Load4(k),
        0x28 => Step::Load2(k),
        0x30 => Step::Load1(k),
        0x40 => Step::Indexed4(k),
        0x48 => Step::Indexed2(k),
        0x50 => Step::Indexed1(k),
        code::LD_IMM => Step::Set(k),
        code::LDX_IMM => Step::SetX(k),
        code::LD_LEN => Step::Length,
        code::LDX_LEN => Step::LengthX,
        code::LD_MEM => Step::Recall(memory()?),
        code::LDX_MEM => Step::RecallX(memory()?),
        code::LDX_MSH => Step::Nibble(k),
        code::ST => Step::Keep(memory()?),
        code::STX => Step::KeepX(memory()?),
        code::NEG => Step::Negate,
        code::TAX => Step::ToX,
        code::TXA => Step::FromX,
        code::RET => Step::Return(k),
        code::RET_A => Step::ReturnA,
        code::JA => match (k as i32) < 0 {
            true => {
                let by = (k as i32).unsigned_abs();
                (at + 1).checked_sub(by as usize)?;
                Step::Back(by)
            }
            false => {
                inside(k)?;
                Step::Jump(k)
            }
        },
        other if other & 0x07 == 0x05 => {
            let (yes, no) = (u32::from(it.jt), u32::from(it.jf));
            inside(yes)?;
            inside(no)?;
            match other {
                code::JEQ => Step::Equal(k, yes, no),
                code::JGT => Step::Greater(k, yes, no),
                code::JGE => Step::AtLeast(k, yes, no),
                code::JSET => Step::Bits(k, yes, no),
                0x1d => Step::EqualX(yes, no),
                0x2d => Step::GreaterX(yes, no),
                0x3d => Step::AtLeastX(yes, no),
                0x4d => Step::BitsX(yes, no),
                _ => return None,
            }
        }
        other if other & 0x07 == 0x04 => {
            let op = operation(other)?;
            match (other & 0x08 != 0, op) {
                (true, op) => Step::CalculateX(op),
                (false, Op::Div | Op::Mod) if k == 0 => return None,
                (false, Op::Shl | Op::Shr) if k > 31 => return None,
                (false, op) => Step::Calculate(op, k),
            }
        }
        _ => return None,
    })
}

fn operation(code: u16) -> Option<Op> {
    Some(match code & !0x0f {
        0x00 => Op::Add,
        0x10 => Op::Sub,
        0x20 => Op::Mul,
        0x30 => Op::Div,
        0x40 => Op::Or,
        0x50 => Op::And,
        0x60 => Op::Shl,
        0x70 => Op::Shr,
        0x90 => Op::Mod,
        0xa0 => Op::Xor,
        _ => return None,
    })
}
