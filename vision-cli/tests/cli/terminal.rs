//! What others named, wherever it comes from, never reaches a terminal raw.

mod packets;

use std::fs;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use vision_lab::Node;

use crate::run::{Run, command, finish, lab, vision, vision_in};
use crate::tools::{Background, background, has, host_script, script};

/// Sequences that write a clipboard, a title or a link, move the cursor, fake a line, hide text or
/// turn its direction, and bytes that are no text at all.
const SEQUENCES: &[&[u8]] = &[
    b"\x1b[31m",
    b"\x1b[2J\x1b[H",
    b"\x1b[1A\x1b[2K",
    b"\x1b]52;c;eA==\x07",
    b"\x1b]0;title\x07",
    b"\x1b]8;;http://x\x1b\\",
    b"\x1bP+q544e\x1b\\",
    b"\x1bc",
    b"\x1b[6n",
    b"\x1b[?1049h",
    b"\x1b(0",
    b"\r",
    b"a\rb",
    b"\x08\x08\x08",
    b"\x07",
    b"\x0b",
    b"\x0c",
    b"\x0e",
    b"\x7f",
    b"a\nb",
    b"\t",
    b"\xc2\x84",
    b"\xc2\x85",
    b"\xc2\x90q\xc2\x9c",
    b"\xc2\x9b31m",
    b"\xc2\x9d0;x\xc2\x9c",
    b"\x9b31m",
    b"\xff\xfe",
    b"\xc0\x9b",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae",
    b"\xe2\x80\xaa",
    b"\xe2\x81\xa6x\xe2\x81\xa9",
    b"\xe2\x80\x8f",
    b"\xe2\x80\x8b",
    b"\xe2\x80\x8d",
    b"\xe2\x81\xa0",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xd8\x9c",
    b"\xc2\xad",
    b"\xf3\xa0\x81\x81",
    b"\xef\xb8\x8e",
];

/// Whether a character does something else than be seen.
fn acts(c: char) -> bool {
    let code = u32::from(c);
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(code, 0xad | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069)
        || matches!(code, 0xfe00..=0xfe0f | 0xfeff | 0xe0000..=0xe007f)
}

/// What is left without the colours that are the program's own.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        match end.filter(|end| part.get(*end..=*end) == Some("m")) {
            Some(end) => left.push_str(&part[end + 1..]),
            None => left.push_str(&format!("\x1b[{part}")),
        }
    }
    left
}

fn assert_harmless(run: &Run, what: &str) {
    for bytes in [&run.raw.stdout, &run.raw.stderr] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}: {run:?}"));
        let raw = plain(text).chars().find(|c| acts(*c));
        assert!(raw.is_none(), "{what}: {raw:?}: {run:?}");
    }
    assert!(!run.err.contains("panicked"), "{what}: {run:?}");
}

/// Runs verbs in a node, as text, as text in colour and as JSON.
fn examine(node: &Node, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        for flags in ["", "--color always", "-v --json"] {
            let run = vision_in(node, &format!("{line} {flags}"));
            assert!(run.code.is_some_and(|code| code <= 3), "{line} {flags}: {run:?}");
            assert_harmless(&run, &format!("{line} {flags}"));
            if flags.contains("json") {
                for object in run.out.lines() {
                    let object: Result<serde_json::Value, _> = serde_json::from_str(object);
                    assert!(object.is_ok(), "{line}: {run:?}");
                }
            } else {
                shown.push_str(&run.out);
                shown.push_str(&run.err);
            }
        }
    }
    shown
}

/// Bytes as `printf` takes them.
fn octal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("\\{b:03o}")).collect()
}

/// At least so many of the sequences are shown, which proves that the source was one.
fn assert_shown(shown: &str, mark: &str, at_least: usize) {
    let seen = (0..SEQUENCES.len()).filter(|n| shown.contains(&format!("{mark}{n}z")));
    let seen = seen.count();
    assert!(seen >= at_least, "{seen} of {mark}: {shown}");
}

