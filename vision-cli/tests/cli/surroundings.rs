//! Places where much is hidden or switched off: user namespaces, a veiled or absent `/proc`, no
//! IPv6, a loopback that is down.

use vision_lab::{TcpBehaviour, TcpServer, require, whole_machine};

use crate::run::{lab, pair, vision_in};
use crate::tools::{Preloaded, assert_orderly, host_script, script};

#[test]
fn in_a_user_namespace_the_own_network_is_read_and_that_of_others_refused_by_name() {
    let Some((lab, a, b)) = pair() else { return };
    let other = lab.node("other").expect("a node");
    let sleeper = other.sleeper();
    let pid = sleeper.pid();
    for verb in ["link", "route --all", "neigh", "sock -a", "tcp 127.0.0.1:1", "caps", "ns ls"] {
        for flags in ["-Ur", "-Urn"] {
            let run = host_script(&format!("exec unshare {flags} \"$V\" {verb}"));
            assert_orderly(&run, verb);
            assert!(matches!(run.code, Some(0 | 1)), "{flags} {verb}: {run:?}");
        }
    }
    for verb in ["link", "ping 127.0.0.1 -c1"] {
        let run = host_script(&format!("exec unshare -Ur \"$V\" --pid {pid} {verb}")).expect(4);
        assert!(run.err.contains("needs CAP_SYS_"), "{run:?}");
        assert_orderly(&run, verb);
    }
    // The network is not this user namespace's: raw sockets there are not this user's.
    let line = format!("exec unshare -Ur \"$V\" arp {} -I eth0 -c1", b.v4());
    let arp = script(&a, &line).expect(4);
    assert!(arp.err.contains("needs CAP_NET_RAW"), "{arp:?}");
    let own = "ip link set lo up; exec \"$V\" ping 127.0.0.1 -c1";
    host_script(&format!("exec unshare -Urn sh -ec '{own}'")).expect(0);
    let caps = host_script("exec unshare -Urn \"$V\" caps").expect(0);
    assert!(caps.out.contains("user namespace"), "{caps:?}");
}

#[test]
fn with_other_processes_hidden_they_are_not_found_and_the_rest_works() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let pid = sleeper.pid();
    let as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups /proc/self/fd/8";
    for hide in ["hidepid=1", "hidepid=2"] {
        let veiled = |line: &str| {
            let inner = format!("mount -t proc -o {hide} none /proc && exec {as_nobody} {line}");
            host_script(&format!("exec 8<\"$V\"; exec unshare -m sh -ec '{inner}'"))
        };
        for verb in ["link", "route", "sock -a", "tcp 127.0.0.1:1", "ns of self"] {
            let run = veiled(verb);
            assert!(matches!(run.code, Some(0 | 1)), "{hide} {verb}: {run:?}");
        }
        let refused = veiled(&format!("--pid {pid} link"));
        assert!(matches!(refused.code, Some(3 | 4)), "{hide}: {refused:?}");
        let told = ["hidepid", "CAP_SYS_PTRACE"].iter().any(|word| refused.err.contains(word));
        assert!(told, "{hide}: {refused:?}");
        let listed = veiled("ns ls --json").expect(0).json();
        let unreadable = listed["report"]["unreadable_processes"].as_u64().expect("a number");
        // Those that may be seen but not looked at are counted.
        assert_eq!(unreadable > 0, hide == "hidepid=1", "{listed}");
    }
}

#[test]
fn without_proc_each_verb_says_what_it_could_not_read() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    for (line, codes) in [
        ("link", &[0, 3][..]),
        ("route", &[0, 3]),
        ("sock -a", &[0, 3]),
        ("ping 127.0.0.1 -c1", &[0, 3]),
        ("tcp 127.0.0.1:1", &[1, 3]),
        ("ns ls", &[0, 3]),
        ("ns of self", &[3]),
        ("--pid 1 link", &[3]),
        ("caps", &[3]),
        ("doctor 127.0.0.1:1", &[1, 3]),
        ("explain", &[0]),
    ] {
        // A descriptor of the binary would lead through /proc.
        let inner = format!("mount -t tmpfs none /proc && exec \"$V\" {line}");
        let run = script(&node, &format!("exec unshare -m sh -ec '{inner}'"));
        assert!(run.code.is_some_and(|code| codes.contains(&code)), "{line}: {run:?}");
        assert_orderly(&run, line);
        let silent = run.code == Some(3) && run.err.is_empty() && run.out.is_empty();
        assert!(!silent, "{line}: {run:?}");
        let named = run.err.contains("/proc") || run.out.contains("/proc");
        assert!(named || !matches!(line, "ns ls" | "--pid 1 link"), "{line}: {run:?}");
    }
}

