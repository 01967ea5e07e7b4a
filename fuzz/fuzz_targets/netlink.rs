//! A netlink datagram of any kernel: reading neither panics nor hangs, and names are fit for a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::inventory::{Recorded, RecordedProtocol, RecordedRow};

fuzz_target!(|bytes: &[u8]| {
    let Some((first, datagram)) = bytes.split_first() else {
        return;
    };
    let protocol = match first % 3 {
        0 => RecordedProtocol::Route,
        1 => RecordedProtocol::SockDiag,
        _ => RecordedProtocol::Netfilter,
    };
    for message in Recorded::read(protocol, datagram) {
        if let RecordedRow::Link(link) = &message.row {
            assert!(!link.name.escaped().to_string().contains(char::is_control));
        }
        // What was read can be shown.
        assert!(!format!("{message:?}").is_empty());
    }
});
