//! Counters against `nstat` and the files they come from.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use vision_core::inventory::CounterMeaning;

use super::ns::{Ns, budget};

/// Connects and packets that leave traces in many counters.
const TRAFFIC: &str = "
    ip -6 route add blackhole fd00:66::/32
    ping -c2 -i0.01 127.0.0.1; ping -c1 ::1; ping -c1 -W1 10.9.9.9 || true
    ping -c1 -W1 fd00:66::1 || true";

#[test]
fn every_counter_is_what_nstat_shows() {
    let Some(ns) = Ns::new() else { return };
    ns.sh(TRAFFIC);
    ns.within(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..7 {
            let _ = socket.send_to(b"x", "127.0.0.1:9");
        }
    });
    let mut inventory = ns.inventory();
    let (ours, theirs) = loop {
        let before = inventory.counters(&budget()).expect("counters");
        let text = ns.sh("nstat -j -az");
        if inventory.counters(&budget()).expect("counters") == before {
            break (before, text);
        }
    };
    let theirs: serde_json::Value = serde_json::from_str(&theirs).expect("nstat speaks JSON");
    let theirs = theirs["kernel"].as_object().expect("an object");
    let ours: BTreeMap<_, _> =
        ours.iter().map(|(group, name, value)| (format!("{group}{name}"), value)).collect();
    let mut compared = 0;
    for (name, value) in theirs {
        let value = value.as_i64().expect("a number");
        // Constants are no counters to nstat, and are zero with it.
        match ours.get(name) {
            Some(mine) => assert_eq!(*mine, value, "{name}"),
            None => panic!("{name} is missing: {value}"),
        }
        compared += 1;
    }
    assert!(compared > 300, "{compared}");
    assert!(ours["UdpNoPorts"] >= 7 && ours["IpOutRequests"] > 0, "{ours:?}");
}

#[test]
fn sockets_and_processors_are_what_proc_shows() {
    let Some(ns) = Ns::new() else { return };
    let mut inventory = ns.inventory();
    let held = ns.within(|| {
        (0..5).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect::<Vec<_>>()
    });
    let sockstat = inventory.sockstat(&budget()).expect("sockets");
    assert_eq!(sockstat.get("UDP", "inuse"), Some(held.len() as u64));
    let text = ns.sh("cat /proc/net/sockstat /proc/net/sockstat6");
    for group in ["TCP", "UDP", "RAW", "FRAG", "TCP6", "UDP6", "FRAG6"] {
        let line =
            text.lines().find(|line| line.starts_with(&format!("{group}:"))).expect("a line");
        let words: Vec<_> = line.split_whitespace().skip(1).collect();
        for pair in words.chunks_exact(2).filter(|pair| !["mem", "alloc"].contains(&pair[0])) {
            assert_eq!(
                sockstat.get(group, pair[0]).map(|n| n.to_string()).as_deref(),
                Some(pair[1]),
                "{line}"
            );
        }
    }
    let cpus = inventory.softnet(&budget()).expect("processors");
    assert_eq!(cpus.len(), ns.sh("cat /proc/net/softnet_stat").lines().count());
    assert!(cpus.iter().all(|cpu| cpu.backlog_packets.is_some()), "{cpus:?}");
}

#[test]
fn sentences_are_about_counters_that_exist() {
    let Some(ns) = Ns::new() else { return };
    let counters = ns.inventory().counters(&budget()).expect("counters");
    let explained =
        counters.iter().filter(|(group, name, _)| CounterMeaning::of(group, name).is_some());
    // Nearly all of them: kernels differ in a few.
    assert!(explained.count() > 110);
}
