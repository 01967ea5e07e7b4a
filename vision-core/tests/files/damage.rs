//! Damaged files: an error that names the place, and never the same one for ever.

use std::io::Cursor;
use std::time::Instant;

use vision_core::Timestamp;
use vision_core::capture::Frame;
use vision_core::capture::file::{FileError, Interface, Kind, Reader, Section, Writer, sniff};
use vision_core::wire::LinkType;

use crate::write::Kept;

fn sample(pcapng: bool) -> Vec<u8> {
    let kept = Kept::default();
    let mut writer = match pcapng {
        true => Writer::pcapng(kept.clone(), &Section::default()),
        false => Writer::pcap(kept.clone(), vision_core::capture::file::Precision::Micro),
    };
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    for number in 0..5 {
        let data = [number; 21];
        let mut frame = Frame::new(LinkType::ETHERNET, &data);
        frame.time = Some(Timestamp::from_unix_nanos(number.into()));
        writer.frame(&frame).expect("room");
    }
    writer.finish().expect("room");
    kept.bytes()
}

/// Reads to the end or to the error that ends the reading.
fn count(bytes: Vec<u8>) -> (usize, Option<FileError>) {
    let size = bytes.len();
    let mut reader = match Reader::new(Cursor::new(bytes)) {
        Ok(reader) => reader,
        Err(e) => return (0, Some(e)),
    };
    let (mut packets, mut last) = (0, None);
    // Every call but the last takes a block, and none is shorter than twelve bytes.
    for _ in 0..size / 12 + 2 {
        match reader.next_frame() {
            Ok(Some(_)) => packets += 1,
            Ok(None) => return (packets, last),
            Err(e) => last = Some(e),
        }
    }
    panic!("no end after {packets} packets: {last:?}");
}

#[test]
fn a_cut_file_gives_all_whole_packets_and_then_says_where_it_ends() {
    for pcapng in [false, true] {
        let whole = sample(pcapng);
        assert_eq!(count(whole.clone()).0, 5);
        let mut before = 0;
        for length in 1..whole.len() {
            let (packets, error) = count(whole[..length].to_vec());
            assert!(packets >= before && packets <= 5, "{length}");
            before = packets;
            match error {
                Some(FileError::Truncated { offset, need, have, .. }) => {
                    assert!(offset + have == length as u64 && need > have, "{length}");
                }
                Some(FileError::NotCapture(_)) => assert!(length < 12, "{length}"),
                None => assert_eq!(packets, count(whole[..length].to_vec()).0),
                other => panic!("{length}: {other:?}"),
            }
        }
    }
}

#[test]
fn whatever_a_bit_is_the_reading_ends() {
    for pcapng in [false, true] {
        let whole = sample(pcapng);
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                count(bytes);
            }
        }
    }
}

#[test]
fn a_claimed_length_takes_no_memory_and_no_time() {
    let mut bytes = sample(true);
    // A block of 15 MiB of which nothing is there.
    bytes.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0xf0, 0, 0, 0, 0, 0]);
    let started = Instant::now();
    let (packets, error) = count(bytes);
    assert_eq!(packets, 5);
    assert!(matches!(error, Some(FileError::Truncated { .. })), "{error:?}");
    assert!(started.elapsed().as_millis() < 500);
}

#[test]
fn a_packet_of_an_interface_that_is_not_there_does_not_hide_those_behind_it() {
    let mut bytes = sample(true);
    // The first packet block begins behind the section (28) and the interface (32).
    bytes[28 + 32 + 8] = 9;
    let (packets, error) = count(bytes);
    assert_eq!(packets, 4);
    assert_eq!(error.and_then(|it| it.offset()), Some(60));
}

#[test]
fn what_is_no_capture_is_named() {
    let kind = |bytes: &[u8]| match sniff(Cursor::new(bytes.to_vec())) {
        Err(FileError::NotCapture(kind)) => kind.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(b"\x7fELF\x02\x01"), "an ELF program or library");
    assert_eq!(kind(b"-----BEGIN CERTIFICATE-----\n"), "PEM text: CERTIFICATE");
    assert_eq!(kind(b"10:00:00 IP a > b\n"), "text");
    assert_eq!(
        kind(&[0x30, 0x82, 1, 2, 0x30, 0x82]),
        Kind::of(&[0x30, 0x82, 1, 2, 0x30]).to_string()
    );
    assert_eq!(kind(&[1, 2, 3, 4, 5]), "data that begins with 01 02 03 04");
    assert!(matches!(sniff(std::io::empty()), Err(FileError::Empty)));
}
