//! Sockets in depth, against `ss`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use vision_lab::Node;

use crate::run::{lab, vision_in};

/// Sockets of many kinds, and what keeps them open.
struct Held {
    _all: Vec<Box<dyn Send>>,
}

fn sockets(node: &Node) -> Held {
    node.enter(|| {
        let mut all: Vec<Box<dyn Send>> = Vec::new();
        let listener = TcpListener::bind("127.0.0.1:7070").expect("listens");
        let mut near = TcpStream::connect("127.0.0.1:7070").expect("connects");
        let (mut far, _) = listener.accept().expect("accepts");
        let mut buffer = [0; 4096];
        for _ in 0..4 {
            near.write_all(&[1; 1000]).expect("written");
            assert!(far.read(&mut buffer).expect("read") > 0);
            far.write_all(&[2; 300]).expect("written");
            assert!(near.read(&mut buffer).expect("read") > 0);
        }
        near.write_all(&[3; 77]).expect("written");
        all.push(Box::new((listener, near, far)));
        all.push(Box::new(UdpSocket::bind("[::1]:5353").expect("a socket")));
        all.push(Box::new(UnixStream::pair().expect("a pair")));
        all.push(Box::new(UnixDatagram::pair().expect("a pair")));
        let path = std::env::temp_dir().join(format!("vision-{}.sock", node.inode()));
        let _ = std::fs::remove_file(&path);
        all.push(Box::new(UnixListener::bind(&path).expect("listens")));
        let _ = std::fs::remove_file(path);
        let raw = |family, protocol| socket(family, SockType::Raw, SockFlag::empty(), protocol);
        all.push(Box::new(raw(AddressFamily::Inet, SockProtocol::Icmp).expect("a socket")));
        all.push(Box::new(raw(AddressFamily::Packet, SockProtocol::EthAll).expect("a socket")));
        // Acknowledgements are held back a moment.
        std::thread::sleep(std::time::Duration::from_millis(200));
        Held { _all: all }
    })
}

/// The words of a line that have a name and do not depend on when one looks.
fn words(line: &str) -> BTreeMap<String, String> {
    let named = line.split_whitespace().filter_map(|word| word.split_once(':'));
    let timeless = named.filter(|(name, _)| {
        !name.starts_with(|c: char| !c.is_ascii_lowercase())
            && !["lastsnd", "lastrcv", "lastack", "ino", "uid", "cgroup", "bbr", "timer"]
                .contains(name)
    });
    timeless.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn figures_and_memory_are_those_of_ss() {
    let Some(lab) = lab() else { return };
    let node = lab.node("sockets").expect("a node");
    let _held = sockets(&node);
    let by_cookie = |text: &str| -> BTreeMap<String, BTreeMap<String, String>> {
        let rows = text.lines().map(words);
        rows.filter_map(|row| Some((row.get("sk")?.clone(), row))).collect()
    };
    let ours = by_cookie(&vision_in(&node, "sock -t -a -i -m -e").expect(0).out);
    let theirs = by_cookie(&node.sh("ss -HOtanime"));
    assert_eq!(ours.len(), theirs.len());
    let mut compared = 0;
    for (cookie, row) in &theirs {
        let mine = &ours[cookie];
        for (name, value) in row {
            // Their retransmissions are drawn from the same numbers.
            assert_eq!(mine.get(name), Some(value), "{name} of {cookie}: {mine:?}\n{row:?}");
            compared += 1;
        }
    }
    assert!(compared > 40, "{compared}");
    let json = vision_in(&node, "sock -t -i --json").expect(0).json();
    let sockets = json["report"]["sockets"].as_array().expect("a list");
    let sent = sockets.iter().map(|s| s["details"]["tcp"]["sent_bytes"].as_u64());
    assert_eq!(sent.collect::<BTreeSet<_>>(), BTreeSet::from([Some(4077), Some(1200)]));
    let plain = vision_in(&node, "sock -t --json").expect(0).json();
    assert!(plain["report"]["sockets"][0].get("details").is_none());
}

#[test]
fn sockets_of_other_kinds_are_those_of_ss() {
    let Some(lab) = lab() else { return };
    let node = lab.node("kinds").expect("a node");
    let _held = sockets(&node);
    let inodes = |line: &str| -> BTreeSet<u64> {
        let json = vision_in(&node, line).expect(0).json();
        let sockets = json["report"]["sockets"].as_array().expect("a list");
        sockets.iter().map(|s| s["inode"].as_u64().expect("a number")).collect()
    };
    let theirs = |options: &str| -> BTreeSet<u64> {
        let text = node.sh(&format!("ss -HOnae {options}"));
        let inode = |line: &str| match options {
            "-x" => line.split_whitespace().nth(5)?.parse().ok(),
            _ => line.split_whitespace().find_map(|w| w.strip_prefix("ino:"))?.parse().ok(),
        };
        text.lines().filter_map(inode).collect()
    };
    assert_eq!(inodes("sock --unix -a --json"), theirs("-x"));
    assert_eq!(inodes("sock -f packet --json"), theirs("-0"));
    // Where ss reads of raw sockets in /proc, it does not tell their inodes.
    let raw = node.sh("ss -HOnaw").lines().count();
    assert_eq!((inodes("sock --raw -a --json").len(), raw), (1, 1));
    assert_eq!(theirs("-x").len(), 5);
    assert_eq!(theirs("-0").len(), 1);
    let all = inodes("sock -t --unix -f packet -a --json");
    assert_eq!(all.len(), theirs("-t").len() + 5 + 1);
    let listening = vision_in(&node, "sock --unix -l").expect(0).out;
    assert_eq!(listening.matches("\nu_str").count(), 1, "{listening}");
}

#[test]
fn states_ports_and_a_summary() {
    let Some(lab) = lab() else { return };
    let node = lab.node("summary").expect("a node");
    let _held = sockets(&node);
    let one = vision_in(&node, "sock --state established --dport 7070").expect(0).out;
    assert_eq!(one.matches("\ntcp ").count(), 1, "{one}");
    let listen = vision_in(&node, "sock --state listen --sport 7070").expect(0).out;
    assert_eq!(listen.matches("LISTEN").count(), 1, "{listen}");
    let text = vision_in(&node, "sock --summary").expect(0).out;
    assert!(text.starts_with("TCP: 3 (ESTAB 2, LISTEN 1), orphaned "), "{text}");
    let json = vision_in(&node, "sock -s --json").expect(0).json();
    let report = &json["report"];
    assert_eq!(report["protocols"]["udp"], serde_json::json!([0, 1]));
    assert_eq!((&report["unix"], &report["packet"]), (&5.into(), &1.into()));
    let bad = vision_in(&node, "sock --state open").expect(2);
    assert!(bad.err.contains("`open` is not one of estab, syn-sent"), "{bad:?}");
}
