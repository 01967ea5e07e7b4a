//! The least of HTTP/1.1 (RFC 9112) that asks an engine over a unix socket: one request, one answer,
//! both bounded.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::base::{Budget, Error, Op, Result};

/// What an answer may have at most.
const HEAD_BYTES: usize = 64 * 1024;
const FIELDS: usize = 128;
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// What is wrong with an answer in another language.
pub(super) const NO_HTTP: &str = "it is no HTTP";

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// Whether Podman gave it (field `Libpod-API-Version`).
    pub(super) from_podman: bool,
}

/// Asks for one resource; `file` is the socket's, opened with `O_PATH`.
pub(super) fn get(file: &OwnedFd, resource: &str, budget: &Budget) -> Result<Answer> {
    let mut stream = dial(file).map_err(failed)?;
    let request = format!(
        "GET {resource} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut head = None;
    loop {
        let more = receive(&mut stream, &mut bytes, budget)?;
        if head.is_none() {
            head = Head::parse(&bytes)?;
        }
        match &head {
            Some(head) if head.is_complete(&bytes) || !more => return head.answer(bytes),
            Some(head) if bytes.len() > head.len + 2 * BODY_BYTES => {
                return Err(bad("has more than 4 MiB"));
            }
            None if !more => return Err(bad("ends before it begins")),
            None if bytes.len() > HEAD_BYTES => return Err(bad("has a head of over 64 KiB")),
            _ => {}
        }
    }
}

/// Connects without ever waiting: a listener with a full queue says so (unix(7)).
pub(super) fn dial(file: &OwnedFd) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    connect(fd.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
    Ok(fd.into())
}

/// Waits for more; `false` at the end.
fn receive(stream: &mut UnixStream, bytes: &mut Vec<u8>, budget: &Budget) -> Result<bool> {
    let mut buffer = [0; 16 * 1024];
    loop {
        budget.wait(&[stream.as_fd()], None)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                return Ok(true);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(e) => return Err(failed(e)),
        }
    }
}

/// What the head of an answer says about its body.
struct Head {
    len: usize,
    status: u16,
    length: Option<usize>,
    chunked: bool,
    from_podman: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        let len = match response.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Error::invalid("answer of the container engine", NO_HTTP)),
        };
        let field = |name: &str| {
            let found = response.headers.iter().find(|f| f.name.eq_ignore_ascii_case(name));
            found.map(|field| String::from_utf8_lossy(field.value).trim().to_owned())
        };
        let length = field("content-length").map(|text| text.parse());
        let length = length.transpose().map_err(|_| bad("has a length that is no number"))?;
        if length.is_some_and(|length| length > BODY_BYTES) {
            return Err(bad("has more than 4 MiB"));
        }
        Ok(Some(Self {
            len,
            status: response.code.unwrap_or_default(),
            length,
            chunked: field("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")),
            from_podman: field("libpod-api-version").is_some(),
        }))
    }

    fn is_complete(&self, bytes: &[u8]) -> bool {
        let body = bytes.get(self.len..).unwrap_or_default();
        match self.length {
            _ if self.chunked => body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n",
            Some(length) => body.len() >= length,
            None => false,
        }
    }

    fn answer(&self, mut bytes: Vec<u8>) -> Result<Answer> {
        if self.status != 200 {
            return Err(bad(&format!("is a refusal, status {}", self.status)));
        }
        let mut body = bytes.split_off(self.len.min(bytes.len()));
        if self.chunked {
            body = unchunk(&body)?;
        } else if let Some(length) = self.length {
            if body.len() < length {
                return Err(bad("is cut short"));
            }
            body.truncate(length);
        }
        match body.len() > BODY_BYTES {
            true => Err(bad("has more than 4 MiB")),
            false => Ok(Answer { body, from_podman: self.from_podman }),
        }
    }
}

/// Joins chunks (RFC 9112 §7.1).
fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let (head, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Err(bad("is cut short")),
            Err(_) => return Err(bad("has a chunk without a size")),
        };
        if size == 0 {
            return Ok(body);
        }
        let size = usize::try_from(size).map_err(|_| bad("has more than 4 MiB"))?;
        let after = rest.get(head..).unwrap_or_default();
        let (chunk, behind) = after.split_at_checked(size).ok_or_else(|| bad("is cut short"))?;
        body.extend_from_slice(chunk);
        rest = behind.strip_prefix(b"\r\n").ok_or_else(|| bad("has a chunk without an end"))?;
    }
}

fn bad(why: &str) -> Error {
    Error::invalid("answer of the container engine", format!("it {why}"))
}

fn failed(error: impl Into<io::Error>) -> Error {
    Error::sys(Op::AskEngine, error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::netns::runtime::root::Root;

    /// Serves one connection with these bytes, and keeps it open or not.
    fn ask(answer: &'static [u8], open: bool) -> Result<Answer> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("vision-http-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(&name);
        let listener = UnixListener::bind(&path).expect("bound");
        let file = Root::at(std::env::temp_dir()).expect("a root").socket(&name).expect("there");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            // Unread bytes would turn the close into a reset.
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
            let mut rest = Vec::new();
            // Ends when the client goes.
            let _ = if open { stream.read_to_end(&mut rest) } else { Ok(0) };
        });
        let result = get(&file, "/x", &Budget::within(Duration::from_millis(300)));
        server.join().expect("served");
        let _ = std::fs::remove_file(path);
        result
    }

    fn why(answer: &'static [u8]) -> String {
        ask(answer, false).expect_err("refused").to_string()
    }

    #[test]
    fn a_body_ends_by_its_length_by_its_chunks_or_with_the_connection() {
        let plain = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", true).expect("whole");
        assert_eq!((plain.body.as_slice(), plain.from_podman), (&b"[]"[..], false));
        let chunks =
            b"HTTP/1.1 200 OK\r\nLibpod-API-Version: 4.3.1\r\nTransfer-Encoding: chunked\r\n\
                       \r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n";
        let chunked = ask(chunks, true).expect("whole");
        assert_eq!((chunked.body.as_slice(), chunked.from_podman), (&b"[]"[..], true));
        let closed = ask(b"HTTP/1.0 200 OK\r\n\r\n[1]", false).expect("whole");
        assert_eq!(closed.body, b"[1]");
    }

    #[test]
    fn an_answer_that_lies_about_itself_is_refused_with_the_reason() {
        for (answer, part) in [
            (&b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"[..], "status 500"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[]", "cut short"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n[]", "4 MiB"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n[]", "no number"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n[]", "cut short"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]", "without a size"),
            (b"SSH-2.0-x\r\n", "no HTTP"),
            (b"", "before it begins"),
        ] {
            let why = why(answer);
            assert!(why.contains(part), "{part}: {why}");
        }
    }

    #[test]
    fn one_that_says_nothing_ends_with_the_budget() {
        let started = Instant::now();
        let silent = ask(b"", true);
        assert!(matches!(silent, Err(Error::Elapsed)), "{silent:?}");
        let partial = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[", true);
        assert!(matches!(partial, Err(Error::Elapsed)), "{partial:?}");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
