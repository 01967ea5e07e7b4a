//! `vision path`

use serde_json::Value;
use vision_lab::{Lab, Node};

use crate::run::{lab, pair, powerless, vision_in};

/// A chain whose routers answer as often as they are asked.
fn chain<const N: usize>(lab: &Lab, names: [&str; N]) -> [Node; N] {
    let nodes = lab.chain(names).expect("a chain");
    for node in &nodes {
        node.sysctl("net/ipv4/icmp_ratelimit", "0").expect("set");
        node.sysctl("net/ipv6/icmp/ratelimit", "0").expect("set");
    }
    nodes
}

#[test]
fn a_path_reads_like_traceroute_and_like_mtr() {
    let Some(lab) = lab() else { return };
    let [a, r, _, b] = chain(&lab, ["a", "r", "s", "b"]);
    let run = vision_in(&a, &format!("path {} -v", b.v4())).expect(0);
    let lines: Vec<_> = run.out.lines().collect();
    let head = format!("path to {0} ({0}) from {1} by ICMP", b.v4(), a.v4());
    assert!(lines[0].starts_with(&head), "{run:?}");
    assert!(lines[1].starts_with(&format!(" 1  {}  ", r.v4())), "{run:?}");
    assert_eq!(lines[1].matches(" ms").count(), 3);
    assert!(run.out.contains("reached in 3 hops: echo reply"), "{run:?}");
    assert!(run.out.contains("method: raw sockets"), "{run:?}");
    let report = vision_in(&a, &format!("path {} --report -c 3 -i 0.1", b.v6())).expect(0);
    let head: Vec<_> = report.out.lines().nth(1).expect("a head").split_whitespace().collect();
    assert_eq!(head[..9], ["Hop", "Host", "Loss%", "Snt", "Last", "Avg", "Best", "Wrst", "StDev"]);
    let last: Vec<_> = report.out.lines().nth(4).expect("hop 3").split_whitespace().collect();
    assert_eq!(last[..4], ["3", &b.v6().to_string(), "0.0%", "3"]);
    let nat = vision_in(&a, &format!("path {} --tcp 9 --nat", b.v4())).expect(0);
    assert!(nat.out.contains("no address translation seen in what 2 hosts quoted"), "{nat:?}");
}

#[test]
fn json_has_the_hops_and_the_remarks() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = chain(&lab, ["a", "r", "b"]);
    r.sh("nft 'add table inet t; add chain inet t o { type filter hook output priority 0 ; }
          add rule inet t o icmp type time-exceeded drop'");
    let json = vision_in(&a, &format!("path {} --udp --mtu --json", b.v4())).expect(0).json();
    assert_eq!(json["schema"], "vision/path@1");
    let report = &json["report"];
    assert_eq!(report["end"]["reached"]["by"], "port_unreachable");
    assert_eq!(report["probing"]["udp"]["port"], 33_434);
    assert_eq!(report["hops"][0]["loss_percent"], 100.0);
    assert_eq!(report["hops"][1]["responders"][0]["addr"], b.v4().to_string());
    assert!(report["hops"][1]["rtt"]["avg_ns"].is_u64(), "{report}");
    assert_eq!(report["remarks"][0]["kind"], "no_answer");
    assert_eq!(report["mtu"]["mtu_bytes"], 1500);
    assert_eq!(report["mtu"]["end"], "unlimited");
}

