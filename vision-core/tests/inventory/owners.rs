use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vision_core::inventory::{SocketFilter, SocketOwner};

use super::ns::{Ns, budget};

/// A process that is killed with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it is already gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a listener in the namespace and waits until it listens.
fn listener(ns: &Ns, program: &[&str], port: u16) -> Process {
    let [name, args @ ..] = program else { panic!("a program") };
    let started = ns.within(|| {
        Command::new(name).args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn()
    });
    let process = Process(started.unwrap_or_else(|e| panic!("{name}: {e}")));
    let end = Instant::now() + Duration::from_secs(5);
    while ns.sh(&format!("ss -Htuln 'sport = :{port}'")).is_empty() {
        assert!(Instant::now() < end, "nobody listens on {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
    process
}

/// As `ss -p` writes it.
fn shown(owner: SocketOwner<'_>) -> String {
    format!("(\"{}\",pid={},fd={})", owner.comm.escaped(), owner.pid, owner.fd)
}

#[test]
fn owners_of_every_socket_are_those_ss_shows() {
    let Some(ns) = Ns::new() else { return };
    let _tcp = listener(&ns, &["nc.openbsd", "-l", "-k", "127.0.0.1", "8080"], 8080);
    let _udp = listener(&ns, &["nc.openbsd", "-l", "-u", "127.0.0.1", "5353"], 5353);
    // In a pid namespace of its own, seen from outside.
    let inner =
        ["unshare", "-p", "-f", "--kill-child", "nc.openbsd", "-l", "-k", "127.0.0.1", "8081"];
    let _inner = listener(&ns, &inner, 8081);
    // A child shares the socket of its parent.
    let both = "exec 3<>/dev/tcp/127.0.0.1/8080; sleep 60 & wait";
    let _both = ns.within(|| Command::new("bash").args(["-c", both]).spawn()).map(Process);
    let end = Instant::now() + Duration::from_secs(5);
    while ns.sh("ss -Htnp state established").matches("sleep").count() < 1 {
        assert!(Instant::now() < end, "no shared socket");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut inventory = ns.inventory();
    let owners = inventory.socket_owners(&budget()).expect("owners");
    let sockets = inventory.sockets(&SocketFilter::default(), &budget()).expect("sockets").items;
    let mut shared = 0;
    for socket in &sockets {
        let mine: BTreeSet<_> = owners.of(socket.inode).map(shown).collect();
        let text = ns.sh(&format!("ss -Htuanep | grep -w 'sk:{:x}'", socket.cookie));
        let users = text.split_once("users:(").map_or("", |(_, rest)| rest);
        let users = users.split_once("))").map_or(String::new(), |(users, _)| format!("{users})"));
        let ss: BTreeSet<_> = users
            .split("),(")
            .filter(|user| !user.is_empty())
            .map(|user| format!("({})", user.trim_matches(['(', ')'])))
            .collect();
        assert_eq!(mine, ss, "{text}");
        assert!(!mine.is_empty(), "{text}");
        shared += usize::from(mine.len() > 1);
    }
    assert!(sockets.len() >= 5 && shared >= 1, "{sockets:#?}");
    assert_eq!(owners.of(0).count(), 0);
    // Even root may not look at some processes of a container's host.
    assert_eq!(owners.gap().is_some(), owners.unreadable_processes() > 0);
}

#[test]
fn processes_of_another_namespace_are_passed_over() {
    let (Some(a), Some(b)) = (Ns::new(), Ns::new()) else { return };
    let process = listener(&a, &["nc.openbsd", "-l", "-k", "127.0.0.1", "8080"], 8080);
    let held = a.inventory().sockets(&SocketFilter::default(), &budget()).expect("sockets").items;
    let owners = a.inventory().socket_owners(&budget()).expect("owners");
    assert_eq!(owners.of(held[0].inode).next().map(|o| o.pid), Some(process.0.id()));
    let others = b.inventory().socket_owners(&budget()).expect("owners");
    assert_eq!(others.of(held[0].inode).count(), 0);
}
