//! Many targets and many ports.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;
use vision_lab::{Fault, Hook, Node, Proto, TcpBehaviour, TcpServer, UdpBehaviour, UdpServer};

use crate::run::{Run, command_in, finish, pair, powerless, vision_in};

fn answers_for(a: &Node, b: &Node, net: &str) {
    b.sh(&format!("ip route add local {net} dev lo"));
    a.sh(&format!("ip route add {net} via {}", b.v4()));
}

fn lines(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Runs the binary with something on its standard input.
fn fed(node: &Node, line: &str, input: &[u8]) -> Run {
    let mut command = command_in(node, line);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A refusal in the middle closes the pipe.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let raw = child.wait_with_output().expect("it ends");
    Run {
        code: raw.status.code(),
        out: String::from_utf8(raw.stdout.clone()).expect("UTF-8"),
        err: String::from_utf8(raw.stderr.clone()).expect("UTF-8"),
        raw,
    }
}

#[test]
fn a_sweep_lists_who_is_alive_in_the_order_given() {
    let Some((_lab, a, b)) = pair() else { return };
    answers_for(&a, &b, "10.77.0.0/29");
    let line = "ping --sweep 10.77.0.0/28 --alive --rate max -W 200ms";
    let run = vision_in(&a, line).expect(1);
    let expected: Vec<_> = (1..8).map(|n| format!("10.77.0.{n}")).collect();
    assert_eq!(run.out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(run.err, "");
    vision_in(&a, &format!("{line} --need 7")).expect(0);
    vision_in(&a, &format!("{line} --need 8")).expect(1);
    let down = vision_in(&a, &line.replace("--alive", "--unreachable")).expect(1);
    assert_eq!(down.out.lines().count(), 7, "{down:?}");
    vision_in(&a, "ping --sweep 10.77.0.1-10.77.0.7 --rate max").expect(0);
}

#[test]
fn a_sweep_as_json_is_one_event_per_target_and_a_summary() {
    let Some((_lab, a, b)) = pair() else { return };
    let line =
        format!("ping {} {} 10.1.0.99 -c 3 -i 50ms -W 200ms --pct 50,99 --json", b.v4(), b.v6());
    let run = vision_in(&a, &line).expect(1);
    let found = lines(&run);
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|line| line["schema"] == "vision/sweep@1"));
    let event = &found[0]["event"];
    assert_eq!((&event["verdict"], &event["received"]), (&"alive".into(), &3.into()));
    assert_eq!(event["rtts_ns"].as_array().map(Vec::len), Some(3));
    assert!(event["rtt"]["avg_ns"].is_u64() && event["jitter_ns"].is_u64());
    let silent = &found[2]["event"];
    assert_eq!((&silent["to"], &silent["loss_percent"]), (&"10.1.0.99".into(), &100.0.into()));
    let report = &found[3]["report"];
    assert_eq!(found[3]["type"], "summary");
    assert_eq!((&report["summary"]["alive"], &report["summary"]["sent"]), (&2.into(), &9.into()));
    assert_eq!(report["percentiles"][1]["percent"], 99.0);
    assert!(report.get("hosts").is_none(), "they were written before");
    let quiet = vision_in(&a, &format!("{line} -q")).expect(1).json();
    assert_eq!(quiet["report"]["hosts"].as_array().map(Vec::len), Some(3));
}

#[test]
fn several_hosts_quietly_are_one_line_each_and_the_figures() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = vision_in(&a, &format!("ping {} {} -c 5 -i 20ms -q --pct 95", b.v4(), b.v6()));
    let run = run.expect(0);
    assert!(run.out.starts_with(&format!("{}  alive  5/5 replies, 0% loss  rtt min/", b.v4())));
    assert!(run.out.contains("2 alive, 0 not; 10 packets transmitted, 10 received, 0% packet"));
    assert!(run.out.contains("rtt p95 = ") && run.out.contains("jitter = "), "{run:?}");
}