#[test]
fn without_rights_the_error_queues_have_the_answers() {
    let Some(lab) = lab() else { return };
    let [a, r, _, b] = chain(&lab, ["a", "r", "s", "b"]);
    let hops = |json: &Value| -> Vec<Value> {
        let hops = json["report"]["hops"].as_array().expect("hops").iter();
        hops.map(|hop| hop["responders"][0]["addr"].clone()).collect()
    };
    for to in [b.v4().to_string(), b.v6().to_string()] {
        let truth = hops(&vision_in(&a, &format!("path {to} --json")).expect(0).json());
        for (flags, method) in
            [("", "udp"), ("--udp", "udp"), ("--tcp 9", "connect"), ("--udp --flows 3", "udp")]
        {
            let json = powerless(&a, &format!("path {to} --json {flags}")).expect(0).json();
            assert_eq!(json["report"]["method"], method);
            assert_eq!(hops(&json), truth, "{flags}");
            assert_eq!(json["report"]["gaps"][0]["needs"], "NET_RAW", "{json}");
        }
    }
    // UDP is a fallback nobody asked for, and is said to be.
    let run = powerless(&a, &format!("path {}", b.v4())).expect(0);
    assert!(
        run.out.contains("not done: ICMP probes; UDP was used: opening a raw socket"),
        "{run:?}"
    );
    r.sh("ip link set eth1 mtu 1400");
    let run = powerless(&a, &format!("path {} --mtu", b.v4())).expect(0);
    assert!(run.out.contains("path MTU 1400, as the way itself says"), "{run:?}");
    assert!(run.out.contains(&format!("told by hop 1 ({}): MTU 1400", r.v4())), "{run:?}");
    assert!(run.out.contains("the kernel has cached what it heard meanwhile"), "{run:?}");
    a.sysctl("net/ipv4/ping_group_range", "0 0").expect("set");
    let json = powerless(&a, &format!("path {} --json", b.v6())).expect(0).json();
    assert_eq!(json["report"]["method"], "icmp_datagram");
    let run = powerless(&a, &format!("path {} --tcp 9 --mtu", b.v4())).expect(4);
    assert!(run.err.contains("needs CAP_NET_RAW"), "{run:?}");
    assert!(powerless(&a, &format!("path {} --tcp 9 --flags A", b.v4())).code == Some(4));
}

#[test]
fn what_cannot_be_asked_is_refused_with_its_reason() {
    let Some((_lab, a, b)) = pair() else { return };
    for (line, code, said) in [
        ("path no-such-host.invalid", 3, "no-such-host.invalid"),
        ("path 10.9.9.9 -6", 2, "`10.9.9.9` is no IPv6 address"),
        ("path 10.9.9.9 -c 11 -i 10ms", 2, "below the polite floor of 100ms"),
        ("path 10.9.9.9 -s 30", 2, "30 bytes; ICMP over IPv4 needs 40"),
        ("path 10.9.9.9 -f 9 -m 3", 2, "from 9 to 3"),
        ("path 10.9.9.9 -I nope", 3, "nope"),
        ("path 10.9.9.9 -S 192.0.2.77", 3, "192.0.2.77"),
        ("path 10.9.9.9 --tcp 80 --udp", 2, "cannot be used with"),
        ("path 10.9.9.9 --tcp 80 --flags R", 2, "none of S, A and SE"),
        ("path 10.9.9.9 --port 53", 2, "--udp"),
    ] {
        let run = vision_in(&a, line).expect(code);
        assert!(run.err.contains(said), "{line}: {}", run.err);
    }
    let run = vision_in(&a, "path 10.9.9.9").expect(1);
    assert!(run.out.contains("not sent: ENETUNREACH"), "{run:?}");
    // More often than politeness allows only by a limit of one's own.
    vision_in(&a, &format!("path {} -c 11 -i 10ms --rate 1000", b.v4())).expect(0);
    let run = vision_in(&a, "path 10.9.9.9 -W 100ms --mtu").expect(1);
    assert!(run.out.contains("path MTU unknown: not sent"), "{run:?}");
}

#[test]
fn the_live_screen_ends_with_the_figures_of_a_report() {
    let Some(lab) = lab() else { return };
    let [a, r, b] = chain(&lab, ["a", "r", "b"]);
    let line = format!("{} path {} --live -c 4 -i 200ms", env!("CARGO_BIN_EXE_vision"), b.v4());
    // script(1) is a terminal, of the usual size; the end of what it reads would be a key.
    let terminal = format!("script -qec 'stty cols 100 rows 30; {line}' /dev/null");
    let said = a.sh(&format!("sleep 3 | {terminal}"));
    let (screen, rest) = said.split_once("\x1b[?1049l").expect("the screen was left");
    assert!(screen.contains("\x1b[?1049h") && screen.contains(&r.v4().to_string()), "{screen:?}");
    assert!(rest.contains("reached in 2 hops: echo reply"), "{rest:?}");
    let last = rest.lines().find(|line| line.starts_with("2 ")).expect("the second hop");
    let cells: Vec<_> = last.split_whitespace().collect();
    assert_eq!(cells[1..4], [&b.v4().to_string(), "0.0%", "4"]);
    let run = vision_in(&a, &format!("path {} --live", b.v4())).expect(2);
    assert!(run.err.contains("--live needs a terminal"), "{run:?}");
}
