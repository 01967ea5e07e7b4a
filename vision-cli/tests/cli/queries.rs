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
        ("link", "[.report.links[] | {name, mtu_bytes}]"),
        ("link", ".report.links[] | \"\\(.name) \\(.mtu_bytes)\", .ifindex, null, [.name, {}]"),
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

/// Rows of a list by its name in the report.
fn rows(run: &Run, list: &str) -> Vec<serde_json::Value> {
    run.json()["report"][list].as_array().unwrap_or_else(|| panic!("{run:?}")).clone()
}

#[test]
fn conditions_leave_the_rows_that_jq_selects() {
    let Some((_lab, a, b)) = pair() else { return };
    vision_in(&a, &format!("ping -c 1 {}", b.v4())).expect(0);
    a.sh("ip neigh replace 10.99.0.2 dev eth0 lladdr 02:00:00:00:00:08 nud failed");
    a.sh("ip link add d0 mtu 9000 type bridge");
    a.sh("ip neigh replace 10.99.0.1 dev d0 lladdr 02:00:00:00:00:09 nud permanent");
    let cases = [
        ("neigh", "neighbours", "state==FAILED", "select(.state == \"FAILED\")"),
        (
            "neigh",
            "neighbours",
            "lladdr!=02:00:00:00:00:09",
            "select(.lladdr != \"02:00:00:00:00:09\")",
        ),
        ("neigh", "neighbours", "dst=~^10[.]99", "select(.dst | startswith(\"10.99\"))"),
        ("link", "links", "mtu_bytes>1500", "select(.mtu_bytes > 1500)"),
        (
            "link",
            "links",
            "addrs.local!=127.0.0.1",
            "select(all(.addrs[]; .local != \"127.0.0.1\"))",
        ),
        ("link", "links", "flags==UP", "select(.flags | index(\"UP\"))"),
        ("route", "routes", "kind==unicast", "select(.kind == \"unicast\")"),
        ("route --rules", "rules", "priority>0", "select(.priority > 0)"),
        ("ns ls", "namespaces", "processes>0", "select(.processes > 0)"),
        ("stat", "counters", "name=~^Ip", "select(.name | startswith(\"Ip\"))"),
    ];
    for (line, list, condition, filter) in cases {
        // Namespaces are the machine's; the rest is the node's.
        let own = |more: &[&str]| match line {
            "ns ls" => {
                let mut run = command(line);
                run.args(more);
                finish(run)
            }
            _ => with(&a, line, more),
        };
        let wanted = |all: &Run| jq(&format!("[.report.{list}[] | {filter}] | length"), &all.out);
        // The kernel adds neighbours of its own: what is compared did not change meanwhile.
        let unchanged = (0..20).find_map(|_| {
            let all = own(&["--json"]).expect(0);
            let some = own(&["--json", "--where", condition]).expect(0);
            let after = own(&["--json"]).expect(0);
            (wanted(&all) == wanted(&after)).then_some((all, some))
        });
        let (all, some) = unchanged.expect("rows that stay");
        let wanted = wanted(&all);
        let found = rows(&some, list);
        assert_eq!(found.len().to_string(), wanted.trim(), "{line} {condition}");
        assert!(!found.is_empty() && found.len() <= rows(&all, list).len(), "{line} {condition}");
        if matches!(line, "neigh" | "route --rules" | "stat") {
            let text = own(&["--where", condition]).expect(0);
            let lines = text.out.lines().filter(|it| !it.starts_with(' ')).count();
            assert_eq!(lines, found.len(), "{line} {condition} {text:?}");
        }
    }
    let both = ["--json", "--where", "dst=~^10[.]99", "--where", "state == permanent"];
    assert_eq!(rows(&with(&a, "neigh", &both).expect(0), "neighbours").len(), 1);
}

#[test]
fn a_condition_that_makes_no_sense_is_said() {
    let Some((_lab, a, _b)) = pair() else { return };
    let run = with(&a, "link", &["--where", "nmae==lo"]).expect(2);
    assert!(run.err.contains("no row has a field `nmae`; there are "), "{run:?}");
    assert!(run.err.contains(", name, ") && run.out.is_empty(), "{run:?}");
    let run = with(&a, "route", &["--json", "--where", "via.x==1"]).expect(2);
    assert_eq!(run.json()["error"]["kind"], "invalid", "{run:?}");
    assert!(with(&a, "link", &["--where", "name=lo"]).expect(2).err.contains("state==FAILED"));
    assert!(with(&a, "caps", &["--where", "a==b"]).expect(2).err.contains("flag"));
}
