//! Compressed captures, as gzip and zstd write them.

use std::io::{Cursor, Write};
use std::process::{Command, Stdio};

use vision_core::capture::Frame;
use vision_core::capture::file::{Compression, Interface, Precision, Reader, Writer};
use vision_core::wire::LinkType;

use crate::write::Kept;

/// Runs a packer over bytes.
fn packed(program: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    let (mut input, bytes) = (child.stdin.take()?, bytes.to_vec());
    let feeder = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().ok()?;
    feeder.join().ok()?.ok()?;
    Some(output.stdout)
}

#[test]
fn members_and_frames_one_after_the_other_are_one_file() {
    let kept = Kept::default();
    let mut writer = Writer::pcap(kept.clone(), Precision::Nano);
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    for number in 0..5000_u32 {
        let data = number.to_be_bytes().repeat(40);
        writer.frame(&Frame::new(LinkType::ETHERNET, &data)).expect("room");
    }
    writer.finish().expect("room");
    let bytes = kept.bytes();
    let (one, two) = bytes.split_at(bytes.len() / 3);
    for (program, kind) in [("gzip", Compression::Gzip), ("zstd", Compression::Zstd)] {
        let Some((one, two)) = packed(program, one).zip(packed(program, two)) else {
            println!("SKIP: {program} is not installed");
            continue;
        };
        // A skippable frame of three bytes, which only zstd knows.
        let between: &[u8] = match kind {
            Compression::Zstd => &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3],
            _ => &[],
        };
        let all = [&one[..], between, &two].concat();
        let mut reader = Reader::new(Cursor::new(all.clone())).expect("a capture");
        assert_eq!(reader.compression(), Some(kind));
        let mut count = 0_u32;
        while let Some(frame) = reader.next_frame().expect("whole") {
            assert!(frame.data.starts_with(&count.to_be_bytes()), "{program}: {count}");
            count += 1;
        }
        assert_eq!(count, 5000, "{program}");

        let mut cut = Reader::new(Cursor::new(all[..all.len() - 30].to_vec())).expect("a capture");
        let error = loop {
            match cut.next_frame() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("{program}: the cut was not seen"),
                Err(e) => break e,
            }
        };
        assert!(error.offset().is_some_and(|it| it > 0), "{program}: {error}");
        assert!(matches!(cut.next_frame(), Ok(None)), "{program}");
    }
}
