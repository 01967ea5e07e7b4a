use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;
use vision_core::inventory::{
    Consistency, NextHop, RefusalCause, Route, RouteAnswer, RouteFlags, RouteKind, RouteQuery,
};
use vision_core::{Family, Prefix};

use super::ns::{Ns, budget, fields, list, number, same, show, text};

const SETUP: &str = "
    ip link add va type veth peer name vb
    ip link set va up
    ip link set vb up
    ip link add vc type veth peer name vd
    ip link set vc up
    ip addr add 10.1.0.1/24 dev va
    ip -6 addr add fd00:1::1/64 dev va nodad
    ip route add default via 10.1.0.254 metric 50 mtu 1300 advmss lock 1200 src 10.1.0.1
    ip route add 10.9.0.0/16 via 10.1.0.253 dev va proto static table 100 initcwnd 20 rto_min 300
    ip route add 10.10.0.0/16 nexthop via 10.1.0.2 dev va weight 3 nexthop via 10.1.0.3 dev va weight 9 onlink
    ip route add 10.11.0.0/16 via inet6 fd00:1::5 dev va
    ip route add blackhole 10.66.0.0/16
    ip route add unreachable 10.67.0.0/16 metric 5
    ip route add prohibit 10.68.0.0/16
    ip route add throw 10.69.0.0/16 table 100
    ip route add 10.70.0.0/16 dev vc
    ip route add 10.71.0.0/16 dev va tos 0x10 proto 77 realm 5
    ip route add 10.72.0.0/16 dev va table 70000 scope link congctl reno hoplimit 9
    ip -6 route add default via fd00:1::fe dev va metric 7 pref high
    ip -6 route add fd00:9::/48 nexthop via fd00:1::2 dev va weight 2 nexthop via fd00:1::3 dev va
    ip -6 route add fd00:8::/48 from fd00:1::/64 via fd00:1::2 dev va expires 300 mtu 1280
    ip -6 route add blackhole fd00:66::/32
    ip -6 route add unreachable fd00:67::/32
    ip -6 route add prohibit fd00:68::/32
    ip nexthop add id 12 via 10.1.0.77 dev va
    ip route add 10.73.0.0/16 nhid 12";

fn ready() -> Option<Ns> {
    let ns = Ns::new()?;
    ns.sh(SETUP);
    // Duplicate detection adds routes of its own when it ends.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    Some(ns)
}

#[test]
fn every_field_of_every_route_is_what_ip_shows() {
    let Some(ns) = ready() else { return };
    let mut inventory = ns.inventory();
    let names: HashMap<_, _> = inventory
        .links(&budget())
        .expect("links")
        .items
        .iter()
        .map(|l| (l.ifindex, l.name.escaped().to_string()))
        .collect();
    let dump = inventory.routes(&budget()).expect("routes");
    assert_eq!((dump.consistent, dump.unreadable), (Consistency::Yes, 0));
    for (family, option) in [(Family::V4, "-4"), (Family::V6, "-6")] {
        let theirs = ns.json(&format!("ip -j -d {option} route show table all"));
        let ours: Vec<_> = dump.items.iter().filter(|r| r.family == family).collect();
        assert_eq!(ours.len(), theirs.len());
        for (ours, row) in ours.iter().zip(&theirs) {
            compare(ours, row, &names);
        }
    }
}

fn compare(ours: &Route, row: &Value, names: &HashMap<u32, String>) {
    let bare = |p: Prefix| match p.bits() == p.family().bits() {
        true => p.addr().to_string(),
        false => p.to_string(),
    };
    let dst = if ours.dst.is_default() { "default".into() } else { bare(ours.dst) };
    let table = [
        ("dst", Some(dst)),
        ("type", show(Some(ours.kind))),
        ("from", ours.src.map(bare)),
        ("dev", ours.oif_ifindex.and_then(|i| names.get(&i).cloned())),
        ("protocol", show(Some(ours.protocol))),
        ("metric", show(ours.metric)),
        ("prefsrc", show(ours.prefsrc)),
        ("tos", Some(ours.tos).filter(|t| *t != 0).map(|t| format!("{t:#x}"))),
        ("pref", show(ours.preference)),
        ("nhid", show(ours.nexthop_id)),
    ];
    fields(row, &table);
    if ours.family == Family::V4 {
        fields(row, &[("scope", show(Some(ours.scope)))]);
    }
    same("gateway", show(ours.gateway), gateway(row), row);
    let table = text(row, "table").unwrap_or("main".into());
    same("table", ours.table.to_string(), table, row);
    flags(ours.flags, row);
    paths(ours, row, names);
    metrics(ours, row);
    if let Some(left) = number(row, "expires") {
        let seconds = ours.expires_ms.expect("expires") / 1000;
        assert!(seconds.abs_diff(left) <= 2, "{row:#}");
    }
}

