//! Output that nobody takes, or that is taken slowly.

use std::fs::File;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vision_lab::dns::DnsScript;
use vision_lab::{DnsServer, TcpBehaviour, TcpServer};

use crate::run::{command_in, pair};
use crate::tools::script;

/// Every verb there is; the second word tells whether it goes on until somebody stops it.
const VERBS: &[(&str, bool)] = &[
    ("link --stats", false),
    ("route --all", false),
    ("route get HOST", false),
    ("ping HOST -c1", false),
    ("neigh --all", false),
    ("sock -a -p", false),
    ("ct --count", false),
    // Only now there is something tracked for sure.
    ("ct", false),
    ("fw", false),
    ("ns ls", false),
    ("ns of self", false),
    ("ns exec self -- ls /", false),
    ("doctor HOST:8080", false),
    ("explain", false),
    ("caps", false),
    ("ping HOST -i 20ms", true),
    ("ping HOST -i 20ms --json", true),
    ("tcp HOST:8080 --every 20ms", true),
    ("tcp HOST:1-30", false),
    ("arp HOST -I eth0 -c 3", false),
    ("dns db.lab @HOST", false),
    ("capture -i eth0", true),
    ("capture -i eth0 --json", true),
    ("capture -i eth0 -w -", true),
    ("decode PCAP", false),
    ("decode PCAP --json", false),
    ("decode PCAP --follow", true),
    ("decode PCAP --what", false),
];

/// A pcap file with that many frames of zeros.
fn pcap(frames: u32) -> Vec<u8> {
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for n in 0..frames {
        bytes.extend(n.to_le_bytes());
        bytes.extend([0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0]);
        bytes.extend([0; 60]);
    }
    bytes
}

struct Temporary(std::path::PathBuf);

impl Temporary {
    fn put(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("vision-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("written");
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn every_verb_ends_quietly_when_only_its_first_line_is_taken() {
    let Some((_lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, &format!("{}:8080", b.v4()), TcpBehaviour::Accept);
    let names = DnsScript::new().a("db.lab", Ipv4Addr::new(192, 0, 2, 1));
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names);
    let _traffic = b.spawn(&format!("ping -q -i 0.02 {}", a.v4()));
    a.sh("nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; \
          add rule inet t c ct state new counter'");
    let file = Temporary::put("head.pcap", &pcap(20_000));
    for (line, endless) in VERBS {
        let line = line.replace("HOST", &b.v4().to_string());
        let line = line.replace("PCAP", &file.0.display().to_string());
        let take = if line.ends_with("-w -") { "head -c 40 | wc -c" } else { "head -1" };
        let text = format!("{{ timeout 20 \"$V\" {line}; echo \"code $?\" >&2; }} | {take}");
        let run = script(&a, &text);
        let last = run.err.lines().last().unwrap_or_default();
        let code: Option<i32> = last.strip_prefix("code ").and_then(|code| code.parse().ok());
        assert!(matches!(code, Some(0 | 1)), "{line}: {run:?}");
        let quiet = run.err.lines().count() <= 6 && !run.err.contains("panicked");
        assert!(quiet && !run.out.is_empty(), "{line}: {run:?}");
        // One that goes on has more to say than the first line, and its end was noticed.
        assert!(!endless || code == Some(0), "{line}: {run:?}");
    }
}

/// A pipe whose end that is written to never blocks, as that of a program with an event loop.
fn never_blocking() -> (File, OwnedFd) {
    let (read, write) = std::io::pipe().expect("a pipe");
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&write, nix::fcntl::FcntlArg::F_SETFL(flags)).expect("set");
    (OwnedFd::from(read).into(), write.into())
}

#[test]
fn a_pipe_that_is_full_for_a_while_loses_nothing() {
    let Some((_lab, a, _b)) = pair() else { return };
    a.sh("for i in $(seq 1 250); do for j in $(seq 1 20); do \
          echo route add blackhole 10.$i.$j.0/24; done; done | ip -batch -");
    for line in ["route --json", "route"] {
        let (mut read, write) = never_blocking();
        assert!(read.as_raw_fd() > 2);
        let mut command = command_in(&a, line);
        let mut child =
            command.stdout(Stdio::from(write)).stderr(Stdio::piped()).spawn().expect("starts");
        drop(command);
        std::thread::sleep(Duration::from_millis(300));
        let mut text = String::new();
        read.read_to_string(&mut text).expect("reads");
        let mut err = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut err).expect("reads");
        assert_eq!((child.wait().expect("ended").code(), err.as_str()), (Some(0), ""), "{line}");
        let added = text.matches("10.").count();
        assert!(added >= 5000, "{line}: {added}");
        if line.ends_with("json") {
            let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(value.is_ok(), "{line}");
        }
    }
}

#[test]
fn a_capture_into_a_slow_pipe_is_whole() {
    let Some((_lab, a, b)) = pair() else { return };
    let _traffic = b.spawn(&format!("ping -q -s 1400 -i 0.01 {}", a.v4()));
    let (mut read, write) = never_blocking();
    let mut command = command_in(&a, "capture -i eth0 -c 150 -w - --budget 60s");
    let mut child =
        command.stdout(Stdio::from(write)).stderr(Stdio::piped()).spawn().expect("starts");
    drop(command);
    let (began, mut bytes, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        match read.read(&mut buffer).expect("reads") {
            0 => break,
            length => bytes.extend_from_slice(&buffer[..length]),
        }
        if began.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("reads");
    assert_eq!(child.wait().expect("ended").code(), Some(0), "{err}");
    let mut decode = Command::new(env!("CARGO_BIN_EXE_vision"));
    decode.args(["decode", "-", "--count"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut decode = decode.spawn().expect("starts");
    decode.stdin.take().expect("piped").write_all(&bytes).expect("written");
    let counted = String::from_utf8(decode.wait_with_output().expect("ended").stdout);
    assert!(counted.as_ref().is_ok_and(|text| text.contains("150")), "{counted:?}");
}
