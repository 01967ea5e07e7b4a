use std::collections::HashMap;

use vision_core::inventory::{Consistency, LinkFlags, OperState};

use super::ns::{Ns, budget, list, number, same, text};

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
    let dump = inventory.links(&budget()).expect("links");
    assert_eq!(dump.consistent, Consistency::Yes);
    assert_eq!(dump.unreadable, 0);
    let theirs = ns.json("ip -j -d -s -s link");
    assert_eq!(dump.items.len(), theirs.len());
    let names: HashMap<_, _> = dump
        .items
        .iter()
        .map(|l| (l.ifindex, l.name.escaped().to_string()))
        .collect();
    for (link, row) in dump.items.iter().zip(&theirs) {
        same(
            "ifindex",
            Some(link.ifindex.into()),
            number(row, "ifindex"),
            row,
        );
        same(
            "ifname",
            Some(link.name.escaped().to_string()),
            text(row, "ifname"),
            row,
        );
        same(
            "mtu",
            link.mtu_bytes.map(u64::from),
            number(row, "mtu"),
            row,
        );
        same(
            "min_mtu",
            link.min_mtu_bytes.map(u64::from),
            number(row, "min_mtu"),
            row,
        );
        same(
            "max_mtu",
            link.max_mtu_bytes.map(u64::from),
            number(row, "max_mtu"),
            row,
        );
        same("qdisc", link.qdisc.clone(), text(row, "qdisc"), row);
        same(
            "operstate",
            link.operstate.map(|s| s.to_string()),
            text(row, "operstate"),
            row,
        );
        same(
            "type",
            Some(link.link_type.to_string()),
            text(row, "link_type"),
            row,
        );
        same(
            "address",
            link.address.map(|a| a.to_string()),
            text(row, "address"),
            row,
        );
        same(
            "broadcast",
            link.broadcast.map(|a| a.to_string()),
            text(row, "broadcast"),
            row,
        );
        same(
            "promiscuity",
            link.promiscuity.map(u64::from),
            number(row, "promiscuity"),
            row,
        );
        same(
            "txqlen",
            link.txqlen_packets.filter(|n| *n != 0).map(u64::from),
            number(row, "txqlen"),
            row,
        );
        same(
            "tx queues",
            link.tx_queues.map(u64::from),
            number(row, "num_tx_queues"),
            row,
        );
        same(
            "alias",
            link.alias.as_ref().map(|a| a.escaped().to_string()),
            text(row, "ifalias"),
            row,
        );
        let group = link.group.map(|g| {
            if g == 0 {
                "default".into()
            } else {
                g.to_string()
            }
        });
        same("group", group, text(row, "group"), row);
        let master = link.master_ifindex.and_then(|m| names.get(&m).cloned());
        same("master", master, text(row, "master"), row);
        let lower = link.link_ifindex.and_then(|m| names.get(&m).cloned());
        same("link", lower, text(row, "link"), row);
        let info = row.get("linkinfo");
        same(
            "kind",
            link.kind.clone(),
            info.and_then(|i| text(i, "info_kind")),
            row,
        );
        let slave = info.and_then(|i| text(i, "info_slave_kind"));
        same("slave kind", link.slave_kind.clone(), slave, row);
        let mut altnames: Vec<_> = link
            .altnames
            .iter()
            .map(|n| n.escaped().to_string())
            .collect();
        altnames.sort();
        same("altnames", altnames, list(row, "altnames"), row);
        let mut flags: Vec<String> = link.flags.names().map(str::to_owned).collect();
        flags.retain(|f| f != "RUNNING");
        if link.is_up() && !link.flags.contains(LinkFlags::RUNNING) {
            flags.push("NO-CARRIER".into());
        }
        flags.sort();
        let mut theirs = list(row, "flags");
        // The state of its master, not of the link.
        theirs.retain(|f| f != "M-DOWN");
        same("flags", flags, theirs, row);
        stats(link, row);
    }
    assert!(theirs.iter().any(|l| l.get("master").is_some()));
    let va = dump.items.iter().find(|l| l.name == *"va").expect("va");
    assert_eq!(va.operstate, Some(OperState::LowerLayerDown));
    assert!(va.is_up() && !va.has_carrier() && !va.is_loopback());
}

fn stats(link: &vision_core::inventory::Link, row: &serde_json::Value) {
    let stats = link.stats.expect("counters");
    let (rx, tx) = (&row["stats64"]["rx"], &row["stats64"]["tx"]);
    same("rx bytes", Some(stats.rx_bytes), number(rx, "bytes"), row);
    same(
        "rx packets",
        Some(stats.rx_packets),
        number(rx, "packets"),
        row,
    );
    same(
        "rx errors",
        Some(stats.rx_errors),
        number(rx, "errors"),
        row,
    );
    same(
        "rx dropped",
        Some(stats.rx_dropped),
        number(rx, "dropped"),
        row,
    );
    same(
        "rx multicast",
        Some(stats.multicast),
        number(rx, "multicast"),
        row,
    );
    same(
        "rx crc",
        Some(stats.rx_crc_errors),
        number(rx, "crc_errors"),
        row,
    );
    same(
        "rx missed",
        Some(stats.rx_missed_errors),
        number(rx, "missed_errors"),
        row,
    );
    same("tx bytes", Some(stats.tx_bytes), number(tx, "bytes"), row);
    same(
        "tx packets",
        Some(stats.tx_packets),
        number(tx, "packets"),
        row,
    );
    same(
        "tx carrier",
        Some(stats.tx_carrier_errors),
        number(tx, "carrier_errors"),
        row,
    );
    same(
        "tx window",
        Some(stats.tx_window_errors),
        number(tx, "window_errors"),
        row,
    );
    let changes = number(tx, "carrier_changes");
    same(
        "carrier changes",
        link.carrier_changes.map(u64::from),
        changes,
        row,
    );
}

#[test]
fn counters_move_as_ip_shows_them() {
    let Some(ns) = Ns::new() else { return };
    ns.within(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("socket");
        for _ in 0..9 {
            socket
                .send_to(&[0; 100], socket.local_addr().expect("bound"))
                .expect("sent");
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
    a.sh(&format!(
        "ip link add va type veth peer name vb netns {}",
        b.path()
    ));
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
    let named = ns
        .try_sh("ip link add \"$(printf 'e\\377\\001')\" type bridge")
        .status
        .success();
    let links = ns.inventory().links(&budget()).expect("links").items;
    let names: Vec<_> = links.iter().map(|l| l.name.escaped().to_string()).collect();
    assert!(names.contains(&"e\\x1b[31mx".to_owned()), "{names:?}");
    if named {
        assert!(
            links
                .iter()
                .any(|l| l.name_hex.as_deref() == Some("65ff01")),
            "{links:?}"
        );
    }
}
