//! Captures of other projects: nothing panics, and the fast path agrees with the full decode.
#![cfg(feature = "capture")]

use std::net::IpAddr;

use vision_core::capture::file::Reader;
use vision_core::wire::LinkType;
use vision_core::wire::packet::{Kind, Packet, Proto, flow};

use crate::damage::{Numbers, exercise};

const CAPTURES: &str = "../../shared/captures";

/// Source, destination, ports and protocol of the outermost IP packet.
fn expected(packet: &Packet<'_>) -> Option<(IpAddr, IpAddr, u16, u16)> {
    let at = packet
        .layers
        .iter()
        .position(|layer| matches!(layer.proto.kind(), Kind::Ipv4 | Kind::Ipv6))?;
    let (src, dst) = match &packet.layers[at].proto {
        Proto::Ipv4(ip) => (ip.src.into(), ip.dst.into()),
        Proto::Ipv6(ip) => (ip.src.into(), ip.dst.into()),
        _ => return None,
    };
    let skip = |kind| matches!(kind, Kind::Ipv6Extension | Kind::Ipv6Fragment | Kind::Ah);
    let mut inner = packet.layers[at + 1..].iter().map(|layer| &layer.proto);
    let (src_port, dst_port) = match inner.find(|proto| !skip(proto.kind())) {
        Some(Proto::Tcp(it)) => (it.src_port, it.dst_port),
        Some(Proto::Udp(it)) => (it.src_port, it.dst_port),
        Some(Proto::Sctp(it)) => (it.src_port, it.dst_port),
        _ => (0, 0),
    };
    Some((src, dst, src_port, dst_port))
}

#[test]
fn the_fast_path_agrees_with_the_full_decode_on_recorded_packets() {
    let Ok(index) = std::fs::read_to_string(format!("{CAPTURES}/refs/INDEX.tsv")) else {
        println!("SKIP: {CAPTURES} is not there");
        return;
    };
    let (mut packets, mut flows, mut bad) = (0, 0, Vec::new());
    for line in index.lines().skip(1) {
        let name = line.split('\t').next().unwrap_or_default();
        let Ok(mut reader) = Reader::open(format!("{CAPTURES}/{name}")) else { continue };
        let mut number = 0;
        while let Ok(Some(frame)) = reader.next_frame() {
            number += 1;
            packets += 1;
            let packet = Packet::decode_cut(frame.link_type, frame.data, frame.len as usize);
            for at in 0..packet.layers.len() {
                let _ = packet.checksum(at);
            }
            let fast = flow(frame.link_type, frame.data).map(|flow| flow.key);
            flows += usize::from(fast.is_some());
            let fast = fast.map(|key| (key.src, key.dst, key.src_port, key.dst_port));
            let full = expected(&packet);
            // The fast path looks no further than tags; others have SNAP, PPPoE or MPLS in front.
            let plain = packet
                .layers
                .iter()
                .take_while(|it| !matches!(it.proto.kind(), Kind::Ipv4 | Kind::Ipv6));
            let plain = plain
                .into_iter()
                .all(|it| !matches!(it.proto.kind(), Kind::Llc | Kind::Pppoe | Kind::Mpls));
            // It gives ports where the header they stand in is cut.
            if plain && packet.fault.is_none() && fast != full {
                bad.push(format!("{name} #{number}: {fast:?} not {full:?}"));
            }
        }
    }
    println!("{packets} packets, {flows} flows, {} differ", bad.len());
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn recorded_packets_with_changed_bytes_are_read_in_bounded_work() {
    let Ok(index) = std::fs::read_to_string(format!("{CAPTURES}/refs/INDEX.tsv")) else {
        println!("SKIP: {CAPTURES} is not there");
        return;
    };
    let mut numbers = Numbers(3);
    let mut packets = 0;
    for line in index.lines().skip(1) {
        let name = line.split('\t').next().unwrap_or_default();
        let Ok(mut reader) = Reader::open(format!("{CAPTURES}/{name}")) else { continue };
        while let Ok(Some(frame)) = reader.next_frame() {
            packets += 1;
            let mut bytes = frame.data.to_vec();
            for _ in 0..=numbers.below(3) {
                // Headers stand in front: change them rather than what they carry.
                let at = numbers.below(bytes.len().min(120));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = numbers.next() as u8;
                }
            }
            exercise(frame.link_type, &bytes, frame.len as usize);
            consistent(name, frame.link_type, &bytes);
        }
    }
    println!("{packets} packets changed");
}

/// Whatever the bytes: the fast path finds the same addresses as the full decode, and a longer
/// packet with the same beginning has the same layers.
fn consistent(name: &str, link: LinkType, bytes: &[u8]) {
    let packet = Packet::decode(link, bytes);
    let ends = packet.layers.iter().find_map(|layer| match &layer.proto {
        Proto::Ipv4(ip) => Some((IpAddr::from(ip.src), IpAddr::from(ip.dst))),
        Proto::Ipv6(ip) => Some((ip.src.into(), ip.dst.into())),
        _ => None,
    });
    if let (Some(ends), Some(fast)) = (ends, flow(link, bytes)) {
        assert_eq!(ends, (fast.key.src, fast.key.dst), "{name}: {bytes:02x?}");
    }
    let cut = Packet::decode_cut(link, bytes, bytes.len() + 1000);
    if bytes.len() < 60_000 {
        assert_eq!(cut.layers.len(), packet.layers.len(), "{name}: {bytes:02x?}");
    }
}
