//! Captures of other projects, with what tshark says of every packet as the oracle.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use vision_core::capture::file::Reader;

const CAPTURES: &str = "../../shared/captures";
const BAD_FILES: &str = "../../shared/filters/bad_files.tsv";

/// Files in which tshark follows a rule of its own, and why we read them otherwise.
const OTHERWISE: &[(&str, &str)] = &[
    ("libpcap/pcap-invalid-version-2.pcap", "version 2.5, which libpcap refuses"),
    (
        "pcapplusplus/Fuzzers__RegressionTests__regression_samples__igmplayer.pcap",
        "damaged so that it looks like Nokia's variant",
    ),
    ("tcpdump/atm-oam-heapoverflow.pcap", "the pseudo header of ATM is not counted as data"),
];

#[test]
fn every_packet_has_the_time_and_lengths_that_tshark_gives_it() {
    let Ok(index) = fs::read_to_string(format!("{CAPTURES}/refs/INDEX.tsv")) else {
        println!("SKIP: {CAPTURES} is not there");
        return;
    };
    let (mut files, mut packets, mut bad) = (0, 0, Vec::new());
    for line in index.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let [name, _, _, _, _, _, status, message, ..] = columns[..] else {
            panic!("a row of eight: {line}");
        };
        let expected = reference(name);
        let (found, ended) = packets_of(&format!("{CAPTURES}/{name}"));
        (files, packets) = (files + 1, packets + found.len());
        if OTHERWISE.iter().any(|it| it.0 == name) {
            continue;
        }
        // What tshark gives up inside, we may read further.
        let complains = status != "0";
        let same = found.iter().zip(&expected).position(|(a, b)| !agree(a, b));
        if let Some(at) = same {
            bad.push(format!("{name} #{}: {} not {}", at + 1, found[at], expected[at]));
        } else if found.len() < expected.len() || (!complains && found.len() != expected.len()) {
            let counts = format!("{} packets, not {}", found.len(), expected.len());
            bad.push(format!("{name}: {counts}: {ended} (tshark: {message})"));
        } else if !complains && !ended.is_empty() {
            bad.push(format!("{name}: {ended}, of which tshark says nothing"));
        }
    }
    println!("{files} files, {packets} packets, {} files differ", bad.len());
    assert!(bad.is_empty(), "\n{}", bad.join("\n"));
}

#[test]
fn files_that_libpcap_refuses_are_refused() {
    let Ok(list) = fs::read_to_string(BAD_FILES) else {
        println!("SKIP: {BAD_FILES} is not there");
        return;
    };
    for line in list.lines().skip(1) {
        let name = line.split('\t').nth(1).expect("a capture");
        let (found, ended) = packets_of(&format!("../../shared/{name}"));
        assert!(found.is_empty() && !ended.is_empty(), "{name}: {} packets", found.len());
    }
}

/// Compares packets, but for what does not fit into tshark's numbers: fractions that are a second
/// or more, of which it keeps 32 bits of nanoseconds; negative ones; lengths beyond 31 bits.
fn agree(ours: &str, theirs: &str) -> bool {
    let split = |text: &str| -> Option<(i64, i64, i64, i64)> {
        let mut words = text.split(' ');
        let (secs, rest) = words.next()?.split_once('.').unwrap_or(("0", "0"));
        let lengths = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((secs.parse().ok()?, rest.parse().ok()?, lengths.0, lengths.1))
    };
    let (Some(a), Some(b)) = (split(ours), split(theirs)) else {
        return false;
    };
    let nanos = |(secs, rest, ..): (i64, i64, _, _)| secs * 1_000_000_000 + rest;
    let off = nanos(a) - nanos(b);
    let same_time = off == 0 || theirs.starts_with('-') || off % (1 << 32) == 0;
    let there = ours.starts_with(' ') == theirs.starts_with(' ');
    there && same_time && a.2.min(i32::MAX.into()) == b.2 && a.3 == b.3
}

/// Reads a file as far as it goes: "time len caplen" for each packet, and the error at the end.
fn packets_of(path: &str) -> (Vec<String>, String) {
    let mut found = Vec::new();
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(e) => return (found, e.to_string()),
    };
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                let mut text = String::new();
                if let Some(time) = frame.time {
                    let nanos = time.as_unix_nanos();
                    let (secs, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000).abs());
                    let sign = if nanos < 0 && secs == 0 { "-" } else { "" };
                    write!(text, "{sign}{secs}.{rest:09}").expect("a string");
                }
                write!(text, " {} {}", frame.len, frame.data.len()).expect("a string");
                found.push(text);
            }
            Ok(None) => return (found, String::new()),
            Err(e) => return (found, e.to_string()),
        }
    }
}

fn reference(name: &str) -> Vec<String> {
    let path = format!("{CAPTURES}/refs/{name}.tsv");
    let Ok(text) = fs::read_to_string(Path::new(&path)) else {
        return Vec::new();
    };
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default().split('\t').enumerate();
    let columns: HashMap<_, _> = head.map(|(at, name)| (name, at)).collect();
    let row = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        let cell = |name: &str| cells[columns[name]].split('\x1f').next().unwrap_or_default();
        format!("{} {} {}", cell("frame.time_epoch"), cell("frame.len"), cell("frame.cap_len"))
    };
    lines.map(row).collect()
}
