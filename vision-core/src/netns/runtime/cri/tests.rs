//! Engines that answer as they should, lie, stall and talk without end.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::message;
use super::proto::{Fields, put_bytes, put_number};
use crate::base::{Budget, Error, Result};
use crate::netns::runtime::scan::Scan;
use crate::netns::{Containers, Engine, Lookup, Source, Target};

const METHODS: [&str; 3] = ["Version", "ListPodSandbox", "ListContainers"];

/// What an engine gives back for one question.
#[derive(Debug, Clone, Default)]
struct Reply {
    http: Option<u16>,
    /// With its head of five bytes.
    body: Vec<u8>,
    status: Option<(&'static str, &'static str)>,
    hangs: bool,
    /// Sends the body again and again.
    floods: bool,
}

impl Reply {
    fn of(message: &[u8]) -> Self {
        let len = u32::try_from(message.len()).expect("short").to_be_bytes();
        let body = [&[0][..], &len, message].concat();
        Self { body, status: Some(("0", "")), ..Self::default() }
    }

    fn refuses(code: &'static str, why: &'static str) -> Self {
        Self { status: Some((code, why)), ..Self::default() }
    }
}

/// A folder in the place of `/`, a process that stands for a container's, and an engine's socket.
struct Machine {
    dir: PathBuf,
    process: Child,
}

impl Machine {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("vision-cri-{}-{number}", std::process::id()));
        fs::create_dir_all(dir.join("run/crio")).expect("a scratch folder");
        let process = Command::new("sleep").arg("60").spawn().expect("sleep");
        let this = Self { dir, process };
        // Files know the process, and one container by its name.
        let scan = Scan::all(&Budget::unbounded()).expect("/proc is mounted");
        let (pid, start) = (this.process.id(), scan.start(this.process.id()).expect("alive"));
        let state = format!(r#"{{"init_process_pid":{pid},"init_process_start":{start}}}"#);
        for id in [id('a'), "plain".to_owned()] {
            fs::create_dir_all(this.dir.join("run/runc").join(&id)).expect("made");
            fs::write(this.dir.join(format!("run/runc/{id}/state.json")), &state).expect("written");
        }
        this
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(self.dir.join("run/crio/crio.sock")).expect("bound")
    }

    /// Answers the questions of one connection over HTTP/2.
    fn serve(&self, reply: impl Fn(&str) -> Reply + Send + 'static) -> JoinHandle<()> {
        let listener = self.listen();
        std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(answer(stream, reply));
        })
    }

    fn find(&self, text: &str) -> Result<Target> {
        let lookup = Lookup::default().below(&self.dir);
        let budget = Budget::within(Duration::from_secs(10));
        Target::look_up(&text.parse().expect("a selector"), &lookup, &budget)
    }

    fn containers(&self) -> Containers {
        let lookup = Lookup::default().below(&self.dir);
        lookup.containers(&Budget::within(Duration::from_secs(10))).expect("listed")
    }

    /// What is said about the engine, with what the files say still there.
    fn fault(&self) -> String {
        let started = Instant::now();
        let found = self.containers();
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        let plain = found.containers.iter().find(|one| one.id == "plain").expect("in the files");
        assert_eq!((plain.pid, plain.source), (Some(self.process.id()), Source::Files));
        let of = |gap: &&crate::base::Gap| gap.what == "/run/crio/crio.sock";
        found.gaps.iter().find(of).map(|gap| gap.why.clone()).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

async fn answer(stream: UnixStream, reply: impl Fn(&str) -> Reply) {
    stream.set_nonblocking(true).expect("a socket");
    let stream = tokio::net::UnixStream::from_std(stream).expect("a socket");
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut held = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let reply = reply(request.uri().path());
        if reply.hangs {
            held.push(respond);
            continue;
        }
        let head = http::Response::builder().status(reply.http.unwrap_or(200));
        let mut body = respond.send_response(head.body(()).expect("a head"), false).expect("sent");
        if reply.floods {
            let block = bytes::Bytes::from(reply.body.clone());
            tokio::spawn(async move {
                loop {
                    body.reserve_capacity(block.len());
                    let ready = std::future::poll_fn(|cx| body.poll_capacity(cx)).await;
                    if !matches!(ready, Some(Ok(_))) {
                        return;
                    }
                    if body
                        .send_data(block.slice(..body.capacity().min(block.len())), false)
                        .is_err()
                    {
                        return;
                    }
                }
            });
            continue;
        }
        let _ = body.send_data(reply.body.into(), reply.status.is_none());
        if let Some((code, why)) = reply.status {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", code.parse().expect("a value"));
            trailers.insert("grpc-message", why.parse().expect("a value"));
            let _ = body.send_trailers(trailers);
        }
    }
}

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut message = Vec::new();
    fields.iter().for_each(|(field, bytes)| put_bytes(&mut message, *field, bytes));
    message
}

