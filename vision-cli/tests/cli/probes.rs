//! Verbs that ask the network.

use std::net::Ipv4Addr;

use serde_json::Value;
use vision_lab::dns::{Behaviour, DnsScript, Rdata};
use vision_lab::{DnsServer, Fault, Hook, Proto, TcpBehaviour, TcpServer};

use crate::run::{lab, pair, powerless, vision_in};

#[test]
fn ping_reads_like_ping() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = vision_in(&a, &format!("ping {} -c 3 -i 0.05 -W 1", b.v4())).expect(0);
    let lines: Vec<_> = run.out.lines().collect();
    assert_eq!(lines[0], format!("PING {0} ({0}) 56(84) bytes of data.", b.v4()));
    assert!(lines[1].contains("icmp_seq=1 ttl=64 time="), "{lines:?}");
    assert!(
        run.out.contains("3 packets transmitted, 3 received, 0% packet loss, time 1"),
        "{run:?}"
    );
    assert!(run.out.contains("rtt min/avg/max/mdev = "), "{run:?}");
    let quiet = vision_in(&a, &format!("ping {} -c 1 -q -v", b.v6())).expect(0);
    assert!(!quiet.out.contains("icmp_seq=1"), "{quiet:?}");
    assert!(quiet.out.contains("method: "), "{quiet:?}");
    let lost = vision_in(&a, "ping 10.1.0.99 -c 2 -i 100ms -W 100ms").expect(1);
    assert!(lost.out.contains("100% packet loss"), "{lost:?}");
    assert!(lost.out.contains("no answer for icmp_seq 1-2"), "{lost:?}");
}

#[test]
fn ping_streams_json_and_ends_with_a_summary() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = vision_in(&a, &format!("ping {} -c 2 -i 50ms --json", b.v4())).expect(0);
    let lines: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[..2].iter().all(|line| line["type"] == "event"), "{lines:?}");
    assert_eq!(lines[0]["event"]["seq"], 1);
    assert_eq!(lines[2]["type"], "summary");
    assert_eq!(lines[2]["schema"], "vision/ping@1");
    assert_eq!(lines[2]["report"]["summary"]["received"], 2);
    assert_eq!(lines[2]["target"]["netns"]["ino"], a.inode());
}

#[test]
fn ping_without_rights_names_the_capability() {
    let Some((_lab, a, b)) = pair() else { return };
    // A new namespace lets no group use datagram sockets for this.
    let run = powerless(&a, &format!("ping {} -c 1", b.v4())).expect(4);
    assert!(run.err.starts_with("vision: opening a raw socket needs CAP_NET_RAW; "), "{run:?}");
    assert!(run.err.contains("add: [NET_RAW]") && run.err.contains("--cap-add NET_RAW"));
    let json = powerless(&a, &format!("ping {} -c 1 --json", b.v4())).expect(4).json();
    assert_eq!(json["error"]["kind"], "permission");
    assert_eq!(json["error"]["op"], "opening a raw socket");
    assert!(json["error"]["hint"].as_str().is_some_and(|hint| hint.contains("NET_RAW")));
    a.sysctl("net/ipv4/ping_group_range", "0 0").expect("set");
    powerless(&a, &format!("ping {} -c 1", b.v4())).expect(0);
}

#[test]
fn tcp_tells_the_ways_of_failing_apart() {
    let Some((lab, a, b)) = pair() else { return };
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    let fault = Fault::Drop { hook: Hook::Input, proto: Proto::Tcp, dport: Some(82) };
    lab.fault(&b, fault).expect("a rule");
    let addr = b.v4();
    let run = vision_in(&a, &format!("tcp {addr}:80-82 -W 300ms")).expect(1);
    let lines: Vec<_> = run.out.lines().collect();
    assert!(lines[0].starts_with(&format!("{addr}:80  open  ")), "{lines:?}");
    assert!(lines[1].starts_with(&format!("{addr}:81  refused  ")), "{lines:?}");
    assert!(lines[2].starts_with(&format!("{addr}:82  timed out  ")), "{lines:?}");
    let json = vision_in(&a, &format!("tcp {addr}:80 --json")).expect(0).json();
    assert_eq!(json["schema"], "vision/tcp@1");
    a.sh("ip route add prohibit 10.88.0.1");
    let local = vision_in(&a, "tcp 10.88.0.1:1").expect(1).out;
    assert!(local.contains("local error") && local.contains("EACCES"), "{local}");
}

#[test]
fn arp_names_the_holder() {
    let Some((_lab, a, b)) = pair() else { return };
    let mac = b.sh("cat /sys/class/net/eth0/address 2>/dev/null || ip -br link show eth0");
    let run = vision_in(&a, &format!("arp {} -I eth0 -c 1 -W 300ms", b.v4())).expect(0);
    assert!(run.out.contains(" is at "), "{mac} {run:?}");
    assert!(run.out.contains("1 requests on eth0"), "{run:?}");
    let none = vision_in(&a, "arp 10.1.0.99 -I eth0 -c 1 -W 200ms --json").expect(1).json();
    assert_eq!(none["schema"], "vision/arp@1");
    assert_eq!(none["report"]["answers"], Value::Array(Vec::new()));
    let denied = powerless(&a, &format!("arp {} -I eth0 -c 1", b.v4())).expect(4);
    assert!(denied.err.contains("CAP_NET_RAW"), "{denied:?}");
}

