use vision_core::watch::{Change, Happening, Learned, Row, RowEvent, Table, Watch};
use vision_core::{Budget, EventSource, Family, Selector, Target};

use crate::{events, lab, rows, target, told, watch};

#[test]
fn a_link_comes_changes_and_goes_by_name() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let mut watcher = watch(&node, &[Table::Link]);
    node.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up
             ip link set v0 mtu 1400; ip link set v1 down; ip link set v1 name w1; ip link del v0");
    let rows = rows(&mut watcher);
    let of = |name: &str, field: &str| {
        let here = rows.iter().filter(|row| row.dev.as_ref().is_some_and(|dev| *dev == *name));
        let found = here.flat_map(|row| &row.differences).filter(|d| d.field == field);
        found.map(|d| (d.from.clone(), d.to.clone())).collect::<Vec<_>>()
    };
    let text = told(&rows);
    for wanted in ["link added v0", "link added v1", "link removed v0", "link removed w1"] {
        assert_eq!(text.iter().filter(|told| *told == wanted).count(), 1, "{wanted}: {text:?}");
    }
    assert_eq!(of("v0", "mtu_bytes"), [("1500".to_owned(), "1400".to_owned())]);
    assert_eq!(of("w1", "name"), [("v1".to_owned(), "w1".to_owned())]);
    assert!(of("v0", "operstate").iter().any(|(_, to)| to == "UP"), "{rows:?}");
    assert!(rows.iter().all(|row| row.learned == Learned::Told));
}

#[test]
fn a_link_that_goes_to_another_namespace_is_not_said_to_be_deleted() {
    let Some(lab) = lab() else { return };
    let (a, b) = (lab.node("a").expect("a node"), lab.node("b").expect("a node"));
    a.sh("ip link add v0 type veth peer name v1");
    let mut watcher = watch(&a, &[Table::Link, Table::Ns]);
    a.sh(&format!("ip link set v1 netns {}", b.path().display()));
    let rows = rows(&mut watcher);
    let text = told(&rows);
    assert!(text.contains(&"link moved v1".to_owned()), "{text:?}");
    assert!(!text.iter().any(|told| told.starts_with("link removed")), "{text:?}");
    // The namespace got a number here, and which one it is was found out.
    let named = rows.iter().find_map(|row| match &row.row {
        Row::Ns(namespace) if row.change == Change::Added => Some(namespace.clone()),
        _ => None,
    });
    let named = named.unwrap_or_else(|| panic!("{rows:?}"));
    assert!(named.nsid.is_some_and(|nsid| nsid >= 0), "{named:?}");
}

#[test]
fn routes_that_go_without_a_word_are_found_missing() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    a.sh(&format!(
        "ip route add 192.0.2.0/24 via {}; ip route add 198.51.100.0/24 dev eth0",
        b.v4()
    ));
    let mut watcher = watch(&a, &[Table::Route]);
    a.sh("ip link set eth0 down");
    let rows = rows(&mut watcher);
    for dst in ["192.0.2.0/24", "198.51.100.0/24"] {
        let gone = rows.iter().filter(|row| match &row.row {
            Row::Route(route) => route.dst.to_string() == dst,
            _ => false,
        });
        let gone: Vec<_> = gone.collect();
        assert_eq!(gone.len(), 1, "{dst}: {rows:?}");
        assert_eq!((gone[0].change, gone[0].learned), (Change::Removed, Learned::Silent));
        assert!(gone[0].dev.as_ref().is_some_and(|dev| *dev == *"eth0"));
    }
}

#[test]
fn a_replaced_route_is_a_change_with_both_gateways() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    for (family, dst, one, other) in [
        ("", "192.0.2.0/24", b.v4().to_string(), "10.1.0.77".to_owned()),
        ("-6", "2001:db8::/64", b.v6().to_string(), "fd00:1::77".to_owned()),
    ] {
        a.sh(&format!("ip {family} route add {dst} via {one} dev eth0"));
        let mut watcher = watch(&a, &[Table::Route]);
        a.sh(&format!("ip {family} route replace {dst} via {other} dev eth0"));
        // On a busy machine the link's own routes may still be on their way.
        let ours = |row: &RowEvent| match &row.row {
            Row::Route(route) => route.dst.to_string() == dst,
            _ => false,
        };
        let rows: Vec<_> = rows(&mut watcher).into_iter().filter(ours).collect();
        assert_eq!(told(&rows), ["route changed eth0"], "{rows:?}");
        let gateway = rows[0].differences.iter().find(|d| d.field == "gateway").expect("differs");
        assert_eq!((&gateway.from, &gateway.to), (&one, &other));
    }
}

