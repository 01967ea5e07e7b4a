//! Bridges, traffic control, counters and what drivers tell.

use serde_json::Value;

use crate::run::{lab, pair, vision_in};

#[test]
fn bridges_ports_entries_and_groups_in_text_and_json() {
    let Some(lab) = lab() else { return };
    let node = lab.node("bridged").expect("a node");
    node.sh("ip link add br0 type bridge; ip link set br0 up
         for n in 1 2; do ip link add v$n type veth peer name w$n; ip link set w$n up
         ip link set v$n master br0 up; done
         ip link set v2 type bridge_slave isolated on hairpin on
         bridge fdb add 02:00:00:00:00:05 dev v1 master static
         bridge mdb add dev br0 port v1 grp 239.1.1.1 permanent");
    let text = vision_in(&node, "bridge").expect(0).out;
    assert!(text.contains("br0 id 8000.") && text.contains(" stp off "), "{text}");
    assert!(text.contains("v2 forwarding priority 32 cost 2 hairpin isolated\n"), "{text}");
    let json = vision_in(&node, "bridge -I v1 --json").expect(0).json();
    assert_eq!(json["schema"], "vision/bridge@1");
    let bridge = &json["report"]["bridges"][0];
    assert_eq!((&bridge["name"], &bridge["ports"][0]["name"]), (&"br0".into(), &"v1".into()));
    assert_eq!(bridge["ports"].as_array().map(Vec::len), Some(1));
    assert_eq!(bridge["ports"][0]["isolated"], false);
    let text = vision_in(&node, "bridge fdb").expect(0).out;
    assert!(text.contains("02:00:00:00:00:05 dev v1 master br0 static\n"), "{text}");
    let json = vision_in(&node, "bridge fdb -I v1 --json").expect(0).json();
    let entries = json["report"]["entries"].as_array().expect("a list");
    assert!(entries.iter().all(|e| e["dev"] == "v1") && !entries.is_empty(), "{entries:?}");
    let text = vision_in(&node, "bridge mdb").expect(0).out;
    assert!(text.contains("239.1.1.1 port v1 dev br0 permanent"), "{text}");
    let missing = vision_in(&node, "bridge vlan -I br7").expect(3);
    assert!(missing.err.contains("interface `br7` not found"), "{missing:?}");
}

#[test]
fn queues_with_classes_and_filters() {
    let Some((_lab, a, b)) = pair() else { return };
    a.sh(
        "tc qdisc add dev eth0 root handle 1: htb default 10
         tc class add dev eth0 parent 1: classid 1:10 htb rate 8mbit
         tc filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip dst 10.9.0.0/16 flowid 1:10",
    );
    a.sh(&format!("ping -c2 -i0.01 {}", b.v4()));
    let text = vision_in(&a, "qdisc eth0 --classes --filters").expect(0).out;
    assert!(text.contains("qdisc htb 1: root\n"), "{text}");
    assert!(text.contains("class htb 1:10 root\n      rate_bytes_per_s 1000000 "), "{text}");
    let wanted = "filter u32 parent 1: prio 5 protocol ip handle 0x80000800 match 0a090000/ffff0000 at 16 -> class 1:10";
    assert!(text.contains(wanted), "{text}");
    let json = vision_in(&a, "qdisc eth0 -c --json").expect(0).json();
    let dev = &json["report"]["devs"][0];
    assert_eq!(dev["dev"], "eth0");
    assert!(dev["classes"][0]["stats"]["packets"].as_u64() >= Some(2), "{dev:#}");
    assert_eq!(dev["qdiscs"][0]["options"]["htb"]["default_class"], ":10");
}

#[test]
fn counters_that_tell_of_faults_come_with_a_sentence() {
    let Some((_lab, a, b)) = pair() else { return };
    let none = vision_in(&a, "stat udp --explain").expect(0).out;
    assert_eq!(none, "no counter tells of a fault\n");
    let send = |count: u32| {
        a.enter(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
            for _ in 0..count {
                let _ = socket.send_to(b"x", (b.v4(), 9));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
    };
    send(3);
    let text = vision_in(&b, "stat --explain").expect(0).out;
    let after = text.split_once("UdpNoPorts").map(|(_, after)| after.trim_start());
    let wanted = "3
    UDP packets came in for a port where nobody listens.
";
    assert!(after.is_some_and(|after| after.starts_with(wanted)), "{text}");
    let found = |json: &Value, name: &str| {
        let counters = json["report"]["counters"].as_array().expect("a list").clone();
        counters.iter().find(|row| row["name"] == name).map(|row| row["value"].clone())
    };
    let grown = std::thread::scope(|scope| {
        let watching = scope.spawn(|| vision_in(&b, "stat --delta 2s --json").expect(0).json());
        std::thread::sleep(std::time::Duration::from_millis(700));
        send(5);
        watching.join().expect("a thread")
    });
    assert_eq!(found(&grown, "UdpNoPorts"), Some(5.into()));
    assert_eq!(found(&grown, "UdpInDatagrams"), None);
    let missing = vision_in(&a, "stat nope").expect(3);
    assert!(missing.err.contains("`nope` not found"), "{missing:?}");
}

#[test]
fn drivers_and_masters_tell_more_with_details() {
    let Some((_lab, a, _b)) = pair() else { return };
    a.sh("ip link add vx0 type vxlan id 42 dstport 4790 local 127.0.0.1 dev eth0");
    let text = vision_in(&a, "link vx0 -d").expect(0).out;
    assert!(text.contains("vxlan:\n        vni 42  link eth0  local 127.0.0.1"), "{text}");
    let json = vision_in(&a, "link vx0 --json").expect(0).json();
    assert_eq!(json["report"]["links"][0]["info"]["vxlan"]["port"], 4790);
    assert!(!vision_in(&a, "link vx0").expect(0).out.contains("vni"));
}

#[test]
fn a_peer_is_told_with_its_namespace() {
    let Some((_lab, a, b)) = pair() else { return };
    let sleeper = b.sleeper();
    let text = vision_in(&a, "link eth0 -d").expect(0).out;
    let wanted = format!("    peer eth0 in pid:{} (", sleeper.pid());
    assert!(text.contains(&wanted), "{wanted}: {text}");
    let json = vision_in(&a, "link eth0 -d --json").expect(0).json();
    let peer = &json["report"]["links"][0]["peer"];
    assert_eq!((&peer["peer"], &peer["netns"]["ino"]), (&"eth0".into(), &b.inode().into()));
}