fn paths(ours: &Route, row: &Value, names: &HashMap<u32, String>) {
    let none = Vec::new();
    let hops = row.get("nexthops").and_then(Value::as_array).unwrap_or(&none);
    same("paths", ours.nexthops.len(), hops.len(), row);
    for (hop, row) in ours.nexthops.iter().zip(hops) {
        compare_hop(hop, row, names);
    }
}

fn gateway(row: &Value) -> Option<String> {
    text(row, "gateway").or_else(|| text(row.get("via")?, "host"))
}

fn flags(ours: RouteFlags, row: &Value) {
    let known = ["dead", "linkdown", "onlink", "pervasive", "offload", "trap", "unresolved"];
    let mut names: Vec<_> = ours.names().filter(|n| known.contains(n)).map(str::to_owned).collect();
    names.sort();
    let mut theirs = list(row, "flags");
    theirs.retain(|n| known.contains(&n.as_str()));
    same("flags", names, theirs, row);
}

fn compare_hop(ours: &NextHop, row: &Value, names: &HashMap<u32, String>) {
    same("gateway", ours.gateway.map(|g| g.to_string()), gateway(row), row);
    let dev = ours.oif_ifindex.and_then(|i| names.get(&i).cloned());
    same("dev", dev, text(row, "dev"), row);
    same("weight", Some(ours.weight.into()), number(row, "weight"), row);
    flags(ours.flags, row);
}

fn metrics(ours: &Route, row: &Value) {
    let ours = ours.metrics.clone().unwrap_or_default();
    let table = [
        ("mtu", show(ours.mtu_bytes)),
        ("advmss", show(ours.advmss_bytes)),
        ("initcwnd", show(ours.initcwnd_segments)),
        ("hoplimit", show(ours.hoplimit)),
        ("rto_min", show(ours.rto_min_ms)),
        ("congestion", ours.congestion_control.clone()),
    ];
    fields(&row["metrics"][0], &table);
}

fn query(dst: &str) -> RouteQuery {
    RouteQuery::to(dst.parse().expect("address"))
}

fn from(dst: &str, src: &str) -> RouteQuery {
    query(dst).from(src.parse::<IpAddr>().expect("address"))
}

#[test]
fn a_look_up_goes_the_way_ip_route_get_shows() {
    let Some(ns) = ready() else { return };
    let mut inventory = ns.inventory();
    let links = inventory.links(&budget()).expect("links").items;
    let names = links.iter().map(|l| (l.ifindex, l.name.escaped().to_string()));
    let names: HashMap<_, _> = names.collect();
    let index = |name: &str| links.iter().find(|l| l.name == *name).expect("link").ifindex;
    for (args, query) in [
        ("192.0.2.1", query("192.0.2.1")),
        ("10.1.0.7", query("10.1.0.7")),
        ("10.1.0.1", query("10.1.0.1")),
        ("10.1.0.255", query("10.1.0.255")),
        ("127.0.0.1", query("127.0.0.1")),
        ("10.11.0.1", query("10.11.0.1")),
        ("10.9.1.1 mark 5", query("10.9.1.1").mark(5)),
        ("192.0.2.1 from 10.1.0.1", from("192.0.2.1", "10.1.0.1")),
        ("192.0.2.1 oif vb", query("192.0.2.1").oif(index("vb"))),
        ("192.0.2.1 uid 1000", query("192.0.2.1").uid(1000)),
        ("10.1.0.1 from 10.1.0.9 iif va", from("10.1.0.1", "10.1.0.9").iif(index("va"))),
        ("10.10.0.1 ipproto tcp dport 80", query("10.10.0.1").port(6, 80)),
        ("2001:db8::1", query("2001:db8::1")),
        ("fd00:1::7", query("fd00:1::7")),
        ("::1", query("::1")),
        ("fd00:1::1", query("fd00:1::1")),
        ("fd00:8::1 from fd00:1::1", from("fd00:8::1", "fd00:1::1")),
    ] {
        let row = ns.json(&format!("ip -j -d route get {args}")).remove(0);
        let answer = inventory.route_to(&query, &budget()).expect(args);
        let route = answer.route().unwrap_or_else(|| panic!("{args}: {answer:?}"));
        compare_answer(&query, route, &row, &names);
    }
}

