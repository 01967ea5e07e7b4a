//! Netlink dumps of a node with many routes, neighbours and links, made by the lab.

use std::{fmt::Write, fs, hint::black_box, process, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vision_core::{
    Budget, Netns, Target,
    inventory::{Inventory, Recorded, RecordedProtocol, RecordedRow},
};
use vision_lab::{Lab, Node};

const ROUTES: usize = 2000;
const NEIGHBOURS: usize = 1000;

fn dumps(c: &mut Criterion) {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(skip) => return eprintln!("SKIP nl_dump: {skip}"),
    };
    let node = busy_node(&lab);
    let netns = Netns::from_fd(node.netns_fd().expect("a descriptor")).expect("a namespace");
    let mut inventory = Inventory::open(&Target::of(netns)).expect("an inventory");
    let budget = Budget::within(Duration::from_secs(600));

    let mut group = c.benchmark_group("nl_dump");
    group.bench_function("links", |b| {
        b.iter(|| inventory.links(&budget).expect("links").items.len())
    });
    group.throughput(Throughput::Elements(ROUTES as u64));
    group.bench_function("routes, one by one", |b| {
        b.iter(|| {
            let mut count = 0;
            inventory.routes_each(&budget, |_| count += 1).expect("routes");
            assert!(count >= ROUTES);
        });
    });
    group.bench_function("routes, as a list", |b| {
        b.iter(|| inventory.routes(&budget).expect("routes").items.len());
    });
    group.throughput(Throughput::Elements(NEIGHBOURS as u64));
    group.bench_function("neighbours", |b| {
        b.iter(|| inventory.neighbours(&budget).expect("neighbours").items.len());
    });
    group.finish();
}

/// Recorded messages, without the kernel: what one dump's datagram of each kind costs to read.
const RECORDED: &[(&str, RecordedProtocol, &[u8])] = &[
    ("links", RecordedProtocol::Route, include_bytes!("../fuzz/seeds/netlink/link.bin")),
    ("addresses", RecordedProtocol::Route, include_bytes!("../fuzz/seeds/netlink/addr.bin")),
    ("routes", RecordedProtocol::Route, include_bytes!("../fuzz/seeds/netlink/route.bin")),
    ("neighbours", RecordedProtocol::Route, include_bytes!("../fuzz/seeds/netlink/neigh.bin")),
    ("sockets", RecordedProtocol::SockDiag, include_bytes!("../fuzz/seeds/netlink/sock.bin")),
    (
        "conntrack",
        RecordedProtocol::Netfilter,
        include_bytes!("../fuzz/seeds/netlink/conntrack.bin"),
    ),
];

fn decoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("nl_decode");
    for (name, protocol, seed) in RECORDED {
        // The first byte of a seed says of which protocol it is.
        let datagram = seed.get(1..).unwrap_or_default();
        let rows = || Recorded::read(*protocol, black_box(datagram));
        let count = rows().filter(|m| !matches!(m.row, RecordedRow::Other)).count();
        assert!(count > 0, "{name}");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(*name, |b| b.iter(|| rows().count()));
    }
    group.finish();
}

/// As many routes and neighbours as a node of a mid-sized cluster has.
fn busy_node(lab: &Lab) -> Node {
    let [node, _] = lab.pair().expect("a pair");
    let mut batch = String::new();
    for i in 0..ROUTES {
        writeln!(batch, "route add 172.16.{}.{}/32 dev eth0", i / 250, i % 250)
            .expect("a string takes it");
    }
    for i in 0..NEIGHBOURS {
        let (high, low) = (i / 250, i % 250);
        let lladdr = format!("02:00:00:00:{high:02x}:{low:02x}");
        writeln!(batch, "neigh add 172.16.{high}.{low} lladdr {lladdr} dev eth0")
            .expect("a string takes it");
    }
    let file = std::env::temp_dir().join(format!("nl-dump-{}", process::id()));
    fs::write(&file, batch).expect("a batch file");
    let done = node.try_sh(&format!("ip -batch {}", file.display()));
    fs::remove_file(&file).expect("removed");
    done.expect("routes and neighbours");
    node
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = decoding, dumps
}
criterion_main!(benches);
