//! A block of a receive ring, whoever wrote it: the walk ends, and every packet lies inside the block.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::walk_block;

fuzz_target!(|input: &[u8]| {
    // The hardware type decides what is put before the packets.
    let Some((hardware, block)) = input.split_first_chunk() else { return };
    let (hardware, mut block) = (u16::from_ne_bytes(*hardware), block.to_vec());
    let (size, mut seen) = (block.len(), 0);
    let count = walk_block(&mut block, hardware, &mut |frame| {
        assert!(frame.data.len() <= size);
        assert!(frame.time.is_some());
        seen += 1;
    });
    assert_eq!(seen, count);
    // Each packet takes at least its header.
    assert!(count <= size / 68 + 1);
});
