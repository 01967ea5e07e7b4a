//! An ICMP error from anybody: what it quotes and appends lies inside the message, and work is bounded.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::Family;
use vision_core::wire::read_icmp_error;

fuzz_target!(|input: &[u8]| {
    let Some((version, message)) = input.split_first() else { return };
    let (family, header) = match version & 1 {
        0 => (Family::V4, 20),
        _ => (Family::V6, 40),
    };
    if let Some((quoted, labels)) = read_icmp_error(family, message) {
        // Eight bytes of its own, the quoted header, four bytes for each label.
        assert!(8 + header + quoted + 4 * labels <= message.len());
        assert!(labels <= 16);
    }
});
