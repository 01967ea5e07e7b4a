//! Taking packets: what is summed up, what is left of the process's rights, how it ends.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vision_lab::{AtEnd, Node, require, whole_machine};

use crate::run::{Run, command, command_in, finish, pair, powerless, vision_in};

/// A running capture that has said that it listens.
struct Listening {
    child: Child,
    err: BufReader<std::process::ChildStderr>,
}

impl Listening {
    fn start(mut command: Command) -> Self {
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut err = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        err.read_line(&mut line).expect("reads");
        assert!(line.starts_with("vision: listening on "), "{line}");
        Self { child, err }
    }

    fn stop(self, signal: Signal) -> Run {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("sent");
        self.end(Duration::from_secs(2))
    }

    fn end(mut self, within: Duration) -> Run {
        let (began, mut text) = (Instant::now(), String::new());
        let mut out = self.child.stdout.take().expect("piped");
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).expect("UTF-8");
            text
        });
        while self.child.try_wait().expect("waits").is_none() {
            assert!(began.elapsed() < within, "still there after {within:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        self.err.read_to_string(&mut text).expect("UTF-8");
        let raw = self.child.wait_with_output().expect("ended");
        let out = reader.join().expect("read");
        Run { code: raw.status.code(), out, err: text, raw }
    }
}

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vision-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Sends datagrams from one node to another.
fn send(from: &Node, to: &Node, count: usize, size: usize) {
    let at = (to.v4(), 4242);
    from.enter(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        for _ in 0..count {
            let _ = socket.send_to(&vec![7; size], at);
        }
    });
}

fn number(text: &str, before: &str) -> usize {
    let line = text.lines().find(|line| line.ends_with(before)).expect(before);
    line.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

/// How many packets tcpdump finds in a file, which must end where a packet ends.
fn tcpdump_counts(file: &Path) -> usize {
    let run = finish({
        let mut command = Command::new("tcpdump");
        command.arg("-nnqr").arg(file);
        command
    });
    assert!(run.code == Some(0) && !run.err.contains("truncated"), "{}", run.err);
    run.out.lines().count()
}

#[test]
fn the_sum_is_tcpdumps_and_the_file_holds_what_it_says() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    let folder = Folder::new("sum");
    for (name, stop) in
        [("int", Signal::SIGINT), ("term", Signal::SIGTERM), ("hup", Signal::SIGHUP)]
    {
        for extension in ["pcap", "pcapng"] {
            let file = folder.file(&format!("{name}.{extension}"));
            let line = format!("capture -i eth0 -w {}", file.display());
            let listening = Listening::start(command_in(&b, &line));
            send(&a, &b, 3000, 300);
            let run = listening.stop(stop).expect(0);
            let captured = number(&run.err, "captured");
            assert!(captured >= 3000, "{}", run.err);
            assert_eq!(number(&run.err, "received by filter"), captured);
            assert_eq!(number(&run.err, "dropped by kernel"), 0);
            assert_eq!(tcpdump_counts(&file), captured);
        }
    }
}

#[test]
fn a_signal_in_the_middle_of_a_flood_leaves_a_file_that_reads_to_its_end() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    let folder = Folder::new("flood");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                send(&a, &b, 500, 700);
            }
        });
        let _done = AtEnd(&done);
        for round in 0..12_u64 {
            let file = folder.file("x.pcapng");
            let line = format!("capture -i eth0 -w {}", file.display());
            let listening = Listening::start(command_in(&b, &line));
            std::thread::sleep(Duration::from_millis(7 * round));
            let run = listening.stop(Signal::SIGTERM).expect(0);
            assert_eq!(tcpdump_counts(&file), number(&run.err, "captured"), "{}", run.err);
        }
    });
}

#[test]
fn no_rights_are_left_once_it_listens_and_files_still_rotate() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    let folder = Folder::new("rights");
    let file = folder.file("out.pcapng");
    let line = format!("capture -i eth0 -w {} --ring 3x100kB", file.display());
    let listening = Listening::start(command_in(&b, &line));
    let tasks = std::fs::read_dir(format!("/proc/{}/task", listening.child.id())).expect("tasks");
    for task in tasks.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).expect("a status");
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).expect("a field");
            line.split_once(':').expect("a value").1.trim().to_owned()
        };
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(field(set), "0000000000000000", "{set}");
        }
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".to_owned(), "2".to_owned()));
    }
    send(&a, &b, 1000, 1000);
    let run = listening.stop(Signal::SIGINT).expect(0);
    let mut files: Vec<_> = std::fs::read_dir(&folder.0).expect("a folder").flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(files.len(), 3, "{files:?} {}", run.err);
    for file in files {
        assert!(file.metadata().expect("a size").len() <= 100_000);
        assert!(tcpdump_counts(&file.path()) > 1);
    }
}

