//! Pipes that close and signals that come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::run::{command, command_in, finish, lab, pair};

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts")
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
    kill(pid, signal).expect("sent");
}

/// Waits for its end, which must come soon.
fn ended(mut child: Child, within: Duration) -> (Option<i32>, String, String) {
    let end = Instant::now() + within;
    while child.try_wait().expect("waits").is_none() {
        assert!(Instant::now() < end, "still there after {within:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut out, mut err) = (String::new(), String::new());
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_to_string(&mut out).expect("reads");
    }
    if let Some(mut stderr) = child.stderr.take() {
        stderr.read_to_string(&mut err).expect("reads");
    }
    (child.wait().expect("ended").code(), out, err)
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let verbs = [
        "--help",
        "--version",
        "link",
        "link --json",
        "route --all",
        "route --all --json",
        "neigh",
        "sock -a",
        "sock -a --json",
        "ns ls",
        "caps",
        "explain",
        "ping 127.0.0.1 -i 10ms",
        "ping 127.0.0.1 -i 10ms --json",
        "tcp 127.0.0.1:1-9",
        "route --rules",
        "doctor --help",
    ];
    for verb in verbs {
        let mut child = start(command(verb));
        drop(child.stdout.take());
        let (code, _, err) = ended(child, Duration::from_secs(5));
        // What was refused before the first write may say so; nothing may panic.
        assert!(matches!(code, Some(0 | 1)), "{verb}: {code:?} {err}");
        assert_eq!(err, "", "{verb}");
    }
}

#[test]
fn a_long_list_stops_when_nobody_reads() {
    let Some(lab) = lab() else { return };
    let node = lab.node("l").expect("a node");
    node.sh("for i in $(seq 1 250); do for j in $(seq 1 80); do \
             echo route add blackhole 10.$i.$j.0/24; done; done | ip -batch -");
    for verb in ["route", "route --json"] {
        let mut child = start(command_in(&node, verb));
        let mut first = [0; 40];
        child.stdout.as_mut().expect("piped").read_exact(&mut first).expect("some output");
        drop(child.stdout.take());
        let (code, _, err) = ended(child, Duration::from_secs(1));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{verb}");
    }
    let all = finish(command_in(&node, "route --json")).expect(0).json();
    assert_eq!(all["report"]["routes"].as_array().map(Vec::len), Some(20_000));
}

#[test]
fn output_that_cannot_be_written_is_said_and_not_a_success() {
    for verb in ["link", "link --json", "ping 127.0.0.1 -c 1", "caps", "explain"] {
        let mut full = command(verb);
        let sink = std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        let child = full.stdout(sink).stderr(Stdio::piped()).spawn().expect("starts");
        let (code, _, err) = ended(child, Duration::from_secs(5));
        assert_eq!(code, Some(3), "{verb}: {err}");
        assert!(err.starts_with("vision: cannot write the result: "), "{verb}: {err}");
    }
}

/// Starts an endless ping and waits for its first reply.
fn endless(line: &str, node: &vision_lab::Node) -> (Child, String) {
    let mut child = start(command_in(node, line));
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut seen = String::new();
    while !seen.contains("seq=1 ") && !seen.contains("\"seq\":1,") && !seen.contains("seq=1\n") {
        assert_ne!(reader.read_line(&mut seen).expect("reads"), 0, "{seen}");
    }
    child.stdout = Some(reader.into_inner());
    (child, seen)
}

#[test]
fn the_first_interrupt_sums_up() {
    let Some((_lab, a, b)) = pair() else { return };
    for stop in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let (child, _) = endless(&format!("ping {} -i 50ms", b.v4()), &a);
        signal(&child, stop);
        let (code, out, err) = ended(child, Duration::from_secs(2));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{stop}: {out}");
        assert!(out.contains("packet loss"), "{stop}: {out}");
    }
    let (child, _) = endless(&format!("ping {} -i 50ms --json", b.v4()), &a);
    signal(&child, Signal::SIGINT);
    let (code, out, _) = ended(child, Duration::from_secs(2));
    assert_eq!(code, Some(0));
    let last: Value = serde_json::from_str(out.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["type"], "summary");
    // Nobody answers: the same, and the code says so.
    let (child, _) = endless("ping 10.1.0.99 -i 50ms -W 20ms", &a);
    signal(&child, Signal::SIGINT);
    let (code, out, _) = ended(child, Duration::from_secs(2));
    assert_eq!(code, Some(1), "{out}");
}

