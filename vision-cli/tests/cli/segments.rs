//! Half-open connects and timestamps: single packets and what answers them, beside hping3 and clockdiff.

use serde_json::Value;
use vision_lab::{Node, TcpBehaviour, TcpServer, require, whole_machine};

use crate::run::{pair, powerless, vision_in};
use crate::tools::has;

/// What a stream printed as JSON: its events, and the report at its end.
fn events(node: &Node, line: &str, code: i32) -> (Vec<Value>, Value) {
    let run = vision_in(node, &format!("{line} --json")).expect(code);
    let mut lines: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut last = lines.pop().expect("a report");
    (lines.iter_mut().map(|line| line["event"].take()).collect(), last["report"].take())
}

/// hping3's fields of its first answer.
fn hping(node: &Node, line: &str) -> Option<Vec<(String, String)>> {
    let text = node.sh(&format!("hping3 -n {line} 2>/dev/null || true"));
    let answer = text.lines().find(|line| line.contains("flags="))?;
    let fields = answer.split_whitespace().filter_map(|word| word.split_once('='));
    Some(fields.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

#[test]
fn what_answers_a_syn_is_what_hping3_reads() {
    let Some((_lab, a, b)) = pair().filter(|_| has("hping3")) else { return };
    let at = format!("{}:4000", b.v4());
    let _server = TcpServer::start(&b, &at, TcpBehaviour::Accept).expect("listens");
    for (port, outcome, flags, code) in [(4000, "syn_ack", "SA", 0), (4001, "reset", "RA", 1)] {
        let line = format!("tcp {}:{port} --syn -c 3 -i 50ms", b.v4());
        let (answers, report) = events(&a, &line, code);
        assert_eq!(answers.len(), 3);
        let theirs = hping(&a, &format!("-S -p {port} -c 1 {}", b.v4())).expect("an answer");
        let field = |key: &str| theirs.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        for answer in &answers {
            let segment = &answer["outcome"][outcome];
            assert_eq!(segment["flags"], flags, "{answer}");
            assert_eq!(field("flags"), Some(flags));
            for (ours, key) in [("ttl", "ttl"), ("window", "win")] {
                assert_eq!(Some(segment[ours].to_string().as_str()), field(key), "{answer}");
            }
            assert_eq!(segment["df"], true, "{answer}");
            assert!(segment["rtt_ns"].as_u64().is_some_and(|ns| ns > 0), "{answer}");
        }
        assert_eq!(report["summary"]["answered"], 3);
        assert_eq!(report["summary"]["accepted"], if code == 0 { 3 } else { 0 });
        let text = vision_in(&a, &line).expect(code).out;
        assert_eq!(text.matches(&format!("flags={flags}")).count(), 3, "{text}");
    }
    // The kernel has taken back every half-open connection.
    assert_eq!(b.sh("ss -Htan state syn-recv"), "");
    let line = format!("tcp [{}]:4001 --syn", b.v6());
    let (answers, _) = events(&a, &line, 1);
    let segment = &answers[0]["outcome"]["reset"];
    assert_eq!((&segment["flags"], &segment["ttl"]), (&"RA".into(), &64.into()), "{segment}");
}

#[test]
fn an_icmp_error_is_no_answer_to_a_syn() {
    let Some((_lab, a, b)) = pair() else { return };
    b.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; \
          add rule inet t i tcp dport 81 drop; \
          add rule inet t i tcp dport 80 reject with icmpx type admin-prohibited'");
    for host in [b.v4().to_string(), format!("[{}]", b.v6())] {
        let (answers, report) = events(&a, &format!("tcp {host}:80 --syn -c 2 -i 20ms"), 1);
        for answer in &answers {
            assert!(answer["outcome"]["unreachable"]["from"].is_string(), "{answer}");
        }
        assert_eq!((answers.len(), &report["summary"]["answered"]), (2, &0.into()));
        let (answers, _) = events(&a, &format!("tcp {host}:81 --syn -W 100ms"), 1);
        assert_eq!(answers[0]["outcome"], "no_answer");
    }
    let run = vision_in(&a, "tcp 10.0.0.1:80-81 --syn").expect(2);
    assert!(run.err.contains("--syn asks one port, not 2"), "{run:?}");
}

#[test]
fn clocks_of_one_machine_agree() {
    // clockdiff makes itself more urgent.
    if require(whole_machine()).is_none() {
        return;
    }
    let Some((_lab, a, b)) = pair().filter(|_| has("clockdiff")) else { return };
    let line = format!("ping {} --clock -c 3 -i 50ms", b.v4());
    let (answers, report) = events(&a, &line, 0);
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|it| it["outcome"]["told"]["rtt_ns"].is_u64()), "{answers:?}");
    let ours = report["offset_ms"].as_i64().expect("an offset");
    let text = a.sh(&format!("clockdiff {}", b.v4()));
    // Away from a terminal it prints the time of the day, the offset and its spread.
    let theirs = text.split_whitespace().nth(1);
    let theirs: i64 = theirs.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    assert!((ours - theirs).abs() <= 1 && ours.abs() <= 1, "{ours} against {text}");
    let text = vision_in(&a, &line).expect(0).out;
    assert!(text.contains("seq=3 offset=") && text.contains("--- the clock of"), "{text}");
    let run = vision_in(&a, &format!("ping {} --clock", b.v6())).expect(2);
    assert!(run.err.contains("IPv6, which has no timestamp requests"), "{run:?}");
    let run = vision_in(&a, &format!("ping {} {} --clock", b.v4(), a.v4())).expect(2);
    assert!(run.err.contains("one host's clock, not 2"), "{run:?}");
    // Echo requests can do without the capability, these cannot.
    for line in [format!("ping {} --clock", b.v4()), format!("tcp {}:9 --syn", b.v4())] {
        let run = powerless(&a, &line).expect(4);
        assert!(run.err.contains("needs CAP_NET_RAW"), "{run:?}");
        assert!(!run.err.contains("ping_group_range"), "{run:?}");
    }
}

