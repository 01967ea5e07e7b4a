//! Rows made from recorded messages, field by field where `ip` of the machine is of no help.

use super::{KINDS, read_one, rows};

fn shown(name: &str) -> Vec<String> {
    let kind = KINDS.into_iter().find(|k| k.name == name).expect("recorded");
    rows(kind).iter().filter_map(|m| read_one(kind, m).flatten()).collect()
}

#[track_caller]
fn assert_one(name: &str, parts: &[&str]) {
    let rows = shown(name);
    let found = rows.iter().filter(|row| parts.iter().all(|part| row.contains(part)));
    assert_eq!(found.count(), 1, "{parts:?} in {rows:#?}");
}

#[test]
fn links() {
    assert_eq!(shown("link").len(), 5);
    assert_one(
        "link",
        &[
            "name: \"va\"",
            "alias: Some(\"to the pod\")",
            "altnames: [\"second\"]",
            "kind: Some(\"veth\")",
            "slave_kind: Some(\"bridge\")",
            "operstate: Some(Up)",
            "BROADCAST,MULTICAST,UP,LOWER_UP,RUNNING",
            "carrier: Some(true)",
            "mtu_bytes: Some(1500)",
            "link_netnsid: None",
        ],
    );
    assert_one(
        "link",
        &["kind: Some(\"vxlan\")", "operstate: Some(Down)", "flags: <BROADCAST,MULTICAST>"],
    );
}

#[test]
fn addresses() {
    assert_one(
        "addr",
        &[
            "local: 10.1.0.1",
            "prefix_bits: 24",
            "broadcast: Some(10.1.0.255)",
            "label: Some(\"va:x\")",
            "valid: Forever",
        ],
    );
    assert_one("addr", &["local: 10.2.0.1", "peer: Some(10.2.0.9)", "prefix_bits: 30"]);
    assert_one("addr", &["local: fd00:1::2", "flags: <nodad>", "valid: Seconds(", "scope: Global"]);
}

#[test]
fn routes() {
    assert_one(
        "route",
        &[
            "dst: 0.0.0.0/0",
            "gateway: Some(10.1.0.254)",
            "metric: Some(50)",
            "mtu_bytes: Some(1300)",
            "advmss_bytes: Some(1200)",
        ],
    );
    assert_one("route", &["kind: Blackhole", "dst: 10.66.0.0/16", "oif_ifindex: None"]);
    assert_one(
        "route",
        &["dst: 10.10.0.0/16", "weight: 3", "weight: 9", "<onlink>", "Some(10.1.0.3)"],
    );
    assert_one("route", &["dst: 10.11.0.0/16", "gateway: Some(fd00:1::5)"]);
    assert_one("route", &["dst: 10.12.0.0/16", "table: Other(70000)"]);
    assert_one("route", &["dst: fd00:9::/48", "expires_ms: Some(", "preference: Some(Medium)"]);
    assert_one("route", &["dst: fd00:66::/32", "kind: Blackhole", "metric: Some(1024)"]);
}

#[test]
fn rules() {
    assert_one(
        "rule",
        &[
            "src: Some(10.1.0.0/16)",
            "dst: Some(10.2.0.0/24)",
            "iif: Some(\"va\")",
            "fwmark: Some(16)",
            "fwmask: Some(255)",
            "table: Some(Other(70000))",
        ],
    );
    assert_one(
        "rule",
        &[
            "invert: true",
            "uid_range: Some((1000, 2000))",
            "ip_protocol: Some(6)",
            "sport: Some((1000, 1010))",
            "dport: Some((53, 53))",
            "suppress_prefix_bits: Some(0)",
        ],
    );
    assert_one("rule", &["family: V6", "action: Unreachable", "table: None"]);
    assert_one("rule", &["family: V4", "priority: 0", "table: Some(Local)"]);
}

#[test]
fn neighbours() {
    assert_one("neigh", &["dst: 10.1.0.2", "lladdr: Some(02:00:00:00:00:02)", "state: Permanent"]);
    assert_one("neigh", &["dst: fd00:1::9", "flags: <router>"]);
    assert_one("neigh", &["dst: 10.1.0.99", "flags: <proxy>", "state: None", "lladdr: None"]);
}

#[test]
fn sockets() {
    assert_one("sock", &["local: 127.0.0.1", "local_port: 8080", "state: Listen", "send_q: 5"]);
    assert_one("sock", &["local: ::,", "local_port: 8082", "v6only: Some(false)", "send_q: 7"]);
    assert_one("sock", &["recv_q: 333", "remote_port: 8080", "state: Established"]);
    assert_one("sock", &["local_port: 5353", "state: Unconnected"]);
}

#[test]
fn tracked_connections() {
    assert_eq!(shown("conntrack").len(), 13);
    assert_one(
        "conntrack",
        &[
            "protocol: Tcp",
            "dst: 10.9.0.77",
            "dst_port: Some(8081)",
            "src: 10.3.0.2, dst: 10.3.0.1, src_port: Some(8080)",
            "dst_nat,",
            "assured",
            "state: Established",
            "mark: Some(42)",
        ],
    );
    assert_one(
        "conntrack",
        &["family: V6", "protocol: Icmpv6", "kind: 128, code: 0", "kind: 129, code: 0"],
    );
    assert_one("conntrack", &["family: V4", "zone: Some(7)", "dst_port: Some(5300)"]);
    assert_one("conntrack", &["dst: 10.3.0.9", "icmp: None, zone: Some(3)", "zone: None, id"]);
    assert_one("conntrack", &["family: V4", "dst_port: Some(5301)", "labels: [5]", "seen_reply"]);
    assert_one(
        "conntrack",
        &["dst: 10.3.0.66", "original_counters: Some(CtCounters { packets: 1, bytes: 84 })"],
    );
    let all = shown("conntrack");
    assert!(all.iter().all(|row| row.contains("started_at: Some(")), "{all:#?}");
}
