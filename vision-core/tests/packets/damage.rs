//! Prefixes and changed bytes: the layers before the damage stay, and nothing panics.

use std::time::{Duration, Instant};

use vision_core::wire::LinkType;
use vision_core::wire::packet::{Packet, Proto, flow};

use crate::samples;

/// Looks at everything that is read only when asked for.
pub fn exercise(link: LinkType, bytes: &[u8], wire_len: usize) -> usize {
    let packet = Packet::decode_cut(link, bytes, wire_len);
    assert!(packet.layers.len() <= 96, "bounded");
    let mut end = 0;
    let mut items = 0;
    for (at, layer) in packet.layers.iter().enumerate() {
        assert!(layer.offset >= end && layer.offset <= bytes.len(), "{packet:?}");
        // What a layer holds may be read as a whole although a part of it is missing.
        end = layer.offset;
        let _ = packet.checksum(at);
        items += match &layer.proto {
            Proto::Ipv4(it) => it.options().count(),
            Proto::Tcp(it) => it.options().count(),
            Proto::Sctp(it) => it.chunks().count(),
            Proto::Icmp6(it) => it.options().count(),
            Proto::Dhcp(it) => it.options().count(),
            Proto::Dhcp6(it) => it.options().count(),
            Proto::Lldp(it) => it.tlvs().count(),
            Proto::Http(it) => it.fields().count(),
            #[cfg(feature = "dns")]
            Proto::Dns(it) => it.message().map_or(0, |message| message.answers.len()),
            _ => 0,
        };
    }
    assert!(items <= bytes.len(), "at most one item a byte");
    assert!(packet.payload_offset + packet.payload.len() <= bytes.len());
    if let Some(fault) = packet.fault {
        assert!(fault.offset <= bytes.len() && fault.available <= bytes.len(), "{fault}");
        assert!(fault.needed == 0 || fault.needed > fault.available, "{fault}");
    }
    let _ = flow(link, bytes);
    items
}

/// A simple generator (Steele and others, 2014): the same numbers each time.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

#[test]
fn a_prefix_gives_the_layers_it_holds_and_names_the_next() {
    for (name, link, bytes) in samples() {
        let whole = Packet::decode(link, &bytes);
        for len in 0..bytes.len() {
            exercise(link, &bytes[..len], bytes.len());
            let cut = Packet::decode_cut(link, &bytes[..len], bytes.len());
            let kinds = |packet: &Packet<'_>| -> Vec<_> {
                packet.layers.iter().map(|layer| layer.proto.kind()).collect()
            };
            let (whole, found) = (kinds(&whole), kinds(&cut));
            assert!(whole.starts_with(&found), "{name} cut to {len}: {found:?} of {whole:?}");
            if let Some(fault) = cut.fault {
                assert!(fault.is_cut, "{name} cut to {len}: {fault}");
            }
        }
    }
}

