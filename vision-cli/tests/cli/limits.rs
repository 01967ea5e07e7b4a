//! Nothing left: every verb with few descriptors, few threads, little memory.

use crate::run::{lab, pair};
use crate::tools::{assert_orderly, has, host_script, strace};

/// Every verb that is done at once.
const VERBS: &[&str] = &[
    "link",
    "route --all",
    "route get 127.0.0.1",
    "neigh",
    "sock -p",
    "ct --count",
    "ns ls",
    "ns of self",
    "dns localhost @127.0.0.1 -W 50ms",
    "dns --search localhost",
    "tcp 127.0.0.1:1-3",
    "ping 127.0.0.1 -c1",
    "arp 10.1.0.99 -I eth0 -c1 -W 50ms",
    "fw",
    "doctor 127.0.0.1:1",
    "capture -i lo -c1 --budget 100ms",
    "capture -i any -c1 --budget 100ms",
    "decode PCAP --what",
    "caps",
    "explain",
];

#[test]
fn with_few_descriptors_every_verb_answers_or_says_that_they_ran_out() {
    let Some((_lab, node, _other)) = pair() else { return };
    let sleeper = node.sleeper();
    let pcap = std::env::temp_dir().join(format!("vision-limits-{}.pcap", std::process::id()));
    let head = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    std::fs::write(&pcap, head).expect("written");
    let own = host_script("ls /proc/self/fd | wc -l; readlink /proc/self/ns/net").out;
    for limit in [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 20, 24, 32] {
        for verb in VERBS {
            let verb = &verb.replace("PCAP", &pcap.display().to_string());
            let takes_target =
                !["ns", "caps", "explain", "decode"].iter().any(|w| verb.starts_with(w));
            let target = match takes_target {
                true => format!("--pid {} --json", sleeper.pid()),
                false => "--json".to_owned(),
            };
            let run = host_script(&format!("ulimit -n {limit}; exec \"$V\" {target} {verb}"));
            // With next to none, not even the C library can be loaded.
            if run.err.contains("shared libraries") {
                continue;
            }
            assert_orderly(&run, &format!("{verb} with {limit}"));
            let last = run.out.lines().last().unwrap_or_default();
            let value: serde_json::Value = serde_json::from_str(last)
                .unwrap_or_else(|e| panic!("{verb} with {limit}: {e}: {run:?}"));
            let ino = value["target"]["netns"]["ino"].as_u64();
            let inside = ino.is_none_or(|ino| ino == node.inode());
            assert!(inside || !takes_target, "{verb} with {limit}: {value}");
            let text = value["error"]["message"].as_str().unwrap_or("Too many open files");
            assert!(text.contains("Too many open files"), "{verb} with {limit}: {text}");
        }
    }
    std::fs::remove_file(&pcap).expect("removed");
    let after = host_script("ls /proc/self/fd | wc -l; readlink /proc/self/ns/net").out;
    assert_eq!(own, after);
}

#[test]
fn a_list_that_could_not_be_finished_is_no_list() {
    let Some(lab) = lab() else { return };
    let nodes = ["one", "two"].map(|name| lab.node(name).expect("a node"));
    let sleepers = nodes.each_ref().map(vision_lab::Node::sleeper);
    for limit in 3..12 {
        let run = host_script(&format!("ulimit -n {limit}; exec \"$V\" ns ls --json"));
        if run.code != Some(0) {
            continue;
        }
        for (node, sleeper) in nodes.iter().zip(&sleepers) {
            let listed = run.out.contains(&format!("\"ino\":{}", node.inode()));
            assert!(listed, "{limit}: process {} is missing: {run:?}", sleeper.pid());
        }
    }
}

#[test]
fn a_process_that_is_there_is_never_said_to_be_gone_for_want_of_a_descriptor() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    for limit in 4..12 {
        let line = format!("ulimit -n {limit}; exec \"$V\" --pid {} link", sleeper.pid());
        let run = host_script(&line);
        assert!(!run.err.contains("not found"), "{limit}: {run:?}");
        let told = run.code == Some(0)
            || run.err.contains("Too many open files")
            || run.err.contains("shared libraries");
        assert!(told, "{limit}: {run:?}");
    }
}

#[test]
fn without_a_thread_every_verb_says_so_and_none_looks_elsewhere() {
    let Some(lab) = lab().filter(|_| has("strace")) else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    for verb in ["link", "sock", "route get 127.0.0.1", "ping 127.0.0.1 -c1", "tcp 127.0.0.1:1"] {
        let line = format!("--pid {} {verb}", sleeper.pid());
        let run = host_script(&strace("clone3,clone:error=EAGAIN", &line));
        assert_eq!(run.code, Some(3), "{verb}: {run:?}");
        assert!(run.err.contains("starting a thread failed"), "{verb}: {run:?}");
        assert!(run.out.is_empty(), "{verb}: {run:?}");
    }
    // In the own namespace, a table takes none.
    let run = host_script(&strace("clone3,clone:error=EAGAIN", "link"));
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn descriptors_are_given_back_before_another_program_is_run() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let line = format!("exec \"$V\" ns exec pid:{} -- ls -l /proc/self/fd", sleeper.pid());
    let run = host_script(&format!("{line} </dev/null")).expect(0);
    for kind in ["pidfd", "socket:", "eventpoll", "timerfd", "net:[", "/ns/net"] {
        assert!(!run.out.contains(kind), "{kind}: {}", run.out);
    }
}
