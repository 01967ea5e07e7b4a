//! What is written, read by another library; what another library writes, read here.

use std::borrow::Cow;
use std::io::Cursor;
use std::time::Duration;

use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionBlock;
use pcap_file::pcapng::{Block, PcapNgReader, PcapNgWriter};
use vision_core::Timestamp;
use vision_core::capture::file::{Interface, Reader, Section, Statistics, Writer};
use vision_core::capture::{Direction, Frame};
use vision_core::wire::LinkType;

use crate::write::Kept;

/// Times and lengths in which a mistake of unit, byte order or padding shows.
const PACKETS: [(u64, u32, &[u8]); 4] = [
    (1_700_000_000_123_456_789, 1514, &[1; 60]),
    (1_700_000_000_999_999_999, 61, &[2; 61]),
    (4_294_967_296_000_000_001, 0xffff, &[]),
    (1, 7, &[3; 7]),
];

#[test]
fn another_reader_finds_every_packet_of_ours() {
    let kept = Kept::default();
    let mut writer = Writer::pcapng(kept.clone(), &Section::default());
    let mut eth0 = Interface::new(LinkType::ETHERNET);
    eth0.name = Some("eth0".to_owned());
    writer.interface(&eth0).expect("room");
    for (nanos, len, data) in PACKETS {
        let mut frame = Frame::new(LinkType::ETHERNET, data);
        frame.time = Some(Timestamp::from_unix_nanos(nanos as i64));
        (frame.len, frame.direction) = (len, Some(Direction::Out));
        writer.frame(&frame).expect("room");
    }
    let mut counts = Statistics::default();
    (counts.received, counts.dropped_by_kernel) = (Some(6), Some(2));
    writer.statistics(0, counts);
    writer.finish().expect("room");

    let mut reader = PcapNgReader::new(Cursor::new(kept.bytes())).expect("a section");
    let (mut packets, mut counted) = (Vec::new(), 0);
    while let Some(block) = reader.next_block() {
        match block.expect("a block it knows").0 {
            Block::EnhancedPacket(packet) => {
                let flags = packet.options.iter().find_map(|option| match option {
                    EnhancedPacketOption::Flags(flags) => Some(*flags),
                    _ => None,
                });
                // Outbound, draft-ietf-opsawg-pcapng §4.3.1.
                assert_eq!(flags.map(|flags| flags & 3), Some(2));
                packets.push(packet.into_owned());
            }
            Block::InterfaceStatistics(_) => counted += 1,
            _ => {}
        }
    }
    assert_eq!(counted, 1);
    assert_eq!(packets.len(), PACKETS.len());
    for (packet, (nanos, len, data)) in packets.iter().zip(PACKETS) {
        assert_eq!(packet.timestamp, Duration::from_nanos(nanos));
        assert_eq!((packet.original_len, packet.data.as_ref()), (len, data));
    }
}

#[test]
fn what_another_writer_wrote_reads_as_it_meant() {
    let mut writer = PcapNgWriter::new(Vec::new()).expect("a section");
    let interface = InterfaceDescriptionBlock {
        linktype: pcap_file::DataLink::ETHERNET,
        snaplen: 0,
        options: vec![],
    };
    writer.write_pcapng_block(interface).expect("room");
    // Without an option for it, its times are microseconds.
    for (nanos, len, data) in PACKETS {
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: Duration::from_micros(nanos / 1000),
            original_len: len,
            data: Cow::Borrowed(data),
            options: vec![EnhancedPacketOption::Flags(2)],
        };
        writer.write_pcapng_block(packet).expect("room");
    }
    let mut reader = Reader::new(Cursor::new(writer.into_inner())).expect("a capture");
    let mut found = 0;
    while let Some(frame) = reader.next_frame().expect("whole") {
        let (nanos, len, data) = PACKETS[found];
        let micros = (nanos / 1000 * 1000) as i64;
        assert_eq!(frame.time.map(|time| time.as_unix_nanos()), Some(micros));
        assert_eq!((frame.len, frame.data), (len, data));
        found += 1;
    }
    assert_eq!(found, PACKETS.len());
}
