//! Bridges against `bridge` and `ip -d link`.

use std::collections::BTreeSet;

use serde_json::Value;
use vision_core::inventory::kind::{Bridge, BridgePort, PortState};
use vision_core::inventory::{
    Consistency, FdbEntry, Inventory, LinkKind, LinkRole, Mdb, MdbState, NeighState,
};

use super::ns::{Ns, budget, fields, list, number, same, show, text};

const SETUP: &str = "
    ip link add br0 type bridge stp_state 1 priority 4096 ageing_time 12000 mcast_querier 1
    ip link add br1 type bridge forward_delay 0
    for n in 1 2 3; do ip link add v$n type veth peer name w$n; ip link set w$n up; done
    ip link set v1 master br0 up; ip link set v2 master br0 up; ip link set v3 master br1 up
    ip link set v2 type bridge_slave hairpin on isolated on guard on root_block on cost 55 priority 7 \
        learning off flood off mcast_flood off bcast_flood off neigh_suppress on mcast_router 2 locked on
    ip link add vx type vxlan id 5 dstport 4789 local 127.0.0.1 dev w1
    ip link set vx master br1
    ip link set v3 type bridge_slave backup_port vx
    ip link set br0 up; ip link set br1 up
    bridge fdb add 02:00:00:00:00:05 dev v1 master static
    bridge fdb add 02:00:00:00:00:06 dev v3 master dynamic
    bridge fdb append 02:00:00:00:00:09 dev vx dst 10.9.9.9 port 77 vni 6 via w1
    bridge fdb append 02:00:00:00:00:0a dev vx dst 10.9.9.10 self extern_learn
    bridge mdb add dev br0 port v1 grp 239.1.1.1 permanent
    bridge mdb add dev br0 port v2 grp 239.1.1.1 src 10.0.0.9 permanent
    bridge mdb add dev br0 port v2 grp ff05::77 temp
    bridge mdb add dev br1 port v3 grp 01:00:5e:01:02:03 permanent";

fn bridges() -> Option<(Ns, Inventory)> {
    let ns = Ns::new()?;
    ns.sh(SETUP);
    let inventory = ns.inventory();
    Some((ns, inventory))
}

