//! Capture files: read and written, pcap and pcapng.

use std::hint::black_box;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vision_core::Timestamp;
use vision_core::capture::file::{Interface, Precision, Reader, Section, Writer};
use vision_core::capture::{Direction, Frame};
use vision_core::wire::LinkType;

const PACKETS: u64 = 100_000;

/// Keeps what is written, for reading it afterwards.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn writer(pcapng: bool, out: impl Write + Send + 'static) -> Writer {
    match pcapng {
        true => Writer::pcapng(out, &Section::default()),
        false => Writer::pcap(out, Precision::Nano),
    }
}

/// Writes packets of the lengths that are usual: acknowledgements, small answers, full segments.
fn write(mut writer: Writer) {
    let data = [0x5a; 1514];
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    for number in 0..PACKETS {
        let length = [66, 66, 118, 583, 66, 1514, 66, 90][number as usize % 8];
        let mut frame = Frame::new(LinkType::ETHERNET, &data[..length]);
        frame.time = Some(Timestamp::from_unix_nanos(1_700_000_000_000_000_000 + number as i64));
        frame.direction = (number % 2 == 0).then_some(Direction::Out);
        writer.frame(black_box(&frame)).expect("room");
    }
    writer.finish().expect("room");
}

fn files(c: &mut Criterion) {
    let mut group = c.benchmark_group("capture file");
    group.throughput(Throughput::Elements(PACKETS)).sample_size(20);
    for (name, pcapng) in [("pcap", false), ("pcapng", true)] {
        group.bench_function(format!("write {name}"), |b| {
            b.iter(|| write(writer(pcapng, io::sink())));
        });
        let kept = Kept::default();
        write(writer(pcapng, kept.clone()));
        let bytes: Arc<[u8]> = kept.0.lock().expect("no panic").clone().into();
        // The floor: what a reader that looks at nothing takes.
        group.bench_function(format!("the bytes of {name} alone"), |b| {
            let mut room = vec![0; 256 * 1024];
            b.iter(|| {
                let mut source = Cursor::new(bytes.clone());
                while source.read(&mut room).expect("memory") > 0 {
                    black_box(&room);
                }
            });
        });
        group.bench_function(format!("read {name}"), |b| {
            b.iter(|| {
                let mut reader = Reader::new(Cursor::new(bytes.clone())).expect("a capture");
                let mut packets = 0;
                while let Some(frame) = reader.next_frame().expect("whole packets") {
                    black_box(frame);
                    packets += 1;
                }
                assert_eq!(packets, PACKETS);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, files);
criterion_main!(benches);