#[test]
fn names_aliases_and_comments_in_the_kernels_tables() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let mut text = String::from("nft 'add table inet t; add chain inet t c'\n");
    for (n, bytes) in SEQUENCES.iter().enumerate() {
        let bytes = octal(bytes);
        // Longer names, and those with a blank, are refused.
        text += &format!(
            "ip link add link{n} type bridge; ip link set link{n} alias \"$(printf 'al{n}z{bytes}')\"
             ip link set link{n} name \"$(printf 'if{n}z{bytes}')\" || ip link set link{n} up
             ip link property add dev lo altname \"$(printf 'alt{n}z{bytes}')\" || true
             nft \"add rule inet t c counter log prefix \\\"$(printf 'pre{n}z{bytes}')\\\" \
                 comment \\\"$(printf 'com{n}z{bytes}')\\\"\" || true\n"
        );
    }
    node.sh(&format!(
        "exec 2>/dev/null; {text} ip link set lo up; ip route add 10.7.0.0/16 dev lo"
    ));
    let shown = examine(&node, &["link", "link --stats", "route --all", "neigh --all", "sock -a"]);
    assert_shown(&shown, "al", 40);
    assert_shown(&shown, "if", 12);
    assert_shown(&shown, "alt", 20);
    let shown = examine(&node, &["fw", "fw --iptables", "fw --counters", "doctor 10.7.0.1:1"]);
    assert_shown(&shown, "com", 25);
    assert_shown(&shown, "pre", 25);
    on_a_terminal(&node, "link");
    on_a_terminal(&node, "fw");
    let json = vision_in(&node, "link --json").expect(0).json();
    let aliases: Vec<Vec<u8>> = json["report"]["links"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|link| match link["alias_hex"].as_str() {
            Some(hex) => (0..hex.len() / 2)
                .map(|n| u8::from_str_radix(&hex[2 * n..][..2], 16).ok())
                .collect(),
            None => Some(link["alias"].as_str()?.as_bytes().to_vec()),
        })
        .collect();
    for (n, bytes) in SEQUENCES.iter().enumerate() {
        let mut alias = format!("al{n}z").into_bytes();
        alias.extend_from_slice(bytes);
        // A shell's substitution loses a line feed at the end.
        assert!(aliases.contains(&alias), "{}", alias.escape_ascii());
    }
}

/// Writes to a terminal, which ends each line with a carriage return of its own.
fn on_a_terminal(node: &Node, line: &str) {
    if !has("script") {
        return;
    }
    let mut run = script(node, &format!("exec script -qec \"$V {line}\" /dev/null </dev/null"));
    assert!(run.out.contains("\r\n"), "{line}: no terminal: {run:?}");
    run.raw.stdout = run.out.replace("\r\n", "\n").into_bytes();
    assert_harmless(&run, line);
}

/// Programs with such names that hold a socket each.
fn listeners(node: &Node, folder: &Path) -> Vec<Background> {
    let nc =
        ["/bin/nc.openbsd", "/usr/bin/nc.openbsd"].into_iter().find(|nc| Path::new(nc).exists());
    let nc = nc.expect("nc.openbsd is installed");
    let start = |(n, bytes): (usize, &&[u8])| {
        let mut name = format!("p{n}z").into_bytes();
        name.extend_from_slice(bytes);
        let path = folder.join(std::ffi::OsStr::from_bytes(&name));
        if name.contains(&b'/') {
            return None;
        }
        std::os::unix::fs::symlink(nc, &path).expect("a link");
        let at = node.path().display().to_string();
        let word = octal(path.as_os_str().as_bytes());
        let text =
            format!("exec nsenter --net={at} \"$(printf '{word}')\" -l 127.0.0.1 {}", 7000 + n);
        let comm = |pid: u32| fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some(background(&text).until(|pid| comm(pid).starts_with(format!("p{n}z").as_bytes())))
    };
    SEQUENCES.iter().enumerate().filter_map(start).collect()
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vision-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn names_of_programs_namespaces_and_containers() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let folder = Folder::new("terminal");
    let started = listeners(&node, &folder.0);
    assert!(started.len() > 38);
    let shown = examine(&node, &["sock -l -p", "ns ls", "doctor 127.0.0.1:7001"]);
    assert_shown(&shown, "p", 38);
    let pid = started[0].0.id();
    let engine = Engine::start(&folder.0, pid);
    let _bundles = Bundles::make(pid);
    let mut set = String::from("mount -t tmpfs none /run/netns\n");
    for (n, bytes) in SEQUENCES.iter().enumerate() {
        let bytes = octal(bytes);
        set += &format!(
            "f=\"/run/netns/$(printf 'ns{n}z{bytes}')\"
             touch \"$f\" && mount --bind /proc/{pid}/ns/net \"$f\"\n"
        );
    }
    let set_up = folder.0.join("set-up");
    fs::write(&set_up, set).expect("written");
    let mut shown = String::new();
    let socket = engine.0.display();
    for line in [
        "ns ls".to_owned(),
        "ns ls --color always".into(),
        format!("ns ls --engine {socket}"),
        format!("ns ls --engine {socket} --json"),
        format!("ns of name --engine {socket}"),
        format!("link --pod engine --engine {socket} -v"),
    ] {
        let run = host_script(&format!(
            "exec unshare -m sh -c 'mkdir -p /run/netns; . {} 2>/dev/null; exec \"$V\" {line}'",
            set_up.display()
        ));
        assert_harmless(&run, &line);
        shown += &run.out;
        shown += &run.err;
    }
    assert_shown(&shown, "ns", 40);
    assert_shown(&shown, "ctr", 36);
    // That a process is a container's is not believed because an engine says so.
    assert!(!shown.contains("name1z"), "{shown}");
}

