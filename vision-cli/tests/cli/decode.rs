//! `vision decode`: what it prints, copies and refuses, and what is left when it is stopped.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use vision_lab::{require, whole_machine};

use crate::run::{Run, command, finish, vision};

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("vision-decode-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).expect("a file");
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A pcap file of Ethernet frames of 60 bytes, a millisecond apart.
fn pcap(packets: u32) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for number in 0..packets {
        let (secs, micros) = (1_700_000_000 + number / 1000, number % 1000 * 1000);
        for field in [secs, micros, 60, 60] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&number.to_be_bytes().repeat(15));
    }
    bytes
}

/// How many packets tcpdump finds, and whether it complains.
fn tcpdump(path: &str) -> Option<(u64, String)> {
    let run = Command::new("tcpdump").args(["--count", "-r", path]).output().ok()?;
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let count = out.split(' ').next()?.trim().parse().ok()?;
    Some((count, err.lines().filter(|it| !it.starts_with("reading from")).collect()))
}

#[test]
fn packets_are_printed_counted_and_picked() {
    let folder = Folder::new("print");
    let file = folder.put("a.pcap", &pcap(25));
    assert_eq!(vision(&format!("decode {file}")).expect(0).out.lines().count(), 25);
    assert_eq!(vision(&format!("decode {file} --count")).expect(0).out, "25\n");
    let json = vision(&format!("decode {file} --count --json")).expect(0).json();
    assert_eq!(json["report"]["packets"], 25);
    let some = vision(&format!("decode {file} --json --numbers 3,20-21")).expect(0);
    let lines: Vec<serde_json::Value> =
        some.out.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    let numbers: Vec<_> = lines.iter().filter_map(|it| it["number"].as_u64()).collect();
    assert_eq!(numbers, [3, 20, 21]);
    assert_eq!(lines[0]["time"], "1700000000.002000000");
    assert_eq!(lines[3]["type"], "summary");
    let first = vision(&format!("decode {file} -c 2")).expect(0);
    assert_eq!(first.out.lines().count(), 2);
}

#[test]
fn what_comes_before_a_fault_is_shown_and_the_fault_is_said() {
    let folder = Folder::new("fault");
    let bytes = pcap(5);
    let file = folder.put("cut.pcap", &bytes[..bytes.len() - 1]);
    let run = vision(&format!("decode {file}")).expect(3);
    assert_eq!(run.out.lines().count(), 4);
    assert!(run.err.contains("cut.pcap: the file ends in the middle of a packet"), "{}", run.err);
    assert_eq!(vision(&format!("decode {file} --count")).expect(3).out, "4\n");
    let copy = folder.path("copy.pcapng");
    vision(&format!("decode {file} -w {copy}")).expect(3);
    assert_eq!(vision(&format!("decode {copy} --count")).expect(0).out, "4\n");
    let json = vision(&format!("decode {file} --json")).expect(3);
    let last = json.out.lines().last().expect("a summary");
    assert!(last.contains("\"kind\":\"capture_file\""), "{last}");
}

#[test]
fn other_files_are_refused_by_what_they_are() {
    let folder = Folder::new("refuse");
    for (name, bytes, said) in [
        ("empty", &b""[..], "the file is empty"),
        ("elf", b"\x7fELF\x02\x01\x01", "an ELF program"),
        ("pem", b"-----BEGIN PRIVATE KEY-----\n", "PEM text: PRIVATE KEY"),
        ("text", b"not packets\n", "not a capture file but text"),
        ("old", b"\xd4\xc3\xb2\xa1\x01\0\x04\0aaaabbbbccccdddd", "version 1.4"),
    ] {
        let run = vision(&format!("decode {}", folder.put(name, bytes))).expect(3);
        assert!(run.err.contains(said) && run.out.is_empty(), "{run:?}");
    }
    let missing = vision("decode /nowhere/at/all.pcap").expect(3);
    assert!(missing.err.contains("file /nowhere/at/all.pcap not found"), "{}", missing.err);
    let what = vision(&format!("decode --what {}", folder.path("pem"))).expect(1);
    assert!(what.out.ends_with("not a capture file but PEM text: PRIVATE KEY\n"), "{}", what.out);
    let file = folder.put("a.pcap", &pcap(1));
    let json = vision(&format!("decode --what {file} --json")).expect(0).json();
    let capture = &json["report"]["capture"];
    assert_eq!((&capture["format"], &capture["endian"]), (&"pcap".into(), &"little".into()));
    assert_eq!(capture["interfaces"][0]["link_type"], 1);
    vision(&format!("decode {file} --numbers 0")).expect(2);
    vision(&format!("decode {file} -w - --ring 2x1kB")).expect(2);
}

