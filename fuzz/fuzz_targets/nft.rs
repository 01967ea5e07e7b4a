//! A recorded ruleset of any kernel: neither its text nor a walk through it panics or hangs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::firewall::{Flow, Ruleset, Text, iptables, why};

fuzz_target!(|bytes: &[u8]| {
    let ruleset = Ruleset::recorded(bytes);
    let text = Text::new(&ruleset);
    let whole = text.whole();
    assert!(whole.chars().all(|c| matches!(c, '\n' | '\t') || !c.is_control()));
    for rule in &ruleset.rules {
        assert!(!iptables::rule_line(&text, rule).contains(char::is_control));
    }
    let flow: Flow = "10.0.0.1:1 -> 10.0.0.2:2/tcp".parse().expect("a flow");
    assert!(why(&ruleset, &text, &flow).len() < 1 << 20);
});
