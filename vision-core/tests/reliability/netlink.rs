//! Others that send to a netlink socket of the library.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, sendto, socket,
};
use vision_core::Budget;
use vision_core::inventory::{Consistency, Inventory};
use vision_lab::{Lab, require};

use super::target_of;

fn budget() -> Budget {
    Budget::within(Duration::from_secs(20))
}

/// The ports of all routing sockets of a namespace, of the thread that looks.
fn ports() -> Vec<u32> {
    let table = std::fs::read_to_string("/proc/thread-self/net/netlink").expect("a table");
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == "0").then(|| words.next()?.parse().ok())?
    };
    table.lines().filter_map(port).filter(|port| *port != 0).collect()
}

/// A message of that kind and sequence number that claims to end a dump, or to be a route of one.
fn forged(kind: u16, seq: u32, port: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(20_u32.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(2_u16.to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend(port.to_ne_bytes());
    bytes.extend(0_i32.to_ne_bytes());
    bytes
}

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWROUTE: u16 = 24;

#[test]
fn messages_of_others_than_the_kernel_are_counted_and_end_no_dump() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    node.sh("for i in $(seq 1 100); do for j in $(seq 1 100); do \
             echo route add blackhole 10.$i.$j.0/24; done; done | ip -batch -");
    let mut inventory = Inventory::open(&target_of(&node)).expect("opened");
    inventory.links(&budget()).expect("links");
    let (done, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let routes = std::thread::scope(|scope| {
        scope.spawn(|| {
            node.enter(|| {
                let kind = (SockType::Raw, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK);
                let route = SockProtocol::NetlinkRoute;
                let liar = socket(AddressFamily::Netlink, kind.0, kind.1, route).expect("netlink");
                while !done.load(Ordering::Relaxed) {
                    for port in ports() {
                        for (seq, what) in (1..9).flat_map(|seq| {
                            [NLMSG_ERROR, NLMSG_DONE, RTM_NEWROUTE].map(|k| (seq, k))
                        }) {
                            use std::os::fd::AsRawFd;
                            let to = NetlinkAddr::new(port, 0);
                            let lie = forged(what, seq, port);
                            let flags = MsgFlags::empty();
                            let gone = sendto(liar.as_raw_fd(), &lie, &to, flags).is_ok();
                            sent.fetch_add(u64::from(gone), Ordering::Relaxed);
                        }
                    }
                }
            });
        });
        // What fills the socket's own buffer makes the kernel drop; then it is read again.
        let routes: Vec<_> = (0..5).map(|_| inventory.routes(&budget())).collect();
        done.store(true, Ordering::Relaxed);
        routes
    });
    println!("{} forged, {} ignored", sent.into_inner(), inventory.ignored());
    assert!(inventory.ignored() > 100, "{}", inventory.ignored());
    for dump in routes {
        let dump = dump.expect("routes");
        let count = dump.items.iter().filter(|r| r.dst.to_string().starts_with("10.")).count();
        assert_eq!(count, 10_000);
        assert_ne!(dump.consistent, Consistency::Unknown);
        assert_eq!(dump.unreadable, 0);
    }
}

#[test]
fn a_flood_of_events_delays_no_dump() {
    let Some(lab) = require(Lab::new()) else { return };
    let node = lab.node("n").expect("a node");
    let churn = "sh -c 'while :; do for i in 1 2 3 4 5 6 7 8 9; do \
                 echo route add blackhole 11.0.0.$i; echo route del 11.0.0.$i; done; done | ip -batch -'";
    let _churn = [node.spawn(churn), node.spawn(churn)];
    let mut inventory = Inventory::open(&target_of(&node)).expect("opened");
    for _ in 0..20 {
        let began = std::time::Instant::now();
        let dump = inventory.routes(&Budget::within(Duration::from_secs(2)));
        assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
        assert_eq!(dump.expect("routes").unreadable, 0);
    }
}
