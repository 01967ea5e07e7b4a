//! A DNS message from anybody: decoding neither panics nor hangs, and what it shows is fit for a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::wire::dns::Message;

fuzz_target!(|bytes: &[u8]| {
    let Ok(message) = Message::decode(bytes) else {
        return;
    };
    let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    for record in records {
        assert!(!record.to_string().contains(|c: char| c.is_control() && c != '\t'), "{record}");
    }
    let json = serde_json::to_string(&message).expect("a message is JSON");
    let back: Message = serde_json::from_str(&json).expect("its own JSON");
    assert_eq!(serde_json::to_string(&back).ok(), Some(json));
});
