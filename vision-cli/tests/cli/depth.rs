//! The flags of tcp, ping and arp that go beyond one question.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vision_lab::{TcpBehaviour, TcpServer};

use crate::run::{command_in, finish, pair, powerless, vision, vision_in};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_banner_is_shown_escaped_and_expected_text_decides_the_code() {
    let Some((_lab, a, b)) = pair() else { return };
    let hostile = TcpBehaviour::Banner(b"220 \x1b[31mmail\r\n\xff".to_vec());
    let _mail = TcpServer::start(&b, "0.0.0.0:25", hostile).expect("listens");
    let _echo = TcpServer::start(&b, "0.0.0.0:7", TcpBehaviour::Echo).expect("listens");
    let addr = b.v4();
    let run = vision_in(&a, &format!("tcp {addr}:25 --banner")).expect(0);
    assert!(run.out.contains(r": 220 \x1b[31mmail\x0d\x0a\xff"), "{run:?}");
    let json = vision_in(&a, &format!("tcp {addr}:25 --banner --json")).expect(0).json();
    let exchange = &json["report"]["attempts"][0]["exchange"];
    assert_eq!(exchange["received_hex"], "323230201b5b33316d6d61696c0d0aff");
    assert_eq!(json["report"]["summary"]["succeeded"], 1);
    let asks = |expect: &str, code: i32| {
        let mut command = command_in(&a, &format!("tcp {addr}:7 -W 300ms --send"));
        command.args([r"PING\r\n", "--expect", expect]);
        finish(command).expect(code)
    };
    assert!(asks(r"PING\x0d", 0).out.contains("as expected"));
    assert!(asks("PONG", 1).out.contains("not what was expected"));
    let bad = vision(r"tcp 127.0.0.1:7 --send a\q").expect(2);
    assert!(bad.err.contains("bad escape: `q` after a backslash means nothing"), "{bad:?}");
}

#[test]
fn repeated_connects_are_a_stream_with_figures() {
    let Some((_lab, a, b)) = pair() else { return };
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    let addr = b.v4();
    let run = vision_in(&a, &format!("tcp {addr}:80 -c 3 -i 20ms --json")).expect(0);
    let found = lines(&run.out);
    assert_eq!(found.len(), 4);
    assert_eq!(found[2]["event"]["round"], 3);
    assert_eq!(
        (&found[3]["type"], &found[3]["report"]["summary"]["open"]),
        (&"summary".into(), &3.into())
    );
    let mixed = vision_in(&a, &format!("tcp {addr}:80,81 -c 2 --every 20ms")).expect(1);
    assert!(mixed.out.contains("4 attempts, 2 succeeded, 2 refused\n"), "{mixed:?}");
    assert!(mixed.out.contains("rtt min/avg/max/mdev = "), "{mixed:?}");
}

#[test]
fn waiting_for_a_port_ends_with_it_or_at_the_deadline() {
    let Some((_lab, a, b)) = pair() else { return };
    let line = format!("tcp {}:80 --every 50ms --until open --deadline", b.v4());
    let began = Instant::now();
    let run = vision_in(&a, &format!("{line} 300ms --json")).expect(1);
    assert!(began.elapsed() < Duration::from_secs(2));
    let summary = lines(&run.out).pop().expect("a summary");
    assert_eq!(summary["report"]["reached"], false);
    assert!(summary["report"]["summary"]["attempts"].as_u64().is_some_and(|n| (3..9).contains(&n)));
    let waiting = command_in(&a, &format!("{line} 20s")).stdout(Stdio::piped()).spawn();
    std::thread::sleep(Duration::from_millis(200));
    let server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    let ended = waiting.and_then(|child| child.wait_with_output()).expect("runs");
    assert_eq!(ended.status.code(), Some(0));
    let out = String::from_utf8(ended.stdout).expect("UTF-8");
    assert!(out.contains("refused") && out.contains("reached the state waited for"), "{out}");
    drop(server);
    vision_in(&a, &format!("tcp {}:80 --until closed --deadline 5s", b.v4())).expect(0);
    vision_in(&a, &format!("{line} 1s -c 3")).expect(2);
}

#[test]
fn a_stopped_ping_tells_a_stall_from_loss() {
    let Some((_lab, a, b)) = pair() else { return };
    let mut ping = command_in(&a, &format!("ping {} -i 100ms -W 300ms -c 12 --json", b.v4()));
    let child = ping.stdout(Stdio::piped()).spawn().expect("starts");
    let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
    std::thread::sleep(Duration::from_millis(350));
    kill(pid, Signal::SIGSTOP).expect("stopped");
    std::thread::sleep(Duration::from_secs(3));
    kill(pid, Signal::SIGCONT).expect("goes on");
    let out = child.wait_with_output().expect("ends").stdout;
    let found = lines(std::str::from_utf8(&out).expect("UTF-8"));
    let report = &found.last().expect("a summary")["report"];
    assert_eq!(report["summary"]["loss_percent"], 0.0);
    let stalls = report["stalls"].as_array().expect("stalls");
    assert!(stalls[0]["lasted_ns"].as_u64().is_some_and(|ns| ns > 2_500_000_000), "{stalls:?}");
    let rtts = found.iter().filter_map(|line| line["event"]["outcome"]["reply"]["rtt_ns"].as_u64());
    assert!(rtts.max().is_some_and(|ns| ns < 300_000_000), "none is as long as the stop");
    // One request per interval of the time it ran, not of the time it was stopped.
    let sent: Vec<_> = found.iter().filter_map(|l| l["event"]["sent_at"].as_str()).collect();
    assert_eq!(sent.len(), 12);
}

#[test]
fn a_mark_needs_the_capability_that_it_says() {
    let Some((_lab, a, b)) = pair() else { return };
    a.sysctl("net/ipv4/ping_group_range", "0 0").expect("set");
    let denied = powerless(&a, &format!("ping {} -c 1 --mark 0x1", b.v4())).expect(4);
    assert!(denied.err.contains("mark"), "{denied:?}");
    vision_in(&a, &format!("ping {} -c 1 --mark 1 --dscp 46", b.v4())).expect(0);
    vision("ping ::1 --dscp 64").expect(2);
}

#[test]
fn a_duplicate_address_is_the_answer_no() {
    let Some((_lab, a, b)) = pair() else { return };
    for (held, free) in [(b.v4().to_string(), "10.1.0.99"), (b.v6().to_string(), "fd00:1::99")] {
        let flags = "-I eth0 -c 1 -W 300ms";
        let taken = vision_in(&a, &format!("arp --dup {held} {flags}")).expect(1);
        assert!(
            taken.out.contains("duplicate: ") && taken.out.contains("is in use by "),
            "{taken:?}"
        );
        let none = vision_in(&a, &format!("arp --dup {free} {flags}")).expect(0);
        assert!(none.out.contains("no duplicate: nobody has "), "{none:?}");
        let json = vision_in(&a, &format!("arp --dup {held} {flags} --json")).expect(1).json();
        assert_eq!(json["report"]["own"], "absent");
    }
    let own = vision_in(&a, &format!("arp --dup {} -I eth0 -c 1 -W 300ms", a.v4())).expect(0);
    assert!(own.out.contains("nobody else has "), "{own:?}");
    let down = vision_in(&a, "arp --dup 10.1.0.9 -I lo -c 1").expect(2);
    assert!(down.err.contains("no neighbour resolution"), "{down:?}");
}
