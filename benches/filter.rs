//! Filters: compiled from text, and run on packets.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vision_core::capture::filter::Filter;
use vision_core::wire::LinkType;

/// What people ask for, from the simple to the long.
const FILTERS: &[(&str, &str)] = &[
    ("protocol", "udp"),
    ("port", "tcp port 443"),
    ("host and port", "host 10.0.0.2 and udp port 53"),
    ("flags", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0"),
    ("payload", "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)"),
    ("tags", "vlan 5 and ip6 and not icmp6"),
    ("tunnel", "geneve 7 and tcp port 80"),
];

/// An Ethernet frame with an IPv4 header, of this protocol and with these ports.
fn packet(protocol: u8, ports: [u16; 2], size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    bytes[12..14].copy_from_slice(&[8, 0]);
    bytes[14] = 0x45;
    bytes[23] = protocol;
    bytes[26..34].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    bytes[34..36].copy_from_slice(&ports[0].to_be_bytes());
    bytes[36..38].copy_from_slice(&ports[1].to_be_bytes());
    bytes
}

fn compile(c: &mut Criterion) {
    let mut group = c.benchmark_group("filter/compile");
    for (name, expression) in FILTERS {
        group.bench_function(*name, |b| {
            b.iter(|| Filter::compile(black_box(expression), LinkType::ETHERNET));
        });
    }
    for count in [100, 1000] {
        let hosts: Vec<_> = (0..count).map(|n| format!("10.1.{}.{}", n / 250, n % 250)).collect();
        let expression = format!("host {}", hosts.join(" or "));
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::new("hosts", count), &expression, |b, expression| {
            b.iter(|| Filter::compile(black_box(expression), LinkType::ETHERNET));
        });
    }
    group.finish();
}

fn run(c: &mut Criterion) {
    let packets = [
        packet(6, [40000, 443], 1514),
        packet(17, [40001, 53], 90),
        packet(17, [53, 40001], 200),
        packet(1, [0, 0], 98),
    ];
    let mut group = c.benchmark_group("filter/run");
    group.throughput(Throughput::Elements(packets.len() as u64));
    for (name, expression) in FILTERS {
        let filter = Filter::compile(expression, LinkType::ETHERNET).expect("a filter");
        group.bench_function(*name, |b| {
            b.iter(|| {
                let taken = |it: &&Vec<u8>| filter.matches(black_box(it), it.len() as u32);
                packets.iter().filter(taken).count()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, compile, run);
criterion_main!(benches);
