//! Files that several threads read at once.

use std::fs;
use std::io::Write;
use std::sync::Mutex;

use vision_core::capture::file::{FileError, Piece, Reader};

use crate::Folder;

/// What is compared of a packet: its number, when it was taken, and its bytes summed up.
type Seen = (u64, Option<i64>, usize, u64);

fn seen(number: u64, frame: &vision_core::capture::Frame<'_>) -> Seen {
    let sum = frame.data.iter().fold(0_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte));
    (number, frame.time.map(|it| it.as_unix_nanos()), frame.data.len(), sum)
}

/// A pcap file of packets with these lengths.
fn pcap(lengths: impl Iterator<Item = usize>, big: bool) -> Vec<u8> {
    let word = |it: u32| if big { it.to_be_bytes() } else { it.to_le_bytes() };
    let mut bytes = word(0xa1b2_c3d4).to_vec();
    bytes.extend(if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for field in [0, 0, 262_144, 1] {
        bytes.extend(word(field));
    }
    for (number, length) in (0_u32..).zip(lengths) {
        for field in [1_700_000_000 + number, number % 1_000_000, length as u32, length as u32] {
            bytes.extend(word(field));
        }
        bytes.extend((0..length).map(|at| (at as u32 ^ number) as u8));
    }
    bytes
}

/// Lengths of all kinds, so that records lie across the ends of pieces in every way.
fn lengths() -> impl Iterator<Item = usize> {
    let mut seed = 1_u32;
    (0..9000).map(move |number| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        match number % 500 {
            7 => 65_000,
            123 => 250_000,
            _ => (seed >> 16) as usize % 600,
        }
    })
}

/// All packets by one thread, and by several that share the work; and how the reading ended.
fn both(path: &std::path::Path, threads: usize) -> [(Vec<Seen>, Option<String>); 2] {
    let rest = |reader: &mut Reader, all: &mut Vec<Seen>| loop {
        match reader.next_frame() {
            Ok(Some(frame)) => all.push(seen(all.len() as u64 + 1, &frame)),
            Ok(None) => return None,
            Err(e) => return Some(e.to_string()),
        }
    };
    let mut alone = Vec::new();
    let ended = rest(&mut Reader::open(path).expect("a capture"), &mut alone);
    let mut reader = Reader::open(path).expect("a capture");
    let pieces = reader.pieces().expect("a plain file");
    let together = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut piece = Piece::default();
                while pieces.take(&mut piece) {
                    let frames = piece.frames(&pieces);
                    let found: Vec<_> = frames.map(|(number, it)| seen(number, &it)).collect();
                    assert_eq!(found.len() as u64, piece.packets());
                    together.lock().expect("no panic").push((piece.number(), found));
                }
            });
        }
    });
    let mut together = together.into_inner().expect("no panic");
    together.sort_by_key(|it| it.0);
    let mut together: Vec<_> = together.into_iter().flat_map(|it| it.1).collect();
    assert_eq!(together.len() as u64, pieces.packets());
    reader.resume(&pieces).expect("goes on");
    let over = rest(&mut reader, &mut together);
    [(alone, ended), (together, over)]
}

#[test]
fn several_threads_find_what_one_finds() {
    let folder = Folder::new("pieces");
    for (name, big) in [("little", false), ("big", true)] {
        let path = folder.path(name);
        fs::write(&path, pcap(lengths(), big)).expect("room");
        for threads in [1, 2, 5] {
            let [alone, together] = both(&path, threads);
            assert_eq!(alone.0.len(), 9000);
            assert!(alone == together, "{name}, {threads} threads: {}", together.0.len());
        }
    }
}

#[test]
fn where_a_file_ends_or_is_damaged_is_told_as_by_one() {
    let folder = Folder::new("pieces-cut");
    let path = folder.path("cut");
    let whole = pcap(lengths(), false);
    for cut in [whole.len() - 1, whole.len() / 2, whole.len() / 3 + 5, 262_144 + 24 + 7, 30, 24] {
        fs::write(&path, &whole[..cut]).expect("room");
        let [alone, together] = both(&path, 2);
        assert!(alone == together, "{cut}: {:?} {:?}", alone.1, together.1);
    }
    // A record that claims more than any has, in the middle.
    let mut wrong = pcap(lengths().take(3000), false);
    let at = wrong.len();
    wrong.extend(pcap(lengths().take(3000), false).split_off(24));
    wrong[at + 8..at + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    fs::write(&path, &wrong).expect("room");
    let [alone, together] = both(&path, 2);
    assert!(alone.0.len() == 3000 && alone.1.is_some());
    assert!(alone == together, "{:?} {:?}", alone.1, together.1);
}

#[test]
fn a_file_that_grows_goes_on_where_the_pieces_ended() {
    let folder = Folder::new("pieces-grow");
    let path = folder.path("grow");
    fs::write(&path, pcap(lengths().take(2000), false)).expect("room");
    let mut reader = Reader::open(&path).expect("a capture");
    let pieces = reader.pieces().expect("a plain file");
    let mut piece = Piece::default();
    while pieces.take(&mut piece) {}
    assert_eq!(pieces.packets(), 2000);
    let more = pcap([60, 70].into_iter(), false).split_off(24);
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("there");
    file.write_all(&more).expect("room");
    reader.resume(&pieces).expect("goes on");
    let mut lengths = Vec::new();
    while let Some(frame) = reader.next_frame().expect("whole") {
        lengths.push(frame.data.len());
    }
    assert_eq!(lengths, [60, 70]);
}

#[test]
fn what_is_no_plain_file_has_no_pieces() {
    let bytes = pcap([60].into_iter(), false);
    let reader = Reader::new(std::io::Cursor::new(bytes)).expect("a capture");
    assert!(reader.pieces().is_none());
    let folder = Folder::new("pieces-none");
    let path = folder.path("packed.gz");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&pcap([60].into_iter(), false)).expect("room");
    fs::write(&path, packed.finish().expect("room")).expect("room");
    let packed = Reader::open(&path);
    assert!(packed.is_ok_and(|it| it.pieces().is_none()));
    assert!(matches!(Reader::open(folder.path("none")), Err(FileError::NotFound(_))));
}