#[test]
fn json_has_an_object_a_packet_and_the_sum_at_its_end() {
    let Some((_lab, a, b)) = pair() else { return };
    let mut command = command_in(&b, "capture -i eth0 --json");
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut first = String::new();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| out.read_line(&mut first));
        while !reading.is_finished() {
            send(&a, &b, 1, 64);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).expect("sent");
    let mut rest = first.clone();
    out.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let lines: Vec<Value> =
        rest.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (sum, packets) = lines.split_last().expect("lines");
    assert!(packets.iter().all(|line| line["type"] == "event"), "{first}");
    assert_eq!((&sum["type"], &sum["schema"]), (&"summary".into(), &"vision/capture@1".into()));
    assert_eq!(sum["report"]["captured"].as_u64(), Some(packets.len() as u64));
    assert_eq!(sum["report"]["dropped"], 0);
}

#[test]
fn a_number_of_packets_ends_it_and_fewer_are_a_no() {
    let Some((_lab, a, b)) = pair() else { return };
    let listening = Listening::start(command_in(&b, "capture -i any -c 5"));
    send(&a, &b, 50, 64);
    let run = listening.end(Duration::from_secs(2)).expect(0);
    assert_eq!((run.out.lines().count(), number(&run.err, "captured")), (5, 5));
    let run = vision_in(&b, "capture -i lo -c 5 --budget 100ms").expect(1);
    assert_eq!(number(&run.err, "captured"), 0);
    vision_in(&b, "capture -i lo --budget 100ms").expect(0);
}

#[test]
fn an_interface_that_goes_is_told_and_is_no_failure() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair() else { return };
    let folder = Folder::new("gone");
    let file = folder.file("gone.pcapng");
    let line = format!("capture -i eth0 -w {}", file.display());
    let listening = Listening::start(command_in(&b, &line));
    send(&a, &b, 100, 64);
    b.sh("ip link del eth0");
    let run = listening.end(Duration::from_secs(1)).expect(0);
    assert!(run.err.contains("ended early: interface vanished: eth0 was deleted"), "{}", run.err);
    assert_eq!(tcpdump_counts(&file), number(&run.err, "captured"));
    assert!(number(&run.err, "captured") >= 100);
}

#[test]
fn what_cannot_be_done_is_said_with_the_next_step() {
    let Some((_lab, _a, b)) = pair() else { return };
    let run = powerless(&b, "capture -i eth0");
    assert_eq!(run.code, Some(4));
    assert!(run.err.contains("opening a packet socket needs CAP_NET_RAW"), "{}", run.err);
    assert!(run.err.contains("capabilities: {add: [NET_RAW]}"), "{}", run.err);
    let run = vision_in(&b, "capture -i eth7").expect(3);
    assert_eq!(run.err, "vision: interface `eth7` not found; list them with `vision link`\n");
    let run = vision_in(&b, "capture -i eth0 --ring 50MB -w /tmp/x.pcapng").expect(2);
    assert!(run.err.contains("`50MB` is not a number of files"), "{}", run.err);
    let run = vision_in(&b, "capture -i eth0 -w /nowhere/x.pcapng").expect(3);
    assert!(run.err.contains("No such file or directory"), "{}", run.err);
    let run = vision_in(&b, "capture -i eth0 -w /dev/full").expect(3);
    assert!(run.err.contains("No space left on device"), "{}", run.err);
}

#[test]
fn it_works_in_a_user_namespace_of_ones_own() {
    if crate::run::lab().is_none() {
        return;
    }
    let mut unshare = Command::new("unshare");
    let script = format!(
        "ip link set lo up; (sleep 0.3; ping -q -c 2 -i 0.1 127.0.0.1 >/dev/null) & \
         exec timeout 5 {} capture -i lo -c 3",
        env!("CARGO_BIN_EXE_vision")
    );
    unshare.args(["-Urnm", "sh", "-c", &script]).stdin(Stdio::null());
    let run = finish(unshare);
    if run.err.contains("unshare failed") {
        println!("SKIP: no user namespaces here");
        return;
    }
    let run = run.expect(0);
    assert_eq!((run.out.lines().count(), number(&run.err, "captured")), (3, 3));
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let Some((_lab, a, b)) = pair() else { return };
    let mut listening = Listening::start(command_in(&b, "capture -i eth0"));
    let mut first = [0; 10];
    send(&a, &b, 100, 64);
    listening.child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("a packet");
    drop(listening.child.stdout.take());
    listening.child.stdout = None;
    let began = Instant::now();
    while listening.child.try_wait().expect("waits").is_none() {
        send(&a, &b, 1, 64);
        assert!(began.elapsed() < Duration::from_secs(2), "still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut err = String::new();
    listening.err.read_to_string(&mut err).expect("UTF-8");
    assert_eq!((listening.child.wait().expect("ended").code(), err.as_str()), (Some(0), ""));
}

#[test]
fn help_names_the_flags_people_know() {
    let help = finish(command("capture --help")).expect(0).out;
    for flag in ["-i, ", "-c, ", "-w, ", "-s, ", "-Q, ", "-B, ", "--ring", "--rotate", "--promisc"]
    {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
}
