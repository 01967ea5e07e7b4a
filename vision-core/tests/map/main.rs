//! Maps of networks the lab built, and namespaces that nobody lives in.

mod compare;

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use vision_core::inventory::{MappedLink, MappedNamespace, NetworkMap};
use vision_core::netns::{Listing, Lookup, NetnsHolder};
use vision_core::{Budget, Netns, NetnsId};
use vision_lab::{Lab, Node, require};

fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

fn all() -> Listing {
    Lookup::default().without_engines().all_namespaces(&budget()).expect("lists")
}

fn id(node: &Node) -> NetnsId {
    Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace").id()
}

fn here<'m>(map: &'m NetworkMap, node: &Node) -> &'m MappedNamespace {
    map.get(id(node)).unwrap_or_else(|| panic!("{} is not on the map", node.name()))
}

fn link<'m>(namespace: &'m MappedNamespace, name: &str) -> &'m MappedLink {
    let found = namespace.links.iter().find(|link| link.name == *name);
    found.unwrap_or_else(|| panic!("no {name} in {namespace:?}"))
}

#[test]
fn a_bridge_leads_to_its_containers_and_its_uplink_to_the_outside() {
    let Some(lab) = require(Lab::new()) else { return };
    let bridge = lab.bridge_with_uplink("host", &["web", "db"]).expect("a bridge");
    let map = NetworkMap::read(&all(), &budget()).expect("a map");
    let host = here(&map, &bridge.host);
    let br0 = link(host, "br0");
    assert_eq!(br0.kind.as_deref(), Some("bridge"));
    assert!(br0.up && br0.addresses.iter().any(|a| a.addr() == bridge.host.v4()), "{br0:?}");
    for name in ["web", "db"] {
        let node = bridge.container(name);
        let port = link(host, &format!("v-{name}"));
        assert_eq!(port.master_ifindex, Some(br0.ifindex));
        let end = port.other_end.as_ref().expect("a veth has another end");
        assert_eq!(end.netns, Some(id(node)), "{name}");
        assert!(end.name.as_ref().is_some_and(|n| *n == *"eth0"), "{end:?}");
        // And back.
        let container = here(&map, node);
        let eth0 = link(container, "eth0");
        let back = eth0.other_end.as_ref().expect("another end");
        assert_eq!((back.netns, back.ifindex), (Some(id(&bridge.host)), port.ifindex));
        assert!(eth0.uplink && eth0.addresses.iter().any(|a| a.addr() == node.v4()));
        assert_eq!(container.defaults[0].gateway, Some(bridge.host.v4().into()));
    }
    let outside = link(host, "up0").other_end.as_ref().expect("another end");
    assert_eq!(outside.netns, Some(id(bridge.outside())));
    assert_eq!(host.neighbours().len(), 3);
    // What connects most stands before what it connects.
    let at = |node: &Node| map.namespaces.iter().position(|n| n.info.id == id(node));
    assert!(at(&bridge.host) < at(bridge.container("web")));
}

#[test]
fn both_ends_in_one_namespace_and_an_interface_over_another() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    node.sh("ip link add a0 type veth peer name a1; ip link add m0 link a0 type macvlan");
    let map = NetworkMap::read(&all(), &budget()).expect("a map");
    let namespace = here(&map, &node);
    for (name, other) in [("a0", "a1"), ("a1", "a0"), ("m0", "a0")] {
        let end = link(namespace, name).other_end.as_ref().expect("another end");
        assert_eq!(end.netns, Some(id(&node)));
        assert!(end.name.as_ref().is_some_and(|n| *n == *other), "{name}: {end:?}");
    }
    assert!(namespace.neighbours().is_empty());
}

#[test]
fn namespaces_held_by_a_descriptor_or_a_socket_are_found_and_opened() {
    let Some(lab) = require(Lab::new()) else { return };
    let (kept, lonely) = (lab.node("kept").expect("a node"), lab.node("lonely").expect("a node"));
    let socket = lonely.enter(|| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let (kept_id, lonely_id) = (id(&kept), id(&lonely));
    lab.let_go(&lonely);
    drop(lonely);
    let listing = all();
    let find = |id: NetnsId| listing.namespaces.iter().find(|info| info.id == id);
    let own = std::process::id();
    let by_fd = find(kept_id).expect("held by a descriptor");
    let ours =
        |holder: &NetnsHolder| matches!(holder, NetnsHolder::Descriptor { pid, .. } if *pid == own);
    assert!(by_fd.holders.iter().any(ours), "{by_fd:?}");
    assert_eq!(by_fd.processes, 0);
    assert!(by_fd.selector().is_some_and(|s| s.to_string().starts_with("path:/proc/")));
    let by_socket = find(lonely_id).expect("held by a socket");
    let ours =
        |holder: &NetnsHolder| matches!(holder, NetnsHolder::Socket { pid, .. } if *pid == own);
    assert!(by_socket.holders.iter().any(ours), "{by_socket:?}");
    assert_eq!(by_socket.open().expect("opens").id(), lonely_id);
    // Without being asked for them they stay hidden.
    let plain = Lookup::default().without_engines().namespaces(&budget()).expect("lists");
    assert!(plain.namespaces.iter().all(|info| info.id != kept_id && info.id != lonely_id));
    drop(socket);
    assert!(!all().namespaces.iter().any(|info| info.id == lonely_id), "gone with its socket");
}

#[test]
fn a_namespace_mounted_in_another_tree_of_mounts_is_found_by_its_path() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    let folder = std::env::temp_dir().join(format!("vision-map-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let (file, holder) = (folder.join("a sandbox"), lab.node("holder").expect("a node"));
    std::fs::write(&file, "").expect("a file");
    let script =
        format!("mount --bind {} '{}' && exec sleep 60", node.path().display(), file.display());
    let script = script.replace('\'', "'\\''");
    let process = holder.spawn(&format!("unshare -m sh -c '{script}'"));
    let wanted = id(&node);
    lab.let_go(&node);
    let end = Instant::now() + Duration::from_secs(5);
    let found = loop {
        let listing = all();
        let info = listing.namespaces.iter().find(|info| info.id == wanted).cloned();
        let mounted = |holder: &&NetnsHolder| matches!(holder, NetnsHolder::Mount { .. });
        if let Some(mount) = info.and_then(|info| info.holders.iter().find(mounted).cloned()) {
            break mount;
        }
        assert!(Instant::now() < end, "the mount is not found");
    };
    let NetnsHolder::Mount { path, pid } = &found else { panic!("{found:?}") };
    assert_eq!((path.escaped().to_string(), *pid), (file.display().to_string(), process.pid()));
    let opened = Netns::from_path(found.path().expect("a path")).expect("opens");
    assert_eq!(opened.id(), wanted);
    drop(process);
    let _ = std::fs::remove_dir_all(&folder);
}
