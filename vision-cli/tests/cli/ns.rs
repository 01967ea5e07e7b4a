//! `vision ns map`, `show`, `diff` and `snapshot`.

use vision_lab::Lab;

use crate::run::{command, finish, lab, vision, vision_in};

/// A bridge with two containers, each with a process to be found by.
fn town(lab: &Lab) -> (vision_lab::Bridge, Vec<vision_lab::Proc>) {
    let bridge = lab.bridge("host", &["web", "db"]).expect("a bridge");
    let nodes = [&bridge.host, bridge.container("web"), bridge.container("db")];
    let processes = nodes.map(vision_lab::Node::sleeper).into();
    (bridge, processes)
}

#[test]
fn the_map_is_a_tree_json_a_flowchart_and_a_picture() {
    let Some(lab) = lab() else { return };
    let (bridge, processes) = town(&lab);
    let (web, db) = (&bridge.containers[0], &bridge.containers[1]);
    let (host_pid, web_pid) = (processes[0].pid(), processes[1].pid());
    let tree = vision("ns map --engine none").expect(0).out;
    let port = format!("│  ├─ v-web veth up <-> eth0 in pid:{web_pid} ({}/24", web.v4());
    assert!(tree.contains(&port) || tree.contains(&port.replacen('│', " ", 1)), "{port}\n{tree}");
    assert!(tree.contains(&format!("pid:{host_pid}  net:[{}]", bridge.host.inode())), "{tree}");
    assert!(tree.contains(&format!("eth0 veth up {}/24", db.v4())), "{tree}");
    let json = vision("ns map --engine none --json").expect(0).json();
    assert_eq!(json["schema"], "vision/ns-map@1");
    let all = json["report"]["namespaces"].as_array().expect("namespaces");
    let host = all.iter().find(|one| one["id"]["ino"] == bridge.host.inode()).expect("the host");
    let ports = host["links"].as_array().expect("links");
    let port = ports.iter().find(|link| link["name"] == "v-db").expect("a port");
    assert_eq!(port["other_end"]["netns"]["ino"], db.inode());
    let chart = vision("ns map --engine none --mermaid").expect(0).out;
    assert!(chart.starts_with("flowchart LR\n") && chart.contains("v-web in br0"), "{chart}");
    let wires = chart.lines().filter(|line| line.starts_with("  n") && line.contains(" --- "));
    assert!(wires.count() >= 2, "{chart}");
    let picture = vision("ns map --engine none --svg").expect(0).out;
    assert!(picture.starts_with("<?xml") && picture.trim_end().ends_with("</svg>"), "{picture}");
    assert!(picture.contains("v-web in br0"), "{picture}");
    vision("ns map --svg --json").expect(2);
}

#[test]
fn names_from_containers_cannot_break_a_picture_or_a_terminal() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let process = node.sleeper();
    node.sh("ip link add '<b>\"&#' type veth peer name \"$(printf 'x\\033[31m')\"");
    let tree = vision("ns map --engine none").expect(0).out;
    assert!(!tree.contains('\u{1b}') && tree.contains("\\x1b[31m"), "{tree}");
    let chart = vision("ns map --engine none --mermaid").expect(0).out;
    assert!(!chart.contains('\u{1b}') && chart.contains("#lt;b#gt;#quot;#amp;#35;"), "{chart}");
    let picture = vision("ns map --engine none --svg").expect(0).out;
    assert!(!picture.contains('\u{1b}') && !picture.contains("<b>"), "{picture}");
    assert!(picture.contains("&lt;b&gt;"), "{picture}");
    drop(process);
}

#[test]
fn a_namespace_is_shown_with_files_and_settings() {
    let Some(lab) = lab() else { return };
    let (bridge, processes) = town(&lab);
    let line = format!("ns show pid:{} --files --sysctl net.ipv4.ip_forward", processes[0].pid());
    let run = vision(&line).expect(0);
    assert!(run.out.contains("net.ipv4.ip_forward = 1"), "{run:?}");
    assert!(run.out.contains("/etc/hosts") && run.out.contains("br0 bridge up"), "{run:?}");
    let json =
        vision_in(&bridge.host, "ns show --sysctl net.ipv4.conf.br0 --json").expect(0).json();
    let settings = json["report"]["settings"].as_array().expect("settings");
    assert!(settings.iter().any(|one| one["name"] == "net.ipv4.conf.br0.rp_filter"), "{json}");
    let run = vision_in(&bridge.host, "ns show --sysctl kernel.hostname").expect(2);
    assert!(run.err.contains("`kernel.hostname` is not below net"), "{run:?}");
    vision_in(&bridge.host, "ns show --sysctl net.nosuch").expect(3);
}

#[test]
fn differences_are_found_between_targets_and_against_a_file() {
    let Some(lab) = lab() else { return };
    let (bridge, processes) = town(&lab);
    let db = bridge.container("db");
    let [_, web_pid, db_pid] = [0, 1, 2].map(|n: usize| processes[n].pid());
    let run = vision(&format!("ns diff pid:{db_pid} pid:{db_pid}")).expect(0);
    assert!(run.out.contains("the same: links, addrs, routes"), "{run:?}");
    let run = vision(&format!("ns diff pid:{web_pid} pid:{db_pid}")).expect(1);
    assert!(run.out.contains(&format!("+ {}/24 dev eth0", db.v4())), "{run:?}");
    let file = std::env::temp_dir().join(format!("vision-diff-{}.json", std::process::id()));
    let before = vision(&format!("ns snapshot pid:{db_pid}")).expect(0);
    std::fs::write(&file, &before.out).expect("written");
    db.sh("ip link set eth0 mtu 1300");
    let run = vision(&format!("ns diff {} pid:{db_pid}", file.display())).expect(1);
    assert!(run.out.contains("~ eth0  mtu_bytes 1500 -> 1300"), "{run:?}");
    let json = vision(&format!("ns diff {} pid:{db_pid} --json", file.display())).expect(1).json();
    assert_eq!(json["report"]["unequal"][0]["what"], "eth0");
    for (text, code, word) in [
        ("{}", 2, "is no snapshot"),
        ("not json", 2, "is no JSON"),
        ("{\"schema\":\"vision/link@1\",\"report\":{}}", 2, "not a snapshot"),
    ] {
        std::fs::write(&file, text).expect("written");
        let run = vision(&format!("ns diff {} self", file.display())).expect(code);
        assert!(run.err.contains(word) && run.err.contains("vision ns snapshot"), "{run:?}");
    }
    let _ = std::fs::remove_file(&file);
    finish(command(&format!("ns diff {} self", file.display()))).expect(3);
}
