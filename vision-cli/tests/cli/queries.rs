//! `--query` beside jq, and `--where` on lists.

use std::io::Write;
use std::process::{Command, Stdio};

use vision_lab::Node;

use crate::run::{Run, command, command_in, finish, pair, vision, vision_in};

/// What `jq -r` makes of some documents.
fn jq(filter: &str, documents: &str) -> String {
    let mut jq = Command::new("jq");
    let piped = jq.arg("-r").arg(filter).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.spawn().expect("jq");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(documents.as_bytes()).expect("written");
    drop(stdin);
    let ran = child.wait_with_output().expect("ends");
    assert!(ran.status.success(), "{filter} {ran:?}");
    String::from_utf8(ran.stdout).expect("UTF-8")
}

fn with(node: &Node, line: &str, more: &[&str]) -> Run {
    let mut command = command_in(node, line);
    command.args(more);
    finish(command)
}

#[test]
fn a_query_prints_what_jq_prints() {
    let Some((_lab, a, b)) = pair() else { return };
    vision_in(&a, &format!("ping -c 1 {}", b.v4())).expect(0);
    let cases = [
        ("link", ".report.links[].name"),
        ("link", ".report.links | map(select(.flags | index(\"UP\"))) | length"),
        ("link", "[.report.links[] | {name, mtu}]"),
        ("link", ".report.links[] | \"\\(.name) \\(.mtu)\", .ifindex, null, [.name, {}]"),
        ("route", ".report.routes[] | .dst"),
        ("route", ".schema, (.report | keys[])"),
        ("neigh", ".report.neighbours | length"),
        ("sock -a", ".report | to_entries[] | select(.value | type == \"array\") | .key"),
        ("stat", "[.. | numbers] | length > 10"),
    ];
    for (line, filter) in cases {
        let documents = vision_in(&a, &format!("{line} --json")).expect(0).out;
        let ours = with(&a, line, &["--query", filter]).expect(0);
        assert_eq!(ours.out, jq(filter, &documents), "{line} {filter}");
        assert!(!ours.out.is_empty() && ours.err.is_empty(), "{line} {filter} {ours:?}");
    }
    // A stream: every document by itself, as it comes.
    let pings = format!("ping -c 3 -i 10ms {}", b.v4());
    let filter = "select(.type == \"event\") | .event.seq";
    let documents = vision_in(&a, &format!("{pings} --json")).expect(0).out;
    assert_eq!(with(&a, &pings, &["--query", filter]).expect(0).out, jq(filter, &documents));
}

#[test]
fn a_query_that_makes_no_sense_is_pointed_at() {
    let wrong = |filter: &str| {
        let mut run = command("caps");
        run.args(["--query", filter]);
        finish(run)
    };
    let run = wrong(".report | nope").expect(2);
    assert!(run.err.contains("  .report | nope\n            ^~~~\n"), "{run:?}");
    assert!(run.err.contains("there is no filter `nope`") && run.out.is_empty(), "{run:?}");
    assert!(wrong(".a[").expect(2).err.contains("bad query: expected"));
    let run = wrong(".schema, (.schema | keys)").expect(2);
    assert_eq!((run.out.as_str(), run.err.lines().count()), ("vision/caps@1\n", 1), "{run:?}");
    assert!(run.err.contains("the query failed: "), "{run:?}");
    // What kept the verb from its answer is still said.
    let run = vision("link --in netns:not-there --query .report").expect(3);
    assert!(run.out.is_empty() && run.err.contains("not-there"), "{run:?}");
}
