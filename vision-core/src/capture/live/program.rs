//! The filter as the kernel is to run it: direction and loopback first, then the caller's program
//! with the snap length as its verdict (linux/filter.h).

use socket2::SockFilter;

use crate::base::Result;
use crate::capture::Direction;
use crate::capture::filter::{Machine, Program};

/// One instruction of classic BPF: code, jumps, operand.
pub(super) type Instruction = (u16, u8, u8, u32);

/// Which copies of looped packets would come twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loopback {
    /// None.
    No,
    /// The interface is the loopback.
    Whole,
    /// The interface with this number is the loopback.
    Among(u32),
}

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// Ancillary loads (linux/filter.h `SKF_AD_OFF`).
const PROTOCOL: u32 = 0xffff_f000;
const PKTTYPE: u32 = 0xffff_f004;
const IFINDEX: u32 = 0xffff_f008;
const OUTGOING: u32 = 4;

/// A program that takes nothing.
pub(super) fn nothing() -> Vec<SockFilter> {
    kernel(&[(RETURN, 0, 0, 0)])
}

/// Builds the whole program.
pub(super) fn whole(
    direction: Option<Direction>,
    loopback: Loopback,
    filter: &[Instruction],
    snap: u32,
) -> Vec<Instruction> {
    let mut program = head(direction, loopback);
    let verdict = |it: &Instruction| match *it {
        (RETURN, _, _, k) if k != 0 => (RETURN, 0, 0, snap),
        other => other,
    };
    program.extend(filter.iter().map(verdict));
    if filter.is_empty() {
        program.push((RETURN, 0, 0, snap));
    }
    program
}

fn head(direction: Option<Direction>, loopback: Loopback) -> Vec<Instruction> {
    let refuse = (RETURN, 0, 0, 0);
    let kind = (LOAD, 0, 0, PKTTYPE);
    let incoming = vec![kind, (JUMP_IF_EQUAL, 0, 1, OUTGOING), refuse];
    match (direction, loopback) {
        (Some(Direction::Out), _) => vec![kind, (JUMP_IF_EQUAL, 1, 0, OUTGOING), refuse],
        (Some(Direction::In), _) | (None, Loopback::Whole) => incoming,
        (None, Loopback::Among(index)) => {
            let mut program = vec![(LOAD, 0, 0, IFINDEX), (JUMP_IF_EQUAL, 0, 3, index)];
            program.extend(incoming);
            program
        }
        (None, Loopback::No) => Vec::new(),
    }
}

/// What runs where of a filter for cooked packets: all of it in the kernel, where it can; else here,
/// on packets whose header is there.
pub(super) fn split(filter: &[Instruction]) -> Result<(Vec<Instruction>, Option<Machine>)> {
    if let Some(filter) = uncooked(filter) {
        return Ok((filter, None));
    }
    let program = Program::new(filter.iter().map(|it| (*it).into()).collect());
    Ok((Vec::new(), Some(Machine::new(&program)?)))
}

/// Rewrites a program for cooked packets, which the kernel filters before their header exists;
/// `None` when it reads of that header what the kernel has no word for.
fn uncooked(filter: &[Instruction]) -> Option<Vec<Instruction>> {
    const HEADER: u32 = 20;
    /// `SKF_AD_HATYPE`
    const HATYPE: u32 = 0xffff_f01c;
    let place = |size: u16, k: u32| match (k, size) {
        (HEADER..0x8000_0000, _) => Some(k - HEADER),
        (0x8000_0000.., _) => Some(k),
        (0, 0x08) => Some(PROTOCOL),
        (4, 0x00) => Some(IFINDEX),
        (8, 0x08) => Some(HATYPE),
        (10, 0x10) => Some(PKTTYPE),
        _ => None,
    };
    let rewritten = |&(code, jt, jf, k): &Instruction| {
        let (class, size, mode) = (code & 0x07, code & 0x18, code & 0xe0);
        let k = match (class, mode) {
            // ld and ldx: absolute, and the length nibble of an IP header.
            (0 | 1, 0x20 | 0xa0) => place(size, k)?,
            // Relative to X, which only ever counts from behind the header.
            (0, 0x40) => k.checked_sub(HEADER)?,
            // The length, which lacks the header.
            (0 | 1, 0x80) => return None,
            _ => k,
        };
        Some((code, jt, jf, k))
    };
    filter.iter().map(rewritten).collect()
}

/// As the system call wants it.
pub(super) fn kernel(program: &[Instruction]) -> Vec<SockFilter> {
    program.iter().map(|&(code, jt, jf, k)| SockFilter::new(code, jt, jf, k)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_become_the_snap_length_and_refusals_stay() {
        let filter = [(0x28, 0, 0, 12), (0x15, 0, 1, 0x806), (6, 0, 0, 262_144), (6, 0, 0, 0)];
        let program = whole(Some(Direction::In), Loopback::No, &filter, 96);
        assert_eq!(program[..3], [(0x20, 0, 0, PKTTYPE), (0x15, 0, 1, 4), (6, 0, 0, 0)]);
        assert_eq!(program[5..], [(6, 0, 0, 96), (6, 0, 0, 0)]);
        assert_eq!(whole(None, Loopback::No, &[], 64), [(6, 0, 0, 64)]);
    }

    #[test]
    fn cooked_offsets_become_what_the_kernel_sees() {
        // tcp on LINUX_SLL2, by its beginning.
        let filter = [(0x28, 0, 0, 0), (0x30, 0, 0, 29), (0xb1, 0, 0, 20), (0x48, 0, 0, 22)];
        let kernel = [(0x28, 0, 0, PROTOCOL), (0x30, 0, 0, 9), (0xb1, 0, 0, 0), (0x48, 0, 0, 2)];
        assert_eq!(uncooked(&filter).as_deref(), Some(&kernel[..]));
        // The link-layer address has no word of its own, nor has the whole length.
        assert_eq!(uncooked(&[(0x30, 0, 0, 12)]), None);
        assert_eq!(uncooked(&[(0x80, 0, 0, 0)]), None);
    }
}
