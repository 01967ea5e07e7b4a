//! `vision watch`: lines, JSON, codes and signals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vision_lab::Node;

use crate::run::{command_in, lab, pair, powerless, vision_in};

/// Starts it and waits until it listens.
fn start(node: &Node, line: &str) -> (Child, BufReader<std::process::ChildStderr>) {
    let mut command = command_in(node, line);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let mut err = BufReader::new(child.stderr.take().expect("piped"));
    let mut first = String::new();
    err.read_line(&mut first).expect("reads");
    assert!(first.starts_with("vision: watching "), "{first}");
    (child, err)
}

fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("ends");
    (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn events_are_lines_and_ctrl_c_sums_up() {
    let Some((_lab, a, _b)) = pair() else { return };
    let (child, _err) = start(&a, "watch link,route");
    a.sh("ip route add 192.0.2.0/24 dev eth0; ip link set eth0 mtu 1400");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let pid = Pid::from_raw(child.id().try_into().expect("a process number"));
    kill(pid, Signal::SIGINT).expect("sent");
    let (code, out) = end(child);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("route added    192.0.2.0/24 dev eth0"), "{out}");
    assert!(out.contains("mtu_bytes 1500 -> 1400"), "{out}");
    let last = out.lines().last().expect("a summary");
    assert!(last.contains("route 1 added") && last.contains("link"), "{out}");
}

#[test]
fn json_is_one_object_a_line_and_the_summary_comes_last() {
    let Some((_lab, a, _b)) = pair() else { return };
    let mut command = command_in(&a, "watch route --json -c 2 -w 5s");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    // JSON says nothing before the first event: these come until it has seen two.
    let mut child = child;
    for n in 0..50 {
        a.sh(&format!("ip route add 192.0.2.{n} dev eth0"));
        std::thread::sleep(std::time::Duration::from_millis(20));
        if child.try_wait().expect("waits").is_some() {
            break;
        }
    }
    let (code, out) = end(child);
    assert_eq!(code, Some(0), "{out}");
    let lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, second, last] = lines.as_slice() else { panic!("{out}") };
    for event in [first, second] {
        assert_eq!((&event["type"], &event["schema"]), (&"event".into(), &"vision/watch@1".into()));
        let event = &event["event"];
        assert_eq!(event["what"], "row");
        assert_eq!((&event["table"], &event["change"]), (&"route".into(), &"added".into()));
        assert_eq!((&event["dev"], &event["learned"]), (&"eth0".into(), &"told".into()));
    }
    assert_eq!((&last["type"], &last["report"]["ended_by"]), (&"summary".into(), &"count".into()));
    assert_eq!(last["report"]["events"]["route"]["added"], 2);
}

#[test]
fn too_few_events_are_a_no_and_bad_words_are_named() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let run = vision_in(&node, "watch link -c 1 -w 100ms").expect(1);
    assert!(run.out.starts_with("0 events in "), "{run:?}");
    let run = vision_in(&node, "watch link,links").expect(2);
    assert!(run.err.contains("`links` is none of link, addr"), "{run:?}");
    let run = powerless(&node, "watch ct -w 100ms").expect(4);
    assert!(run.err.contains("CAP_NET_ADMIN"), "{run:?}");
    powerless(&node, "watch -w 100ms").expect(0);
}

#[test]
fn a_watch_lasts_as_long_as_it_is_told() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let began = std::time::Instant::now();
    let run = vision_in(&node, "watch link --for 200ms --json").expect(0);
    let took = began.elapsed().as_millis();
    assert!((200..2000).contains(&took), "{took} ms {run:?}");
    assert_eq!(run.json()["report"]["ended_by"], "budget");
    // The shorter of the two counts.
    vision_in(&node, "watch link --for 1h -w 100ms").expect(0);
    vision_in(&node, "watch link --for 100ms -c 1").expect(1);
    assert!(vision_in(&node, "watch --for 10").expect(2).err.contains("unit"));
}

#[test]
fn drops_are_explained_and_missing_rights_are_said() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = powerless(&a, "drops --for 100ms").expect(4);
    assert!(run.err.contains("CAP_SYS_ADMIN") || run.err.contains("CAP_PERFMON"), "{run:?}");
    let mut command = crate::run::command("drops --for 2s --json --each");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let socket = a.enter(|| std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket"));
    for _ in 0..5 {
        let _ = socket.send_to(b"x", (b.v4(), 9));
    }
    let output = child.wait_with_output().expect("ends");
    if matches!(output.status.code(), Some(4 | 5)) {
        let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
        assert!(!forbidden || std::env::var_os("VISION_NO_TRACEPOINTS").is_some());
        eprintln!("SKIP drops: {}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{out}");
    let lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let events = lines.iter().filter(|line| line["type"] == "event");
    assert!(events.filter(|line| line["event"]["reason"] == "NO_SOCKET").count() >= 5, "{out}");
    let report = &lines.last().expect("a summary")["report"];
    let groups = report["groups"].as_array().expect("groups");
    let closed = groups.iter().find(|group| group["reason"] == "NO_SOCKET").expect("a group");
    assert!(closed["next"].as_str().is_some_and(|next| next.contains("vision sock -l")));
}

#[test]
fn what_a_command_causes_is_counted_apart() {
    let Some((_lab, a, b)) = pair() else { return };
    b.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0 ; }
          add rule inet t i icmp type echo-request counter drop'");
    let ping = format!(
        "drops --json -- nsenter --net={} ping -n -c 3 -i 0.2 -W 1 {}",
        a.path().display(),
        b.v4()
    );
    let run = crate::run::vision(&ping);
    if matches!(run.code, Some(4 | 5)) {
        let forbidden = std::env::var_os("VISION_FORBID_SKIP").is_some_and(|v| v == "1");
        assert!(!forbidden || std::env::var_os("VISION_NO_TRACEPOINTS").is_some());
        eprintln!("SKIP drops: {}", run.err);
        return;
    }
    let report = &run.expect(1).json()["report"];
    assert_eq!(report["command_code"], 1, "nobody answers: {report}");
    let groups = report["groups"].as_array().expect("groups");
    let firewall = groups.iter().filter(|group| group["reason"] == "NETFILTER_DROP");
    let own: u64 = firewall.filter_map(|group| group["of_process"].as_u64()).sum();
    let counter = b.sh("nft list chain inet t i");
    assert!(counter.contains("packets 3 "), "{counter}");
    assert_eq!(own, 3, "the rule's counter and the drops agree: {report}");
    crate::run::vision("drops --for 1s -- /no/such/program").expect(3);
}
