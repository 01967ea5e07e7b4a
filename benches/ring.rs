//! Walking blocks of a receive ring as the kernel fills them, without a kernel.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vision_core::capture::walk_block;

/// As large as the blocks of a live capture.
const BLOCK: usize = 256 << 10;
const ETHERNET: u16 = 1;
const PPP: u16 = 512;
const VLAN_VALID: u32 = 1 << 4;

fn ring(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    for (name, size, hardware, status) in [
        ("64 B", 64, ETHERNET, 0),
        ("64 B, a tag put back", 64, ETHERNET, VLAN_VALID),
        ("64 B, cooked", 64, PPP, 0),
        ("1514 B", 1514, ETHERNET, 0),
    ] {
        let (mut block, count) = filled(size, status);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut bytes = 0;
                let walked = walk_block(&mut block, hardware, &mut |frame| {
                    bytes += frame.data.first().map_or(0, |_| frame.data.len());
                });
                assert_eq!(walked, count);
                bytes
            });
        });
    }
    group.finish();
}

/// A full block (linux/if_packet.h): `tpacket_block_desc`, then `tpacket3_hdr` and its packet again
/// and again.
fn filled(size: usize, status: u32) -> (Vec<u8>, usize) {
    const FIRST: usize = 48;
    const MAC: usize = 96;
    let step = (MAC + size).next_multiple_of(16);
    let count = (BLOCK - FIRST) / step;
    let mut block = vec![0; BLOCK];
    let mut put = |at: usize, word: u32| block[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    put(12, count as u32);
    put(16, FIRST as u32);
    for n in 0..count {
        let at = FIRST + n * step;
        put(at, if n + 1 == count { 0 } else { step as u32 });
        put(at + 12, size as u32);
        put(at + 16, size as u32);
        put(at + 20, status);
        put(at + 24, MAC as u32);
        put(at + 32, 7);
    }
    if status & VLAN_VALID == 0 {
        (0..count).for_each(|n| block[FIRST + n * step + 32] = 0);
    }
    (block, count)
}

criterion_group!(benches, ring);
criterion_main!(benches);
