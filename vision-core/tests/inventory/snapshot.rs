use std::time::Duration;

use vision_core::Budget;
use vision_core::inventory::{Section, Sections, Snapshot};

use super::ns::{Ns, budget};

#[test]
fn a_snapshot_survives_json() {
    let Some(ns) = Ns::new() else { return };
    ns.sh("ip link add va type veth peer name vb; ip link set va up; ip link set vb up
        ip addr add 10.1.0.1/24 dev va; ip route add default via 10.1.0.254 mtu 1400
        ip rule add fwmark 1 table 9; ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev va
        ip route add 10.4.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.0.3");
    let snapshot = ns.inventory().snapshot(Sections::ALL, &budget()).expect("snapshot");
    assert_eq!(snapshot.gaps, []);
    assert!(snapshot.links.as_ref().is_some_and(|l| l.items.len() == 3));
    let text = serde_json::to_string_pretty(&snapshot).expect("serialises");
    let again: Snapshot = serde_json::from_str(&text).expect("parses");
    assert_eq!(again, snapshot);
    assert!(text.contains("\"mtu_bytes\"") && text.contains("\"LOWER_UP\""));
}

#[test]
fn what_could_not_be_read_is_a_gap() {
    let Some(ns) = Ns::new() else { return };
    let mut inventory = ns.inventory();
    let snapshot =
        inventory.snapshot(Sections::LINKS | Sections::HOSTS, &Budget::within(Duration::ZERO));
    let snapshot = snapshot.expect("a snapshot");
    assert!(snapshot.links.is_none() && snapshot.routes.is_none());
    let gap = snapshot.gap(Section::Links).expect("a gap");
    assert_eq!(gap.why, "budget spent");
    assert!(snapshot.gap(Section::Routes).is_none());
}