fn pods() -> Vec<u8> {
    let metadata = message(&[(1, b"cart"), (2, b"u-1"), (3, b"shop")]);
    message(&[(1, &message(&[(1, id('a').as_bytes()), (2, &metadata)]))])
}

/// One container that files know by its number, and one that claims process 1.
fn containers(pid_of_b: bool) -> Vec<u8> {
    let label = message(&[(1, b"io.kubernetes.container.name"), (2, b"app")]);
    let image = message(&[(1, b"sha256:0"), (18, b"shop/app:1")]);
    let (a, b) = (id('a'), id('b'));
    let mut app = message(&[(1, a.as_bytes()), (3, &message(&[(1, b"other")])), (4, &image)]);
    put_number(&mut app, 6, 1);
    put_bytes(&mut app, 8, &label);
    let mut host = message(&[(1, b.as_bytes()), (3, &message(&[(1, b"host")]))]);
    put_number(&mut host, 6, u64::from(pid_of_b));
    message(&[(1, &app), (1, &host)])
}

fn version() -> Vec<u8> {
    message(&[(1, b"0.1.0"), (2, b"cri-o"), (3, b"1.30"), (4, b"v1")])
}

fn info(pid: u32) -> Vec<u8> {
    let text = format!(r#"{{"pid":{pid},"runtimeSpec":{{"linux":{{"namespaces":[]}}}}}}"#);
    message(&[(1, b"status"), (2, &message(&[(1, b"info"), (2, text.as_bytes())]))])
}

fn honest(path: &str) -> Reply {
    match path.rsplit('/').next() {
        Some("Version") => Reply::of(&version()),
        Some("ListPodSandbox") => Reply::of(&[]),
        Some("ListContainers") => Reply::of(&containers(true)),
        Some("ContainerStatus") => Reply::of(&info(1)),
        _ => Reply::refuses("12", "no such method"),
    }
}

#[test]
fn an_engine_gives_the_name_that_no_file_has_and_is_not_believed_about_processes() {
    let machine = Machine::new();
    let server = machine.serve(honest);
    let target = machine.find("ctr:app").expect("named by its engine");
    server.join().expect("served");
    assert_eq!(target.pid(), Some(machine.process.id()));
    let container = target.container().expect("remembered");
    assert_eq!((container.engine, container.source), (Engine::CriO, Source::Engine));
    assert_eq!(container.image.as_deref(), Some("shop/app:1"));
    fs::remove_file(machine.dir.join("run/crio/crio.sock")).expect("there");
    let server = machine.serve(honest);
    let host = machine.find("ctr:host");
    server.join().expect("served");
    assert!(matches!(host, Err(Error::TargetExited(_))), "{host:?}");
}

#[test]
fn an_older_engine_is_asked_in_its_own_words() {
    let machine = Machine::new();
    let server = machine.serve(|path| match path.contains("runtime.v1alpha2.") {
        true => match path.ends_with("ListPodSandbox") {
            true => Reply::of(&pods()),
            false if path.ends_with("ListContainers") => Reply::of(&[]),
            false => honest(path),
        },
        false => Reply::refuses("12", "unknown service runtime.v1.RuntimeService"),
    });
    let target = machine.find("pod:shop/cart").expect("named by its engine");
    server.join().expect("served");
    assert_eq!(target.pid(), Some(machine.process.id()));
}

#[test]
fn a_refusal_comes_with_its_status_and_its_message() {
    for (code, part) in [
        ("12", "refuses Version: unimplemented (it has no runtime.v1.RuntimeService; is its CRI"),
        ("7", "refuses Version: permission denied (50% of\u{e9}"),
        ("99", "refuses Version: status 99 (50%"),
        ("x", "a status that is no number"),
    ] {
        let machine = Machine::new();
        let server = machine.serve(move |_| Reply::refuses(code, "50%25 of%C3%A9 %1b[31m%zz"));
        let why = machine.fault();
        server.join().expect("served");
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[test]
fn an_answer_that_lies_is_a_gap_with_its_reason() {
    let whole = Reply::of(&version());
    let (mut packed, mut longer) = (whole.clone(), whole.clone());
    packed.body[0] = 1;
    longer.body.push(0);
    for (reply, part) in [
        (Reply { http: Some(503), ..whole.clone() }, "HTTP status 503"),
        (Reply { status: None, ..whole.clone() }, "has no status"),
        (Reply { body: vec![0, 0], ..whole.clone() }, "has no message"),
        (packed, "compressed"),
        (longer, "another length than it says"),
        (Reply::of(&[0x0a, 0xff, 0xff, 0x7f]), "no protobuf message"),
        (Reply { body: vec![0; 1 << 16], floods: true, ..whole }, "more than 16 MiB"),
    ] {
        for method in METHODS {
            let (machine, reply) = (Machine::new(), reply.clone());
            let server = machine.serve(move |path| match path.ends_with(method) {
                true => reply.clone(),
                false => honest(path),
            });
            let why = machine.fault();
            server.join().expect("served");
            assert!(why.contains(part), "{method}, {part}: {why}");
        }
    }
}

#[test]
fn an_engine_that_hangs_costs_a_second_wherever_it_does() {
    for method in METHODS {
        let machine = Machine::new();
        let server = machine.serve(move |path| match path.ends_with(method) {
            true => Reply { hangs: true, ..Reply::default() },
            false => honest(path),
        });
        assert_eq!(machine.fault(), "does not answer within a second", "{method}");
        server.join().expect("let go");
    }
}

/// Serves with bytes that are no HTTP/2, sent again and again, or once and then the end.
fn raw(machine: &Machine, bytes: &'static [u8], times: usize, ends: bool) -> JoinHandle<()> {
    let listener = machine.listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        (0..times).all(|_| stream.write_all(bytes).is_ok());
        while !ends && stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
    })
}

#[test]
fn what_is_no_engine_is_told_from_one_that_is_slow() {
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    for (bytes, times, ends, part) in [
        (&b""[..], 0, false, "does not answer within a second"),
        (b"", 0, true, "asking the container engine failed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1, false, "is no HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", 1, false, "is no HTTP/2"),
        (settings, 1, false, "does not answer within a second"),
        // Settings for ever, which h2 would acknowledge for ever.
        (settings, usize::MAX, false, ""),
        // Pings, of which none is asked for.
        (b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\0\0\0\0\0abcdefgh", usize::MAX, false, ""),
    ] {
        let machine = Machine::new();
        let server = raw(&machine, bytes, times, ends);
        let why = machine.fault();
        server.join().expect("let go");
        assert!(!why.is_empty() && why.contains(part), "{part}: {why}");
    }
}

#[test]
fn no_bytes_make_a_message_panic_or_last() {
    let (pods, containers, info) = (pods(), containers(true), info(7));
    assert_eq!(message::sandboxes(&pods).expect("whole").len(), 1);
    assert_eq!(message::info(&info).expect("whole").map(|info| info.pid), Some(7));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits")
    };
    for sound in [&pods, &containers, &info] {
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..1 + random() % 4 {
                let at = random() % bytes.len();
                bytes[at] = random().to_le_bytes()[0];
            }
            bytes.truncate(random() % (bytes.len() + 1));
            assert!(Fields::of(&bytes).count() <= bytes.len());
            let _ = message::sandboxes(&bytes);
            let _ = message::containers(&bytes);
            let _ = message::info(&bytes);
            let _ = message::runtime_name(&bytes);
        }
    }
    // As many pods as fit into an answer: no more are kept than a machine has.
    let many = [0x0a, 0].repeat(1 << 20);
    assert_eq!(message::sandboxes(&many).expect("whole").len(), message::MOST);
}
