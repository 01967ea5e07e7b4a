//! `vision dns` beyond one question.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::Stdio;

use serde_json::Value;
use vision_lab::dns::{Behaviour, DnsScript};
use vision_lab::{DnsServer, Node};

use crate::run::{Run, command_in, lab, vision, vision_in};

fn server(node: &Node) -> DnsServer {
    let script = DnsScript::new()
        .a("web.test", Ipv4Addr::new(10, 0, 0, 7))
        .a("db.test", Ipv4Addr::new(10, 0, 0, 8))
        .behave("silent.test", Behaviour::Silent);
    DnsServer::start(node, "127.0.0.1:53", script).expect("a server")
}

/// Runs with this on standard input.
fn with_input(node: &Node, line: &str, input: &[u8]) -> Run {
    let mut command = command_in(node, line);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary starts");
    child.stdin.take().expect("piped").write_all(input).expect("written");
    let raw = child.wait_with_output().expect("it ends");
    Run {
        code: raw.status.code(),
        out: String::from_utf8(raw.stdout.clone()).expect("UTF-8 on stdout"),
        err: String::from_utf8(raw.stderr.clone()).expect("UTF-8 on stderr"),
        raw,
    }
}

#[test]
fn a_list_of_names_is_answered_in_its_order() {
    let Some(lab) = lab() else { return };
    let node = lab.node("l").expect("a node");
    let _server = server(&node);
    let names = b"web.test\n# a comment\ndb.test A\n\nno.test\nweb.test\n";
    let run = with_input(&node, "dns --from - @127.0.0.1 --short", names).expect(0);
    assert_eq!(run.out, "10.0.0.7\n10.0.0.8\n10.0.0.7\n");
    let json = with_input(&node, "dns --from - @127.0.0.1 --json", names).expect(0).out;
    let lines: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let names: Vec<_> =
        lines.iter().filter_map(|l| l["event"]["question"]["name"].as_str()).collect();
    assert_eq!(names, ["web.test.", "db.test.", "no.test.", "web.test."]);
    assert_eq!(lines[4]["report"]["answered"], 4);
    let silent = "dns --from - @127.0.0.1 -W 100ms --tries 1";
    let run = with_input(&node, silent, b"silent.test\nweb.test\n").expect(1);
    assert!(run.out.contains("no answer within 100 ms"), "{run:?}");
    assert!(run.out.contains("2 questions, 1 answered, 1 not"), "{run:?}");
    let load = with_input(&node, "dns --from - @127.0.0.1 --for 200ms", b"web.test\n").expect(0);
    assert!(load.out.contains(" a second") && load.out.contains("NOERROR"), "{load:?}");
}

#[test]
fn a_bad_list_is_named_with_its_line() {
    let Some(lab) = lab() else { return };
    let node = lab.node("b").expect("a node");
    for (names, part) in [
        (&b"web.test\na b c\n"[..], "line 2 of `-`"),
        (b"web.test\na..b\n", "line 2 of `-`"),
        (b"web.test NOSUCH\n", "`NOSUCH`"),
        (b"\n# nothing\n", "holds no names"),
        (b"\xff\xfe\n", "line 1"),
    ] {
        let run = with_input(&node, "dns --from - @127.0.0.1", names).expect(2);
        assert!(run.err.contains(part), "{part}: {run:?}");
    }
    let run = vision("dns --from /no/such/file @127.0.0.1").expect(2);
    assert!(run.err.contains("`/no/such/file`"), "{run:?}");
}

#[test]
fn servers_are_compared_and_a_trace_starts_where_told() {
    let Some(lab) = lab() else { return };
    let node = lab.node("c").expect("a node");
    let _server = server(&node);
    let run = vision_in(&node, "dns web.test @127.0.0.1 @127.0.0.9 --tries 1").expect(1);
    assert!(run.out.contains("A 10.0.0.7") && run.out.contains("127.0.0.9:53"), "{run:?}");
    assert!(run.out.contains("not all servers answered"), "{run:?}");
    let json = vision_in(&node, "dns web.test @127.0.0.1 @127.0.0.1 --json").expect(0).json();
    assert_eq!(json["schema"], "vision/dns-compare@1");
    let trace = vision_in(&node, "dns web.test --trace --root 127.0.0.1").expect(0);
    assert!(trace.out.contains("answers\nweb.test.\t"), "{trace:?}");
    let json = vision_in(&node, "dns web.test --trace --root 127.0.0.1 --json").expect(0).json();
    assert_eq!(json["report"]["end"], "answered");
    let refused = vision("dns web.test @127.0.0.1 --trace").expect(2);
    assert!(refused.err.contains("--root 127.0.0.1"), "{refused:?}");
}

#[test]
fn a_message_goes_to_a_file_and_comes_back() {
    let Some(lab) = lab() else { return };
    let node = lab.node("w").expect("a node");
    let _server = server(&node);
    let path = std::env::temp_dir().join(format!("vision-wire-{}", std::process::id()));
    let line = format!("dns web.test @127.0.0.1 --wire-out {}", path.display());
    vision_in(&node, &line).expect(0);
    let shown = vision(&format!("dns --wire-in {}", path.display())).expect(0);
    assert!(shown.out.contains("ANSWER: 1") && shown.out.contains("10.0.0.7"), "{shown:?}");
    let bytes = std::fs::read(&path).expect("written");
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x} ")).collect();
    let text = format!("; a comment\n{hex}\n");
    let again = with_input(&node, "dns --wire-in -", text.as_bytes()).expect(0);
    assert_eq!(again.out, shown.out);
    let json = vision(&format!("dns --wire-in {} --json", path.display())).expect(0).json();
    assert_eq!(json["schema"], "vision/dns-message@1");
    let _ = std::fs::remove_file(&path);
    let bad = with_input(&node, "dns --wire-in -", b"\x00\x01").expect(2);
    assert!(bad.err.contains("`-` (2 bytes)"), "{bad:?}");
}