#[test]
fn copies_read_the_same_in_either_format_and_through_pipes() {
    let folder = Folder::new("copy");
    let file = folder.put("a.pcap", &pcap(1000));
    let (ng, back) = (folder.path("b.pcapng"), folder.path("c.pcap"));
    let run = vision(&format!("decode {file} -w {ng}")).expect(0);
    assert!(run.err.contains("1000 packets written") && run.out.is_empty(), "{run:?}");
    vision(&format!("decode {ng} -w {back}")).expect(0);
    let lines = |path: &str| vision(&format!("decode {path} --json")).expect(0).out;
    let packets = |text: String| text.lines().take(1000).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(packets(lines(&file)), packets(lines(&ng)));
    assert_eq!(packets(lines(&file)), packets(lines(&back)));

    let mut piped = command("decode - -w -");
    piped.stdin(fs::File::open(&file).expect("the file"));
    let out = piped.output().expect("a run").stdout;
    assert_eq!(out, fs::read(&ng).expect("the copy"));
    if let Some((count, complaint)) = tcpdump(&ng) {
        assert_eq!((count, complaint.as_str()), (1000, ""));
    }
}

#[test]
fn a_ring_keeps_its_number_of_files() {
    let folder = Folder::new("ring");
    let file = folder.put("a.pcap", &pcap(1000));
    let out = folder.path("r.pcap");
    vision(&format!("decode {file} -w {out} --ring 3x10kB")).expect(0);
    let mut files: Vec<_> = fs::read_dir(&folder.0).expect("a folder").flatten().collect();
    files.retain(|it| it.file_name().as_encoded_bytes().starts_with(b"r-"));
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|it| it.metadata().is_ok_and(|it| it.len() <= 10_000)));
    let out = folder.path("t.pcapng");
    // A second of packets is cut at every quarter of it.
    vision(&format!("decode {file} -w {out} --rotate 250ms")).expect(0);
    for number in 1..=4 {
        let file = folder.path(&format!("t-0000{number}.pcapng"));
        assert_eq!(vision(&format!("decode {file} --count")).expect(0).out, "250\n");
    }
}

#[test]
fn storage_that_is_full_is_an_error_and_a_closed_pipe_is_none() {
    let folder = Folder::new("full");
    let file = folder.put("a.pcap", &pcap(20_000));
    for format in ["pcap", "pcapng"] {
        let run = vision(&format!("decode {file} -w /dev/full --format {format}")).expect(3);
        assert!(run.err.contains("No space left"), "{run:?}");
    }
    let mut shell = Command::new("bash");
    let line = "set -o pipefail; \"$0\" decode \"$1\" -w - | head -c 100 > /dev/null";
    shell.args(["-c", line, env!("CARGO_BIN_EXE_vision"), &file]);
    let run: Run = finish(shell);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let mut limited = Command::new("bash");
    let copy = folder.path("b.pcapng");
    let line = "trap '' XFSZ; ulimit -f 301; exec \"$0\" decode \"$1\" -w \"$2\"";
    limited.args(["-c", line, env!("CARGO_BIN_EXE_vision"), &file, &copy]);
    let run = finish(limited).expect(3);
    assert!(run.err.contains("File too large"), "{run:?}");
    let count: u64 =
        vision(&format!("decode {copy} --count")).expect(0).out.trim().parse().expect("a number");
    assert!(count > 3000, "{count}");
    if let Some(judged) = tcpdump(&copy) {
        assert_eq!(judged, (count, String::new()));
    }
}

