//! Targets that go away, are replaced, or change under a running look.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use vision_lab::Node;

use crate::run::{command, finish, lab, pair, vision};
use crate::tools::{background, host_script};

/// Verbs that last until somebody ends them.
const LASTING: &[&str] = &[
    "ping HOST -i 50ms",
    "ping ABSENT -W 60s",
    "tcp HOST:9 --until open",
    "arp ABSENT -I eth0 -c 60 -W 60s",
    "dns db.lab @ABSENT -W 60s",
    "capture -i eth0",
    "capture -i any",
    "doctor 10.99.0.1:80",
];

fn has_eth0(node: &Node) -> bool {
    node.enter(|| nix::net::if_::if_nametoindex("eth0").is_ok())
}

#[test]
fn a_container_killed_under_any_verb_is_let_go_and_its_end_is_told() {
    let Some(lab) = lab() else { return };
    for line in LASTING {
        let [pod, host] = lab.pair().expect("two nodes on a wire");
        let process = pod.sleeper();
        // What was sent to it is lost, so that the doctor has to wait.
        pod.sh(&format!("ip route add 10.99.0.0/16 via {}", host.v4()));
        let [a, b, c, _] = host.v4().octets();
        let line = line.replace("HOST", &host.v4().to_string());
        let line = line.replace("ABSENT", &format!("{a}.{b}.{c}.99"));
        let mut vision = command(&format!("--pid {} --json {line}", process.pid()));
        let mut vision =
            vision.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        std::thread::sleep(Duration::from_millis(250));
        lab.let_go(&pod);
        drop(pod);
        drop(process);
        let began = Instant::now();
        while has_eth0(&host) {
            assert!(began.elapsed() < Duration::from_secs(4), "{line}: still pinned");
            std::thread::sleep(Duration::from_millis(5));
        }
        while vision.try_wait().expect("waits").is_none() {
            assert!(began.elapsed() < Duration::from_secs(4), "{line}: still there");
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut out = String::new();
        vision.stdout.take().expect("piped").read_to_string(&mut out).expect("reads");
        let code = vision.wait().expect("ended").code();
        let last = out.lines().last().unwrap_or_else(|| panic!("{line}: no output"));
        let last: Value = serde_json::from_str(last).expect("JSON");
        assert_eq!(code, Some(3), "{line}: {last}");
        let kind = last["error"]["kind"].as_str().unwrap_or_default();
        // On a busy machine it may have ended before it was looked for.
        assert!(matches!(kind, "target_exited" | "not_found"), "{line}: {last}");
    }
}

/// A namespace with a name of its own, which others can remove.
struct Named(String);

impl Named {
    fn add(host: &Node) -> Self {
        let name = format!("vision-f-{}", std::process::id());
        let text = format!(
            "ip netns add {name} && ip -n {name} link set lo up && \
             ip link add vnamed type veth peer name eth0 netns {name}"
        );
        let at = host.path().display().to_string();
        let run = host_script(&format!("exec nsenter --net={at} sh -c '{text}'"));
        assert_eq!(run.code, Some(0), "{run:?}");
        Self(name)
    }

    fn delete(&self) {
        host_script(&format!("ip netns del {}", self.0)).expect(0);
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        host_script(&format!("ip netns del {} 2>/dev/null", self.0));
    }
}

#[test]
fn a_namespace_that_is_unlinked_meanwhile_is_used_to_the_end_and_then_gone() {
    let Some(lab) = lab() else { return };
    let host = lab.node("host").expect("a node");
    let exists = || host.enter(|| nix::net::if_::if_nametoindex("vnamed").is_ok());
    for line in
        ["ping 127.0.0.1 -c 12 -i 50ms", "capture -i lo --budget 600ms", "tcp 127.0.0.1:1-40"]
    {
        let named = Named::add(&host);
        assert!(exists());
        let run = std::thread::scope(|scope| {
            let running = scope.spawn(|| vision(&format!("--netns {} {line}", named.0)));
            std::thread::sleep(Duration::from_millis(200));
            named.delete();
            running.join().expect("no panic")
        });
        // It went on with what it had open, or says what it could not open any more.
        assert!(matches!(run.code, Some(0 | 1 | 3)), "{line}: {run:?}");
        assert!(!run.err.contains("panicked"), "{line}: {run:?}");
        let end = Instant::now() + Duration::from_secs(2);
        while exists() {
            assert!(Instant::now() < end, "{line}: the namespace outlived the run");
            std::thread::sleep(Duration::from_millis(5));
        }
        let gone = vision(&format!("--netns {} link", named.0)).expect(3);
        assert!(gone.err.contains("not found"), "{gone:?}");
    }
}

#[test]
fn a_process_that_turns_into_another_program_keeps_its_network() {
    let Some((_lab, a, _b)) = pair() else { return };
    let path = std::env::temp_dir().join(format!("vision-exec-again-{}", std::process::id()));
    std::fs::write(&path, "exec sh \"$0\"\n").expect("written");
    let at = a.path().display().to_string();
    let again = background(&format!("exec nsenter --net={at} sh {}", path.display()));
    let again = again.until(|pid| {
        std::fs::read_link(format!("/proc/{pid}/ns/net"))
            .is_ok_and(|to| to.to_string_lossy() == format!("net:[{}]", a.inode()))
    });
    for verb in ["link", "ping 127.0.0.1 -c1", "sock -a -p", "ns ls"] {
        for _ in 0..8 {
            let target =
                if verb == "ns ls" { String::new() } else { format!("--pid {}", again.0.id()) };
            let run = finish(command(&format!("{target} --json {verb}"))).expect(0);
            let last = run.out.lines().last().expect("output");
            let value: Value = serde_json::from_str(last).expect("JSON");
            let ino = &value["target"]["netns"]["ino"];
            assert!(verb == "ns ls" || *ino == a.inode(), "{verb}: {run:?}");
        }
    }
    drop(again);
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn in_a_pid_namespace_numbers_are_its_own() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let inside =
        |line: &str| host_script(&format!("exec unshare -p -f --mount-proc \"$V\" {line}"));
    // Number 1 is the program itself, not the machine's first process.
    let own = vision("ns of self --json").expect(0).json()["target"]["netns"]["ino"].clone();
    assert_eq!(inside("ns of pid:1 --json").expect(0).json()["target"]["netns"]["ino"], own);
    let refused = inside("--host link").expect(2);
    assert!(refused.err.contains("pid namespace"), "{refused:?}");
    let absent = inside(&format!("--pid {} link", sleeper.pid())).expect(3);
    assert!(absent.err.contains("not found"), "{absent:?}");
    let listed = inside("ns ls --json").expect(0);
    assert!(!listed.out.contains(&format!("\"lowest_pid\":{}", sleeper.pid())), "{listed:?}");
    for verb in ["link", "sock -a -p", "ping 127.0.0.1 -c1", "doctor 127.0.0.1:1"] {
        assert!(matches!(inside(verb).code, Some(0 | 1)), "{verb}");
    }
}
