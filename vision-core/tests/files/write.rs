//! What is written reads as what it was, also by tcpdump.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};

use vision_core::Timestamp;
use vision_core::capture::file::{
    FileError, Interface, Item, Precision, Reader, Section, Statistics, Writer,
};
use vision_core::capture::{Direction, Frame};
use vision_core::wire::LinkType;

use vision_lab::{require, whole_machine};

use crate::Folder;

/// What a stream was given.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no panic").clone()
    }

    pub fn reader(&self) -> Reader {
        Reader::new(io::Cursor::new(self.bytes())).expect("a capture")
    }
}

fn frame<'a>(nanos: i64, data: &'a [u8], interface: u32) -> Frame<'a> {
    let mut frame = Frame::new(LinkType::ETHERNET, data);
    frame.time = Some(Timestamp::from_unix_nanos(nanos));
    frame.interface = interface;
    frame
}

#[test]
fn pcapng_keeps_interfaces_directions_lengths_and_counts() {
    let kept = Kept::default();
    let mut section = Section::default();
    section.os = Some("Linux".to_owned());
    let mut writer = Writer::pcapng(kept.clone(), &section);
    let mut eth0 = Interface::new(LinkType::ETHERNET);
    eth0.name = Some("eth0".to_owned());
    eth0.description = Some("netns 4026531840 · container web".to_owned());
    eth0.comments = vec!["first".to_owned(), "second".to_owned()];
    eth0.snap_len = Some(96);
    let mut any = Interface::new(LinkType::LINUX_SLL2);
    any.name = Some("any".to_owned());
    for interface in [&eth0, &any] {
        writer.interface(interface).expect("room");
    }
    let mut cut = frame(1_700_000_000_123_456_789, &[7; 33], 0);
    (cut.len, cut.direction) = (1514, Some(Direction::Out));
    let mut cooked = frame(-1, &[], 1);
    cooked.link_type = LinkType::LINUX_SLL2;
    cooked.direction = Some(Direction::In);
    let untimed = Frame::new(LinkType::ETHERNET, &[1; 60]);
    for it in [&cut, &cooked, &untimed] {
        writer.frame(it).expect("room");
    }
    let mut counts = Statistics::default();
    (counts.received, counts.dropped_by_kernel) = (Some(70), Some(3));
    writer.statistics(1, counts);
    writer.finish().expect("room");

    let mut reader = kept.reader();
    assert_eq!(reader.next_frame().expect("whole"), Some(cut));
    // Before 1970 there is no time in a file.
    cooked.time = Some(Timestamp::from_unix_nanos(0));
    assert_eq!(reader.next_frame().expect("whole"), Some(cooked));
    assert_eq!(reader.next_frame().expect("whole"), Some(untimed));
    assert_eq!(reader.next_frame().expect("the end"), None);
    assert_eq!(reader.interfaces(), [eth0, any]);
    assert_eq!((reader.statistics(0), reader.statistics(1)), (None, Some(counts)));
    assert_eq!((reader.section(), reader.sections()), (&section, 1));
}

#[test]
fn a_pcap_file_takes_one_link_type() {
    let mut writer = Writer::pcap(io::sink(), Precision::Nano);
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    let refused = writer.frame(&Frame::new(LinkType::RAW, &[0x45]));
    assert!(matches!(refused, Err(FileError::Unfit(_))), "{refused:?}");
    let second = writer.interface(&Interface::new(LinkType::RAW));
    assert!(matches!(second, Err(FileError::Unfit(_))), "{second:?}");
}

