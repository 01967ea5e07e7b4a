//! Signals by the thousand, stops in the middle, and processes that die at any moment.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use vision_lab::dns::{Behaviour, DnsScript};
use vision_lab::{DnsServer, TcpBehaviour, TcpServer};

use crate::run::{Run, command_in, lab, pair, vision};

/// Runs the binary while signals rain on it.
fn under_fire(mut command: std::process::Command, signals: &[Signal]) -> Run {
    use std::process::Stdio;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
    let done = AtomicBool::new(false);
    let raw = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for signal in signals {
                    // Until it is waited for, the number is its own.
                    let _ = kill(pid, *signal);
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        // Both pipes are small: read after the end would block a long list.
        let out = child.wait_with_output().expect("ended");
        done.store(true, Ordering::Relaxed);
        out
    });
    Run {
        code: raw.status.code(),
        out: String::from_utf8(raw.stdout.clone()).expect("UTF-8"),
        err: String::from_utf8(raw.stderr.clone()).expect("UTF-8"),
        raw,
    }
}

#[test]
fn a_thousand_signals_a_second_change_nothing() {
    let Some((_lab, a, b)) = pair() else { return };
    a.sh("for i in $(seq 1 250); do for j in $(seq 1 20); do \
          echo route add blackhole 10.$i.$j.0/24; done; done | ip -batch -");
    let quiet: &[Signal] = &[Signal::SIGWINCH, Signal::SIGURG];
    // A stopped and continued process sees interrupted calls without any handler.
    let stops: &[Signal] = &[Signal::SIGSTOP, Signal::SIGCONT];
    for signals in [quiet, stops] {
        let routes = under_fire(command_in(&a, "route --json"), signals).expect(0).json();
        let routes = routes["report"]["routes"].as_array().expect("a list");
        let added = routes.iter().filter(|route| route["kind"] == "blackhole").count();
        assert_eq!(added, 5000, "{signals:?}");
        let line = format!("ping {} -c 20 -i 10ms -q --json", b.v4());
        let ping = under_fire(command_in(&a, &line), signals).expect(0).json();
        assert_eq!(ping["report"]["summary"]["received"], 20, "{signals:?}: {ping}");
        let line = format!("tcp {}:1-50 --json", b.v4());
        let tcp = under_fire(command_in(&a, &line), signals).expect(1).json();
        let attempts = tcp["report"]["attempts"].as_array().expect("a list");
        assert_eq!(attempts.len(), 50, "{signals:?}");
        let closed = |attempt: &Value| attempt["outcome"]["refused"].is_object();
        assert!(attempts.iter().all(closed), "{signals:?}: {tcp}");
    }
}

#[test]
fn a_pause_of_the_whole_process_is_no_loss() {
    let Some((_lab, a, b)) = pair() else { return };
    use std::process::Stdio;
    let mut command = command_in(&a, &format!("ping {} -c 20 -i 50ms -W 300ms --json -q", b.v4()));
    let child = command.stdout(Stdio::piped()).spawn().expect("starts");
    let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
    std::thread::sleep(Duration::from_millis(400));
    kill(pid, Signal::SIGSTOP).expect("stopped");
    std::thread::sleep(Duration::from_millis(1500));
    kill(pid, Signal::SIGCONT).expect("continued");
    let out = child.wait_with_output().expect("ended").stdout;
    let summary: Value = serde_json::from_slice(&out).expect("JSON");
    let report = &summary["report"];
    assert_eq!(report["summary"]["loss_percent"], 0.0, "{report}");
    assert_eq!(report["stalls"].as_array().map(Vec::len), Some(1), "{report}");
}

#[test]
fn what_came_while_the_process_was_stopped_is_neither_lost_nor_late() {
    let Some((_lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, &format!("{}:8080", b.v4()), TcpBehaviour::Accept);
    let slow = Behaviour::Slow(Duration::from_millis(150));
    let names = DnsScript::new().a("db.lab", b.v4()).behave("db.lab", slow);
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names);
    let host = b.v4();
    for line in [
        format!("dns db.lab @{host} -W 400ms --short"),
        format!("tcp {host}:8080 --every 50ms -c 12 -W 300ms"),
        format!("arp {host} -I eth0 -c 3 -i 200ms -W 300ms"),
    ] {
        for after in [50, 160] {
            let mut command = command_in(&a, &line);
            let child = command.stdout(std::process::Stdio::piped()).spawn().expect("starts");
            let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
            std::thread::sleep(Duration::from_millis(after));
            kill(pid, Signal::SIGSTOP).expect("stopped");
            std::thread::sleep(Duration::from_millis(900));
            kill(pid, Signal::SIGCONT).expect("continued");
            let out = child.wait_with_output().expect("ended");
            let text = String::from_utf8_lossy(&out.stdout);
            assert_eq!(out.status.code(), Some(0), "{line} {after}: {text}");
            let lost = ["no answer", "timed out", "lost"].iter().any(|word| text.contains(word));
            assert!(!lost, "{line} {after}: {text}");
        }
    }
}

#[test]
fn a_process_that_dies_at_any_moment_leads_to_no_other_namespace() {
    let Some(lab) = lab() else { return };
    let own = vision("ns of self --json").expect(0).json()["target"]["netns"]["ino"].clone();
    for n in 0..60_u64 {
        let node = lab.node("n").expect("a node");
        let sleeper = node.sleeper();
        let ino = node.inode();
        let line = format!("--pid {} link --json", sleeper.pid());
        let run = std::thread::scope(|scope| {
            scope.spawn(move || {
                let at = Instant::now() + Duration::from_micros(n * 100);
                while Instant::now() < at {
                    std::hint::spin_loop();
                }
                sleeper.kill();
            });
            vision(&line)
        });
        let told = run.json();
        assert_ne!(told["target"]["netns"]["ino"], own, "{n}: {run:?}");
        match run.code {
            Some(0) => assert_eq!(told["target"]["netns"]["ino"], ino, "{n}: {run:?}"),
            Some(3) => {
                let kind = told["error"]["kind"].as_str().unwrap_or_default();
                assert!(matches!(kind, "target_exited" | "not_found"), "{n}: {run:?}");
            }
            _ => panic!("{n}: {run:?}"),
        }
    }
}
