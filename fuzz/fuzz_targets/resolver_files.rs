//! resolv.conf and hosts as any container may have them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use vision_core::inventory::{Hosts, Resolver};

fuzz_target!(|bytes: &[u8]| {
    rewrite(&Resolver::parse(bytes));
    let hosts = Hosts::parse(bytes);
    if let Some(name) = bytes.split(u8::is_ascii_whitespace).nth(1) {
        hosts.lookup(&String::from_utf8_lossy(name));
    }
    rewrite(&hosts);
});

/// What was written reads, and is written the same again.
fn rewrite<T: Serialize + DeserializeOwned>(value: &T) {
    let json = serde_json::to_string(value).expect("JSON");
    let back: T = serde_json::from_str(&json).expect("its own JSON");
    assert_eq!(serde_json::to_string(&back).ok(), Some(json));
}
