//! A filter from anybody: the fault lies inside of it, and a program that comes out is one that runs
//! here, optimised or not, and that the kernel would take if it does not jump back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::filter::Filter;
use vision_core::wire::LinkType;

const LINKS: [LinkType; 6] = [
    LinkType::ETHERNET,
    LinkType::RAW,
    LinkType::NULL,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::PPP,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let Ok(expression) = std::str::from_utf8(rest) else { return };
    if expression.len() > 4096 {
        return;
    }
    let link = LINKS[usize::from(*first) % LINKS.len()];
    let request = Filter::on(link).netmask([255, 255, 255, 0].into());
    match request.compile(expression) {
        Err(error) => {
            assert!(error.at + error.length <= expression.len());
            assert!(error.pointed(expression).lines().count() <= 2);
        }
        Ok(filter) => {
            let plain = request.unoptimised().compile(expression).expect("as before");
            let (ours, longer) = (filter.program(), plain.program());
            assert!(ours.instructions().len() <= longer.instructions().len() + 20);
            for packet in [&bytes[..0], bytes] {
                // What the plain program takes, the other does not refuse: it loads no more.
                let len = packet.len() as u32;
                assert!(!plain.matches(packet, len) || filter.matches(packet, len));
            }
        }
    }
    let _ = request.live().compile(expression);
});
