use serde_json::Value;
use vision_core::Family;
use vision_core::inventory::{Addr, AddrFlags, Consistency, Lifetime};

use super::ns::{Ns, budget, fields, number, same, show, text};

const SETUP: &str = "
    ip link add va type veth peer name vb
    ip link set va up
    ip link set vb up
    ip addr add 10.1.0.1/24 broadcast + dev va label va:x
    ip addr add 10.1.0.2/24 dev va
    ip addr add 10.2.0.1 peer 10.2.0.9/30 dev va
    ip addr add 10.3.0.1/16 dev va scope link valid_lft 300 preferred_lft 100
    ip addr add 169.254.1.1/32 dev vb scope host noprefixroute
    ip -6 addr add fd00:1::1/64 dev va
    ip -6 addr add fd00:1::2/64 dev va nodad valid_lft 300 preferred_lft 0
    ip -6 addr add fd00:2::1 peer fd00:2::9/128 dev va nodad";

#[test]
fn every_field_of_every_address_is_what_ip_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    // Duplicate detection ends by itself within two seconds and would change flags in between.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let dump = ns.inventory().addrs(&budget()).expect("addresses");
    let theirs: Vec<_> = ns
        .json("ip -j -d addr")
        .into_iter()
        .flat_map(|link| {
            let ifindex = number(&link, "ifindex").expect("ifindex");
            let addrs = link["addr_info"].as_array().expect("list").clone();
            addrs.into_iter().map(move |a| (ifindex, a))
        })
        .collect();
    assert_eq!(dump.consistent, Consistency::Yes);
    assert_eq!(dump.items.len(), theirs.len());
    for (ifindex, row) in &theirs {
        let local = text(row, "local").expect("local");
        let ours = dump.items.iter().find(|a| a.local.to_string() == local);
        let ours = ours.unwrap_or_else(|| panic!("{row:#}"));
        same("ifindex", u64::from(ours.ifindex), *ifindex, row);
        compare(ours, row);
    }
}

fn compare(ours: &Addr, row: &Value) {
    let family = if ours.family == Family::V4 { "inet" } else { "inet6" };
    let table = [
        ("family", Some(family.to_owned())),
        ("prefixlen", show(Some(ours.prefix_bits))),
        ("address", show(ours.peer)),
        ("broadcast", show(ours.broadcast)),
        ("scope", show(Some(ours.scope))),
        ("label", show(ours.label.as_ref().map(|l| l.escaped()))),
    ];
    fields(row, &table);
    for (key, ours) in [("valid_life_time", ours.valid), ("preferred_life_time", ours.preferred)] {
        let theirs = number(row, key).expect("lifetime");
        match ours {
            Lifetime::Forever => same(key, u64::from(u32::MAX), theirs, row),
            Lifetime::Seconds(s) => assert!(u64::from(s).abs_diff(theirs) <= 2, "{key} {row}"),
        }
    }
    for (flag, key) in [
        (AddrFlags::SECONDARY, "secondary"),
        (AddrFlags::TENTATIVE, "tentative"),
        (AddrFlags::DEPRECATED, "deprecated"),
        (AddrFlags::DADFAILED, "dadfailed"),
        (AddrFlags::NODAD, "nodad"),
        (AddrFlags::NOPREFIXROUTE, "noprefixroute"),
    ] {
        // For IPv6 the first bit means "temporary".
        let key = if ours.family == Family::V6 && key == "secondary" { "temporary" } else { key };
        same(key, ours.flags.contains(flag), row.get(key).is_some(), row);
    }
    let dynamic = row.get("dynamic").is_some();
    same("permanent", !ours.flags.contains(AddrFlags::PERMANENT), dynamic, row);
}

#[test]
fn an_address_in_detection_is_not_usable_yet() {
    let Some(ns) = Ns::new() else { return };
    ns.sh("ip link add va type veth peer name vb; ip link set va up; ip link set vb up
        ip addr add fd00:1::1/64 dev va");
    let addrs = ns.inventory().addrs(&budget()).expect("addresses").items;
    let addr = addrs.iter().find(|a| a.local.to_string() == "fd00:1::1").expect("there");
    assert!(addr.flags.contains(AddrFlags::TENTATIVE) && !addr.is_usable());
}
