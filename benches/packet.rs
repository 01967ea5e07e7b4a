//! Packets to flows and to layers, by what is in them, in the cache and out of it.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vision_core::capture::flows;
use vision_core::wire::LinkType;
use vision_core::wire::packet::{Packet, flow};

/// One packet of each kind, as the tests decode them: name, link type, bytes.
const SAMPLES: &str = include_str!("../vision-core/tests/data/packets/packets.txt");

/// What a mix is called, and the samples it takes turns of.
const MIXES: &[(&str, &[&str])] = &[
    ("tcp", &["tcp_syn", "tcp_sack", "tls_client_hello", "http_request", "http_response"]),
    ("udp", &["udp_padded", "dns_query", "dns_answer", "quic_initial", "ntp"]),
    ("tunnels", &["vxlan", "geneve", "gre_key", "mpls", "pppoe_session"]),
    ("control", &["arp_request", "icmp_echo", "icmp_frag_needed", "ndp_router", "igmp_report"]),
];

/// Packets that do not fit into the cache together.
const MANY: usize = 1 << 18;

fn sample(name: &str) -> Vec<u8> {
    let mut lines = SAMPLES.lines().map(|line| line.split(' '));
    let hex = lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.nth(1)));
    let hex = hex.flatten().expect("a sample of that name");
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("a byte");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn mix(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| sample(name)).collect()
}

fn full(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    for (name, names) in MIXES {
        let packets = mix(names);
        group.throughput(Throughput::Elements(packets.len() as u64));
        group.bench_function(*name, |b| {
            let mut memory = Packet::default();
            b.iter(|| {
                for bytes in &packets {
                    let packet = std::mem::take(&mut memory);
                    let packet = packet.reuse(LinkType::ETHERNET, black_box(bytes), bytes.len());
                    memory = black_box(packet).into_memory();
                }
            });
        });
        group.bench_function(format!("{name}, checksums"), |b| {
            let decoded: Vec<_> =
                packets.iter().map(|it| Packet::decode(LinkType::ETHERNET, it)).collect();
            b.iter(|| {
                for packet in &decoded {
                    for at in 0..packet.layers.len() {
                        black_box(black_box(packet).checksum(at));
                    }
                }
            });
        });
    }
    group.finish();
}

fn fast(c: &mut Criterion) {
    let mut group = c.benchmark_group("flow");
    for (name, names) in MIXES {
        let packets = mix(names);
        group.throughput(Throughput::Elements(packets.len() as u64));
        group.bench_function(*name, |b| {
            b.iter(|| {
                for bytes in &packets {
                    black_box(flow(LinkType::ETHERNET, black_box(bytes)));
                }
            });
        });
    }
    group.finish();
}

/// The same packets spread over more memory than the cache has, a file's usual distance apart.
fn out_of_the_cache(c: &mut Criterion) {
    let packets = mix(&["tcp_syn", "tcp_sack", "dns_query", "vlan_qinq", "tls_client_hello"]);
    let mut memory = Vec::new();
    let mut places = Vec::new();
    for number in 0..MANY {
        let bytes = &packets[number * 7 % packets.len()];
        places.push((memory.len(), bytes.len()));
        memory.extend_from_slice(bytes);
        memory.resize(memory.len() + 200, 0);
    }
    let slices: Vec<&[u8]> = places.iter().map(|(at, len)| &memory[*at..at + len]).collect();
    let mut group = c.benchmark_group("out of the cache");
    group.throughput(Throughput::Elements(MANY as u64)).sample_size(20);
    group.bench_function("flow, one after the other", |b| {
        b.iter(|| {
            let ports = slices.iter().filter_map(|it| flow(LinkType::ETHERNET, it));
            ports.map(|it| u64::from(it.key.dst_port)).sum::<u64>()
        });
    });
    group.bench_function("flows, fetched ahead", |b| {
        b.iter(|| {
            let mut sum = 0;
            flows(LinkType::ETHERNET, &slices, |_, it| {
                sum += it.map_or(0, |it| u64::from(it.key.dst_port));
            });
            sum
        });
    });
    group.finish();
}

criterion_group!(benches, full, fast, out_of_the_cache);
criterion_main!(benches);
