//! Whatever a user types: what parses prints, and prints as something that parses to the same.
#![no_main]

use std::{
    fmt::{Debug, Display},
    str::FromStr,
};

use libfuzzer_sys::fuzz_target;
use vision_core::{
    Endpoint, Host, PortRange, Prefix, Selector, base::parse_duration, doctor::Question,
};

fuzz_target!(|text: &str| {
    round_trip::<Selector>(text);
    round_trip::<Endpoint>(text);
    round_trip::<Host>(text);
    round_trip::<PortRange>(text);
    round_trip::<Prefix>(text);
    round_trip::<Question>(text);
    let _ = parse_duration(text);
});

fn round_trip<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    let again = printed.parse::<T>().ok();
    assert_eq!(again.as_ref(), Some(&value), "{text:?} prints as {printed:?}");
}
