//! The rooms of this crate import only what the table below says. Tests may import anything.

use std::{fs, path::Path};

/// Room, the rooms it may import, and the foreign crates behind its door; the crate `http` is not
/// told from modules of that name.
const ROOMS: &[(&str, &str, &str)] = &[
    ("base", "", "nix ipnet jiff getrandom"),
    ("wire", "base", "etherparse"),
    ("sys", "base", "nix socket2"),
    ("netns", "base sys", "nix serde_json httparse h2 bytes tokio"),
    ("socket", "base sys netns", "nix socket2"),
    ("netlink", "base sys netns", "nix netlink_bindings"),
    ("inventory", "base netns netlink wire", "nix"),
    ("watch", "base sys netns netlink inventory", "nix"),
    ("firewall", "base sys netns netlink inventory", "nix"),
    (
        "probe",
        "base sys netns socket wire inventory",
        "nix socket2 hdrhistogram rustls webpki webpki_roots",
    ),
    ("doctor", "base netns wire inventory probe firewall", "nix serde_json"),
    ("capture", "base sys netns netlink wire", "nix socket2 flate2 ruzstd"),
    ("aio", "base", "tokio futures_core"),
];
/// Foreign crates that these files only may name.
const DOORS: &[(&str, &str)] = &[
    ("hickory_proto", "wire/dns/rdata/foreign.rs wire/dns/verify.rs"),
    ("rustls", "probe/dns/secure.rs probe/tls/hello.rs"),
    ("webpki", "probe/tls/hello.rs"),
    ("webpki_roots", "probe/dns/secure.rs probe/tls/hello.rs"),
    ("netlink_sys", "netlink/socket.rs"),
    ("httparse", "netns/runtime/http.rs"),
    ("h2", "netns/runtime/cri/link.rs"),
    ("bytes", "netns/runtime/cri/link.rs"),
    ("tokio", "netns/runtime/cri/link.rs aio.rs"),
    ("hdrhistogram", "probe/spread.rs"),
    ("regex_automata", "capture/search/regex.rs"),
    ("regex_syntax", "capture/search/regex.rs"),
];

#[test]
fn rooms_import_only_what_their_layer_allows() {
    let mut bad = Vec::new();
    visit(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref(), "", &mut bad);
    assert!(bad.is_empty(), "\n{}\n", bad.join("\n"));
}

fn visit(folder: &Path, below: &str, bad: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a readable folder").flatten() {
        let file = format!("{below}{}", entry.file_name().display());
        if entry.path().is_dir() {
            visit(&entry.path(), &format!("{file}/"), bad);
        } else if file != "lib.rs" && !file.ends_with("tests.rs") {
            let text = fs::read_to_string(entry.path()).expect("a source");
            for (at, line) in (1..).zip(text.lines().take(code(&text))) {
                let bare = line.split("//").next().unwrap_or_default();
                let fault = fault(&file, bare).map(|it| format!("src/{file}:{at}: {it}"));
                bad.extend(fault);
            }
        }
    }
}

/// How many lines come before the test module, which ends its file.
fn code(text: &str) -> usize {
    let mut pairs = text.lines().zip(text.lines().skip(1));
    let tests = |(line, next): (&str, &str)| {
        line.trim_start().starts_with("#[cfg(") && next.ends_with("tests {")
    };
    pairs.position(tests).unwrap_or(usize::MAX)
}

fn fault(file: &str, line: &str) -> Option<String> {
    let room = file.split(['/', '.']).next().unwrap_or_default();
    let Some((_, rooms, crates)) = ROOMS.iter().find(|r| r.0 == room) else {
        return Some(format!("the room {room} is not in the table"));
    };
    let lists = |list: &str, name: &str| list.split(' ').any(|word| word == name);
    let mut paths = line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    paths.find_map(|path| {
        let (head, rest) = path.split_once("::")?;
        let next = rest.split(':').next().unwrap_or_default();
        let upward = next != room && ROOMS.iter().any(|r| r.0 == next) && !lists(rooms, next);
        let foreign = ROOMS.iter().any(|r| lists(r.2, head)) && !lists(crates, head);
        let door = DOORS.iter().any(|d| d.0 == head && !lists(d.1, file));
        // `use crate::{…}` would hide the rooms it names.
        let hidden = head == "crate" && (next.is_empty() || upward);
        (hidden || foreign || door).then(|| format!("{room} may not import {head}::{next}"))
    })
}
