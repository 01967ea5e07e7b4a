//! Sets of ipset and legacy tables of any kernel: reading and writing them neither panics nor hangs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::firewall::FwFamily;
use vision_core::firewall::ipset::{IpsetStep, recorded};
use vision_core::firewall::legacy::LegacyTable;

fuzz_target!(|bytes: &[u8]| {
    let mut set = None;
    for step in recorded(bytes) {
        match step {
            IpsetStep::Set(next) => {
                assert!(next.header().chars().all(|c| c == '\n' || !c.is_control()));
                set = Some(next);
            }
            IpsetStep::Element(element) => {
                let line = set.as_ref().map(|set| set.member(&element));
                assert!(line.is_none_or(|line| !line.contains(char::is_control)));
            }
        }
    }
    let (info, entries) = bytes.split_at(bytes.len().min(84));
    for family in [FwFamily::Ip, FwFamily::Ip6] {
        let Some(table) = LegacyTable::recorded(family, info, entries) else { continue };
        assert!(table.save().chars().all(|c| c == '\n' || !c.is_control()));
    }
});