#[test]
fn who_asks_in_the_middle_is_told_how_far_it_is() {
    let Some((_lab, a, b)) = pair() else { return };
    for flags in ["", "--json", "-q"] {
        let (child, _) = match flags {
            "-q" => {
                let child = start(command_in(&a, &format!("ping {} -i 20ms -q", b.v4())));
                std::thread::sleep(Duration::from_millis(300));
                (child, String::new())
            }
            flags => endless(&format!("ping {} -i 20ms {flags}", b.v4()), &a),
        };
        for ask in [Signal::SIGQUIT, Signal::SIGUSR1] {
            signal(&child, ask);
            std::thread::sleep(Duration::from_millis(100));
        }
        signal(&child, Signal::SIGINT);
        let (code, out, err) = ended(child, Duration::from_secs(2));
        assert_eq!(code, Some(0), "{flags}: {out} {err}");
        assert!(out.contains("loss"), "{flags}: {out}");
        let told: Vec<_> = err.lines().collect();
        let good = |line: &&&str| {
            line.contains("0% loss, min/avg/ewma/max = ") && line.contains(" packets, ")
        };
        assert_eq!((told.len(), told.iter().filter(good).count()), (2, 2), "{flags}: {err}");
    }
}

#[test]
fn a_capture_says_how_far_it_is_as_well() {
    let Some((_lab, a, b)) = pair() else { return };
    let _traffic = b.spawn(&format!("ping -q -i 0.02 {}", a.v4()));
    let mut child = start(command_in(&a, "capture -i eth0"));
    let mut reader = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    for _ in 0..4 {
        assert_ne!(reader.read_line(&mut line).expect("reads"), 0, "{line}");
    }
    for ask in [Signal::SIGUSR1, Signal::SIGQUIT] {
        signal(&child, ask);
        std::thread::sleep(Duration::from_millis(100));
    }
    signal(&child, Signal::SIGINT);
    child.stdout = Some(reader.into_inner());
    let (code, _, err) = ended(child, Duration::from_secs(5));
    assert_eq!(code, Some(0), "{err}");
    let told = |line: &&str| line.starts_with("vision: ") && line.ends_with(" packets captured");
    assert_eq!(err.lines().filter(told).count(), 2, "{err}");
}

#[test]
fn a_budget_ends_an_endless_run() {
    let Some((_lab, a, b)) = pair() else { return };
    let began = Instant::now();
    let run = finish(command_in(&a, &format!("ping {} -i 50ms -w 0.3", b.v4()))).expect(0);
    assert!(began.elapsed() < Duration::from_secs(3));
    assert!(run.out.contains("packet loss"), "{run:?}");
}

#[test]
fn a_target_that_dies_ends_the_run_with_its_summary() {
    let Some((_lab, a, b)) = pair() else { return };
    let sleeper = a.sleeper();
    let mut ping = command(&format!("--pid {} ping {} -i 50ms --json", sleeper.pid(), b.v4()));
    let child = ping.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(Duration::from_millis(300));
    sleeper.kill();
    let (code, out, _) = ended(child, Duration::from_secs(2));
    assert_eq!(code, Some(3), "{out}");
    let last: Value = serde_json::from_str(out.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["type"], "summary");
    assert_eq!(last["error"]["kind"], "target_exited");
}
