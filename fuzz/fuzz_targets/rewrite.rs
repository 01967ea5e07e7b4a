//! Whatever could be read is read again from a copy, packet by packet.
#![no_main]

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use vision_core::capture::file::{Reader, Writer};

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let open = || Reader::new(Cursor::new(bytes.to_vec()));
    let Ok(mut reader) = open() else {
        return;
    };
    if reader.compression().is_some() {
        return;
    }
    let kept = Kept::default();
    let mut writer = Writer::pcapng(kept.clone(), reader.section());
    while let Ok(Some((frame, interfaces))) = reader.next_described() {
        for it in interfaces.get(writer.interfaces().len()..).unwrap_or_default() {
            writer.interface(it).expect("room");
        }
        writer.frame(&frame).expect("room");
    }
    writer.finish().expect("room");
    let copy = kept.0.lock().expect("no panic").clone();
    let mut copy = Reader::new(Cursor::new(copy)).expect("our own file");
    let mut again = open().expect("opened before");
    while let Ok(Some(was)) = again.next_frame() {
        let is = copy.next_frame().expect("our own file").expect("as many packets");
        assert_eq!((is.data, is.len, is.link_type), (was.data, was.len, was.link_type));
        assert_eq!((is.interface, is.direction), (was.interface, was.direction));
        let time = was.time.map(|it| it.as_unix_nanos()).filter(|it| *it >= 0);
        assert!(time.is_none_or(|it| is.time.is_some_and(|is| is.as_unix_nanos() == it)));
    }
    assert!(matches!(copy.next_frame(), Ok(None)));
});
