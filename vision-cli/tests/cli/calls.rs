//! What every verb asks of the kernel: no other program, and no descriptor that one would inherit.

use std::fs;
use std::path::Path;

use vision_lab::Node;

use crate::run::pair;
use crate::tools::{has, script};

const VERBS: &[&str] = &[
    "link --stats",
    "route --all",
    "route get HOST",
    "neigh",
    "sock -a -p",
    "ct",
    "ct --count",
    "fw",
    "fw sets",
    "ns ls",
    "ns of self",
    "ping HOST -c1",
    "tcp HOST:1-3",
    "tcp HOST:1 --banner",
    "arp HOST -I eth0 -c1",
    "dns db.lab @HOST -W 50ms",
    "dns db.lab @HOST -W 50ms --tcp",
    "dns --search localhost",
    "doctor HOST:1",
    "doctor --no-probe",
    "capture -i eth0 -c2",
    "capture -i any -c2 -w FOLDER/taken.pcapng",
    "decode FOLDER/taken.pcapng",
    "decode FOLDER/taken.pcapng -w FOLDER/copy.pcap",
    "caps",
    "explain",
    "--help",
    "no-such-verb",
];

/// Calls that make a descriptor, and those that start something.
const TRACED: &str = "execve,execveat,fork,vfork,clone,clone3,open,openat,openat2,creat,socket,\
                      socketpair,accept,accept4,pipe,pipe2,eventfd,eventfd2,epoll_create,\
                      epoll_create1,timerfd_create,signalfd,signalfd4,memfd_create,inotify_init,\
                      inotify_init1,perf_event_open,dup,dup2,dup3,fcntl";

/// What a verb asks the kernel for, one call a line.
fn traced(node: &Node, folder: &Path, line: &str) -> Vec<String> {
    let log = folder.join("log");
    let text = format!(
        "exec timeout 60 strace --seccomp-bpf -f -qq -e signal=none -e trace={TRACED} -o {} \
         \"$V\" {line}",
        log.display()
    );
    let run = script(node, &text);
    assert!(run.code.is_some_and(|code| code <= 3), "{line}: {run:?}");
    let log = fs::read_to_string(&log).expect("a log");
    // The end of a call that another thread interrupted has no arguments.
    log.lines().filter(|call| !call.contains("resumed>")).map(str::to_owned).collect()
}

/// Whether a call makes a descriptor that another program would inherit.
fn is_inherited(call: &str) -> bool {
    let Some((name, rest)) = call.split_once(' ').and_then(|(_, call)| call.trim().split_once('('))
    else {
        return false;
    };
    match name {
        "fcntl" => rest.contains("F_DUPFD,"),
        "execve" | "execveat" | "fork" | "vfork" | "clone" | "clone3" => false,
        // A refusal made nothing.
        _ if rest.contains(") = -1 ") => false,
        _ => !rest.contains("CLOEXEC"),
    }
}

#[test]
fn no_verb_starts_another_program_or_leaves_it_a_descriptor() {
    let Some((_lab, a, b)) = pair().filter(|_| has("strace")) else { return };
    let folder = std::env::temp_dir().join(format!("vision-calls-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let _traffic = b.spawn(&format!("ping -q -i 0.05 {}", a.v4()));
    let mut made = 0;
    for line in VERBS {
        let line = line.replace("HOST", &b.v4().to_string());
        let line = line.replace("FOLDER", &folder.display().to_string());
        let calls = traced(&a, &folder, &line);
        let with = |name: &str| calls.iter().filter(|call| call.contains(name)).collect::<Vec<_>>();
        assert_eq!(with("execve").len(), 1, "{line}: {:?}", with("execve"));
        assert!(with("fork(").is_empty(), "{line}: {:?}", with("fork("));
        let threads = with("clone");
        assert!(threads.iter().all(|call| call.contains("CLONE_THREAD")), "{line}: {threads:?}");
        let inherited: Vec<_> = calls.iter().filter(|call| is_inherited(call)).collect();
        assert!(inherited.is_empty(), "{line}: {inherited:#?}");
        made += calls.iter().filter(|call| call.contains("CLOEXEC")).count();
    }
    assert!(made > 500, "{made}: the log says nothing");
    fs::remove_dir_all(folder).expect("cleaned up");
}

#[test]
fn a_program_run_inside_a_namespace_is_the_one_exception() {
    let Some((_lab, a, b)) = pair().filter(|_| has("strace")) else { return };
    let folder = std::env::temp_dir().join(format!("vision-exception-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let line = format!("ns exec path:{} -- true", b.path().display());
    let calls = traced(&a, &folder, &line);
    let started = calls.iter().filter(|call| call.contains("execve(\"/")).count();
    // The binary, and what was asked for, wherever it lies on the path.
    assert!(started >= 2, "{calls:?}");
    assert!(calls.iter().all(|call| !call.contains("/sh\"")), "{calls:?}");
    fs::remove_dir_all(folder).expect("cleaned up");
}
