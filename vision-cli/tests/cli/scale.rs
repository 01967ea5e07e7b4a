//! Long tables: every stable row exactly once, in constant memory.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use vision_lab::Node;

use crate::run::{command_in, finish, lab};
use crate::tools::has;

/// What a streaming run may hold at most.
const CEILING_KIB: u64 = 64 * 1024;

/// Runs the binary, hands over every line, and returns the code and the peak of its memory, read
/// while it cannot end because its output is not taken yet.
fn stream(mut command: Command, mut each: impl FnMut(&str)) -> (Option<i32>, u64, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    let status = format!("/proc/{}/status", child.id());
    let mut lines = BufReader::new(child.stdout.take().expect("piped"));
    let (mut line, mut peak, mut count) = (Vec::new(), 0, 0_u32);
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).expect("reads") == 0 {
            break;
        }
        each(std::str::from_utf8(&line).expect("UTF-8").trim_end());
        count += 1;
        if count.is_multiple_of(200) {
            peak = peak.max(high_water(&status));
        }
    }
    let mut err = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut err).expect("reads");
    (child.wait().expect("ended").code(), peak, err)
}

fn shell(text: &str) -> Command {
    let mut sh = Command::new("sh");
    sh.args(["-c", text]);
    sh
}

fn high_water(status: &str) -> u64 {
    let text = std::fs::read_to_string(status).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn churned<T>(node: &Node, change: &str, watched: impl FnOnce() -> T) -> T {
    let script = format!("sh -c 'while :; do {change}; done'");
    let _change = node.spawn(&script);
    watched()
}

#[test]
fn of_two_hundred_thousand_routes_each_stable_one_comes_once_in_constant_memory() {
    let Some(lab) = lab() else { return };
    let node = lab.node("r").expect("a node");
    node.sh("awk 'BEGIN { for (i = 0; i < 200000; i++) printf \"route add blackhole \
             10.%d.%d.%d/32\\n\", i / 65536, i / 256 % 256, i % 256 }' | ip -batch -");
    let change = "ip route add 11.0.0.1 dev lo; ip route del 11.0.0.1";
    let mut seen = HashSet::with_capacity(200_000);
    let mut doubles = 0;
    let began = Instant::now();
    let (code, peak, err) = churned(&node, change, || {
        stream(command_in(&node, "route"), |line| {
            let dst = line.split_whitespace().find(|word| word.starts_with("10."));
            doubles += u32::from(dst.is_some_and(|dst| !seen.insert(dst.to_owned())));
        })
    });
    let took = began.elapsed();
    println!("{} routes in {took:?}, at most {peak} KiB, said: {err:?}", seen.len());
    assert_eq!((code, doubles, seen.len()), (Some(0), 0, 200_000), "{err}");
    assert!(err.contains("the table changed while it was read"), "{err:?}");
    assert!((1..=CEILING_KIB).contains(&peak), "{peak} KiB");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let (code, peak, _) = stream(command_in(&node, "route --json"), |_| ());
    assert_eq!(code, Some(0));
    assert!(peak <= CEILING_KIB, "{peak} KiB");
}

#[test]
fn of_two_hundred_thousand_tracked_connections_none_is_missing() {
    let Some(lab) = lab().filter(|_| has("conntrack")) else { return };
    let node = lab.node("c").expect("a node");
    node.sh("nft 'add table inet t; add chain inet t c { type filter hook output priority 0; }; \
             add rule inet t c ct state new counter'");
    let sent = fill(&node, 200_000);
    let counted: usize = node.sh("conntrack -C").trim().parse().expect("a number");
    let mut seen = HashSet::with_capacity(sent);
    let mut doubles = 0;
    let done = std::sync::atomic::AtomicBool::new(false);
    let (code, peak, err) = std::thread::scope(|scope| {
        // Others come meanwhile, but no more than there is room for.
        scope.spawn(|| {
            for n in 0..20_000 {
                if done.load(std::sync::atomic::Ordering::Relaxed) {
                    return;
                }
                fill_one(&node, n);
            }
        });
        let streamed = stream(command_in(&node, "ct -4 -w 60s"), |line| {
            // An address of 127.7.0.0 to 127.10.13.64, each with one connection.
            let mut words = line.split(|c: char| c.is_whitespace() || c == '=');
            let dst = words.find(|word| is_filled(word));
            doubles += u32::from(dst.is_some_and(|dst| !seen.insert(dst.to_owned())));
        });
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        streamed
    });
    println!("{} of {counted} connections, at most {peak} KiB, said: {err:?}", seen.len());
    assert_eq!(code, Some(0), "{err}");
    assert!(seen.len() >= sent.min(counted) && doubles == 0, "{} of {sent}: {doubles}", seen.len());
    assert!((1..=CEILING_KIB).contains(&peak), "{peak} KiB");
}

fn is_filled(word: &str) -> bool {
    ["127.7.", "127.8.", "127.9.", "127.10."].iter().any(|net| word.starts_with(net))
}

/// One more connection, to an address that is not counted.
fn fill_one(node: &Node, n: u32) {
    node.enter(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = std::net::Ipv4Addr::from(0x7f20_0000 + n);
        let _ = socket.send_to(b"x", (to, 9));
    });
}

/// Sends datagrams to as many addresses of the loopback and returns how many.
fn fill(node: &Node, count: u32) -> usize {
    node.enter(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = |n: u32| std::net::Ipv4Addr::from(0x7f07_0000 + n);
        // A refusal that came back takes the place of one send.
        let send = |n: &u32| (0..3).any(|_| socket.send_to(b"x", (to(*n), 9)).is_ok());
        (1..=count).filter(send).count()
    })
}

#[test]
fn of_ten_thousand_sockets_under_churn_each_stable_one_comes_once() {
    let Some(lab) = lab() else { return };
    let node = lab.node("s").expect("a node");
    // Fewer where the limit of descriptors is low.
    let limit: usize = finish(shell("ulimit -n")).out.trim().parse().unwrap_or(20_000);
    let ports: Vec<u16> = (20_000..30_000).take(limit.saturating_sub(400)).collect();
    let held: Vec<std::net::UdpSocket> = node.enter(|| {
        let bind = |port: &u16| std::net::UdpSocket::bind(("127.0.0.1", *port)).expect("bound");
        ports.iter().map(bind).collect()
    });
    let done = std::sync::atomic::AtomicBool::new(false);
    let (run, seen, doubles) = std::thread::scope(|scope| {
        scope.spawn(|| {
            node.enter(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let brief = std::net::UdpSocket::bind("127.0.0.2:0");
                    drop(brief);
                }
            });
        });
        let _done = vision_lab::AtEnd(&done);
        let (mut seen, mut doubles) = (HashSet::new(), 0);
        for _ in 0..3 {
            let run = finish(command_in(&node, "sock -a --udp"));
            seen.clear();
            for line in run.out.lines().filter(|line| line.contains("127.0.0.1:2")) {
                let local = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
                doubles += u32::from(!seen.insert(local.map(str::to_owned)));
            }
            assert_eq!(seen.len(), held.len(), "{}", run.err);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (finish(command_in(&node, "sock -a --udp --json")), seen.len(), doubles)
    });
    assert_eq!((run.code, seen, doubles), (Some(0), held.len(), 0));
    let (_, peak, _) = stream(command_in(&node, "sock -a --udp"), |_| ());
    println!("{seen} sockets, at most {peak} KiB");
    assert!((1..=CEILING_KIB).contains(&peak), "{peak} KiB");
}
