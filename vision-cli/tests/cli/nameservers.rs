//! Nameservers that lie, flood, drip or never end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use vision_lab::Node;

use crate::run::{lab, vision_in};

/// The question of a query, without its header.
fn question(query: &[u8]) -> &[u8] {
    let end = query.iter().skip(12).position(|b| *b == 0).map_or(query.len(), |at| 12 + at + 5);
    query.get(12..end).unwrap_or_default()
}

/// A reply with these flags, counts and what follows the question.
fn reply(query: &[u8], flags: [u8; 2], counts: [u8; 6], rest: &[u8]) -> Vec<u8> {
    let id = query.get(..2).unwrap_or(&[0, 0]);
    [id, &flags, &[0, 1], &counts, question(query), rest].concat()
}

fn a_record(owner: &[u8]) -> Vec<u8> {
    [owner, &[0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]].concat()
}

/// An alias to the name at an offset of the message.
fn alias(owner: &[u8], to: &[u8]) -> Vec<u8> {
    let length = u8::try_from(to.len()).expect("short");
    [owner, &[0, 5, 0, 1, 0, 0, 0, 60, 0, length], to].concat()
}

type Replies = fn(&[u8]) -> Vec<Vec<u8>>;

const ANSWER: [u8; 2] = [0x85, 0x80];

/// What comes back for each datagram.
const LIES: &[(&str, Replies)] = &[
    ("a name that points at itself", |query| {
        let at = u8::try_from(12 + question(query).len()).expect("short");
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &a_record(&[0xc0, at]))]
    }),
    ("names that point at each other", |query| {
        let at = u8::try_from(12 + question(query).len()).expect("short");
        let names = [0xc0, at + 2, 0xc0, at];
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &a_record(&names))]
    }),
    ("a name that points forwards", |query| {
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &a_record(&[0xc0, 0xff]))]
    }),
    ("labels of a kind that is not there", |query| {
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &a_record(&[0x80, 1, 0x40, 2]))]
    }),
    ("more records than fit", |query| {
        vec![reply(query, ANSWER, [0xff; 6], &a_record(&[0xc0, 12]))]
    }),
    ("the longest datagram", |query| {
        let records: Vec<u8> = (0..4000).flat_map(|_| a_record(&[0xc0, 12])).collect();
        vec![reply(query, ANSWER, [0x0f, 0xa0, 0, 0, 0, 0], &records)]
    }),
    ("data longer than the message", |query| {
        let mut record = a_record(&[0xc0, 12]);
        record[10..12].copy_from_slice(&[0xff, 0xff]);
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &record)]
    }),
    ("an alias of itself", |query| {
        vec![reply(query, ANSWER, [0, 1, 0, 0, 0, 0], &alias(&[0xc0, 12], &[0xc0, 12]))]
    }),
    ("aliases without an end", |query| {
        let chain: Vec<u8> = (0..60)
            .flat_map(|n| {
                let (own, next) = ([2, b'x', 33 + n, 0], [2, b'x', 34 + n, 0]);
                alias(if n == 0 { &[0xc0, 12] } else { &own }, &next)
            })
            .collect();
        vec![reply(query, ANSWER, [0, 60, 0, 0, 0, 0], &chain)]
    }),
    ("a question and no answer", |query| vec![query.to_vec()]),
    ("nothing but a head", |query| vec![query.get(..12).unwrap_or_default().to_vec()]),
    ("an empty datagram", |_| vec![Vec::new()]),
    ("always cut, over TCP as well", |query| {
        vec![reply(query, [0x87, 0x80], [0, 0, 0, 0, 0, 0], &[])]
    }),
    ("three thousand times that there is no such name", |query| {
        vec![reply(query, [0x85, 0x83], [0; 6], &[]); 3000]
    }),
    ("three thousand answers to others", |query| {
        let other = |n: u16| {
            let mut other = reply(query, ANSWER, [0; 6], &[]);
            other.splice(..2, n.to_be_bytes());
            other
        };
        (0..3000).map(other).collect()
    }),
    ("a code that is not there", |query| vec![reply(query, [0x85, 0x8f], [0; 6], &[])]),
    ("an option that does not end", |query| {
        let opt = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 6, 0, 10, 0xff, 0xff, 1, 2];
        vec![reply(query, ANSWER, [0, 0, 0, 0, 0, 1], &opt)]
    }),
];

/// How a TCP connection is mistreated.
type Mistreat = fn(TcpStream, &[u8]);

fn framed(message: &[u8]) -> Vec<u8> {
    [u16::try_from(message.len()).expect("short").to_be_bytes().as_slice(), message].concat()
}

