//! A pcap or snoop file from anybody: reading it ends, and packets lie inside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vision_core::capture::file::Reader;

fuzz_target!(|bytes: &[u8]| {
    let size = bytes.len();
    let Ok(mut reader) = Reader::new(std::io::Cursor::new(bytes.to_vec())) else {
        return;
    };
    let packed = reader.compression().is_some();
    let (mut packets, mut before) = (0, reader.offset());
    while let Ok(Some(frame)) = reader.next_frame() {
        assert!(packed || frame.data.len() <= size);
        assert!(reader.offset() > before, "no headway at {before}");
        (packets, before) = (packets + 1, reader.offset());
    }
    assert!(packed || packets <= size / 16);
});
