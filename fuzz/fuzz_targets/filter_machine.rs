//! A program from anybody on a packet from anybody: refused when it is made, or it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::filter::{Instruction, Machine, Program};

fuzz_target!(|bytes: &[u8]| {
    let Some((count, rest)) = bytes.split_first() else { return };
    let count = usize::from(*count).min(64);
    let (program, packet) = rest.split_at(rest.len().min(8 * count));
    let instruction = |it: &[u8; 8]| {
        let [c0, c1, jt, jf, k0, k1, k2, k3] = *it;
        let code = u16::from_be_bytes([c0, c1]);
        Instruction::from((code, jt, jf, u32::from_be_bytes([k0, k1, k2, k3])))
    };
    let program = Program::new(program.as_chunks().0.iter().map(instruction).collect());
    let _ = (program.to_string(), program.as_c(), program.as_numbers());
    if let Ok(machine) = Machine::new(&program) {
        let len = packet.len() as u32;
        assert_eq!(machine.run(packet, len), machine.run(packet, len));
    }
});
