//! A saved case from anywhere: planning and judging never panic and always say the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::doctor::{CaseFile, judge, plan};

fuzz_target!(|bytes: &[u8]| {
    let Ok(case) = serde_json::from_slice::<CaseFile>(bytes) else {
        return;
    };
    let json = serde_json::to_string(&case).expect("JSON");
    let back: CaseFile = serde_json::from_str(&json).expect("its own JSON");
    assert_eq!(serde_json::to_string(&back).ok(), Some(json));
    assert_eq!(plan(&case), plan(&case));
    let diagnosis = judge(&case);
    assert_eq!(diagnosis, judge(&case));
    serde_json::to_string(&diagnosis).expect("a diagnosis is JSON");
});
