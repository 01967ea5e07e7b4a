//! `--match` of `vision decode` and `vision capture` beside ngrep: the same packets, the same
//! lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vision_lab::{require, whole_machine};

use crate::run::{Run, command, command_in, finish, pair};

/// Real captures, with what each was made by; see the files beside the project.
const CAPTURES: &str = "../../shared/captures";

/// What ngrep is told, what it looks for, and how vision is told the same.
const CASES: &[(&[&str], &str, &[&str])] = &[
    (&[], "GET", &["--match", "GET"]),
    (&[], ".", &["--match", "."]),
    (&[], r"[\x80-\xff]\x00{2,}", &["--match", r"[\x80-\xff]\x00{2,}"]),
    (&[], r"^(HTTP|220|EHLO)\b.*", &["--match", r"^(HTTP|220|EHLO)\b.*"]),
    (&["-i"], "host: ?", &["--match", "host: ?", "--match-i"]),
    (&["-v"], "e", &["--match", "e", "--invert"]),
    (&["-X"], "0x0d0a", &["--match", "hex:0x0d0a"]),
    (&["-X"], "0001", &["--match", "hex:0001"]),
    (&["-A", "3"], "^(GET|HTTP)", &["--match", "^(GET|HTTP)", "--after", "3"]),
    (&["-n", "2"], "o", &["--match", "o", "-c", "2"]),
];

/// A folder of one test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("vision-searches-{test}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The head of a pcap file of Ethernet frames.
fn head() -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    bytes.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    bytes
}

fn record(file: &mut Vec<u8>, frame: &[u8]) {
    let len = frame.len() as u32;
    for field in [1_700_000_000, 0, len, len] {
        file.extend_from_slice(&field.to_le_bytes());
    }
    file.extend_from_slice(frame);
}

/// The frames of a pcap file that either side wrote.
fn frames(bytes: &[u8]) -> Vec<&[u8]> {
    let mut rest = bytes.get(24..).unwrap_or_default();
    let mut all = Vec::new();
    while let Some(head) = rest.first_chunk::<16>() {
        let len = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let Some(frame) = rest.get(16..16 + len) else { break };
        all.push(frame);
        rest = &rest[16 + len..];
    }
    all
}

/// Cuts padding off, which ngrep takes for what the packet carries; `None` for what it reads
/// otherwise than the standards do: stacked tags, extension headers, lengths that are made up.
fn plain(frame: &[u8]) -> Option<&[u8]> {
    let kind = |at: usize| frame.get(at..at + 2);
    let at = if kind(12)? == [0x81, 0] { 18 } else { 14 };
    let ip = frame.get(at..)?;
    let short = |len: &[u8]| usize::from(u16::from_be_bytes([len[0], len[1]]));
    let (len, head, protocol) = match kind(at - 2)? {
        [8, 0] if ip.first()? >> 4 == 4 => {
            (short(ip.get(2..4)?), usize::from(ip[0] & 15) * 4, *ip.get(9)?)
        }
        [0x86, 0xdd] if ip.first()? >> 4 == 6 => (short(ip.get(4..6)?) + 40, 40, *ip.get(6)?),
        _ => return None,
    };
    let least = match protocol {
        6 => 20,
        17 => 8,
        1 | 58 => 4,
        _ => return None,
    };
    let long = protocol != 6 || usize::from(*ip.get(head + 12)? >> 4) * 4 >= least;
    let whole = long && head >= 20 && len >= head + least;
    frame.get(..at + len).filter(|_| whole)
}

/// Both searches over one file; what is left of the frames.
fn both(folder: &Folder, file: &Path, case: &(&[&str], &str, &[&str])) -> [Vec<u8>; 2] {
    let (options, pattern, ours) = case;
    let found = ["ngrep.pcap", "vision.pcap"].map(|name| folder.0.join(name));
    for path in &found {
        let _ = fs::remove_file(path);
    }
    let mut ngrep = Command::new("ngrep");
    ngrep.args(["-q", "-I"]).arg(file).arg("-O").arg(&found[0]).args(*options).arg(pattern);
    let ran = ngrep.output().expect("ngrep");
    assert!(!String::from_utf8_lossy(&ran.stderr).contains("fatal"), "{ran:?}");
    let mut vision = command("decode");
    vision.arg(file).args(*ours).arg("-w").arg(&found[1]);
    finish(vision).expect(0);
    found.map(|path| fs::read(path).unwrap_or_default())
}

