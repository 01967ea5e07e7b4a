//! What every protocol decodes to, in a file that a change shows in.

use std::fmt::Write;

use vision_core::wire::packet::{Kind, Packet, Verdict, flow};

use crate::samples;

const GOLDEN: &str = "tests/data/packets/decoded.txt";

fn decoded() -> String {
    let mut text = String::new();
    for (name, link, bytes) in samples() {
        let packet = Packet::decode(link, &bytes);
        writeln!(text, "{name}").expect("room");
        for (at, layer) in packet.layers.iter().enumerate() {
            let quoted = if layer.is_quoted { " quoted" } else { "" };
            write!(text, "  {}+{}{quoted} {:?}", layer.offset, layer.len, layer.proto)
                .expect("room");
            match packet.checksum(at) {
                Some(checksum) => writeln!(text, " checksum {}", checksum.verdict),
                None => writeln!(text),
            }
            .expect("room");
        }
        let (at, len) = (packet.payload_offset, packet.payload_len);
        writeln!(text, "  {at} payload of {len}: {:?}", packet.payload).expect("room");
        if let Some(fault) = packet.fault {
            writeln!(text, "  fault: {fault}").expect("room");
        }
        writeln!(text, "  flow: {:?}", flow(link, &bytes)).expect("room");
    }
    text
}

#[test]
fn every_protocol_decodes_to_what_the_golden_file_says() {
    let decoded = decoded();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, &decoded).expect("a golden file");
    }
    let golden = std::fs::read_to_string(GOLDEN).expect("a golden file");
    for (now, then) in decoded.lines().zip(golden.lines()) {
        assert_eq!(now, then, "UPDATE_GOLDEN=1 accepts it");
    }
    assert_eq!(decoded.lines().count(), golden.lines().count());
}

#[test]
fn each_kind_of_layer_is_among_the_samples_and_none_has_a_fault() {
    let mut missing: Vec<Kind> = Kind::ALL.to_vec();
    for (name, link, bytes) in samples() {
        let packet = Packet::decode(link, &bytes);
        assert_eq!(packet.fault, None, "{name}");
        missing.retain(|kind| packet.layers.iter().all(|layer| layer.proto.kind() != *kind));
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn checksums_are_right_unless_the_name_of_the_packet_says_otherwise() {
    for (name, link, bytes) in samples() {
        let packet = Packet::decode(link, &bytes);
        for (at, layer) in packet.layers.iter().enumerate() {
            let Some(checksum) = packet.checksum(at) else { continue };
            let ok = match checksum.verdict {
                Verdict::Correct => true,
                Verdict::NotFilledIn => name == "tcp_offload" || layer.is_quoted,
                Verdict::Wrong { .. } => {
                    name == "tcp_damaged" || layer.is_quoted || name == "udp_lite"
                }
                Verdict::Absent => layer.proto.kind() == Kind::Udp,
                Verdict::NotChecked(_) => {
                    layer.is_quoted
                        || name.contains("fragment")
                        || name.contains("route")
                        || name == "ah"
                }
                _ => false,
            };
            assert!(ok, "{name}: {}: {}", layer.proto.kind(), checksum.verdict);
        }
    }
}