#[test]
fn changed_bytes_neither_panic_nor_take_long() {
    let mut numbers = Numbers(1);
    let begun = Instant::now();
    for (_, link, bytes) in samples() {
        for _ in 0..600 {
            let mut bytes = bytes.clone();
            for _ in 0..=numbers.below(4) {
                let at = numbers.below(bytes.len());
                bytes[at] = numbers.next() as u8;
            }
            bytes.truncate(bytes.len() - numbers.below(bytes.len() / 2));
            let wire_len = bytes.len() + numbers.below(2000);
            exercise(link, &bytes, wire_len);
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn any_bytes_on_any_link_are_read_in_bounded_work() {
    let mut numbers = Numbers(2);
    for link in [0, 1, 9, 12, 50, 101, 108, 113, 147, 228, 229, 276].map(LinkType) {
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..numbers.below(200)).map(|_| numbers.next() as u8).collect();
            exercise(link, &bytes, bytes.len());
        }
    }
}

#[test]
fn headers_without_end_are_cut_off() {
    // 64 KiB of each thing that can repeat: tags, labels, extension headers, packets in packets.
    let ether = |kind: [u8; 2], unit: &[u8]| {
        let mut bytes = vec![2; 12];
        bytes.extend(kind);
        bytes.extend(unit.iter().cycle().take(65_000 / unit.len() * unit.len()));
        bytes
    };
    let mut ip6 = vec![0x60, 0, 0, 0, 0xff, 0xd8, 60, 64];
    ip6.extend([0; 32]);
    let ip4 = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let gre = [&ip4[..9], &[47], &ip4[10..], &[0, 0, 8, 0]].concat();
    let mut extensions = ether([0x86, 0xdd], &ip6);
    extensions.truncate(54);
    extensions.extend([60, 0, 0, 0, 0, 0, 0, 0].iter().cycle().take(64_000));
    for bytes in [
        ether([0x81, 0], &[0, 1, 0x81, 0]),
        ether([0x88, 0x47], &[0, 0, 0x10, 64]),
        ether([0x08, 0x00], &ip4),
        ether([0x08, 0x00], &gre),
        extensions,
    ] {
        let begun = Instant::now();
        let packet = Packet::decode(LinkType::ETHERNET, &bytes);
        assert_eq!(packet.layers.len(), 96);
        exercise(LinkType::ETHERNET, &bytes, bytes.len());
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}

#[cfg(feature = "capture")]
#[test]
fn many_at_once_give_what_one_after_the_other_gives() {
    let all: Vec<_> = samples().filter(|it| it.1 == LinkType::ETHERNET).collect();
    for count in [0, 1, 15, 16, 17, 33, all.len()] {
        let packets: Vec<&[u8]> = all.iter().take(count).map(|it| &it.2[..]).collect();
        let mut found = Vec::new();
        vision_core::capture::flows(LinkType::ETHERNET, &packets, |at, flow| {
            found.push((at, flow))
        });
        let one_by_one = packets.iter().map(|it| flow(LinkType::ETHERNET, it)).enumerate();
        assert_eq!(found, one_by_one.collect::<Vec<_>>());
    }
}

#[test]
fn memory_is_used_again_and_nothing_of_the_packet_before_stays() {
    let mut memory = Packet::default();
    for (name, link, bytes) in samples() {
        let packet = memory.reuse(link, &bytes, bytes.len());
        assert_eq!(packet, Packet::decode(link, &bytes), "{name}");
        memory = packet.into_memory();
        assert!(memory.layers.is_empty() && memory.layers.capacity() > 0);
    }
}

#[test]
fn the_family_before_a_loopback_packet_says_what_follows() {
    let v4: &[u8] = &[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let mut v6 = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
    v6.extend([0xfd; 32]);
    let tagged = [&[0, 42, 0x08, 0x00], v4].concat();
    let cases: [(_, _, &[u8], _); 7] = [
        (LinkType::NULL, [2, 0, 0, 0], v4, Some(20)),
        (LinkType::NULL, [0, 0, 0, 2], v4, Some(20)),
        (LinkType::LOOP, [0, 0, 0, 24], &v6, Some(40)),
        (LinkType::NULL, [0, 0, 0x88, 0xa8], &tagged, Some(20)),
        // The bytes look like IP; the family says that they are not, or not this one.
        (LinkType::NULL, [9, 0, 0, 0], v4, None),
        (LinkType::LOOP, [2, 0, 0, 0], v4, None),
        (LinkType::NULL, [2, 0, 0, 0], &v6, None),
    ];
    for (link, family, ip, expected) in cases {
        let bytes = [&family, ip].concat();
        let found = flow(link, &bytes);
        assert_eq!(found.map(|flow| flow.ip_len as u16), expected, "{link:?} {family:?}");
        let packet = Packet::decode(link, &bytes);
        let has_ip =
            packet.layers.iter().any(|it| matches!(it.proto, Proto::Ipv4(_) | Proto::Ipv6(_)));
        assert_eq!(has_ip, expected.is_some(), "{link:?} {family:?}");
    }
}
