//! One line that names the input, the reason and the next step; the right code.

use crate::run::{command, finish, lab, powerless, vision, vision_in};

/// What is asked, the code, and what the line must hold.
const REFUSALS: &[(&str, i32, &str)] = &[
    (
        "pign 127.0.0.1",
        2,
        "vision: unrecognized subcommand 'pign'; a similar subcommand exists: 'ping'",
    ),
    ("ping", 2, "usage: vision ping"),
    ("ping 127.0.0.1 -i 5parsecs", 2, "`5parsecs` has an unknown unit"),
    ("ping 127.0.0.1 -c 0", 2, "'0'"),
    ("ping 127.0.0.1 -i 1us", 2, "below the polite floor"),
    ("ping 10.0.0", 2, "`10.0.0` is not a complete IPv4 address"),
    ("ping -6 127.0.0.1", 2, "`127.0.0.1` is no IPv6 address"),
    ("ping -4 -6 127.0.0.1", 2, "-4 and -6 exclude each other"),
    (
        "ping 127.0.0.1 -I eth9 -c1",
        3,
        "vision: interface `eth9` not found; list them with `vision link`",
    ),
    ("ping --sweep 10.0.0.0/0", 2, "`10.0.0.0/0` is every address there is"),
    ("ping --sweep 10.0.0.0/8", 2, "take it in parts"),
    ("ping --sweep 10.0.0.9-10.0.0.1", 2, "is empty"),
    ("ping --sweep 10.0.0", 2, "`10.0.0` is not ADDRESS/BITS, FIRST-LAST or an address"),
    ("ping --from /no/such", 2, "cannot read `/no/such`: No such file"),
    ("ping --sweep 127.0.0.0/30 --rate 0", 2, "`0` is neither a number of packets"),
    ("ping --sweep 127.0.0.0/30 --pct 101", 2, "`101` is not a number from 0 to 100"),
    ("ping --sweep 127.0.0.0/30 --alive --unreachable", 2, "cannot be used with"),
    ("ping 127.0.0.1 224.0.0.1", 2, "`224.0.0.1` is a group"),
    ("scan", 2, "usage: vision scan"),
    ("scan 127.0.0.1 -p 9-3", 2, "`9-3` ends before it starts"),
    ("scan 127.0.0.1 -p 70000", 2, "`70000` is not a number from 1 to 65535"),
    ("scan 127.0.0.1 -p ssh", 2, "`ssh` is not a number"),
    ("scan 127.0.0.1 --flood", 2, "floods are not sent"),
    ("scan 127.0.0.1 -D 10.0.0.1", 2, "forged sources are not sent"),
    ("scan 127.0.0.1 --spoof 10.0.0.1", 2, "forged sources are not sent"),
    ("scan 127.0.0.1 -S 10.99.0.1", 3, "source address 10.99.0.1"),
    ("scan 0.0.0.0", 2, "`0.0.0.0` is not one host"),
    ("scan --hosts ::/0", 2, "every address there is"),
    ("udp 127.0.0.1", 2, "`127.0.0.1` lacks a port: HOST:PORT"),
    ("udp 127.0.0.1:1-100", 2, "are for `vision scan HOST -p PORTS --udp`"),
    ("udp 127.0.0.1:53 --payload dnz", 2, "`dnz` is none of empty, dns,"),
    ("udp 127.0.0.1:53 --payload hex:0", 2, "`hex:0` is not pairs of hexadecimal digits"),
    ("tcp 127.0.0.1", 2, "`127.0.0.1` lacks a port: HOST:PORT"),
    ("tcp 127.0.0.1:70000", 2, "`70000` is not a number from 1 to 65535"),
    ("tcp 127.0.0.1:9-3", 2, "`9-3` ends before it starts"),
    ("tcp 127.0.0.1:80 -W 2", 2, "`2` lacks a unit"),
    ("tcp 127.0.0.1:80 --budget 2", 2, "`2` lacks a unit"),
    ("tcp fd00::1:80", 2, "[ADDRESS]:PORT"),
    ("link --in pid:x", 2, "`pid:x` needs a process number"),
    ("link --in box:web", 2, "`box:web` is of no known kind"),
    ("link --in pid:1 --host", 2, "`pid:1` and `host` were named"),
    ("link --pid 4194303", 3, "vision: process 4194303 not found; list them with `vision ns ls`"),
    ("link --netns no-such-name", 3, "namespace `no-such-name`"),
    ("link --in ctr:", 2, "`ctr:` has nothing after the colon"),
    ("link --pod a/b/c", 2, "pod:NAMESPACE/NAME"),
    ("link --container a --pod b", 2, "`ctr:a` and `pod:b` were named"),
    ("link --container no-such-name", 3, "container `no-such-name`"),
    ("link --pod shop/no-such-name", 3, "pod `shop/no-such-name`"),
    ("link --in ctr:x --engine docker", 2, "`docker` is no path"),
    ("ns exec --rootless -- true", 2, "--new"),
    ("link --in path:/dev/null", 2, "/dev/null is no namespace"),
    ("link --in path:/no/such", 3, "/no/such not found"),
    ("link -S 10.0.0.1", 2, "-S has no meaning for this verb"),
    ("caps --pid 1", 2, "--in has no meaning for this verb"),
    ("route get 10.0.0.300", 2, "10.0.0.300"),
    ("route get 127.0.0.1 --mark x", 2, "`x` is not a number"),
    ("arp 192.0.2.1 -I eth9", 3, "interface `eth9`"),
    ("doctor db:1-9", 2, "`db:1-9` names several ports"),
    ("doctor --save /etc/passwd", 2, "`/etc/passwd` exists"),
    ("doctor --from /no/such", 3, "file `/no/such` not found"),
    ("doctor --from /etc/passwd", 2, "bad case file"),
    ("explain gateway", 3, "near: route.gateway-not-router, neigh.gateway-no-answer"),
    ("ns exec self --json -- true", 2, "--json has no meaning here"),
];

