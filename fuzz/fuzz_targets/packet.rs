//! A packet from anybody on any link: decoding neither panics nor hangs, work and faults are
//! bounded by the packet, and memory used again shows nothing of the packet before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::wire::LinkType;
use vision_core::wire::packet::{Packet, Proto};

fuzz_target!(|input: &[u8]| {
    let Some((link, bytes)) = input.split_first_chunk::<2>() else {
        return;
    };
    let link = LinkType(u16::from_le_bytes(*link));
    let packet = Packet::decode(link, bytes);
    for (at, layer) in packet.layers.iter().enumerate() {
        assert!(layer.offset <= bytes.len());
        let _ = packet.checksum(at);
        let items = match &layer.proto {
            Proto::Ipv4(it) => it.options().count(),
            Proto::Tcp(it) => it.options().count(),
            Proto::Sctp(it) => it.chunks().count(),
            Proto::Icmp6(it) => it.options().count(),
            Proto::Dhcp(it) => it.options().count(),
            Proto::Dhcp6(it) => it.options().count(),
            Proto::Lldp(it) => it.tlvs().count(),
            Proto::Http(it) => it.fields().count(),
            Proto::Dns(it) => it.message().map_or(0, |message| message.answers.len()),
            _ => 0,
        };
        assert!(items <= bytes.len());
    }
    assert!(packet.payload_offset + packet.payload.len() <= bytes.len());
    if let Some(fault) = packet.fault {
        assert!(fault.needed == 0 || fault.needed > fault.available, "{fault}");
    }
    // The same bytes as the beginning of a longer packet: the same layers.
    let cut = Packet::decode_cut(link, bytes, bytes.len() + 1000);
    if bytes.len() < 60_000 {
        assert_eq!(cut.layers.len(), packet.layers.len());
    }
    assert_eq!(cut.reuse(link, bytes, bytes.len()), packet);
});
