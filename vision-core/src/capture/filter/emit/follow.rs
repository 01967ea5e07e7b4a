//! A loop over headers. It jumps back, which the kernel takes from nobody: for packets in memory
//! only.

use crate::capture::filter::cond::HeaderChain;
use crate::capture::filter::program::{Instruction, code};

/// Counted in words of eight bytes behind the first: hop-by-hop options, destination options,
/// routing and fragment (RFC 8200 §4).
const EXTENSIONS: [u32; 4] = [0, 60, 43, 44];
/// Counted in words of four bytes behind the first two (RFC 4302 §2.2).
const AH: u32 = 51;

/// Leaves the last header's number in the accumulator.
pub(super) fn body(chain: HeaderChain) -> Vec<Instruction> {
    let HeaderChain { network, six, wanted, place } = chain;
    let mut body = match six {
        true => vec![plain(0x30, network.wrapping_add(6)), plain(code::LDX_IMM, 40)],
        false => vec![plain(0x30, network.wrapping_add(9)), plain(code::LDX_MSH, network)],
    };
    let again = body.len();
    let extensions: &[u32] = if six { &EXTENSIONS } else { &[] };
    let long = step(network, place, [1, 3]);
    let short = step(network, place, [2, 2]);
    // With the jump back behind each of the two.
    let long_at = again + 1 + extensions.len();
    let ah_at = if six { long_at + long.len() + 1 } else { long_at };
    let end = ah_at + 1 + short.len() + 1;
    body.push(equal(wanted, end - again - 1, 0));
    for (at, extension) in (body.len()..).zip(extensions) {
        let last = at + 1 == long_at;
        body.push(equal(*extension, long_at - at - 1, if last { ah_at - at - 1 } else { 0 }));
    }
    if six {
        body.extend(long);
        body.push(back(body.len(), again));
    }
    body.push(equal(AH, 0, end - ah_at - 1));
    body.extend(short);
    body.push(back(body.len(), again));
    body
}

/// Goes to the next header.
fn step(network: u32, place: u8, [more, shift]: [u32; 2]) -> Vec<Instruction> {
    vec![
        plain(0x50, network),
        plain(code::ST, place.into()),
        plain(0x50, network.wrapping_add(1)),
        plain(0x04, more),
        plain(0x64, shift),
        plain(0x0c, 0),
        plain(code::TAX, 0),
        plain(code::LD_MEM, place.into()),
    ]
}

fn plain(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

fn equal(k: u32, jt: usize, jf: usize) -> Instruction {
    Instruction { code: code::JEQ, jt: jt as u8, jf: jf as u8, k }
}

fn back(at: usize, to: usize) -> Instruction {
    plain(code::JA, (to as u32).wrapping_sub(at as u32 + 1))
}