#[test]
fn masked_settings_are_missing_and_nothing_else() {
    let Some((_lab, a, b)) = pair() else { return };
    for line in [format!("ping {} -c1", b.v4()), "link".into(), format!("doctor {}:9", b.v4())] {
        let plain = vision_in(&a, &line).code;
        let inner = format!("mount -t tmpfs -o ro none /proc/sys && exec \"$V\" {line}");
        let run = script(&a, &format!("exec unshare -m sh -ec '{inner}'"));
        assert_eq!(run.code, plain, "{line}: {run:?}");
        assert_orderly(&run, &line);
    }
}

#[test]
fn without_ipv6_the_other_family_answers_as_before() {
    let Some((_lab, a, b)) = pair() else { return };
    for node in [&a, &b] {
        node.sysctl("net/ipv6/conf/all/disable_ipv6", "1").expect("switched off");
    }
    for line in ["link", "route --all", "neigh", "sock -a", "route --rules"] {
        vision_in(&a, line).expect(0);
    }
    vision_in(&a, &format!("ping {} -c1", b.v4())).expect(0);
    for line in ["ping ::1 -c1", "tcp [::1]:1", "ping fd00::1 -c1 -W 100ms"] {
        let run = vision_in(&a, line);
        assert!(matches!(run.code, Some(1 | 3)), "{run:?}");
        assert_orderly(&run, line);
    }
    let report = vision_in(&a, "doctor [fd00:1::2]:80 -6").expect(1);
    assert!(report.out.contains("ipv6.disabled"), "{report:?}");
}

/// A kernel built without one family (socket(2), EAFNOSUPPORT).
const WITHOUT: &str = "
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
int socket(int family, int kind, int protocol) {
  if (family == FAMILY) { errno = EAFNOSUPPORT; return -1; }
  return syscall(SYS_socket, family, kind, protocol);
}
";

#[test]
fn a_kernel_without_one_family_answers_in_the_other() {
    let Some((_lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, &format!("{}:8080", b.v4()), TcpBehaviour::Accept);
    let _web6 = TcpServer::start(&b, &format!("[{}]:8080", b.v6()), TcpBehaviour::Accept);
    for (missing, there, gone) in [
        ("AF_INET6", b.v4().to_string(), b.v6().to_string()),
        ("AF_INET", b.v6().to_string(), b.v4().to_string()),
    ] {
        let name = format!("without-{}", missing.to_lowercase());
        let Some(kernel) = Preloaded::build(&name, &WITHOUT.replace("FAMILY", missing)) else {
            return;
        };
        let run = |line: &str| {
            let run = kernel.run(&a, line);
            assert_orderly(&run, &format!("{line} without {missing}"));
            run
        };
        let at =
            |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        for line in ["link", "route --all", "neigh", "sock -a", "caps"] {
            run(line).expect(0);
        }
        run(&format!("ping {there} -c1")).expect(0);
        run(&format!("tcp {}:8080", at(&there))).expect(0);
        run(&format!("doctor {}:8080", at(&there))).expect(0);
        for line in [format!("ping {gone} -c1 -W 1s"), format!("tcp {}:8080", at(&gone))] {
            let refused = run(&line);
            assert_ne!(refused.code, Some(0), "{line}: {refused:?}");
            let said = refused.out.clone() + &refused.err;
            assert!(said.contains("family"), "{line}: {refused:?}");
        }
        // A name with addresses of both: the one that can be reached is.
        let inner = format!(
            "echo {there} both > /etc/hosts; echo {gone} both >> /etc/hosts; exec \"$V\" tcp both:8080"
        );
        let preload = kernel.path().display().to_string();
        let text = format!(
            "f=$(mktemp); mount --bind $f /etc/hosts; rm $f; export LD_PRELOAD={preload}; {inner}"
        );
        let both = script(&a, &format!("exec unshare -m sh -ec '{text}'"));
        let said = both.out.clone() + &both.err;
        assert!(said.contains(&there) && said.contains("open"), "without {missing}: {both:?}");
    }
}

#[test]
fn a_namespace_as_it_is_born_is_diagnosed_without_a_wait() {
    let Some(lab) = lab() else { return };
    let raw = lab.node_raw("raw").expect("a node");
    for (line, code, part) in [
        ("link", 0, "lo"),
        ("route --all", 0, ""),
        ("neigh --all", 0, ""),
        ("sock -a", 0, ""),
        ("ping 127.0.0.1 -c1", 1, ""),
        ("ping 192.0.2.1 -c1", 1, ""),
        ("tcp 127.0.0.1:1", 1, "unreachable"),
        ("tcp 192.0.2.1:1", 1, "unreachable"),
        ("dns a @192.0.2.1", 1, ""),
        ("doctor 127.0.0.1:80", 1, "link.loopback-down"),
        ("doctor 192.0.2.1:80", 1, ""),
        ("doctor", 1, ""),
    ] {
        let began = std::time::Instant::now();
        let run = vision_in(&raw, line);
        let took = began.elapsed();
        assert_eq!(run.code, Some(code), "{line}: {run:?}");
        assert!(run.out.contains(part), "{line}: {run:?}");
        assert_orderly(&run, line);
        assert!(took < std::time::Duration::from_secs(4), "{line}: {took:?}");
    }
}