#[test]
fn dns_asks_and_says_what_came_back() {
    let Some(lab) = lab() else { return };
    let node = lab.node("d").expect("a node");
    let script = DnsScript::new()
        .a("web.test", Ipv4Addr::new(10, 0, 0, 7))
        .record("txt.test", Rdata::Txt(vec!["a\x1b]52;c;eA==\x07\u{202e}b".to_owned()]))
        .behave("silent.test", Behaviour::Silent);
    let _server = DnsServer::start(&node, "127.0.0.1:53", script).expect("a server");
    let run = vision_in(&node, "dns web.test @127.0.0.1").expect(0);
    assert!(run.out.starts_with(";; NOERROR, flags: qr"), "{run:?}");
    assert!(run.out.contains("web.test.\t") && run.out.contains("\tIN\tA\t10.0.0.7"), "{run:?}");
    assert_eq!(vision_in(&node, "dns --short web.test @127.0.0.1").expect(0).out, "10.0.0.7\n");
    let full = vision_in(&node, "dns web.test A @127.0.0.1 -vv").expect(0).out;
    for part in ["opcode: QUERY", "Query time: ", "SERVER: 127.0.0.1:53", "MSG SIZE rcvd: "] {
        assert!(full.contains(part), "{part} is missing in\n{full}");
    }
    assert!(vision_in(&node, "dns no.test @127.0.0.1").expect(1).out.contains("NXDOMAIN"));
    let silent = vision_in(&node, "dns silent.test @127.0.0.1 -W 100ms").expect(1).out;
    assert!(silent.contains("no answer within 100 ms"), "{silent}");
    let json = vision_in(&node, "dns web.test @127.0.0.1 --json").expect(0).json();
    assert_eq!(json["schema"], "vision/dns@1");
    let hostile = vision_in(&node, "dns txt.test TXT @127.0.0.1").expect(0).out;
    assert!(!hostile.contains(['\x1b', '\x07', '\u{202e}']), "{hostile:?}");
    vision_in(&node, "dns txt.test TXT @127.0.0.1 --json").expect(0).json();
}

#[test]
fn a_bad_server_or_type_is_named() {
    let bad = crate::run::vision("dns web.test NOSUCH @127.0.0.1").expect(2).err;
    assert!(bad.contains("`NOSUCH`"), "{bad}");
    let bad = crate::run::vision("dns -x web.test").expect(2).err;
    assert!(bad.contains("`web.test` is no address"), "{bad}");
}

#[test]
fn a_router_that_says_no_is_named() {
    let Some(lab) = lab() else { return };
    let [a, _r, b] = lab.chain(["a", "r", "b"]).expect("three in a row");
    let run = vision_in(&a, &format!("ping {} --ttl 1 -c 1", b.v4())).expect(1);
    let said = format!("From {} icmp_seq=1 time to live exceeded (ICMP 11/0)", a.gateway_v4());
    assert!(run.out.contains(&said), "{run:?}");
    assert!(run.out.contains("0 received, +1 errors, 100% packet loss"), "{run:?}");
}

#[test]
fn link_local_addresses_take_their_interface_from_either_place() {
    let Some((_lab, a, b)) = pair() else { return };
    let shown = b.sh("ip -o -6 addr show dev eth0 scope link");
    let addr = shown.split_whitespace().nth(3).and_then(|a| a.split('/').next()).expect("fe80::");
    for line in [
        format!("ping -6 -I eth0 {addr} -c 1"),
        format!("ping {addr}%eth0 -c 1"),
        format!("arp {addr} -I eth0 -c 1 -W 300ms"),
    ] {
        vision_in(&a, &line).expect(0);
    }
    vision_in(&a, &format!("tcp [{addr}%eth0]:9")).expect(1);
    let missing = vision_in(&a, &format!("ping {addr}%eth9 -c 1")).expect(3);
    assert!(missing.err.contains("interface `eth9` not found"), "{missing:?}");
}

#[test]
fn names_are_resolved_as_the_target_would() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let script = DnsScript::new().a("web.test", Ipv4Addr::LOCALHOST);
    let _server = DnsServer::start(&node, "127.0.0.1:53", script).expect("a server");
    // A process with files of its own stands for a container.
    let files = "mount -t tmpfs none /etc && echo 'nameserver 127.0.0.1\nsearch test' \
                 >/etc/resolv.conf && echo '127.0.0.9 own' >/etc/hosts && exec sleep 60";
    let container = node.spawn(&format!("unshare -m sh -ec \"{files}\""));
    let pid = container.pid();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let hosts = format!("/proc/{pid}/root/etc/hosts");
    while !std::fs::read_to_string(&hosts).is_ok_and(|text| text.contains("own")) {
        assert!(std::time::Instant::now() < deadline, "the container got its files");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let run = |line: &str| crate::run::vision(&format!("--pid {pid} {line}"));
    let own = run("ping own -c 1 -v").expect(0).out;
    assert!(own.contains(&format!("own is 127.0.0.9, by /etc/hosts of process {pid}")), "{own}");
    let web = run("tcp web:9 --json").expect(1).json();
    assert_eq!(web["target"]["resolved"][0]["source"]["dns"]["server"], "127.0.0.1:53");
    assert_eq!(web["report"]["to"], "127.0.0.1");
    assert!(run("dns web --search").expect(0).out.contains("asked for web.test. A: NOERROR"));
    assert!(run("dns web.test").expect(0).out.contains("127.0.0.1"));
    let missing = run("ping nowhere -c 1").expect(3).err;
    assert!(missing.starts_with("vision: host `nowhere` (no such name) not found"), "{missing}");
}
