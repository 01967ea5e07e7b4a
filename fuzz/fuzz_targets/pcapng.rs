//! A pcapng file from anybody: reading goes on behind damaged blocks and ends, and every option
//! lies inside its block.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::file::{Item, Reader, sniff};

fuzz_target!(|bytes: &[u8]| {
    let _ = sniff(std::io::Cursor::new(bytes.to_vec()));
    let Ok(mut reader) = Reader::new(std::io::Cursor::new(bytes.to_vec())) else {
        return;
    };
    if reader.compression().is_some() {
        return;
    }
    // A block has twelve bytes at least; each call takes one or is the last.
    let mut left = bytes.len() / 12 + 2;
    loop {
        left = left.checked_sub(1).expect("every call takes a block");
        match reader.next_item() {
            Ok(None) => break,
            Ok(Some(Item::Block(block))) => {
                let length: usize = block.options().map(|(_, value)| value.len() + 4).sum();
                assert!(length <= block.body.len() + 4);
            }
            _ => {}
        }
    }
    let interfaces = reader.interfaces().len();
    for it in 0..interfaces {
        let _ = reader.statistics(it);
    }
});