#[test]
fn targets_come_from_a_file_and_a_bad_line_is_named() {
    let Some((_lab, a, b)) = pair() else { return };
    answers_for(&a, &b, "10.77.0.0/24");
    let text = format!("# ours\n{}\n\n10.77.0.0/30  # two\n10.77.0.9-10.77.0.10\n", b.v4());
    let run = fed(&a, "ping --from - --alive", text.as_bytes()).expect(0);
    let v4 = b.v4().to_string();
    let expected = [&*v4, "10.77.0.1", "10.77.0.2", "10.77.0.9", "10.77.0.10"];
    assert_eq!(run.out.lines().collect::<Vec<_>>(), expected);
    for (input, part) in [
        (&b"10.77.0.1\n10.0.0.0/99\n"[..], "line 2 of `-`"),
        (b"10.77.0.1\n\n0.0.0.0/0\n", "line 3 of `-`"),
        (b"\xff\xfe\n", "line 1 of `-`"),
        (b"10.77.0.1 10.77.0.2\n", "one target"),
        (b"# nothing\n", "`-` lists none"),
    ] {
        let run = fed(&a, "ping --from -", input).expect(2);
        assert!(run.err.contains(part) && run.out.is_empty(), "{part}: {run:?}");
        assert_eq!(run.err.lines().count(), 1, "{run:?}");
    }
}

#[test]
fn a_name_that_does_not_resolve_is_said_and_the_others_are_asked() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = vision_in(&a, &format!("ping {} no-such-name.invalid -c 1 --json", b.v4())).expect(3);
    let found = lines(&run);
    assert_eq!(found[0]["event"]["verdict"], "alive");
    assert_eq!(found[1]["report"]["unresolved"][0]["name"], "no-such-name.invalid");
    assert!(run.err.contains("no-such-name.invalid"), "{run:?}");
}

#[test]
fn an_interrupt_ends_a_sweep_with_its_figures() {
    let Some((_lab, a, _b)) = pair() else { return };
    let mut command = command_in(&a, "ping --sweep 10.1.0.0/16 --json");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("signalled");
    let raw = child.wait_with_output().expect("ends");
    assert_eq!(raw.status.code(), Some(1));
    let text = String::from_utf8(raw.stdout).expect("UTF-8");
    let last: Value = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["type"], "summary");
    let sent = last["report"]["summary"]["sent"].as_u64().expect("a number");
    assert!((50..=250).contains(&sent), "{sent}");
    assert!(last["report"]["gaps"][0]["why"].as_str().expect("why").contains("undecided"));
}

