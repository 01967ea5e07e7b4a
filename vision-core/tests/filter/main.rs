//! Packet filters: against libpcap's own test expressions, and against tcpdump.
#![cfg(feature = "capture")]

mod corpus;
mod grammar;
mod random;

use std::env;
use std::path::PathBuf;

use vision_core::capture::file::Reader;
use vision_core::wire::LinkType;

const FILTERS: &str = "../../shared/filters";

/// Packets as a filter sees them: the bytes kept, and the length on the wire.
struct Packets(Vec<(Vec<u8>, u32)>);

impl Packets {
    fn of(name: &str) -> Self {
        let path = PathBuf::from(FILTERS).join(name);
        let mut reader = Reader::open(&path).expect("a capture file");
        let mut packets = Vec::new();
        while let Ok(Some(frame)) = reader.next_frame() {
            packets.push((frame.data.to_vec(), frame.len));
        }
        Self(packets)
    }

    /// The numbers of those that are taken.
    fn taken(&self, takes: impl Fn(&[u8], u32) -> bool) -> Vec<usize> {
        let all = self.0.iter().enumerate();
        all.filter(|(_, (data, len))| takes(data, *len)).map(|(at, _)| at + 1).collect()
    }
}

/// Says that a test cannot be done here; not where that is forbidden.
fn skip(why: &str) {
    let set = |name: &str, value: &str| env::var_os(name).is_some_and(|it| it == value);
    let forbidden = set("VISION_FORBID_SKIP", "1") || set("CI", "true");
    assert!(!forbidden, "may not be skipped: {why}");
    println!("SKIP: {why}");
}

/// The link types whose language is complete here, by libpcap's names.
fn link_type(name: &str) -> Option<LinkType> {
    let known = match name {
        "PPP" => LinkType::PPP,
        "LOOP" => LinkType::LOOP,
        "EN10MB" | "RAW" | "IPV4" | "IPV6" | "NULL" | "LINUX_SLL" | "LINUX_SLL2" => {
            name.parse().ok()?
        }
        _ => return None,
    };
    Some(known)
}