/// Compares every case over one file; tells how many packets both found.
fn compare(folder: &Folder, file: &Path, name: &str) -> usize {
    let mut sum = 0;
    for case in CASES {
        let [theirs, ours] = both(folder, file, case);
        let (theirs, ours) = (frames(&theirs), frames(&ours));
        assert_eq!(ours.len(), theirs.len(), "{name} {case:?}");
        assert!(ours == theirs, "{name} {case:?}: other packets");
        sum += ours.len();
    }
    sum
}

#[test]
fn the_packets_of_real_captures_are_those_of_ngrep() {
    if require(whole_machine()).is_none() {
        return;
    }
    let Ok(suites) = fs::read_dir(CAPTURES) else {
        println!("SKIP: {CAPTURES} is not there");
        return;
    };
    let folder = Folder::new("real");
    let mut files: Vec<PathBuf> = suites
        .flatten()
        .filter_map(|suite| fs::read_dir(suite.path()).ok())
        .flat_map(|files| files.flatten().map(|file| file.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "pcap"))
        .collect();
    files.sort();
    let (mut compared, mut found) = (0, 0);
    // Every fifteenth of them, which are of all suites.
    for path in files.iter().step_by(15) {
        let bytes = fs::read(path).expect("a capture");
        let ethernet = bytes.starts_with(&head()[..4]) && bytes.get(20..24) == Some(&[1, 0, 0, 0]);
        if !ethernet || bytes.len() > 1 << 20 {
            continue;
        }
        let mut file = head();
        frames(&bytes).into_iter().filter_map(plain).for_each(|it| record(&mut file, it));
        let copy = folder.0.join("plain.pcap");
        fs::write(&copy, file).expect("a copy");
        found += compare(&folder, &copy, &path.display().to_string());
        compared += 1;
    }
    println!("{compared} files, {found} packets found by both");
    assert!(compared > 50 && found > 1000, "{compared} files, {found} packets");
}