#[test]
fn every_refusal_is_one_line_with_its_code() {
    for (line, code, part) in REFUSALS.iter().filter(|row| !row.0.contains("--json")) {
        let run = vision(line);
        assert_eq!(run.code, Some(*code), "{line}: {run:?}");
        assert_eq!(run.err.lines().count(), 1, "{line}: {run:?}");
        assert!(run.err.starts_with("vision: "), "{line}: {run:?}");
        assert!(run.err.contains(part), "{line}: `{part}` is missing in {}", run.err);
        assert!(run.out.is_empty(), "{line}: {run:?}");
    }
}

#[test]
fn with_json_every_refusal_is_an_object_on_stdout() {
    for (line, code, part) in REFUSALS {
        let line = line.replace("--json ", "");
        let run = vision(&format!("--json {line}")).expect(*code);
        let error = &run.json()["error"];
        assert!(run.err.is_empty(), "{line}: {run:?}");
        assert!(error["kind"].is_string() && error["message"].is_string(), "{line}: {run:?}");
        let all = format!("vision: {}; {}", error["message"], error["hint"]).replace('"', "");
        assert!(all.replace('\\', "").contains(&part.replace("vision: ", "")), "{line}: {all}");
    }
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let run = vision_in(&node, "ping 127.0.0.1 -S 192.0.2.99 -c1").expect(3);
    assert!(run.err.contains("source address 192.0.2.99"), "{run:?}");
    assert!(run.err.contains("with `vision link`"), "{run:?}");
}

#[test]
fn a_target_of_another_needs_a_capability_that_is_named() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let other = lab.node("o").expect("a node");
    let run = powerless(&other, &format!("--pid {} link", sleeper.pid()));
    let run = run.expect(4);
    assert!(run.err.contains("needs CAP_SYS_"), "{run:?}");
    assert!(run.err.contains("hostPID: true") && run.err.contains("--pid host"), "{run:?}");
}

#[test]
fn an_ambiguous_word_lists_its_meanings() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let sleeper = node.sleeper();
    let name = sleeper.pid().to_string();
    // Both a name under /run/netns and a process: made in a mount namespace of its own.
    let script = format!(
        "mkdir -p /run/netns && mount -t tmpfs none /run/netns && touch /run/netns/{name} && \
         exec {} --in {name} link",
        env!("CARGO_BIN_EXE_vision")
    );
    let mut sh = std::process::Command::new("unshare");
    sh.args(["-m", "sh", "-ec", &script]);
    let run = finish(sh).expect(3);
    let choices = format!("is ambiguous: netns:{name}, pid:{name}; write one of them in full");
    assert!(run.err.contains(&choices), "{run:?}");
}

#[test]
fn help_and_version_succeed() {
    assert_eq!(
        vision("--version").expect(0).out,
        format!("vision {}\n", env!("CARGO_PKG_VERSION"))
    );
    for verb in "doctor explain ns link route neigh sock ping tcp arp dns caps".split(' ') {
        let help = vision(&format!("{verb} --help")).expect(0).out;
        assert!(help.contains("Examples:\n  vision "), "{verb}: {help}");
    }
    let bare = finish(command("")).expect(2);
    assert!(bare.out.is_empty() && bare.err.contains("Usage: vision"), "{bare:?}");
}

#[test]
fn no_descriptor_left_is_an_error_and_no_panic() {
    for limit in 3..12 {
        for verb in ["link", "route", "sock", "ns ls", "ping 127.0.0.1 -c1", "tcp 127.0.0.1:1"] {
            let mut run = std::process::Command::new("sh");
            let script = format!("ulimit -n {limit}; exec {} {verb}", env!("CARGO_BIN_EXE_vision"));
            run.args(["-c", &script]);
            let run = finish(run);
            let code = run.code.expect("no signal");
            // With next to none, not even the C library can be loaded.
            let loaded = !run.err.contains("shared libraries");
            assert!(code <= 5 || !loaded, "{verb} with {limit}: {run:?}");
            assert!(!run.err.contains("panicked"), "{verb} with {limit}: {run:?}");
        }
    }
}
