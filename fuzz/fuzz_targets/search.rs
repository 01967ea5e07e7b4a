//! A pattern and a packet from anybody: a fault lies inside the pattern, a match inside of what the
//! packet carries.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::{Frame, Match, searched};
use vision_core::wire::LinkType;

const LINKS: [LinkType; 3] = [LinkType::RAW, LinkType::ETHERNET, LinkType::LINUX_SLL2];

// The link type, the pattern, a line feed, the packet.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let (pattern, packet) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    if pattern.len() > 256 || packet.len() > 2048 {
        return;
    }
    match Match::compile_any_case(pattern) {
        Err(error) => {
            assert!(error.at + error.length <= pattern.len(), "{error:?}");
            assert!(error.pointed(pattern).lines().count() <= 2);
        }
        Ok(mut wanted) => {
            assert!(wanted.find(packet).is_none_or(|found| packet.get(found).is_some()));
            let frame = Frame::new(LINKS[usize::from(*first) % LINKS.len()], packet);
            let mut other = wanted.clone().inverted();
            let (hit, inverse) = (wanted.take(&frame), other.take(&frame));
            let carried = searched(&frame).filter(|payload| !payload.is_empty());
            assert_eq!(hit.is_some() != inverse.is_some(), carried.is_some());
            let Some(hit) = hit else { return };
            assert!(packet[hit.offset..].starts_with(hit.payload));
            assert!(hit.found.is_some_and(|found| hit.payload.get(found).is_some()));
        }
    }
});
