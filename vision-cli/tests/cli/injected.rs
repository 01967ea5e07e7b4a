//! System calls that a kernel lacks, a filter forbids or a signal interrupts.

use vision_lab::dns::DnsScript;
use vision_lab::{DnsServer, Node};

use crate::run::{Run, lab, pair, vision_in};
use crate::tools::{assert_orderly, has, host_script, injected, strace};

/// The calls a seccomp filter or an old kernel may refuse, and by which verb they are reached.
const CALLS: &[&str] =
    &["pidfd_open", "openat2", "setns", "clone3,clone", "socket", "recvmsg", "sendto", "recvfrom"];

const ERRORS: &[&str] = &["EPERM", "ENOSYS", "ENOBUFS", "EMFILE"];

/// The inode of the namespace that a report is about.
fn looked_at(run: &Run) -> Option<u64> {
    let last = run.out.lines().last()?;
    let value: serde_json::Value = serde_json::from_str(last).ok()?;
    value["target"]["netns"]["ino"].as_u64()
}

#[test]
fn a_refused_system_call_is_a_named_error_or_a_lesser_way_and_never_another_namespace() {
    let Some(lab) = lab().filter(|_| has("strace")) else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let verbs = ["link", "ping 127.0.0.1 -c1 -W 200ms", "tcp 127.0.0.1:1", "doctor 127.0.0.1:1"];
    for (n, call) in CALLS.iter().enumerate() {
        for (m, error) in ERRORS.iter().enumerate() {
            // Endless failures of a receive are no kernel's doing: every third one fails.
            let when = if call.starts_with("recv") { ":when=2+3" } else { "" };
            let verb = verbs[(n + m) % verbs.len()];
            let line = format!("--pid {} --json {verb}", sleeper.pid());
            let what = format!("{call}={error}: {verb}");
            let run = host_script(&strace(&format!("{call}:error={error}{when}"), &line));
            assert!(run.code.is_some_and(|code| code <= 5), "{what}: {run:?}");
            assert!(!run.err.contains("panicked"), "{what}: {run:?}");
            assert!(run.err.is_empty(), "{what}: {run:?}");
            assert!(looked_at(&run).is_none_or(|ino| ino == node.inode()), "{what}: {run:?}");
            assert!(run.code != Some(0) || looked_at(&run).is_some(), "{what}: {run:?}");
        }
    }
}

#[test]
fn what_cannot_be_done_without_a_call_says_which_step_failed() {
    let Some(lab) = lab().filter(|_| has("strace")) else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let target = format!("--pid {} link", sleeper.pid());
    for (inject, line, code, part) in [
        ("pidfd_open:error=ENOSYS", target.as_str(), 5, "opening a handle on the process"),
        ("pidfd_open:error=EPERM", &target, 4, "opening a handle on the process"),
        ("setns:error=EPERM", &target, 4, "entering the network namespace needs CAP_SYS_ADMIN"),
        ("setns:error=ENOSYS", &target, 5, "entering the network namespace"),
        ("clone3,clone:error=EAGAIN", &target, 3, "starting a thread"),
        ("socket:error=EMFILE", "link", 3, "`ulimit -n`"),
        ("socket:error=EPERM", "ping 127.0.0.1 -c1", 4, "needs CAP_NET_RAW"),
        ("socket:error=EAFNOSUPPORT", "tcp [::1]:1", 5, "opening a socket"),
        ("socket:error=ENFILE", "tcp 127.0.0.1:1", 3, "opening a socket"),
        ("recvfrom:error=ENOMEM:when=1+1", "link", 3, "RTM_GETLINK"),
        ("sendto,sendmsg:error=ENOBUFS", "link", 3, "RTM_GETLINK"),
        ("epoll_create1:error=EMFILE", "ping 127.0.0.1 -c1", 3, "`ulimit -n`"),
    ] {
        let run = host_script(&strace(inject, line));
        assert_eq!(run.code, Some(code), "{inject}: {run:?}");
        assert!(run.err.contains(part), "{inject}: {run:?}");
        assert_orderly(&run, inject);
    }
}

#[test]
fn an_old_or_guarded_kernel_gives_the_same_answers() {
    let Some((_lab, a, b)) = pair().filter(|_| has("strace")) else { return };
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names());
    let sleeper = a.sleeper();
    for (inject, line) in [
        // No openat2 before 5.6, no clone3 before 5.3 and in containers, no strict dumps before 4.20.
        ("openat2:error=ENOSYS", "dns --search localhost"),
        ("openat2:error=EPERM", "dns --search localhost"),
        ("clone3:error=ENOSYS", "link"),
        ("setsockopt:error=ENOPROTOOPT", "link"),
        ("setsockopt:error=ENOPROTOOPT", "route --all"),
        ("setsockopt:error=EPERM:when=4+5", "neigh"),
        ("close_range:error=ENOSYS", "sock -a"),
        ("io_uring_setup:error=EPERM", "link"),
        ("bpf:error=EPERM", "link"),
        ("perf_event_open:error=EPERM", "link"),
    ] {
        let line = format!("--pid {} {line}", sleeper.pid());
        let plain = host_script(&format!("exec \"$V\" {line}"));
        let hurt = host_script(&strace(inject, &line));
        assert_eq!(steady(&hurt), steady(&plain), "{inject} {line}");
        assert_orderly(&hurt, inject);
    }
}

fn names() -> DnsScript {
    DnsScript::new().a("db.lab", std::net::Ipv4Addr::new(192, 0, 2, 1))
}

