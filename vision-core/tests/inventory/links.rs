use std::collections::HashMap;

use serde_json::Value;
use vision_core::inventory::{Consistency, Link, LinkFlags, OperState};

use super::ns::{Ns, budget, fields, list, same, show};

const SETUP: &str = "
    ip link add br0 type bridge
    ip link add va type veth peer name vb
    ip link set va master br0 mtu 1400 alias 'to the pod' group 7 txqueuelen 77
    ip link property add dev va altname a-rather-long-alternative-name altname second
    ip link set va up
    ip link add vx type vxlan id 5 dstport 4789 local 127.0.0.1
    ip link add mv link vb type macvlan mode bridge
    ip link set br0 up
    ip tuntap add dev t0 mode tun
    ip link set vb promisc on";

#[test]
fn every_field_of_every_link_is_what_ip_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    // The kernel sends some packets of its own; counters have to stand still while ip looks.
    let (dump, theirs) = loop {
        let before = inventory.links(&budget()).expect("links");
        let theirs = ns.json("ip -j -d -s -s link");
        if inventory.links(&budget()).expect("links") == before {
            break (before, theirs);
        }
    };
    assert_eq!((dump.consistent, dump.unreadable), (Consistency::Yes, 0));
    assert_eq!(dump.items.len(), theirs.len());
    let names = dump.items.iter().map(|l| (l.ifindex, l.name.escaped().to_string()));
    let names: HashMap<_, _> = names.collect();
    for (link, row) in dump.items.iter().zip(&theirs) {
        numbers(link, row);
        words(link, row, &names);
        flags(link, row);
        stats(link, row);
    }
    assert!(theirs.iter().any(|l| l.get("master").is_some()));
    let va = dump.items.iter().find(|l| l.name == *"va").expect("va");
    assert_eq!(va.operstate, Some(OperState::LowerLayerDown));
    assert!(va.is_up() && !va.has_carrier() && !va.is_loopback());
}

fn numbers(link: &Link, row: &Value) {
    let table = [
        ("ifindex", show(Some(link.ifindex))),
        ("mtu", show(link.mtu_bytes)),
        ("min_mtu", show(link.min_mtu_bytes)),
        ("max_mtu", show(link.max_mtu_bytes)),
        ("promiscuity", show(link.promiscuity)),
        ("txqlen", show(link.txqlen_packets.filter(|n| *n != 0))),
        ("num_tx_queues", show(link.tx_queues)),
        ("num_rx_queues", show(link.rx_queues)),
    ];
    fields(row, &table);
}

fn words(link: &Link, row: &Value, names: &HashMap<u32, String>) {
    let name = |index: Option<u32>| index.and_then(|i| names.get(&i).cloned());
    let group = link.group.map(|g| if g == 0 { "default".into() } else { g.to_string() });
    let table = [
        ("ifname", show(Some(link.name.escaped()))),
        ("qdisc", link.qdisc.clone()),
        ("operstate", show(link.operstate)),
        ("link_type", show(Some(link.link_type))),
        ("address", show(link.address)),
        ("broadcast", show(link.broadcast)),
        ("ifalias", show(link.alias.as_ref().map(|a| a.escaped()))),
        ("group", group),
        ("master", name(link.master_ifindex)),
        ("link", name(link.link_ifindex)),
    ];
    fields(row, &table);
    let none = Value::Null;
    let info = row.get("linkinfo").unwrap_or(&none);
    let kinds = [("info_kind", link.kind.clone()), ("info_slave_kind", link.slave_kind.clone())];
    fields(info, &kinds);
    let mut names: Vec<_> = link.altnames.iter().map(|n| n.escaped().to_string()).collect();
    names.sort();
    same("altnames", names, list(row, "altnames"), row);
}

fn flags(link: &Link, row: &Value) {
    let mut flags: Vec<_> = link.flags.names().map(str::to_owned).collect();
    flags.retain(|f| f != "RUNNING");
    if link.is_up() && !link.flags.contains(LinkFlags::RUNNING) {
        flags.push("NO-CARRIER".into());
    }
    flags.sort();
    let mut theirs = list(row, "flags");
    // The state of its master, not of the link.
    theirs.retain(|f| f != "M-DOWN");
    same("flags", flags, theirs, row);
}