#[test]
fn a_scan_lists_what_is_open_and_sums_the_rest_up() {
    let Some((lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens");
    let (hook, proto) = (Hook::Input, Proto::Tcp);
    lab.fault(&b, Fault::Drop { hook, proto, dport: Some(81) }).expect("a rule");
    for flag in ["", "--syn"] {
        let line = format!("scan {} -p 1-100 {flag} -W 100ms --rate max", b.v4());
        let run = vision_in(&a, &line).expect(0);
        assert!(run.out.starts_with("PORT    STATE     SERVICE  TIME"), "{run:?}");
        assert!(run.out.contains("80/tcp  open      http"), "{run:?}");
        assert!(run.out.contains("no-response"), "{run:?}");
        assert!(run.out.contains("98 closed (reset): 1-79,82-100"), "{run:?}");
        assert!(run.out.contains(&format!("{}: 1 open, 98 closed, 1 filtered", b.v4())));
        let report = vision_in(&a, &format!("{line} --json")).expect(0).json()["report"].take();
        assert_eq!(report["counts"]["closed"], 98);
        assert_eq!(report["ports"][0]["service"], "http");
        assert_eq!(report["ports"][0]["reason"], "syn_ack");
        assert_eq!(report["rest"][0]["ports"], "1-79,82-100");
    }
    vision_in(&a, &format!("scan {} -p 90-95", b.v6())).expect(1);
    let none = vision_in(&a, "scan 203.0.113.9 -p 80").expect(3);
    assert!(none.out.contains("unreachable"), "{none:?}");
}

#[test]
fn half_open_scans_name_the_capability_and_connects_need_none() {
    let Some((_lab, a, b)) = pair() else { return };
    let run = powerless(&a, &format!("scan {} -p 80 --syn", b.v4())).expect(4);
    assert!(run.err.contains("CAP_NET_RAW"), "{run:?}");
    powerless(&a, &format!("scan {} -p 80-90", b.v4())).expect(1);
    let hosts = powerless(&a, &format!("scan --hosts {}-{} --rate max", b.v4(), b.v4())).expect(3);
    assert!(hosts.out.contains("not done: "), "{hosts:?}");
}

#[test]
fn few_descriptors_make_a_scan_slower_and_not_wrong() {
    let Some((_lab, a, b)) = pair() else { return };
    let _web = TcpServer::start(&b, "[::]:80", TcpBehaviour::Accept).expect("listens");
    let mut command = std::process::Command::new("nsenter");
    command.arg(format!("--net={}", a.path().display()));
    let binary = env!("CARGO_BIN_EXE_vision");
    let script = format!("ulimit -n 24; exec {binary} scan {} -p 1-2000 --rate max", b.v4());
    command.args(["sh", "-c", &script]);
    let run = finish(command).expect(0);
    assert!(run.out.contains("1 open, 1999 closed"), "{run:?}");
}

#[test]
fn hosts_of_a_network_come_with_their_link_layer_addresses() {
    let Some((_lab, a, b)) = pair() else { return };
    let range = format!("{}-{}", b.v4(), b.v4());
    let run = vision_in(&a, &format!("scan --hosts {range} -W 200ms")).expect(0);
    assert!(run.out.contains("answers on the link"), "{run:?}");
    let json = vision_in(&a, &format!("scan --hosts {range} -W 200ms --json")).expect(0).json();
    assert_eq!(json["schema"], "vision/scan-hosts@1");
    let mac = b.sh("ip -o link show eth0");
    let lladdr = json["report"]["hosts"][0]["lladdr"].as_str().expect("an address").to_owned();
    assert!(mac.contains(&lladdr), "{mac} {lladdr}");
    vision_in(&a, "scan --hosts 10.1.0.200/30 -W 100ms").expect(1);
}

#[test]
fn udp_says_replied_closed_and_silent() {
    let Some((_lab, a, b)) = pair() else { return };
    let _echo = UdpServer::start(&b, &format!("{}:53", b.v4()), UdpBehaviour::Echo).expect("echo");
    let _mute =
        UdpServer::start(&b, &format!("{}:54", b.v4()), UdpBehaviour::Silent).expect("mute");
    let to = b.v4();
    let replied = vision_in(&a, &format!("udp {to}:53 --payload dns -v")).expect(0);
    assert!(replied.out.contains("replied") && replied.out.contains("17 bytes"), "{replied:?}");
    let closed = vision_in(&a, &format!("udp {to}:55 --payload text:hello")).expect(1);
    assert!(closed.out.contains(&format!("port unreachable (ICMP 3/3) from {to}")), "{closed:?}");
    let silent = vision_in(&a, &format!("udp {to}:54 -W 50ms")).expect(3);
    assert!(silent.out.contains("silent  nothing came back for 3 datagrams"), "{silent:?}");
    let json = vision_in(&a, &format!("udp {to}:53,55 --json")).expect(1).json();
    let ports = &json["report"]["ports"];
    assert!(ports[0]["outcome"]["reply"]["rtt_ns"].is_u64(), "{ports}");
    assert!(ports[1]["outcome"]["closed"]["icmp"]["code"] == 3, "{ports}");
    assert_eq!((&ports[0]["payload"], &ports[1]["payload"]), (&"dns".into(), &"empty".into()));
}

#[test]
fn banners_are_shown_and_never_reach_the_terminal_raw() {
    let Some((_lab, a, b)) = pair() else { return };
    let greeting = "import socket
def serve(port, first):
    s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('0.0.0.0', port)); s.listen(9); return s, first
socks = [serve(22, b'SSH-2.0-Test\\x1b[2J\\r\\n'), serve(443, None), serve(8080, None)]
import threading
def run(s, first, port):
    while True:
        c, _ = s.accept()
        try:
            if first: c.sendall(first)
            else:
                got = c.recv(999)
                if got[:1] == b'\\x16' and port == 443: c.sendall(b'\\x16\\x03\\x03\\x00\\x04abcd')
                elif got[:3] == b'GET': c.sendall(b'HTTP/1.0 404 Not here\\r\\n\\r\\n')
            c.close()
        except OSError: pass
for (s, first), port in zip(socks, (22, 443, 8080)):
    threading.Thread(target=run, args=(s, first, port)).start()
";
    let _server = b.spawn(&format!("python3 -c \"{greeting}\""));
    let ready = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        b.sh("ss -Htln").contains(":8080")
    });
    if !ready {
        println!("SKIP: python3 is not installed");
        return;
    }
    let line = format!("scan {} -p 22,443,8080 --banner -W 300ms", b.v4());
    let run = vision_in(&a, &line).expect(0);
    assert!(run.out.contains("SSH-2.0-Test\\x1b[2J"), "{run:?}");
    assert!(!run.out.contains('\x1b'), "{run:?}");
    assert!(run.out.contains("TLS") && run.out.contains("HTTP/1.0 404 Not here"), "{run:?}");
    let report = vision_in(&a, &format!("{line} --json")).expect(0).json()["report"].take();
    let tls: Vec<_> = (0..3).map(|n| report["ports"][n]["greeted"]["tls"].clone()).collect();
    assert_eq!(tls, ["no", "yes", "no"]);
}