#[test]
fn tcpdump_reads_both_formats() {
    if require(whole_machine()).is_none() {
        return;
    }
    if Command::new("tcpdump").arg("--version").output().is_err() {
        println!("SKIP: tcpdump is not installed");
        return;
    }
    let folder = Folder::new("tcpdump");
    for (name, pcapng) in [("a.pcap", false), ("a.pcapng", true)] {
        let file = File::create(folder.path(name)).expect("a file");
        let mut writer = match pcapng {
            true => Writer::pcapng_file(file, &Section::default()),
            false => Writer::pcap_file(file, Precision::Nano),
        };
        writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
        for number in 0..1000 {
            let data = vec![0x11; 14 + number % 91];
            writer.frame(&frame(1_700_000_000_000_000_001, &data, 0)).expect("room");
        }
        writer.finish().expect("room");
        let mut command = Command::new("tcpdump");
        command.args(["-tt", "--nano", "-nr"]).arg(folder.path(name));
        let run = command.output().expect("tcpdump");
        let text = String::from_utf8_lossy(&run.stdout);
        assert_eq!(text.lines().filter(|it| !it.starts_with('\t')).count(), 1000, "{name}");
        assert!(text.starts_with("1700000000.000000001 "), "{name}: {text:.40}");
    }
}

#[test]
fn copies_of_all_captures_read_as_the_originals() {
    let Ok(list) = fs::read_to_string("../../shared/captures/MANIFEST.tsv") else {
        println!("SKIP: ../../shared/captures is not there");
        return;
    };
    let (mut files, mut packets) = (0, 0);
    for name in list.lines().skip(1).filter_map(|line| line.split('\t').next()) {
        let path = format!("../../shared/captures/{name}");
        let Ok(mut reader) = Reader::open(&path) else { continue };
        let kept = Kept::default();
        let mut writer = Writer::pcapng(kept.clone(), reader.section());
        while let Ok(Some((frame, interfaces))) = reader.next_described() {
            for it in &interfaces[writer.interfaces().len().min(interfaces.len())..] {
                writer.interface(it).expect("room");
            }
            writer.frame(&frame).expect("room");
        }
        writer.finish().expect("room");
        let (mut again, mut copy) = (Reader::open(&path).expect("a capture"), kept.reader());
        while let Ok(Some(mut frame)) = again.next_frame() {
            if frame.time.is_none() && frame.interface > 0 {
                // Only the first interface can have packets without a time.
                frame.time = Some(Timestamp::from_unix_nanos(0));
            }
            assert_eq!(copy.next_frame().expect("whole"), Some(frame), "{name}");
            packets += 1;
        }
        assert_eq!(copy.next_frame().expect("the end"), None, "{name}");
        let names = |it: &Interface| (it.name.clone(), it.link_type, it.snap_len);
        let (ours, theirs) = (copy.interfaces(), &again.interfaces()[..copy.interfaces().len()]);
        assert!(ours.iter().map(names).eq(theirs.iter().map(names)), "{name}");
        files += 1;
    }
    println!("{files} files, {packets} packets");
    assert!(packets > 50_000, "{packets}");
}

#[test]
fn blocks_of_no_known_kind_are_kept() {
    let kept = Kept::default();
    let mut writer = Writer::pcapng(kept.clone(), &Section::default());
    writer.interface(&Interface::new(LinkType::ETHERNET)).expect("room");
    writer.finish().expect("room");
    let mut bytes = kept.bytes();
    let strange = [&[0x77, 0, 0, 0x80, 20, 0, 0, 0][..], b"whatever", &[20, 0, 0, 0]].concat();
    bytes.extend_from_slice(&strange);
    let mut reader = Reader::new(io::Cursor::new(bytes)).expect("a capture");
    let copy = Kept::default();
    let mut writer = Writer::pcapng(copy.clone(), &Section::default());
    let mut kinds = Vec::new();
    while let Some(item) = reader.next_item().expect("whole") {
        let Item::Block(block) = item else { panic!("a packet from nowhere") };
        kinds.push((block.kind, writer.block(&block).expect("room")));
    }
    assert_eq!(kinds, [(1, false), (0x8000_0077, true)]);
    writer.finish().expect("room");
    assert!(copy.bytes().ends_with(&strange));
}