/// What runc leaves of containers with such names, all of one process.
struct Bundles(Vec<PathBuf>);

impl Bundles {
    fn make(pid: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
        // The name may hold anything: the last parenthesis ends it.
        let start = stat.rsplit(')').next().and_then(|rest| rest.split(' ').nth(20));
        let start = start.expect("22 fields");
        let state = format!(r#"{{"init_process_pid":{pid},"init_process_start":{start}}}"#);
        let make = |(n, bytes): (usize, &&[u8])| {
            let name = [format!("vision-{pid}-ctr{n}z").as_bytes(), bytes].concat();
            let path = Path::new("/run/runc").join(std::ffi::OsStr::from_bytes(&name));
            let whole = !name.contains(&b'/') && fs::create_dir_all(&path).is_ok();
            (whole && fs::write(path.join("state.json"), &state).is_ok()).then_some(path)
        };
        Self(SEQUENCES.iter().enumerate().filter_map(make).collect())
    }
}

impl Drop for Bundles {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// A container engine that says whatever it likes.
struct Engine(PathBuf);

impl Engine {
    fn start(folder: &Path, pid: u32) -> Self {
        let path = folder.join("engine.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let one = |(n, bytes): (usize, &&[u8])| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            serde_json::json!({
                "Id": format!("{n:064x}"),
                "Names": [format!("name{n}z{text}")],
                "Image": format!("image{n}z{text}"),
                "Pid": pid,
                "PodName": format!("pod{n}z{text}"),
                "Labels": {"io.kubernetes.pod.name": format!("kube{n}z{text}")},
            })
        };
        let all: Vec<_> = SEQUENCES.iter().enumerate().map(one).collect();
        let body = serde_json::to_string(&all).expect("JSON");
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
                let head = "HTTP/1.1 200 OK\r\nServer: Libpod/4.3.1 (linux)\r\n\
                            Libpod-Api-Version: 4.3.1\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self(path)
    }
}

/// Answers every question with one record of its type, whose data is the sequence asked for.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let label = query.get(13..13 + usize::from(*query.get(12)?))?;
    let n: usize = std::str::from_utf8(label).ok()?.strip_prefix(['d', 'D'])?.parse().ok()?;
    let mut text = format!("d{n}z").into_bytes();
    text.extend_from_slice(SEQUENCES.get(n)?);
    let end = 12 + query.get(12..)?.iter().position(|b| *b == 0)? + 5;
    let rtype = u16::from_be_bytes([*query.get(end - 4)?, *query.get(end - 3)?]);
    let length = u8::try_from(text.len()).ok()?;
    let string = [&[length], text.as_slice()].concat();
    let name = [string.as_slice(), &[0]].concat();
    let data = match rtype {
        2 | 5 | 12 => name,
        15 => [&[0, 1], name.as_slice()].concat(),
        33 => [&[0, 1, 0, 2, 0, 3], name.as_slice()].concat(),
        6 => [name.as_slice(), &name, &[0; 20]].concat(),
        13 => [string.as_slice(), &string].concat(),
        35 => [&[0, 1, 0, 2], string.as_slice(), &string, &string, &name].concat(),
        257 => [&[0], string.as_slice(), &text].concat(),
        65 => [&[0, 1, 0, 0, 1, 0, length + 1], string.as_slice()].concat(),
        256 => [&[0, 1, 0, 2], text.as_slice()].concat(),
        _ => string,
    };
    let mut reply = query.get(..end)?.to_vec();
    reply.get_mut(2..12)?.copy_from_slice(&[0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend([0xc0, 12]);
    reply.extend(rtype.to_be_bytes());
    reply.extend([0, 1, 0, 0, 0, 60]);
    reply.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    reply.extend(data);
    Some(reply)
}

#[test]
fn what_nameservers_and_peers_say() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let socket = node.enter(|| UdpSocket::bind("127.0.0.1:53").expect("port 53"));
    let listener = node.enter(|| TcpListener::bind("127.0.0.1:25").expect("port 25"));
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(reply) = buffer.get(..length).and_then(answer) {
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let n = n % SEQUENCES.len();
            let text = [format!("b{n}z").as_bytes(), SEQUENCES[n], b" 220 ready\r\n"].concat();
            let _ = stream.map(|mut stream| stream.write_all(&text));
        }
    });
    let types = [
        "TXT",
        "CNAME",
        "PTR",
        "MX",
        "SRV",
        "SOA",
        "HINFO",
        "NAPTR",
        "CAA",
        "HTTPS",
        "URI",
        "TYPE65400",
    ];
    let ask = |line: String| {
        let run = vision_in(&node, &line);
        assert!(matches!(run.code, Some(0 | 1)), "{line}: {run:?}");
        assert_harmless(&run, &line);
        run.out
    };
    let mut shown = String::new();
    for n in 0..SEQUENCES.len() {
        let rtype = types[n % types.len()];
        shown += &ask(format!("dns d{n}.lab TXT @127.0.0.1 -W 300ms"));
        shown += &ask(format!("dns d{n}.lab {rtype} @127.0.0.1 -W 300ms"));
        ask(format!("dns d{n}.lab {rtype} @127.0.0.1 -W 300ms --json"));
    }
    assert_shown(&shown, "d", 40);
    let mut shown = String::new();
    for _ in SEQUENCES {
        shown += &ask("tcp 127.0.0.1:25 --banner".to_owned());
    }
    ask("tcp 127.0.0.1:25 --banner --json".to_owned());
    assert_shown(&shown, "b", 40);
}