fn stats(link: &Link, row: &Value) {
    let stats = link.stats.expect("counters");
    let rx = [
        ("bytes", show(Some(stats.rx_bytes))),
        ("packets", show(Some(stats.rx_packets))),
        ("errors", show(Some(stats.rx_errors))),
        ("dropped", show(Some(stats.rx_dropped))),
        ("multicast", show(Some(stats.multicast))),
        ("length_errors", show(Some(stats.rx_length_errors))),
        ("crc_errors", show(Some(stats.rx_crc_errors))),
        ("frame_errors", show(Some(stats.rx_frame_errors))),
        ("fifo_errors", show(Some(stats.rx_fifo_errors))),
        ("missed_errors", show(Some(stats.rx_missed_errors))),
    ];
    fields(&row["stats64"]["rx"], &rx);
    let tx = [
        ("bytes", show(Some(stats.tx_bytes))),
        ("packets", show(Some(stats.tx_packets))),
        ("errors", show(Some(stats.tx_errors))),
        ("dropped", show(Some(stats.tx_dropped))),
        ("collisions", show(Some(stats.collisions))),
        ("aborted_errors", show(Some(stats.tx_aborted_errors))),
        ("carrier_errors", show(Some(stats.tx_carrier_errors))),
        ("fifo_errors", show(Some(stats.tx_fifo_errors))),
        ("window_errors", show(Some(stats.tx_window_errors))),
        ("heartbeat_errors", show(Some(stats.tx_heartbeat_errors))),
        ("carrier_changes", show(link.carrier_changes)),
    ];
    fields(&row["stats64"]["tx"], &tx);
}

#[test]
fn counters_move_as_ip_shows_them() {
    let Some(ns) = Ns::new() else { return };
    ns.within(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
        for _ in 0..9 {
            socket.send_to(&[0; 100], socket.local_addr().expect("bound")).expect("sent");
        }
    });
    let dump = ns.inventory().links(&budget()).expect("links");
    let theirs = ns.json("ip -j -d -s -s link");
    let lo = dump.items.first().expect("lo");
    assert!(lo.is_loopback() && lo.stats.expect("counters").rx_packets >= 9);
    stats(lo, &theirs[0]);
}

#[test]
fn a_peer_in_another_namespace_is_matched_by_its_number() {
    let (Some(a), Some(b)) = (Ns::new(), Ns::new()) else {
        return;
    };
    a.sh(&format!("ip link add va type veth peer name vb netns {}", b.path()));
    let mut inventory = a.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let va = links.iter().find(|l| l.name == *"va").expect("va");
    let nsid = inventory.nsid_of(b.fd(), &budget()).expect("asked");
    assert!(nsid.is_some());
    assert_eq!(va.link_netnsid, nsid);
    assert_eq!(inventory.nsid_of(a.fd(), &budget()).expect("asked"), None);
    let peers = b.inventory().links(&budget()).expect("links").items;
    let vb = peers.iter().find(|l| l.name == *"vb").expect("vb");
    assert_eq!(va.link_ifindex, Some(vb.ifindex));
}

#[test]
fn names_of_any_bytes_are_kept_and_escaped() {
    let Some(ns) = Ns::new() else { return };
    ns.sh("ip link add \"$(printf 'e\\033[31mx')\" type bridge");
    let named = ns.try_sh("ip link add \"$(printf 'e\\377\\001')\" type bridge").status.success();
    let links = ns.inventory().links(&budget()).expect("links").items;
    let names: Vec<_> = links.iter().map(|l| l.name.escaped().to_string()).collect();
    assert!(names.contains(&"e\\x1b[31mx".to_owned()), "{names:?}");
    if named {
        assert!(links.iter().any(|l| l.name_hex.as_deref() == Some("65ff01")), "{links:?}");
    }
}