/// The kernel sends some packets of its own: tables have to stand still while the tool looks.
fn still<T: PartialEq>(
    mut ours: impl FnMut() -> T,
    theirs: impl Fn() -> Vec<Value>,
) -> (T, Vec<Value>) {
    for _ in 0..50 {
        let (before, told) = (ours(), theirs());
        if ours() == before {
            return (before, told);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("the table never stood still");
}

#[test]
fn every_setting_of_bridges_and_ports_is_what_ip_shows() {
    let Some((ns, mut inventory)) = bridges() else { return };
    let links = inventory.links(&budget()).expect("links").items;
    let theirs = ns.json("ip -j -d link");
    let (mut bridges, mut ports) = (0, 0);
    for (link, row) in links.iter().zip(&theirs) {
        if let Some(LinkKind::Bridge(bridge)) = &link.info {
            bridge_fields(bridge, &row["linkinfo"]["info_data"]);
            bridges += 1;
        }
        if let Some(LinkRole::BridgePort(port)) = &link.role {
            port_fields(port, &row["linkinfo"]["info_slave_data"]);
            ports += 1;
        }
    }
    assert_eq!((bridges, ports), (2, 4));
    let v2 = links.iter().find(|l| l.name == *"v2").expect("v2");
    let Some(LinkRole::BridgePort(v2)) = &v2.role else { panic!("{v2:?}") };
    assert_eq!((v2.hairpin, v2.isolated, v2.learning), (Some(true), Some(true), Some(false)));
    assert_eq!((v2.cost, v2.state), (Some(55), Some(PortState::Listening)));
}

fn flag(set: Option<bool>) -> Option<String> {
    set.map(|set| u8::from(set).to_string())
}

/// `ip` counts in hundredths of a second.
fn ticks(ms: Option<u64>) -> Option<String> {
    show(ms.map(|ms| ms / 10))
}

fn bridge_fields(bridge: &Bridge, row: &Value) {
    let table = [
        ("forward_delay", ticks(bridge.forward_delay_ms)),
        ("hello_time", ticks(bridge.hello_time_ms)),
        ("max_age", ticks(bridge.max_age_ms)),
        ("ageing_time", ticks(bridge.ageing_time_ms)),
        ("stp_state", show(bridge.stp_state)),
        ("priority", show(bridge.priority)),
        ("root_port", show(bridge.root_port)),
        ("root_path_cost", show(bridge.root_path_cost)),
        ("topology_change", flag(bridge.topology_change)),
        ("topology_change_detected", flag(bridge.topology_change_detected)),
        ("mcast_router", show(bridge.mcast_router)),
        ("mcast_snooping", flag(bridge.mcast_snooping)),
        ("mcast_query_use_ifaddr", flag(bridge.mcast_query_use_ifaddr)),
        ("mcast_querier", flag(bridge.mcast_querier)),
        ("mcast_hash_max", show(bridge.mcast_hash_max)),
        ("mcast_last_member_cnt", show(bridge.mcast_last_member_count)),
        ("mcast_startup_query_cnt", show(bridge.mcast_startup_query_count)),
        ("mcast_last_member_intvl", ticks(bridge.mcast_last_member_intvl_ms)),
        ("mcast_membership_intvl", ticks(bridge.mcast_membership_intvl_ms)),
        ("mcast_querier_intvl", ticks(bridge.mcast_querier_intvl_ms)),
        ("mcast_query_intvl", ticks(bridge.mcast_query_intvl_ms)),
        ("mcast_query_response_intvl", ticks(bridge.mcast_query_response_intvl_ms)),
        ("mcast_startup_query_intvl", ticks(bridge.mcast_startup_query_intvl_ms)),
        ("mcast_igmp_version", show(bridge.mcast_igmp_version)),
        ("mcast_mld_version", show(bridge.mcast_mld_version)),
        ("nf_call_iptables", flag(bridge.nf_call_iptables)),
        ("nf_call_ip6tables", flag(bridge.nf_call_ip6tables)),
        ("nf_call_arptables", flag(bridge.nf_call_arptables)),
        ("group_addr", show(bridge.group_address)),
    ];
    fields(row, &table);
    for (key, ours) in [("bridge_id", &bridge.bridge_id), ("root_id", &bridge.root_id)] {
        same(key, ours.clone(), text(row, key).map(|id| padded(&id)), row);
    }
}

/// `8000.2:a:…` with two digits for each byte.
fn padded(id: &str) -> String {
    let (priority, addr) = id.split_once('.').expect("an address");
    let bytes: Vec<_> = addr.split(':').map(|byte| format!("{byte:0>2}")).collect();
    format!("{priority}.{}", bytes.join(":"))
}

fn port_fields(port: &BridgePort, row: &Value) {
    let hex = |n: Option<u16>| n.map(|n| format!("0x{n:x}"));
    let table = [
        ("state", show(port.state)),
        ("priority", show(port.priority)),
        ("cost", show(port.cost)),
        ("hairpin", show(port.hairpin)),
        ("guard", show(port.guard)),
        ("root_block", show(port.root_block)),
        ("fastleave", show(port.fastleave)),
        ("learning", show(port.learning)),
        ("flood", show(port.flood)),
        ("id", hex(port.id)),
        ("no", hex(port.no)),
        ("designated_port", show(port.designated_port)),
        ("designated_cost", show(port.designated_cost)),
        ("multicast_router", show(port.mcast_router)),
        ("mcast_flood", show(port.mcast_flood)),
        ("bcast_flood", show(port.bcast_flood)),
        ("mcast_to_unicast", show(port.mcast_to_unicast)),
        ("neigh_suppress", show(port.neigh_suppress)),
        ("isolated", show(port.isolated)),
        ("locked", show(port.locked)),
        ("topology_change_ack", show(port.topology_change_ack.map(u8::from))),
        ("config_pending", show(port.config_pending.map(u8::from))),
    ];
    fields(row, &table);
    same("backup", port.backup_port_ifindex.is_some(), row.get("backup_port").is_some(), row);
    let bridge = text(row, "bridge_id").map(|id| padded(&id));
    same("bridge_id", port.designated_bridge.clone(), bridge, row);
}

#[test]
fn forwarding_entries_are_what_bridge_shows() {
    let Some((ns, mut inventory)) = bridges() else { return };
    let named = inventory.links(&budget()).expect("links").items;
    let name = |index: u32| {
        let link = named.iter().find(|l| l.ifindex == index);
        link.map(|l| l.name.escaped().to_string())
    };
    let timeless = |mut entry: FdbEntry| {
        (entry.used_ms, entry.updated_ms) = (entry.used_ms.map(|_| 0), entry.updated_ms.map(|_| 0));
        entry
    };
    let (ours, theirs) = still(
        || {
            let dump = inventory.bridge_fdb(&budget()).expect("entries");
            assert_eq!(dump.unreadable, 0);
            dump.items.into_iter().map(timeless).collect::<Vec<_>>()
        },
        || ns.json("bridge -j -d -s fdb"),
    );
    assert_eq!(ours.len(), theirs.len());
    for (entry, row) in ours.iter().zip(&theirs) {
        let state = match entry.state {
            NeighState::Permanent => "permanent",
            NeighState::NoArp => "static",
            NeighState::Reachable => "",
            NeighState::Stale => "stale",
            other => panic!("{other:?}"),
        };
        let table = [
            ("mac", show(Some(entry.lladdr))),
            ("ifname", name(entry.ifindex)),
            ("master", entry.master_ifindex.and_then(name)),
            ("dst", show(entry.dst)),
            ("port", show(entry.dst_port)),
            ("vni", show(entry.vni)),
            ("viaIf", entry.via_ifindex.and_then(name)),
            ("state", Some(state.to_owned())),
        ];
        fields(row, &table);
        let flags: BTreeSet<_> = entry.flags.names().map(str::to_owned).collect();
        same("flags", flags, list(row, "flags").into_iter().collect(), row);
        same("ages", entry.used_ms.is_some(), row.get("used").is_some(), row);
    }
    assert!(ours.iter().any(|e| e.dst_port == Some(77) && e.vni == Some(6)), "{ours:?}");
    let mut streamed = Vec::new();
    let consistent = inventory.bridge_fdb_each(&budget(), |e| streamed.push(timeless(e)));
    assert_eq!(consistent.expect("entries"), Consistency::Yes);
    assert_eq!(streamed, ours);
}

#[test]
fn multicast_groups_are_what_bridge_shows() {
    let Some((ns, mut inventory)) = bridges() else { return };
    let named = inventory.links(&budget()).expect("links").items;
    let name = |index: u32| {
        let link = named.iter().find(|l| l.ifindex == index);
        link.map(|l| l.name.escaped().to_string())
    };
    let timeless = |bridge: &mut Mdb| {
        bridge.members.iter_mut().for_each(|m| m.timer_ms = m.timer_ms.map(|t| t.min(1)));
        bridge.routers.iter_mut().for_each(|r| r.timer_ms = r.timer_ms.map(|t| t.min(1)));
    };
    let (ours, theirs) = still(
        || {
            let mut mdb = inventory.bridge_mdb(&budget()).expect("groups").items;
            mdb.iter_mut().for_each(timeless);
            mdb
        },
        || ns.json("bridge -j -d -s mdb"),
    );
    let theirs = theirs.first().expect("one object");
    let members = ours.iter().flat_map(|b| b.members.iter().map(move |m| (b.ifindex, m)));
    let rows = theirs["mdb"].as_array().expect("a list");
    assert_eq!(members.clone().count(), rows.len());
    assert!(rows.len() >= 4, "{rows:?}");
    for ((bridge, member), row) in members.zip(rows) {
        let group = show(member.group).or(show(member.group_lladdr));
        let table = [
            ("dev", name(bridge)),
            ("port", name(member.port_ifindex)),
            ("grp", group),
            ("src", show(member.source)),
            ("state", show(Some(member.state))),
            ("filter_mode", show(member.filter_mode)),
        ];
        fields(row, &table);
        let timed = row["timer"].as_str().is_some_and(|t| t.trim() != "0.00");
        same("timer", member.timer_ms.is_some_and(|t| t != 0), timed, row);
        if member.state == MdbState::Permanent {
            same("protocol", Some("static"), row["protocol"].as_str(), row);
        }
    }
    let routers: Vec<_> = ours.iter().flat_map(|b| &b.routers).collect();
    let v2 = routers.iter().find(|r| name(r.port_ifindex).as_deref() == Some("v2"));
    assert_eq!(v2.and_then(|r| r.kind), Some(2), "{routers:?}");
    let told = theirs["router"]["br0"].as_array().map_or(0, Vec::len);
    assert_eq!(routers.len(), told);
    assert_eq!(number(&theirs["router"]["br0"][0], "port"), None);
}

#[test]
fn a_namespace_without_bridges_has_empty_tables() {
    let Some(ns) = Ns::new() else { return };
    let mut inventory = ns.inventory();
    assert_eq!(inventory.bridge_vlans(&budget()).expect("VLANs").items, []);
    assert_eq!(inventory.bridge_mdb(&budget()).expect("groups").items, []);
    let fdb = inventory.bridge_fdb(&budget()).expect("entries");
    assert!(fdb.items.iter().all(|e| e.master_ifindex.is_none()), "{fdb:?}");
}
