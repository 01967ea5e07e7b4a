//! Bytes to data: DNS messages, and the files that name resolution reads.

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vision_core::{
    Endpoint, Selector,
    doctor::Question,
    inventory::{Hosts, Resolver},
    wire::dns::Message,
};

/// DNS messages by what they are, as a stub resolver gets them.
const MESSAGES: &[(&str, &[u8])] = &[
    ("query", include_bytes!("../fuzz/seeds/dns_message/query.bin")),
    ("alias", include_bytes!("../fuzz/seeds/dns_message/alias.bin")),
    ("nxdomain", include_bytes!("../fuzz/seeds/dns_message/nxdomain.bin")),
    // The answer to `. NS`: 13 names and 26 addresses, compressed (RFC 8109).
    ("priming", include_bytes!("../fuzz/seeds/dns_message/priming.bin")),
];

const RESOLV_CONF: &[u8] = include_bytes!("../fuzz/seeds/resolver_files/pod.conf");

fn dns_messages(c: &mut Criterion) {
    let mut group = c.benchmark_group("dns");
    for (name, bytes) in MESSAGES {
        assert!(Message::decode(bytes).is_ok(), "{name} is a message");
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(*name, |b| b.iter(|| Message::decode(black_box(bytes))));
    }
    group.finish();
}

fn resolver_files(c: &mut Criterion) {
    let mut group = c.benchmark_group("files");
    group.bench_function("resolv.conf of a pod", |b| {
        b.iter(|| Resolver::parse(black_box(RESOLV_CONF)));
    });
    // A block list of the usual kind.
    let mut hosts = String::from("127.0.0.1 localhost\n::1 localhost ip6-localhost\n");
    for i in 0..1000 {
        writeln!(hosts, "0.0.0.0 ads{i}.example www.ads{i}.example # {i}")
            .expect("a string takes it");
    }
    group.throughput(Throughput::Bytes(hosts.len() as u64));
    group.bench_function("hosts with 1000 lines", |b| {
        b.iter(|| Hosts::parse(black_box(hosts.as_bytes())));
    });
    group.finish();
}

fn arguments(c: &mut Criterion) {
    let mut group = c.benchmark_group("arguments");
    group.bench_function("selector", |b| {
        b.iter(|| black_box("pod:prod/web-7d4b9c").parse::<Selector>());
    });
    group.bench_function("endpoint", |b| {
        b.iter(|| black_box("[fd00:10:96::a]:53").parse::<Endpoint>());
    });
    group.bench_function("question", |b| {
        b.iter(|| black_box("https://api.example:8443/v1?x=y").parse::<Question>());
    });
    group.finish();
}

criterion_group!(benches, dns_messages, resolver_files, arguments);
criterion_main!(benches);