/// Code and output without the numbers, which time changes, and without what the loss of an event
/// socket makes unknown.
fn steady(run: &Run) -> (Option<i32>, Vec<String>) {
    let words = |line: &str| {
        let kept =
            line.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
        kept.collect::<Vec<_>>().join(" ")
    };
    (run.code, run.out.lines().map(words).collect())
}

/// What is asked while every second call of a kind is interrupted.
fn interrupted(node: &Node, line: &str) {
    let plain = vision_in(node, line);
    assert!(matches!(plain.code, Some(0 | 1)), "{line}: {plain:?}");
    for calls in [
        "poll,ppoll",
        "epoll_wait,epoll_pwait",
        "recvfrom,recvmsg",
        "sendto,sendmsg",
        "write,writev",
    ] {
        for when in ["1+2", "2+3"] {
            let inject = format!("{calls}:error=EINTR:when={when}");
            let target = format!("--in path:{}", node.path().display());
            let hurt = host_script(&strace(&inject, &format!("{target} {line}")));
            assert_eq!(steady(&hurt), steady(&plain), "{inject} {line}: {hurt:?}");
            assert_orderly(&hurt, line);
        }
    }
}

#[test]
fn interrupted_calls_change_no_answer() {
    let Some((_lab, a, b)) = pair().filter(|_| has("strace")) else { return };
    let _dns = DnsServer::start(&b, &format!("{}:53", b.v4()), names());
    a.sh("for i in $(seq 1 250); do for j in $(seq 1 8); do \
          echo route add blackhole 10.$i.$j.0/24; done; done | ip -batch -");
    let host = b.v4();
    interrupted(&a, "route --json");
    interrupted(&a, &format!("ping {host} -c3 -i 10ms -q"));
    interrupted(&a, &format!("dns db.lab @{host} --short"));
    interrupted(&a, &format!("tcp {host}:9"));
    interrupted(&a, &format!("arp {host} -I eth0 -c1 -q"));
}

#[test]
fn an_interrupted_look_at_a_target_process_is_no_end_of_it() {
    let Some(lab) = lab().filter(|_| has("strace")) else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    for line in ["link", "ping 127.0.0.1 -c3 -i 10ms", "tcp 127.0.0.1:1"] {
        let line = format!("--pid {} {line}", sleeper.pid());
        let plain = host_script(&format!("exec \"$V\" {line}"));
        let hurt = host_script(&strace("poll,ppoll:error=EINTR:when=1+2", &line));
        assert_eq!((hurt.code, &hurt.err), (plain.code, &plain.err), "{line}: {hurt:?}");
    }
}

#[test]
fn a_dump_that_fails_half_way_is_begun_again() {
    let Some((_lab, a, _b)) = pair().filter(|_| has("strace")) else { return };
    for line in ["link", "neigh", "route --rules"] {
        let plain = steady(&vision_in(&a, line));
        for error in ["ENOBUFS", "ENOMEM"] {
            for nth in [2, 3, 4, 5, 7] {
                let run = injected(&a, &format!("recvfrom:error={error}:when={nth}"), line);
                assert_eq!(steady(&run), plain, "{error} at {nth}: {run:?}");
            }
        }
    }
}

#[test]
fn a_capture_does_with_less_or_says_what_it_lacks() {
    let Some((_lab, a, b)) = pair().filter(|_| has("strace")) else { return };
    let _traffic = b.spawn(&format!("ping -q -i 0.05 {}", a.v4()));
    let line = "capture -i eth0 -c3 --budget 20s";
    // The ring and its version are some of the last options that are set.
    for (error, part) in [("ENOMEM", "room for a buffer of"), ("EINVAL", "received instead")] {
        for line in [line, "capture -i any -c3 --budget 20s"] {
            let run = (8..20).rev().find_map(|nth| {
                let run = injected(&a, &format!("setsockopt:error={error}:when={nth}"), line);
                (run.code == Some(0) && run.err.contains(part)).then_some(run)
            });
            let Some(run) = run else { panic!("{line}: {error}: never {part}") };
            assert!(run.err.contains("3 packets captured"), "{line}: {run:?}");
            // An interface that just came up says something of its own.
            assert_eq!(run.out.lines().count(), 3, "{line}: {run:?}");
            assert!(run.out.contains("ICMP echo re"), "{line}: {run:?}");
        }
    }
    for (inject, code, part) in [
        ("setsockopt:error=ENOPROTOOPT:when=1", 0, "3 packets captured"),
        ("setsockopt:error=EPERM:when=4", 0, "3 packets captured"),
        ("landlock_create_ruleset:error=ENOSYS", 0, "3 packets captured"),
        ("seccomp:error=EPERM", 0, "3 packets captured"),
        ("capset:error=EPERM", 3, "giving up rights"),
        ("prctl:error=EPERM", 4, "giving up rights"),
        ("eventfd2:error=EMFILE", 3, "`ulimit -n`"),
        // Not every second one: that may hit all the waits and none of the looks between them.
        ("poll,ppoll:error=EINTR:when=2+3", 0, "3 packets captured"),
        ("write,writev:error=EINTR:when=1+2", 0, "3 packets captured"),
    ] {
        let run = injected(&a, inject, line);
        assert_eq!(run.code, Some(code), "{inject}: {run:?}");
        assert!(run.err.contains(part), "{inject}: {run:?}");
        assert!(!run.err.contains("panicked"), "{inject}: {run:?}");
        assert!(code != 0 || run.out.lines().count() == 3, "{inject}: {run:?}");
    }
}