#[test]
fn what_a_containers_files_say() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let folder = Folder::new("files");
    let set = |at: &Path, bytes: Vec<u8>| fs::write(at, bytes).expect("written");
    let (resolv, hosts) = (folder.0.join("resolv.conf"), folder.0.join("hosts"));
    for (n, bytes) in SEQUENCES.iter().enumerate() {
        let line = |head: &str, tail: &str| {
            [head.as_bytes(), format!("f{n}z").as_bytes(), bytes, tail.as_bytes(), b"\n"].concat()
        };
        let servers = [
            b"nameserver 127.0.0.1\n".to_vec(),
            line("search ", ".lab"),
            line("options ", ""),
            line("nameserver fe80::1%", ""),
            line("", " unknown"),
        ];
        set(&resolv, servers.concat());
        set(&hosts, [line("127.0.0.1 ", ""), line("", " 127.0.0.2")].concat());
        for line in
            ["dns --search host -W 20ms -w 300ms", "doctor --no-probe", "ping f0z -c1 -w 300ms"]
        {
            let inner = format!(
                "mount --bind {} /etc/resolv.conf; mount --bind {} /etc/hosts; exec \"$V\" {line} -v",
                resolv.display(),
                hosts.display()
            );
            for json in ["", "--json"] {
                let run = script(&node, &format!("exec unshare -m sh -ec '{inner} {json}'"));
                assert_harmless(&run, line);
            }
        }
    }
}

#[test]
fn what_capture_files_and_packets_hold() {
    let folder = Folder::new("captures");
    let mut shown = String::new();
    for (n, bytes) in SEQUENCES.iter().enumerate() {
        let text = [format!("c{n}z").as_bytes(), bytes].concat();
        let file = folder.0.join(format!("{n}.pcapng"));
        fs::write(&file, packets::capture(&text)).expect("written");
        let file = file.display();
        for line in [
            format!("decode {file}"),
            format!("decode {file} --what"),
            format!("decode {file} -vv -e -XX"),
            format!("decode {file} -A"),
        ] {
            let run = vision(&line).expect(0);
            assert_harmless(&run, &line);
            shown += &run.out;
            assert_harmless(&vision(&format!("{line} --json")).expect(0), &line);
        }
        let name = [b"/tmp/vision-no-such-".as_slice(), &text].concat();
        for words in [&["decode"][..], &["capture", "-i", "lo", "-c1", "-w"], &["doctor", "--from"]]
        {
            let mut command = command("");
            command
                .args(words)
                .arg(std::ffi::OsStr::from_bytes(&[&name, b"/x".as_slice()].concat()));
            assert_harmless(&finish(command), "the name of a file");
        }
    }
    assert_shown(&shown, "c", 40);
}