/// Signals at any moment: the file reads to its end and holds as many packets as are reported.
#[test]
fn a_signal_before_the_first_byte_blames_no_file() {
    for what in ["decode -", "decode - --count", "decode - -c 3"] {
        let mut child = command(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let input = child.stdin.take().expect("a pipe");
        let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
        // Until it takes signals itself, from a descriptor; before that one simply ends it.
        let reads = || {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
            blocked.is_some_and(|set| {
                u64::from_str_radix(set.trim(), 16).is_ok_and(|set| set & 2 != 0)
            })
        };
        let end = Instant::now() + Duration::from_secs(10);
        while !reads() {
            assert!(Instant::now() < end, "{what} never came to read");
            std::thread::sleep(Duration::from_millis(5));
        }
        kill(pid, Signal::SIGINT).expect("sent");
        let output = child.wait_with_output().expect("ended");
        drop(input);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{what}: {output:?}");
        assert!(!said.contains("cannot read"), "{what}: {said}");
    }
}

#[test]
fn a_signal_leaves_a_file_that_reads_to_its_end() {
    if require(whole_machine()).is_none() {
        return;
    }
    if tcpdump("/dev/null").is_none() && Command::new("tcpdump").arg("--version").output().is_err()
    {
        println!("SKIP: tcpdump is not installed");
        return;
    }
    let folder = Folder::new("signal");
    let bytes = pcap(2000);
    for round in 0..24_u64 {
        let copy = folder.path(&format!("{round}.{}", ["pcap", "pcapng"][round as usize % 2]));
        let mut child = command(&format!("decode - -w {copy}"))
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut input = child.stdin.take().expect("a pipe");
        let bytes = bytes.clone();
        let feeder = std::thread::spawn(move || {
            // Endless, in pieces that end inside packets; ends when nobody reads.
            let mut whole = input.write_all(&bytes);
            while whole.is_ok() {
                whole = bytes[24..].chunks(7777).try_for_each(|it| input.write_all(it));
            }
        });
        std::thread::sleep(Duration::from_millis(20 + round * 7919 % 97));
        let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
        let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
        kill(pid, signals[round as usize % 3]).expect("sent");
        let sent = Instant::now();
        let output = child.wait_with_output().expect("ended");
        let took = sent.elapsed();
        feeder.join().expect("no panic");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if !Path::new(&copy).exists() {
            // Before the first packet was there to read, or signals were waited for.
            assert!(matches!(output.status.code(), None | Some(130)), "{round}: {output:?}");
            continue;
        }
        let reported = said.split(' ').nth(1).and_then(|it| it.parse::<u64>().ok());
        let reported = reported.unwrap_or_else(|| panic!("{round}: {said}"));
        assert_eq!(output.status.code(), Some(130), "{said}");
        let judged = tcpdump(&copy).expect("tcpdump reads it");
        assert_eq!(judged, (reported, String::new()), "{round}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

/// A pcap file large enough that two threads share the work: TCP, UDP, fragments and what is no IP,
/// of all lengths.
fn large() -> Vec<u8> {
    let mut bytes = pcap(0);
    for number in 0..40_000_u32 {
        let length = (54 + number * 7 % 300) as usize;
        let mut frame = vec![number as u8; length];
        frame[12..14].copy_from_slice(&[8, if number % 50 == 3 { 6 } else { 0 }]);
        let total = (length as u16 - 14).to_be_bytes();
        frame[14..18].copy_from_slice(&[0x45, 0, total[0], total[1]]);
        frame[20..22].copy_from_slice(&[if number % 40 == 9 { 0x20 } else { 0 }, 0]);
        frame[23] = if number % 4 == 0 { 17 } else { 6 };
        frame[26..34].copy_from_slice(&[10, 0, 0, (number % 5) as u8, 10, 0, 1, 1]);
        let ports = [(4000 + number % 7) as u16, [443, 8443, 4789][number as usize % 3]];
        frame[34..36].copy_from_slice(&ports[0].to_be_bytes());
        frame[36..38].copy_from_slice(&ports[1].to_be_bytes());
        frame[38..46].copy_from_slice(&[0, 0, number.to_be_bytes()[2], number as u8, 0, 0, 1, 2]);
        frame[46..48].copy_from_slice(&[0x50, 0x18]);
        for field in
            [1_700_000_000 + number / 100, number, length as u32, length as u32 + number % 2]
        {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&frame);
    }
    bytes
}

#[test]
fn a_large_file_is_decoded_as_a_stream_is() {
    let folder = Folder::new("large");
    let bytes = large();
    assert!(bytes.len() > 5 << 20, "{}", bytes.len());
    let cut = &bytes[..bytes.len() - 11];
    for (name, bytes) in [("whole.pcap", &bytes[..]), ("cut.pcap", cut)] {
        let path = folder.put(name, bytes);
        for rest in [
            "",
            "-e -v",
            "tcp port 443",
            "--count",
            "--count udp",
            "--snap 40 --format pcap -w - udp or arp",
            "-w - tcp port 8443",
            "-ttt tcp",
            "-c 30000 tcp port 443",
        ] {
            let run = |from: &str| {
                let mut command = command(&format!("decode {from} {rest}"));
                command.stdin(fs::File::open(&path).expect("there"));
                let output = command.output().expect("runs");
                (output.status.code(), output.stdout, output.stderr)
            };
            let (file, stream) = (run(&path), run("-"));
            assert!(file.0 == stream.0 && file.1.len() > 4, "{name} {rest}: {:?}", file.0);
            assert!(file.1 == stream.1, "{name} {rest}");
            let said = String::from_utf8_lossy(&file.2).replace(&path, "standard input");
            assert_eq!(said, String::from_utf8_lossy(&stream.2), "{name} {rest}");
        }
    }
}
