//! The fast path on bytes from anybody: it never panics, says the same in batches, and agrees
//! with the full decode about the addresses.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use vision_core::capture::flows;
use vision_core::wire::LinkType;
use vision_core::wire::packet::{Packet, Proto, flow};

fuzz_target!(|input: &[u8]| {
    let Some((link, bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let link = LinkType(u16::from_le_bytes(*link));
    let one = flow(link, bytes);
    flows(link, &[bytes; 3], |_, again| assert_eq!(again, one));
    let Some(one) = one else { return };
    assert!(one.payload.len() <= bytes.len());
    assert_eq!(one.key.undirected(), one.key.undirected().undirected());
    let packet = Packet::decode(link, bytes);
    let ends = packet.layers.iter().find_map(|layer| match &layer.proto {
        Proto::Ipv4(ip) => Some((IpAddr::from(ip.src), IpAddr::from(ip.dst))),
        Proto::Ipv6(ip) => Some((ip.src.into(), ip.dst.into())),
        _ => None,
    });
    if let Some(ends) = ends {
        assert_eq!(ends, (one.key.src, one.key.dst));
    }
});
