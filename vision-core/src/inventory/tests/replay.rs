//! 316 exchanges other kernels had, recorded on an nlmon device, against what tshark made of them.

use std::collections::HashMap;
use std::path::Path;

use super::Row;
use crate::inventory::{Link, addr, link, neigh, route, rule};
use crate::netlink::header::{Message, Messages, NLM_F_REQUEST};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/netlink");
const NAME: &str = "rtnetlink-1-316.pcap";

/// Header of the file, of a record, and the cooked header before each datagram.
const FILE: usize = 24;
const RECORD: usize = 16;
const COOKED: usize = 16;

fn packets() -> Option<Vec<Vec<u8>>> {
    let Ok(file) = std::fs::read(Path::new(FOLDER).join(NAME)) else {
        eprintln!("SKIP: {FOLDER}/{NAME} is absent");
        return None;
    };
    let mut rest = &file[FILE..];
    let mut packets = Vec::new();
    while rest.len() >= RECORD {
        let len = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]) as usize;
        packets.push(rest[RECORD + COOKED..RECORD + len].to_vec());
        rest = &rest[RECORD + len..];
    }
    Some(packets)
}

/// Values of each column of each packet.
fn oracle() -> Vec<HashMap<String, Vec<String>>> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{NAME}.tsv")).expect("beside the capture");
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().expect("names").split('\t').collect();
    let cells = |line: &str| {
        let values = line.split('\t').map(|cell| cell.split('\x1f').map(str::to_owned).collect());
        names.iter().map(|n| (*n).to_owned()).zip(values).collect()
    };
    lines.map(cells).collect()
}

const NEWLINK: u16 = 16;

fn links(packet: &[u8]) -> Vec<Link> {
    let rows = Messages::new(packet).filter(|m| m.kind == NEWLINK && m.flags & NLM_F_REQUEST == 0);
    let item = |m: Message<'_>| match link::read(&m, ()) {
        Row::Item(link) => link,
        _ => panic!("unreadable"),
    };
    rows.map(item).collect()
}

#[test]
fn links_of_other_kernels_are_read_as_tshark_reads_them() {
    let Some(packets) = packets() else { return };
    let oracle = oracle();
    assert_eq!(packets.len(), 316);
    assert_eq!(oracle.len(), 316);
    let mut compared = 0;
    for (packet, theirs) in packets.iter().zip(&oracle) {
        let ours = links(packet);
        // Requests have the same columns.
        if ours.is_empty()
            || Messages::new(packet).any(|m| m.kind != NEWLINK || m.flags & NLM_F_REQUEST != 0)
        {
            continue;
        }
        compared += ours.len();
        let column = |name: &str| {
            let cells = theirs.get(&format!("netlink-route.{name}")).expect("a column");
            cells.iter().filter(|c| !c.is_empty()).cloned().collect::<Vec<_>>()
        };
        let same = |name: &str, show: &dyn Fn(&Link) -> Option<String>| {
            let ours: Vec<_> = ours.iter().filter_map(show).collect();
            assert_eq!(ours, column(name), "{name}");
        };
        same("ifi_index", &|l| Some(l.ifindex.to_string()));
        same("ifla_ifname", &|l| Some(l.name.escaped().to_string()));
        same("ifla_mtu", &|l| l.mtu_bytes.map(|v| v.to_string()));
        same("ifla_txqlen", &|l| l.txqlen_packets.map(|v| v.to_string()));
        same("ifla_operstate", &|l| l.operstate.map(|v| v.raw().to_string()));
        same("ifla_promiscuity", &|l| l.promiscuity.map(|v| v.to_string()));
        same("ifla_group", &|l| l.group.map(|v| v.to_string()));
        same("ifla_qdisc", &|l| l.qdisc.clone());
        same("ifla_carrier", &|l| l.carrier.map(|v| u8::from(v).to_string()));
        same("ifla_carrier_changes", &|l| l.carrier_changes.map(|v| v.to_string()));
        same("ifla_min_mtu", &|l| l.min_mtu_bytes.map(|v| v.to_string()));
        same("ifla_max_mtu", &|l| l.max_mtu_bytes.map(|v| v.to_string()));
        same("ifla_hwaddr", &|l| l.address.map(|v| v.to_string()));
        same("ifla_txqnum", &|l| l.tx_queues.map(|v| v.to_string()));
        // Each link has them in 32 and in 64 bits.
        let packets = ours.iter().filter_map(|l| l.stats).map(|s| s.rx_packets.to_string());
        let twice: Vec<_> = packets.flat_map(|p| [p.clone(), p]).collect();
        assert_eq!(twice, column("ifla_linkstats.rxpackets"));
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn no_row_of_other_kernels_is_unreadable() {
    let Some(packets) = packets() else { return };
    let mut read = 0;
    for packet in &packets {
        // Requests of the same types have whatever their sender wanted.
        for message in Messages::new(packet).filter(|m| m.flags & NLM_F_REQUEST == 0) {
            let family = super::of_family(&message);
            let lost = match message.kind {
                NEWLINK => matches!(link::read(&message, ()), Row::Unreadable),
                20 => matches!(addr::read(&message, ()), Row::Unreadable),
                24 => matches!(route::read(&message, family), Row::Unreadable),
                28 => matches!(neigh::read(&message, ()), Row::Unreadable),
                32 => matches!(rule::read(&message, family), Row::Unreadable),
                _ => continue,
            };
            read += 1;
            assert!(!lost, "{message:?}");
        }
    }
    assert!(read >= 100, "{read}");
}