/// An Ethernet frame around an IPv4 packet.
fn frame(protocol: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    bytes.extend_from_slice(&(20 + rest.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(rest);
    bytes
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut rest = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    rest.extend_from_slice(payload);
    frame(6, &rest)
}

const REQUEST: &[u8] = b"GET /\x1b[31m HTTP/1.1\r\nHost: a.example\r\n\tx: \xc3\xa9\r\n\r\n";

/// A request, what acknowledges it, the reply, and an echo.
fn conversation(folder: &Folder) -> PathBuf {
    let mut file = head();
    let echo = [8, 0, 0, 0, 0, 1, 0, 1, b'G', b'E', b'T'];
    for it in [tcp(REQUEST), tcp(b""), tcp(b"HTTP/1.1 200 OK\r\n\r\n"), frame(1, &echo)] {
        record(&mut file, &it);
    }
    let path = folder.0.join("made.pcap");
    fs::write(&path, file).expect("a file");
    path
}

fn decode(file: &Path, options: &[&str]) -> Run {
    let mut run = command("decode");
    run.arg(file).args(options);
    finish(run)
}

#[test]
fn a_payload_is_printed_as_the_lines_of_ngrep() {
    // ngrep takes another user's id before it reads.
    if require(whole_machine()).is_none() {
        return;
    }
    let folder = Folder::new("lines");
    let file = conversation(&folder);
    assert!(compare(&folder, &file, "made") >= 10);
    let mut ngrep = Command::new("ngrep");
    let ran =
        ngrep.args(["-q", "-W", "byline", "-I"]).arg(&file).arg("Host:").output().expect("ngrep");
    let text = String::from_utf8(ran.stdout).expect("ASCII");
    let theirs: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("T ")).collect();
    let run = decode(&file, &["--match", "Host:", "--text", "port 80"]).expect(0);
    let ours: Vec<&str> = run.out.lines().collect();
    assert!(ours.len() == 6 && !run.out.contains('\x1b'), "{run:?}");
    assert_eq!(ours[1..], theirs[1..ours.len()], "{text}");
    // Nothing is searched for, and one carries nothing.
    let all = decode(&file, &["--text"]).expect(0);
    assert!(all.out.lines().count() > 8, "{all:?}");
}

#[test]
fn objects_say_where_the_match_is_and_what() {
    let folder = Folder::new("objects");
    let file = conversation(&folder);
    let run = decode(&file, &["--match", "x: [^\r]*", "--after", "2", "--json"]).expect(0);
    let lines: Vec<Value> =
        run.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [first, reply, sum] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(first["match"]["offset"], 14 + 20 + 20 + 39);
    assert_eq!(first["match"]["text"], "x: é");
    assert_eq!((&reply["number"], &reply["follows"]), (&3.into(), &true.into()));
    assert!(reply.get("match").is_none(), "{reply}");
    assert_eq!((&sum["report"]["packets"], &sum["report"]["read"]), (&2.into(), &4.into()));
    assert_eq!(decode(&file, &["--match", "GET", "--count"]).expect(0).out, "2\n");
    assert_eq!(decode(&file, &["--match", "GET", "--count", "tcp"]).expect(0).out, "1\n");
}

#[test]
fn a_pattern_that_makes_no_sense_is_pointed_at() {
    let folder = Folder::new("wrong");
    let file = conversation(&folder);
    let run = decode(&file, &["--match", "GET (/|x"]).expect(2);
    assert!(run.err.contains("GET (/|x\n      ^\n"), "{run:?}");
    assert!(run.err.contains("unclosed group"), "{run:?}");
    assert!(decode(&file, &["--match", "hex:0a0"]).expect(2).err.contains("half a byte"));
    for alone in ["--match-i", "--invert"] {
        assert!(decode(&file, &[alone]).expect(2).err.contains("--match"), "{alone}");
    }
    let live = finish(command("capture -i lo --match [z-a] --budget 10ms")).expect(2);
    assert!(live.err.contains("invalid character class range"), "{live:?}");
}

#[test]
fn packets_are_searched_as_they_come() {
    let Some((_lab, a, b)) = pair() else { return };
    let folder = Folder::new("live");
    let file = folder.0.join("live.pcap");
    let line = format!("capture -i eth0 --match hello.[0-9]*5$ -c 2 -w {} udp", file.display());
    let mut to_file = command_in(&b, &line);
    let mut to_screen = command_in(&b, "capture -i eth0 --match HELLO --match-i --text -c 2 udp");
    let start = |it: &mut Command| it.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut both = [&mut to_file, &mut to_screen].map(|it| start(it).expect("starts"));
    let (at, began) = ((b.v4(), 4243), Instant::now());
    let mut sent = 0;
    while both.iter_mut().any(|it| it.try_wait().expect("waits").is_none()) {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing is found");
        sent += 1;
        a.enter(|| {
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
            socket.send_to(format!("hello {sent}").as_bytes(), at).expect("sent");
        });
        std::thread::sleep(Duration::from_millis(10));
    }
    let [to_file, to_screen] = both.map(|it| it.wait_with_output().expect("ends"));
    assert!(to_file.status.success() && to_screen.status.success(), "{to_file:?} {to_screen:?}");
    let bytes = fs::read(&file).expect("a file");
    let found = frames(&bytes);
    assert_eq!(found.len(), 2, "{to_file:?}");
    assert!(found.iter().all(|it| it.ends_with(b"5")), "{found:?}");
    let text = String::from_utf8(to_screen.stdout).expect("ASCII");
    let carried: Vec<_> = text.lines().filter(|line| line.starts_with("hello ")).collect();
    assert_eq!((carried.len(), text.lines().count()), (2, 4), "{text}");
}