fn compare_answer(query: &RouteQuery, route: &Route, row: &Value, names: &HashMap<u32, String>) {
    let table = [
        ("dst", show(Some(query.dst))),
        ("type", show(Some(route.kind))),
        ("dev", route.oif_ifindex.and_then(|i| names.get(&i).cloned())),
        ("prefsrc", show(route.prefsrc)),
        ("uid", show(route.uid)),
    ];
    fields(row, &table);
    same("gateway", show(route.gateway), gateway(row), row);
    let table = text(row, "table").unwrap_or("main".into());
    // ip has the main table for none.
    same("table", route.table.to_string().replace("unspec", "main"), table, row);
    metrics(route, row);
}

#[test]
fn a_refusal_is_an_answer_and_says_which() {
    let Some(ns) = ready() else { return };
    let mut inventory = ns.inventory();
    let foreign: IpAddr = "203.0.113.1".parse().expect("address");
    ns.sh("ip route del default; ip -6 route del default");
    for (query, cause, errno) in [
        (query("10.66.0.1"), RefusalCause::Blackhole, "EINVAL"),
        (query("10.67.0.1"), RefusalCause::Unreachable, "EHOSTUNREACH"),
        (query("10.68.0.1"), RefusalCause::Prohibit, "EACCES"),
        (query("192.0.2.1"), RefusalCause::NoRoute, "ENETUNREACH"),
        (
            query("10.1.0.7").from(foreign),
            RefusalCause::SourceNotLocal,
            // EINVAL in older kernels.
            "",
        ),
        (query("fd00:66::1"), RefusalCause::Blackhole, "EINVAL"),
        (query("fd00:67::1"), RefusalCause::Unreachable, "EHOSTUNREACH"),
        (query("fd00:68::1"), RefusalCause::Prohibit, "EACCES"),
        (query("2001:db8::1"), RefusalCause::NoRoute, "ENETUNREACH"),
    ] {
        let answer = inventory.route_to(&query, &budget()).expect("an answer");
        let RouteAnswer::Refused(refusal) = answer else { panic!("{query:?}: {answer:?}") };
        let name = refusal.reason.name().filter(|_| !errno.is_empty()).unwrap_or_default();
        assert_eq!((refusal.cause, name.as_str()), (cause, errno), "{query:?}");
    }
}

#[test]
fn the_route_of_the_table_is_shown_on_request() {
    let Some(ns) = ready() else { return };
    let answer = ns.inventory().route_to(&query("192.0.2.1").fib_match(), &budget());
    let answer = answer.expect("an answer");
    let route = answer.route().expect("a route");
    assert!(route.is_default() && route.kind == RouteKind::Unicast);
    assert_eq!(route.metric, Some(50));
}

#[test]
fn routes_of_a_link_without_carrier_are_not_alive() {
    let Some(ns) = ready() else { return };
    let routes = ns.inventory().routes(&budget()).expect("routes").items;
    let dead: Vec<_> = routes.iter().filter(|r| !r.is_alive()).map(|r| r.dst.to_string()).collect();
    assert!(dead.contains(&"10.70.0.0/16".to_owned()), "{dead:?}");
}
