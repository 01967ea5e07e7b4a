use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vision_core::watch::{AllDrops, DropTally, DroppedPacket, Drops};
use vision_core::{Budget, Error, EventSource, Timestamp};
use vision_lab::{AtEnd, Fault, Hook, Proto};

use crate::lab;

/// What was dropped while something was done, or `None` with the reason where nobody may look.
fn dropped(act: impl FnOnce()) -> Option<Vec<DroppedPacket>> {
    let mut watcher = match Drops::new().start() {
        Ok(watcher) => watcher,
        Err(e @ (Error::Permission { .. } | Error::Unsupported(_))) => {
            let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
            let allowed = std::env::var_os("VISION_NO_TRACEPOINTS").is_some();
            assert!(!forbidden || allowed, "drops cannot be watched here: {e}");
            eprintln!("SKIP drops: {e}");
            return None;
        }
        Err(e) => panic!("{e}"),
    };
    act();
    let mut packets = Vec::new();
    while let Ok(Some(packet)) = watcher.recv(&Budget::within(Duration::from_millis(200))) {
        packets.push(packet);
        if packets.len() > 100_000 {
            break;
        }
    }
    assert_eq!(watcher.lost(), 0);
    Some(packets)
}

/// How many have this reason; others on the machine may have caused some of them.
fn count(packets: &[DroppedPacket], reason: &str) -> usize {
    packets.iter().filter(|packet| packet.reason.as_deref() == Some(reason)).count()
}

#[test]
fn what_a_firewall_drops_is_seen_as_often_as_its_counter_says() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    let fault = Fault::Drop { hook: Hook::Input, proto: Proto::Udp, dport: Some(5353) };
    lab.fault(&b, fault).expect("a rule");
    let before = Timestamp::now();
    let began = Instant::now();
    let packets = dropped(|| {
        let socket = a.enter(|| std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket"));
        for _ in 0..20 {
            socket.send_to(b"x", (b.v4(), 5353)).expect("sent");
        }
    });
    let Some(packets) = packets else { return };
    assert!(count(&packets, "NETFILTER_DROP") >= 20, "{packets:#?}");
    let ours = packets.iter().filter(|p| p.reason.as_deref() == Some("NETFILTER_DROP"));
    for packet in ours {
        assert_eq!(packet.ignorable, None);
        let age = packet.at.as_unix_nanos() - before.as_unix_nanos();
        let whole = i64::try_from(began.elapsed().as_nanos()).expect("short");
        // The clocks of the machine are set against each other once for each reading.
        assert!((-50_000_000..=whole + 50_000_000).contains(&age), "{age} of {whole}");
    }
    let mut tally = DropTally::default();
    packets.iter().for_each(|packet| tally.add(packet, AllDrops::Without));
    let group = tally.groups().into_iter().find(|g| g.reason.as_deref() == Some("NETFILTER_DROP"));
    let group = group.expect("a group");
    assert!(group.count >= 20 && group.protocols.contains_key(&0x0800), "{group:?}");
    assert!(group.meaning.expect("known").next.contains("vision fw"));
}

#[test]
fn closed_ports_and_missing_neighbours_have_reasons_of_their_own() {
    let Some(lab) = lab() else { return };
    let [a, b] = lab.pair().expect("a pair");
    let [x, y, z, _] = b.v4().octets();
    let nobody = std::net::Ipv4Addr::new(x, y, z, 99);
    let packets = dropped(|| {
        let socket = a.enter(|| std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket"));
        for _ in 0..5 {
            let _ = socket.send_to(b"x", (b.v4(), 9));
        }
        let _ = socket.send_to(b"x", (nobody, 9));
        // Three questions a second apart, on a busy machine more, then the packet is given up.
        let done = AtomicBool::new(false);
        let given_up = std::thread::scope(|scope| {
            // Some kernels lose perf events of an idle processor (6.18: seen in tracefs, not here).
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        std::hint::spin_loop()
                    }
                });
            }
            let _done = AtEnd(&done);
            (0..150).any(|_| {
                std::thread::sleep(Duration::from_millis(200));
                a.sh(&format!("ip neigh show {nobody} nud failed")).contains("FAILED")
            })
        });
        assert!(given_up, "{}", a.sh("ip neigh"));
    });
    let Some(packets) = packets else { return };
    assert!(count(&packets, "NO_SOCKET") >= 5, "{packets:#?}");
    let failed = count(&packets, "NEIGH_FAILED") + count(&packets, "NEIGH_QUEUEFULL");
    assert!(failed >= 1, "{packets:#?}");
}
