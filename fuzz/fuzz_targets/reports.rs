//! Saved reports from anywhere: reading never panics, and what was read is written and read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::{Serialize, de::DeserializeOwned};
use vision_core::{doctor::Diagnosis, inventory::Snapshot};

fuzz_target!(|bytes: &[u8]| {
    rewrite::<Snapshot>(bytes);
    rewrite::<Diagnosis>(bytes);
});

fn rewrite<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else {
        return;
    };
    let json = serde_json::to_string(&value).expect("JSON");
    let back: T = serde_json::from_str(&json).expect("its own JSON");
    assert_eq!(serde_json::to_string(&back).ok(), Some(json));
}
