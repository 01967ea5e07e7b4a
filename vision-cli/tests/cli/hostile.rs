//! Names that others chose never reach a terminal raw.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::run::{Run, command, command_in, finish, lab, vision};

/// Bytes that move a cursor, write a clipboard, turn the writing direction or fake a line.
const PAYLOADS: &[&[u8]] = &[
    b"\x1b[31m",
    b"\x1b]52;c;eA==\x07",
    b"\x1b]0;title\x07",
    b"\r",
    b"\x08\x08",
    b"\x7f",
    b"\xc2\x9b31m",
    b"\xe2\x80\xae",
    b"\xe2\x80\x8b",
    b"\xff\xfe",
];

fn assert_harmless(run: &Run, what: &str) {
    for bytes in [&run.raw.stdout, &run.raw.stderr] {
        let control = |b: &u8| (*b < 0x20 && *b != b'\n' && *b != b'\t') || *b == 0x7f;
        assert!(!bytes.iter().any(control), "{what}: {run:?}");
        let text = std::str::from_utf8(bytes).expect("UTF-8");
        assert!(!text.contains(['\u{9b}', '\u{202e}', '\u{200b}']), "{what}: {run:?}");
    }
}

#[test]
fn names_of_interfaces_and_processes_are_escaped() {
    let Some(lab) = lab() else { return };
    for payload in PAYLOADS {
        let node = lab.node("h").expect("a node");
        let octal: String = payload.iter().map(|b| format!("\\{b:03o}")).collect();
        // Blanks, slashes and colons are no part of a name, nor is carriage return.
        let short = payload.len() <= 8 && !payload.contains(&b'\r');
        if short {
            node.sh(&format!("ip link add \"$(printf 'e{octal}')\" type veth peer name p0"));
            node.sh("ip link set p0 up");
        }
        node.sh(&format!("ip link set lo alias \"$(printf 'a{octal}')\""));
        let script = format!("cp $(command -v sleep) \"/tmp/vision-h-$$/$(printf 's{octal}')\"");
        let comm = format!(
            "mkdir /tmp/vision-h-$$; {script}; \"/tmp/vision-h-$$/$(printf 's{octal}')\" 9 & sleep 0.1; \
             {} ns ls; {} ns ls --json; kill $!; rm -r /tmp/vision-h-$$",
            env!("CARGO_BIN_EXE_vision"),
            env!("CARGO_BIN_EXE_vision")
        );
        let mut inside = std::process::Command::new("nsenter");
        inside.arg(format!("--net={}", node.path().display())).args(["sh", "-c", &comm]);
        assert_harmless(&finish(inside), "ns ls");
        for verb in ["link", "link --stats", "route --all", "neigh", "link --json", "route --json"]
        {
            let run = finish(command_in(&node, verb)).expect(0);
            assert_harmless(&run, verb);
            if verb.contains("json") {
                run.json();
            }
        }
    }
}

#[test]
fn what_the_user_typed_is_escaped_when_it_is_repeated() {
    for payload in PAYLOADS {
        let word = OsStr::from_bytes(payload);
        let with = |line: &str, prefix: &str| {
            let mut command = command(line);
            let mut arg = prefix.as_bytes().to_vec();
            arg.extend_from_slice(word.as_bytes());
            command.arg(OsStr::from_bytes(&arg));
            finish(command)
        };
        for (line, prefix) in [
            ("", "verb"),
            ("link", "eth"),
            ("link --in", "netns:x"),
            ("link --in", "path:/x"),
            ("ping", "host"),
            ("ping 127.0.0.1 -I", "e"),
            ("tcp", "127.0.0.1:"),
            ("ping 127.0.0.1 -i", "1"),
            ("dns a @127.0.0.1", "TYPE"),
            ("explain", "link."),
            ("route get", "10"),
            ("arp 127.0.0.1 -I", "x"),
            ("ns exec self", "/no/such"),
        ] {
            let run = with(line, prefix);
            assert_ne!(run.code, Some(0), "{line}");
            assert_harmless(&run, line);
            assert_harmless(&with(&format!("--json {line}"), prefix), line);
        }
    }
}

#[test]
fn colour_is_for_terminals_or_on_demand() {
    assert!(!vision("link").expect(0).out.contains('\x1b'));
    assert!(!vision("link --color never").expect(0).out.contains('\x1b'));
    assert!(vision("link --color always").expect(0).out.contains("\x1b["));
    assert!(!vision("link --color always --json").expect(0).out.contains('\x1b'));
}