const STREAMS: &[(&str, Mistreat)] = &[
    ("a byte every fifth of a second", |mut stream, query| {
        for byte in framed(&reply(query, ANSWER, [0; 6], &[0; 200])) {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }),
    ("a length and no more", |mut stream, _| {
        let _ = stream.write_all(&[0xff, 0xff]);
        let _ = stream.read(&mut [0; 16]);
    }),
    ("an empty message", |mut stream, _| {
        let _ = stream.write_all(&[0, 0]);
    }),
    ("answers to others without an end", |mut stream, query| {
        let mut other = framed(&reply(query, ANSWER, [0; 6], &[]));
        other[2] ^= 0xff;
        let many = other.repeat(1000);
        while stream.write_all(&many).is_ok() {}
    }),
    ("zeros without an end", |mut stream, _| while stream.write_all(&[0; 65_536]).is_ok() {}),
    ("silence", |mut stream, _| {
        let _ = stream.read(&mut [0; 16]);
    }),
    ("a reset", |stream, _| {
        use nix::sys::socket::{setsockopt, sockopt::Linger};
        let at_once = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, Linger, &at_once).expect("set");
    }),
];

/// Serves until the test ends.
fn serve(node: &Node, at: SocketAddr, lie: Replies, mistreat: Mistreat) {
    let (udp, tcp) =
        node.enter(|| (UdpSocket::bind(at).expect("bound"), TcpListener::bind(at).expect("bound")));
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = udp.recv_from(&mut buffer) {
            for reply in lie(&buffer[..length]) {
                let _ = udp.send_to(&reply, from);
            }
        }
    });
    std::thread::spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = [0; 2048];
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let length = stream.read(&mut buffer).unwrap_or(0);
                mistreat(stream, buffer.get(2..length).unwrap_or_default());
            });
        }
    });
}

/// The run ends by its own deadline, with a code of the table, and in JSON that can be read.
fn ends(node: &Node, line: &str, what: &str) {
    let began = Instant::now();
    let run = vision_in(node, line);
    let took = began.elapsed();
    assert!(matches!(run.code, Some(0 | 1 | 3)), "{what}: {line}: {run:?}");
    assert!(!run.err.contains("panicked"), "{what}: {line}: {run:?}");
    assert!(!run.out.is_empty() || !run.err.is_empty(), "{what}: {line}: {run:?}");
    // Half a second was allowed; the rest is a busy machine's.
    assert!(took < Duration::from_secs(4), "{what}: {line}: {took:?}");
    if line.contains("--json") {
        run.json();
    }
}

#[test]
fn a_nameserver_that_lies_costs_no_more_than_the_time_allowed() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let quiet: Mistreat = STREAMS[5].1;
    for (n, (what, lie)) in LIES.iter().enumerate() {
        let at = SocketAddr::from(([127, 0, 1, u8::try_from(n + 1).expect("few")], 53));
        serve(&node, at, *lie, quiet);
        let json = if n % 2 == 0 { "--json" } else { "-v" };
        ends(&node, &format!("dns db.lab @{} -W 100ms -w 500ms {json}", at.ip()), what);
    }
}

#[test]
fn a_connection_that_is_mistreated_costs_no_more_than_the_time_allowed() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let cut: Replies = |query| vec![reply(query, [0x87, 0x80], [0; 6], &[])];
    for (n, (what, mistreat)) in STREAMS.iter().enumerate() {
        let at = SocketAddr::from(([127, 0, 2, u8::try_from(n + 1).expect("few")], 53));
        serve(&node, at, cut, *mistreat);
        ends(&node, &format!("dns db.lab @{} -W 200ms -w 500ms", at.ip()), what);
        ends(&node, &format!("dns db.lab @{} --tcp -W 200ms -w 500ms --json", at.ip()), what);
    }
}

#[test]
fn what_resolves_as_the_target_would_bears_every_lie_as_well() {
    let Some(lab) = lab() else { return };
    let node = lab.node("n").expect("a node");
    let folder = std::env::temp_dir().join(format!("vision-servers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let conf = folder.join("resolv.conf");
    for (n, (what, lie)) in LIES.iter().enumerate() {
        let at = SocketAddr::from(([127, 0, 3, u8::try_from(n + 1).expect("few")], 53));
        serve(&node, at, *lie, STREAMS[n % STREAMS.len()].1);
        let text =
            format!("nameserver {}\nsearch a.lab b.lab\noptions timeout:1 attempts:2\n", at.ip());
        std::fs::write(&conf, text).expect("written");
        let mut sh = std::process::Command::new("nsenter");
        let inner = format!(
            "mount --bind {} /etc/resolv.conf; for line in 'dns --search db -w 400ms' \
             'tcp db:1 -w 400ms' 'ping db -c1 -w 0.4'; do timeout 8 \"$V\" $line; echo \"code $?\"; done",
            conf.display()
        );
        sh.arg(format!("--net={}", node.path().display()));
        sh.args(["unshare", "-m", "sh", "-c", &inner]).env("V", env!("CARGO_BIN_EXE_vision"));
        let run = crate::run::finish(sh);
        let codes: Vec<_> = run.out.lines().filter_map(|line| line.strip_prefix("code ")).collect();
        assert_eq!(codes.len(), 3, "{what}: {run:?}");
        assert!(codes.iter().all(|code| ["0", "1", "3"].contains(code)), "{what}: {run:?}");
        assert!(!run.err.contains("panicked"), "{what}: {run:?}");
    }
    std::fs::remove_dir_all(folder).expect("cleaned up");
}