/// Answers timestamp requests with a clock of its own; the kernel's answers do not leave.
const OTHER_CLOCK: &str = r#"
import socket, struct, sys
inbox = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
out.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total > 0xffff: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
while True:
    packet = inbox.recv(2000)
    if packet[9] != 1 or packet[20] != 13: continue
    ident, seq, originate = struct.unpack('!HHI', packet[24:32])
    time = (originate + int(sys.argv[1])) % 86400000 | int(sys.argv[2]) << 31
    body = struct.pack('!BBHHHIII', 14, 0, 0, ident, seq, originate, time, time)
    body = body[:2] + struct.pack('!H', checksum(body)) + body[4:]
    out.sendto(body, (socket.inet_ntoa(packet[12:16]), 0))
"#;

#[test]
fn another_clock_is_told_by_how_much_and_silence_is_named() {
    let Some((_lab, a, b)) = pair().filter(|_| has("python3")) else { return };
    b.sh("nft 'add table ip t; add chain ip t o { type filter hook output priority 0; }; \
          add rule ip t o icmp type timestamp-reply meta mark != 7 drop'");
    let script = std::env::temp_dir().join(format!("vision-clock-{}.py", std::process::id()));
    std::fs::write(&script, OTHER_CLOCK).expect("written");
    let line = format!("ping {} --clock -c 2 -i 50ms -W 400ms", b.v4());
    for (ahead, expected) in [(5000, "5000 ms ahead of"), (-3_600_000, "3600000 ms behind")] {
        let _clock = b.spawn(&format!("python3 {} {ahead} 0", script.display()));
        let told = (0..20).find_map(|_| {
            let run = vision_in(&a, &line);
            (run.code == Some(0)).then_some(run.out)
        });
        let text = told.expect("an answer");
        let figure = text.lines().find(|line| line.contains(" ours ")).unwrap_or_default();
        let ms: i64 = figure.split(' ').next().and_then(|ms| ms.parse().ok()).expect("a figure");
        let exact: i64 = expected.split(' ').next().and_then(|ms| ms.parse().ok()).expect("one");
        let side = expected.split_once(' ').expect("two parts").1;
        assert!((ms - exact).abs() <= 1 && figure.contains(side), "{expected}: {text}");
    }
    {
        let _clock = b.spawn(&format!("python3 {} 0 1", script.display()));
        let other = (0..20).find_map(|_| {
            let run = vision_in(&a, &line).expect(1);
            run.out.contains("non-standard time").then_some(run.out)
        });
        assert!(other.is_some_and(|text| text.contains("a time of its own kind")));
    }
    std::fs::remove_file(&script).expect("removed");
    let run = vision_in(&a, &line).expect(1);
    assert!(run.out.contains("does not answer timestamp requests"), "{run:?}");
}
