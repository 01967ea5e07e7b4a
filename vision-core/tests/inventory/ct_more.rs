//! Tracked connections beyond their list, against `conntrack`.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use vision_core::base::EventSource;
use vision_core::inventory::{CtEvent, CtEvents, CtFilter, CtProtocol, CtTable, Inventory};
use vision_core::{Budget, Error, Prefix};

use super::ns::{Ns, budget};

const SETUP: &str = "
    ip addr add 10.7.0.1/32 dev lo; ip route add 10.96.0.0/16 dev lo
    nft 'table ip t {
        chain o { type nat hook output priority -100; ip daddr 10.96.0.1 udp dport 53 dnat to 127.0.0.1:5353; }
        chain p { type nat hook postrouting priority 100; udp dport 5454 snat to 10.7.0.1:6000; }
        chain z { type filter hook output priority -300; udp dport 7777 ct zone set 9; }
        chain f { type filter hook output priority 0; ct state new counter; }
    }'";

fn ns() -> Option<(Ns, Inventory)> {
    let ns = Ns::new()?;
    ns.sh(SETUP);
    let inventory = ns.inventory();
    Some((ns, inventory))
}

fn send(ns: &Ns, from: u16, to: &str) {
    ns.within(|| {
        let socket = UdpSocket::bind(("127.0.0.1", from)).expect("a socket");
        socket.send_to(b"x", to).expect("sent");
    });
}

fn tuple(from: u16, to: &str) -> CtFilter {
    let (addr, port) = to.rsplit_once(':').expect("a port");
    let host = |addr: &str| Prefix::host(addr.parse::<IpAddr>().expect("an address"));
    let filter = CtFilter::default().protocol(CtProtocol::Udp).src(host("127.0.0.1"));
    filter.dst(host(addr)).src_port(from).dst_port(port.parse().expect("a port"))
}

#[test]
fn translations_are_spelled_out() {
    let Some((ns, mut inventory)) = ns() else { return };
    send(&ns, 40_000, "10.96.0.1:53");
    send(&ns, 40_001, "127.0.0.1:5454");
    send(&ns, 40_002, "127.0.0.1:99");
    let all = inventory.conntrack(&CtFilter::default(), &budget()).expect("connections").items;
    let of = |port| {
        let entry = all.iter().find(|e| e.original.src_port == Some(port)).expect("tracked");
        entry.translation()
    };
    let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
    let dnat = of(40_000).expect("translated");
    assert_eq!((dnat.src, dnat.dst), (None, Some((ip("127.0.0.1"), Some(5353)))));
    let snat = of(40_001).expect("translated");
    assert_eq!((snat.src, snat.dst), (Some((ip("10.7.0.1"), Some(6000))), None));
    assert_eq!(of(40_002), None);
    let told =
        |options: &str| ns.sh(&format!("conntrack -L {options} 2>/dev/null")).lines().count();
    assert_eq!((told("--dst-nat"), told("--src-nat")), (1, 1));
}

#[test]
fn one_connection_is_found_by_its_first_packet() {
    let Some((ns, mut inventory)) = ns() else { return };
    send(&ns, 40_000, "10.96.0.1:53");
    send(&ns, 40_003, "127.0.0.1:7777");
    let mut get = |filter: &CtFilter, zone| inventory.conntrack_get(filter, zone, &budget());
    let found = get(&tuple(40_000, "10.96.0.1:53"), None).expect("asked").expect("tracked");
    let text = ns.sh(
        "conntrack -G -p udp -s 127.0.0.1 -d 10.96.0.1 --sport 40000 --dport 53 -o id 2>/dev/null",
    );
    assert!(text.contains(&format!("id={}", found.id.expect("a number"))), "{text}");
    assert_eq!(get(&tuple(40_000, "10.96.0.1:54"), None).expect("asked"), None);
    let zoned = tuple(40_003, "127.0.0.1:7777");
    assert_eq!(get(&zoned, None).expect("asked"), None);
    assert_eq!(get(&zoned, Some(9)).expect("asked").expect("tracked").zone, Some(9));
    let mut half = tuple(40_003, "127.0.0.1:7777");
    half.dst_port = None;
    for bad in [CtFilter::default(), half] {
        let refused = get(&bad, None).expect_err("not a whole one");
        assert!(matches!(refused, Error::Invalid { .. }), "{refused:?}");
    }
}