#[test]
fn paths_of_an_ipv6_route_come_and_go_one_by_one() {
    let Some(lab) = lab() else { return };
    let [a, _b] = lab.pair().expect("a pair");
    let mut watcher = watch(&a, &[Table::Route]);
    a.sh("ip -6 route add 2001:db8::/64 nexthop via fd00:1::71 dev eth0 nexthop via fd00:1::72 dev eth0
          ip -6 route append 2001:db8::/64 via fd00:1::73 dev eth0
          ip -6 route del 2001:db8::/64 via fd00:1::71 dev eth0");
    rows(&mut watcher);
    // What is remembered is what there is: reading it all again finds nothing new.
    a.sh("ip link add w0 type veth peer name w1; ip link del w0");
    let rows = rows(&mut watcher);
    let silent: Vec<_> = rows.iter().filter(|row| row.learned != Learned::Told).collect();
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn neighbours_rules_and_addresses_change_by_name() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    a.sh("ip neigh flush dev eth0");
    let tables = [Table::Addr, Table::Rule, Table::Neigh];
    let mut watcher = Watch::of(&tables).family(Family::V4).start(&target(&a)).expect("watches");
    a.sh(&format!(
        "ip addr add 10.9.0.1/24 dev eth0; ip -6 addr add fd00:9::1/64 dev eth0
         ip rule add from 10.9.0.1 lookup 100; ip -6 rule add from fd00:9::1 lookup 100
         ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0
         ip neigh change 10.9.0.2 lladdr 02:00:00:00:00:03 dev eth0
         ip neigh del 10.9.0.2 dev eth0; ip rule del from 10.9.0.1 lookup 100
         ip addr del 10.9.0.1/24 dev eth0; ping -n -c1 -W1 {}",
        b.v4()
    ));
    let rows = rows(&mut watcher);
    let text = told(&rows);
    let first = ["addr added eth0", "rule added", "neigh added eth0", "neigh changed eth0"];
    assert_eq!(text[..4], first, "{text:?}");
    let ours = rows.iter().filter(|row| match &row.row {
        Row::Neigh(neigh) => neigh.dst.to_string() == "10.9.0.2",
        Row::Rule(_) | Row::Addr(_) => true,
        _ => false,
    });
    let ours: Vec<_> = ours.map(|row| (row.row.table(), row.change)).collect();
    let end = [
        (Table::Neigh, Change::Removed),
        (Table::Rule, Change::Removed),
        (Table::Addr, Change::Removed),
    ];
    assert_eq!(ours[ours.len() - 3..], end, "{text:?}");
    // The neighbour that answered: asked for, then known.
    assert!(text.iter().filter(|told| *told == "neigh added eth0").count() >= 2, "{text:?}");
    assert!(rows.iter().all(|row| row.dev.is_some() || row.row.table() == Table::Rule));
}

#[test]
fn the_stream_ends_with_its_target_and_lets_the_namespace_go() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let budget = Budget::unbounded();
    let target = Target::resolve(&Selector::Pid(sleeper.pid()), &budget).expect("resolves");
    let mut watcher = Watch::of(&[Table::Link]).start(&target).expect("watches");
    sleeper.kill();
    let all = events(&mut watcher);
    assert!(matches!(all.last().map(|e| &e.what), Some(Happening::TargetEnded)), "{all:?}");
    assert!(watcher.is_finished());
    assert_eq!(watcher.try_recv().expect("still no error"), None);
}

#[test]
fn names_of_namespaces_come_and_go() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let name = format!("vision-watch-{}", std::process::id());
    if std::fs::create_dir_all("/run/netns").is_err() {
        return;
    }
    let mut watcher = watch(&node, &[Table::Ns]);
    let path = format!("/run/netns/{name}");
    std::fs::write(&path, "").expect("written");
    std::fs::remove_file(&path).expect("removed");
    let rows = rows(&mut watcher);
    let ours = rows.iter().filter(|row| match &row.row {
        Row::Ns(namespace) => namespace.name.as_ref().is_some_and(|n| *n == *name),
        _ => false,
    });
    let changes: Vec<_> = ours.map(|row| row.change).collect();
    assert_eq!(changes, [Change::Added, Change::Removed]);
}

#[test]
fn a_table_that_does_not_exist_is_refused_by_name() {
    let error = "links".parse::<Table>().expect_err("no such table").to_string();
    assert!(error.contains("`links`") && error.contains("link, addr, route"), "{error}");
    for table in Table::ALL {
        assert_eq!(table.name().parse::<Table>().ok(), Some(table));
    }
}
