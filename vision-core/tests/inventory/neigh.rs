use serde_json::Value;
use vision_core::inventory::{Consistency, NeighSelect, NeighState, Neighbour};

use super::ns::{Ns, budget, number, same, text};

const SETUP: &str = "
    ip link add va type veth peer name vb
    ip link set va up
    ip link set vb up
    ip addr add 10.1.0.1/24 dev va
    ip -6 addr add fd00:1::1/64 dev va nodad
    ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev va nud permanent
    ip neigh add 10.1.0.3 lladdr 02:00:00:00:00:03 dev va nud stale extern_learn
    ip neigh add 10.1.0.4 lladdr 02:00:00:00:00:04 dev va nud noarp protocol zebra
    ip neigh add 10.1.0.5 dev va nud failed || true
    ip neigh add fd00:1::2 lladdr 02:00:00:00:00:06 dev va nud reachable router
    ip neigh add proxy 10.1.0.99 dev va
    ip neigh add proxy fd00:1::99 dev va";

#[test]
fn every_field_of_every_neighbour_is_what_ip_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    // Router solicitations and reports of the kernel itself settle.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let dump = ns.inventory().neighbours(&budget()).expect("neighbours");
    assert_eq!(dump.consistent, Consistency::Yes);
    let ours: Vec<_> = dump
        .items
        .iter()
        .filter(|n| n.state != NeighState::NoArp || n.protocol.is_some())
        .collect();
    let mut theirs = ns.json("ip -j -s neigh show nud all");
    theirs.retain(|n| list_state(n) != "NOARP" || n.get("protocol").is_some());
    assert_eq!(ours.len(), theirs.len(), "{ours:#?}{theirs:#?}");
    assert!(ours.len() >= 4);
    for row in &theirs {
        let dst = text(row, "dst").expect("dst");
        let found = ours.iter().find(|n| n.dst.to_string() == dst).expect("listed");
        compare(found, row);
    }
}

fn list_state(row: &Value) -> String {
    row["state"][0].as_str().unwrap_or("NONE").to_owned()
}

fn compare(ours: &Neighbour, row: &Value) {
    same("state", ours.state.to_string(), list_state(row), row);
    same("lladdr", ours.lladdr.map(|a| a.to_string()), text(row, "lladdr"), row);
    same("probes", ours.probes.map(u64::from), number(row, "probes"), row);
    same("protocol", ours.protocol.map(|p| p.to_string()), text(row, "protocol"), row);
    for flag in ["router", "proxy", "extern_learn", "offload", "managed"] {
        same(flag, ours.flags.names().any(|n| n == flag), row.get(flag).is_some(), row);
    }
    for (key, ms) in
        [("used", ours.used_ms), ("confirmed", ours.confirmed_ms), ("updated", ours.updated_ms)]
    {
        let theirs = number(row, key).expect("age");
        let seconds = ms.expect("age") / 1000;
        assert!(seconds.abs_diff(theirs) <= 1, "{key} {seconds} {row:#}");
    }
}

#[test]
fn proxied_addresses_are_listed_on_request_only() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    let mut inventory = ns.inventory();
    let entries = inventory.neighbours(&budget()).expect("neighbours").items;
    assert!(entries.iter().all(|n| !n.flags.names().any(|f| f == "proxy")));
    let proxies = inventory.neighbours_of(NeighSelect::Proxies, &budget()).expect("proxies").items;
    let mut ours: Vec<_> = proxies.iter().map(|n| n.dst.to_string()).collect();
    let mut theirs: Vec<_> =
        ns.json("ip -j neigh show proxy").iter().map(|n| text(n, "dst").expect("dst")).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    let all = inventory.neighbours_of(NeighSelect::All, &budget()).expect("all").items;
    // Entries of the kernel's own come in the meantime.
    let is_proxy = |n: &&Neighbour| n.flags.names().any(|f| f == "proxy");
    assert_eq!(all.iter().filter(is_proxy).count(), proxies.len());
    assert!(all.len() >= entries.len() + proxies.len());
}

#[test]
fn how_much_may_wait_for_a_neighbour_is_told_per_link_and_version() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(SETUP);
    ns.sh("echo 6912 >/proc/sys/net/ipv4/neigh/va/unres_qlen_bytes
           echo 0 >/proc/sys/net/ipv6/neigh/vb/unres_qlen_bytes");
    let queues = ns.inventory().neighbour_queues(&budget()).expect("queues").items;
    let links = ns.inventory().links(&budget()).expect("links").items;
    assert_eq!(queues.len(), 2 * links.len(), "{queues:#?}");
    for queue in queues {
        let link = links.iter().find(|link| link.ifindex == queue.ifindex).expect("listed");
        let version = if queue.family == vision_core::Family::V4 { 4 } else { 6 };
        let name = link.name.escaped();
        let file = format!("/proc/sys/net/ipv{version}/neigh/{name}/unres_qlen_bytes");
        let theirs = ns.sh(&format!("cat {file}"));
        assert_eq!(queue.limit_bytes.to_string(), theirs.trim(), "{file}");
    }
}
