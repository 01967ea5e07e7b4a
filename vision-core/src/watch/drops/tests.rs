//! Bytes of a real ring, read without one.

use super::*;

fn recorded() -> Vec<u8> {
    let text = include_str!("../../../tests/data/perf/kfree_skb-6.18.hex");
    let digits = text.lines().filter(|line| !line.starts_with('#')).flat_map(str::bytes);
    let digits: Vec<u8> = digits.map(|b| (b as char).to_digit(16).expect("hex") as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn format() -> Format {
    let text = include_str!("../../../tests/data/perf/kfree_skb-6.18.format");
    Format::parse(text).expect("a format")
}

fn packets(bytes: &[u8]) -> Vec<DroppedPacket> {
    let (format, symbols) = (format(), Symbols::default());
    let read = |record| match record {
        Record::Sample { pid, time, cpu, raw } => {
            let at = Timestamp::from_unix_nanos(i64::try_from(time).unwrap_or(i64::MAX));
            packet(&format, &symbols, (pid, at, cpu), raw)
        }
        _ => None,
    };
    Records::new(bytes).filter_map(read).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn recorded_drops_have_time_place_and_reason() {
    let packets = packets(&recorded());
    assert_eq!(packets.len(), 3);
    for packet in &packets {
        assert_eq!(packet.reason.as_deref(), Some("NO_SOCKET"));
        assert_eq!(packet.location.to_string(), "0xffffffff820490cc");
        assert_eq!((packet.protocol, packet.has_socket), (Some(0x0800), Some(false)));
        assert_eq!((packet.pid, packet.cpu, packet.ignorable.as_deref()), (17_790, 1, None));
    }
    assert!(packets.windows(2).all(|two| two[0].at < two[1].at));
}

#[test]
#[cfg(target_endian = "little")]
fn damaged_records_end_the_walk_and_lost_ones_are_counted() {
    let bytes = recorded();
    for len in 0..bytes.len() {
        assert!(packets(&bytes[..len]).len() <= len / 80);
    }
    for at in 0..80 {
        let mut damaged = bytes.clone();
        damaged[at] = 0xff;
        assert!(packets(&damaged).len() <= 3);
    }
    // A length of zero must not be walked for ever.
    assert_eq!(Records::new(&[0; 64]).take(100).count(), 0);
    let mut lost = vec![2, 0, 0, 0, 0, 0, 24, 0];
    lost.extend([7_u64, 500].iter().flat_map(|n| n.to_ne_bytes()));
    assert_eq!(Records::new(&lost).collect::<Vec<_>>(), [Record::Lost(500)]);
}

#[test]
#[cfg(target_endian = "little")]
fn drops_of_one_process_are_counted_apart() {
    let packets = packets(&recorded());
    let other = DroppedPacket { pid: 1, ..packets[0].clone() };
    for (mut tally, own) in [
        (DropTally::of_process(17_790), Some(3)),
        (DropTally::of_process(2), Some(0)),
        (DropTally::default(), None),
    ] {
        packets.iter().chain([&other]).for_each(|packet| tally.add(packet, AllDrops::With));
        let groups = tally.groups();
        assert_eq!((groups.len(), groups[0].count, groups[0].of_process), (1, 4, own));
    }
}

#[test]
#[cfg(target_endian = "little")]
fn drops_are_grouped_and_noise_is_counted_apart() {
    let packets = packets(&recorded());
    let named = |function: &str, ignorable: Option<&str>| DroppedPacket {
        location: Location {
            address: 1,
            function: Some(function.to_owned()),
            offset_bytes: Some(9),
        },
        ignorable: ignorable.map(str::to_owned),
        ..packets[0].clone()
    };
    let all = [
        packets[0].clone(),
        packets[1].clone(),
        named("ip_rcv", None),
        DroppedPacket { protocol: None, ..named("ip_rcv", None) },
        named("ip_rcv", None),
        named("unix_x", Some("local")),
    ];
    for (which, groups, ignored) in [(AllDrops::Without, 2, 1), (AllDrops::With, 3, 0)] {
        let mut tally = DropTally::default();
        all.iter().for_each(|packet| tally.add(packet, which));
        assert_eq!(tally.dropped(), 6);
        assert_eq!((tally.groups().len(), tally.ignored().len()), (groups, ignored));
        let first = &tally.groups()[0];
        assert_eq!((first.count, first.location.to_string().as_str()), (3, "ip_rcv"));
        assert_eq!(
            first.protocols.iter().map(|(k, n)| (*k, *n)).collect::<Vec<_>>(),
            [(0, 1), (0x0800, 2)]
        );
        assert!(first.meaning.is_some());
    }
}
