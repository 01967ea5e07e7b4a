//! Files that are read while they are written.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread;
use std::time::Duration;

use vision_core::capture::Frame;
use vision_core::capture::file::{Interface, Precision, Reader, Writer};
use vision_core::wire::LinkType;
use vision_core::{Budget, Error};

use crate::Folder;
use crate::write::Kept;

#[test]
fn packets_come_as_they_are_written_and_the_end_is_noticed() {
    let kept = Kept::default();
    let mut writer = Writer::pcap(kept.clone(), Precision::Nano);
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    for number in 0..20 {
        writer.frame(&Frame::new(LinkType::ETHERNET, &[number; 50])).expect("room");
    }
    writer.finish().expect("room");
    let bytes = kept.bytes();
    let folder = Folder::new("follow");
    let path = folder.path("a.pcap");
    fs::write(&path, &bytes[..50]).expect("a file");
    let mut reader = Reader::open(&path).expect("a capture");
    let slow = {
        let (path, other) = (path.clone(), folder.path("b.pcap"));
        thread::spawn(move || {
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            // Pieces that end inside packets.
            for piece in bytes[50..].chunks(37) {
                file.write_all(piece).expect("room");
                thread::sleep(Duration::from_millis(5));
            }
            fs::write(&other, b"another file").expect("room");
            fs::rename(&other, &path).expect("renamed");
        })
    };
    let budget = Budget::within(Duration::from_secs(20));
    for number in 0..20 {
        let frame = reader.follow_frame(&budget).expect("whole").expect("a packet");
        assert_eq!(frame.data, [number; 50]);
    }
    assert!(reader.follow_frame(&budget).expect("the end").is_none());
    slow.join().expect("no panic");
}

#[test]
fn a_file_that_stays_as_it_is_takes_the_time_allowed_and_one_cut_short_is_an_error() {
    let kept = Kept::default();
    let mut writer = Writer::pcap(kept.clone(), Precision::Nano);
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    writer.frame(&Frame::new(LinkType::ETHERNET, &[0; 50])).expect("room");
    writer.finish().expect("room");
    let folder = Folder::new("shrunk");
    let path = folder.path("a.pcap");
    fs::write(&path, kept.bytes()).expect("a file");
    let mut reader = Reader::open(&path).expect("a capture");
    let budget = || Budget::within(Duration::from_millis(120));
    assert!(reader.follow_frame(&budget()).expect("whole").is_some());
    assert!(matches!(reader.follow_frame(&budget()), Err(Error::Elapsed)));
    let file = OpenOptions::new().write(true).open(&path).expect("the file");
    file.set_len(30).expect("cut");
    let error = reader.follow_frame(&budget()).expect_err("shorter than before");
    assert!(error.to_string().contains("cut short"), "{error}");
}
