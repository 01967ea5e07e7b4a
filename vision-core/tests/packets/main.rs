//! Packets to layers and flows: one of every protocol, damage, and other people's captures.

mod corpus;
mod damage;
mod golden;

use vision_core::wire::LinkType;

/// Packets by what is in them, as `tests/data/packets/packets.txt` has them.
fn samples() -> impl Iterator<Item = (&'static str, LinkType, Vec<u8>)> {
    let lines = include_str!("../data/packets/packets.txt").lines();
    lines.filter(|line| !line.starts_with('#')).map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, link, hex] = words[..] else { panic!("three words: {line}") };
        (name, link.parse().expect("a link type"), unhex(hex))
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("a byte");
    (0..text.len()).step_by(2).map(byte).collect()
}