#[test]
fn statistics_of_processors_are_those_of_conntrack() {
    let Some((ns, mut inventory)) = ns() else { return };
    for port in 41_000..41_020 {
        send(&ns, port, "127.0.0.1:99");
    }
    let (ours, theirs) = loop {
        let before = inventory.conntrack_cpus(&budget()).expect("statistics");
        let text = ns.sh("conntrack -S");
        if inventory.conntrack_cpus(&budget()).expect("statistics") == before {
            break (before, text);
        }
    };
    assert_eq!(ours.len(), theirs.lines().count());
    for ((cpu, stats), line) in ours.iter().zip(theirs.lines()) {
        let told = stats.fields().into_iter().map(|(name, value)| {
            format!("{}={value}", name.replace("chain_toolong", "chaintoolong"))
        });
        let mine: Vec<_> = std::iter::once(format!("cpu={cpu}")).chain(told).collect();
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(mine, words);
    }
}

#[test]
fn announced_connections_are_those_of_conntrack() {
    let Some((ns, mut inventory)) = ns() else { return };
    assert_eq!(inventory.conntrack_expectations(&budget()).expect("a table").items, []);
    let made = ns.try_sh("conntrack -I -s 10.0.0.1 -d 10.0.0.2 -p tcp --sport 1000 --dport 21 --state ESTABLISHED -t 100 2>&1
        conntrack -I expect --orig-src 10.0.0.1 --orig-dst 10.0.0.2 --tuple-src 10.0.0.3 --tuple-dst 10.0.0.4 \
          --mask-src 255.255.255.255 --mask-dst 255.255.255.255 -p tcp --orig-port-src 1000 --orig-port-dst 21 \
          --tuple-port-src 0 --tuple-port-dst 3333 --mask-port-src 0 --mask-port-dst 65535 -t 60 2>&1");
    if !made.status.success() {
        eprintln!("this kernel takes no expectations from programs: only the empty table is seen");
        return;
    }
    let all = inventory.conntrack_expectations(&budget()).expect("a table").items;
    let [expect] = all.as_slice() else { panic!("{all:?}") };
    let text = ns.sh("conntrack -L expect 2>/dev/null");
    for word in [
        format!("src={}", expect.tuple.src),
        format!("dport={}", expect.tuple.dst_port.expect("a port")),
        format!("mask-dst={}", expect.mask.dst),
        format!("master-src={}", expect.master.src),
        format!("master-dport={}", expect.master.dst_port.expect("a port")),
    ] {
        assert!(text.contains(&word), "{word}: {text}");
    }
    assert_eq!(expect.protocol, CtProtocol::Tcp);
    assert!(expect.timeout_s.is_some_and(|s| (50..=60).contains(&s)), "{expect:?}");
}

#[test]
fn changes_come_in_order_and_overruns_are_said() {
    let Some((ns, mut inventory)) = ns() else { return };
    let mut events = CtEvents::open(&ns.target()).expect("listens");
    assert_eq!(events.try_recv().expect("nothing yet"), None);
    send(&ns, 42_000, "10.96.0.1:53");
    // Some versions of the tool refuse to change a translated connection.
    let _ = ns.try_sh("conntrack -U -p udp --sport 42000 --mark 5");
    ns.sh("conntrack -D -p udp --sport 42000 >/dev/null 2>&1");
    let mut next = || events.recv(&Budget::within(Duration::from_secs(5))).expect("an event");
    let mut seen = Vec::new();
    while seen.last() != Some(&"destroy") {
        let event = next().expect("an event");
        let entry = event.entry().expect("an entry");
        assert_eq!((entry.original.src_port, entry.original.dst_port), (Some(42_000), Some(53)));
        assert_eq!(entry.reply.src_port, Some(5353));
        seen.push(match event {
            CtEvent::New(_) => "new",
            CtEvent::Update(entry) => {
                assert_eq!(entry.mark, Some(5));
                "update"
            }
            CtEvent::Destroy(_) => "destroy",
            other => panic!("{other:?}"),
        });
    }
    assert_eq!((seen.first(), seen.last()), (Some(&"new"), Some(&"destroy")));
    // Nobody reads: the queue overflows.
    ns.within(|| {
        let sockets: Vec<_> =
            (0..8).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect();
        for socket in &sockets {
            for port in 1..8000_u16 {
                let _ = socket.send_to(b"x", ("127.0.0.1", port));
            }
        }
    });
    let mut count = 0;
    while let Some(event) = events.try_recv().expect("events") {
        count += 1;
        if event == CtEvent::Overrun {
            break;
        }
    }
    assert!(events.lost() > 0, "{count} events and none lost");
    assert!(inventory.conntrack_count(&budget()).expect("a count").count > 10_000);
}

#[test]
fn other_tables_are_listed() {
    let Some((_ns, mut inventory)) = ns() else { return };
    for table in [CtTable::Dying, CtTable::Unconfirmed] {
        let dump = inventory.conntrack_table(table, &budget()).expect("a table");
        assert_eq!(dump.unreadable, 0);
    }
}
