//! gRPC over HTTP/2 over a unix socket: one connection, a few questions, every wait under the
//! caller's budget. h2 is driven by hand, so that there is neither a runtime nor a thread.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use h2::client::{Builder, Connection, SendRequest};
use http::{HeaderMap, Request, Response};
use nix::poll::PollFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Refusal, bad};
use crate::base::{Budget, Error, Op, Result};

/// What the kubelet accepts of an engine.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;
/// What an engine may send in all, framing and idle talk included.
const ALL_BYTES: u64 = 64 * 1024 * 1024;
const HEADER_BYTES: u32 = 64 * 1024;
const WINDOW: u32 = 1024 * 1024;

/// The status "the service or the method is not there" (grpc, `statuscodes.md`).
pub(super) const UNIMPLEMENTED: u16 = 12;

/// A connection to an engine.
pub(super) struct Link {
    send: SendRequest<bytes::Bytes>,
    connection: Connection<Socket>,
    state: Rc<State>,
    budget: Budget,
}

/// What the socket tells the loop that drives it.
struct State {
    stream: UnixStream,
    /// Writing had to wait.
    full: Cell<bool>,
    read: Cell<u64>,
    budget: Budget,
    spent: Cell<bool>,
}

struct Socket(Rc<State>);

impl Link {
    /// Greets the engine at the other end.
    pub(super) fn open(stream: UnixStream, budget: &Budget) -> Result<Self> {
        let state = Rc::new(State {
            stream,
            full: Cell::new(false),
            read: Cell::new(0),
            budget: budget.clone(),
            spent: Cell::new(false),
        });
        let mut builder = Builder::new();
        builder
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(HEADER_BYTES)
            .enable_push(false);
        let greeting = builder.handshake(Socket(state.clone()));
        let (send, connection) = drive(greeting, None, &state, budget)?.map_err(|e| failed(&e))?;
        Ok(Self { send, connection, state, budget: budget.clone() })
    }

    /// Calls one method and returns its answer.
    pub(super) fn call(
        &mut self,
        service: &str,
        method: &str,
        message: &[u8],
    ) -> Result<Vec<u8>, Refusal> {
        let asked = exchange(self.send.clone(), service, method, message);
        let answer = drive(asked, Some(&mut self.connection), &self.state, &self.budget)?;
        answer?.message(method)
    }
}

/// A whole answer.
struct Answer {
    head: HeaderMap,
    status: u16,
    body: Vec<u8>,
    trailers: HeaderMap,
}

async fn exchange(
    send: SendRequest<bytes::Bytes>,
    service: &str,
    method: &str,
    message: &[u8],
) -> Result<Answer> {
    let mut send = send.ready().await.map_err(|e| failed(&e))?;
    let request = Request::post(format!("http://localhost/{service}/{method}"))
        .version(http::Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .map_err(|_| Error::invalid("question", "it is no request"))?;
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let body: Vec<u8> = [&[0][..], &len.to_be_bytes(), message].concat();
    let (response, mut stream) = send.send_request(request, false).map_err(|e| failed(&e))?;
    stream.send_data(body.into(), true).map_err(|e| failed(&e))?;
    let (head, mut body) = response.await.map_err(|e| failed(&e))?.into_parts();
    let mut bytes = Vec::new();
    while let Some(more) = body.data().await {
        let more = more.map_err(|e| failed(&e))?;
        bytes.extend_from_slice(&more);
        if bytes.len() > ANSWER_BYTES {
            return Err(bad("has more than 16 MiB"));
        }
        body.flow_control().release_capacity(more.len()).map_err(|e| failed(&e))?;
    }
    let trailers = body.trailers().await.map_err(|e| failed(&e))?.unwrap_or_default();
    let status = Response::from_parts(head, ());
    Ok(Answer {
        status: status.status().as_u16(),
        head: status.headers().clone(),
        body: bytes,
        trailers,
    })
}

impl Answer {
    fn message(self, method: &str) -> Result<Vec<u8>, Refusal> {
        if self.status != 200 {
            return Err(bad(&format!("is a refusal, HTTP status {}", self.status)).into());
        }
        // Without a message, the status comes with the head.
        let field = |name: &str| {
            let value = self.trailers.get(name).or_else(|| self.head.get(name))?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let code = field("grpc-status").ok_or_else(|| bad("has no status"))?;
        let code: u16 = code.parse().map_err(|_| bad("has a status that is no number"))?;
        if code != 0 {
            let message = unescaped(&field("grpc-message").unwrap_or_default());
            return Err(Refusal::Status { code, method: method.to_owned(), message });
        }
        let (head, rest) =
            self.body.split_first_chunk::<5>().ok_or_else(|| bad("has no message"))?;
        let [packed, len @ ..] = *head;
        if packed != 0 {
            return Err(bad("is compressed, which nobody asked for").into());
        }
        match usize::try_from(u32::from_be_bytes(len)) == Ok(rest.len()) {
            true => Ok(rest.to_vec()),
            false => Err(bad("has another length than it says").into()),
        }
    }
}

/// Undoes `%XX` (gRPC over HTTP/2, "Status-Message").
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = code.and_then(|(digits, _)| {
            let digits = str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = byte.and(after.get(2..)).unwrap_or(after);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether something may go on without the socket having changed.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls a question and the connection below it until there is an answer.
fn drive<F: Future>(
    question: F,
    mut connection: Option<&mut Connection<Socket>>,
    state: &State,
    budget: &Budget,
) -> Result<F::Output> {
    let mut question = pin!(question);
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    let mut context = Context::from_waker(&waker);
    let mut over = false;
    loop {
        state.full.set(false);
        if let Some(connection) = connection.as_deref_mut().filter(|_| !over) {
            over = Pin::new(connection).poll(&mut context).is_ready();
        }
        if state.spent.get() {
            budget.remaining()?;
        }
        if let Poll::Ready(output) = question.as_mut().poll(&mut context) {
            // A question that failed because the time was up says so.
            if state.spent.get() {
                budget.remaining()?;
            }
            return Ok(output);
        }
        if flag.0.swap(false, Ordering::Relaxed) {
            budget.remaining()?;
            continue;
        }
        if over {
            return Err(bad("ends in the middle"));
        }
        let write = if state.full.get() { PollFlags::POLLOUT } else { PollFlags::empty() };
        budget.wait_for(&[(state.stream.as_fd(), PollFlags::POLLIN | write)], None)?;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &self.0;
        // One that never stops talking would keep the connection from ever coming back.
        if state.budget.remaining().is_err() {
            state.spent.set(true);
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        loop {
            return match (&state.stream).read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    state.read.set(state.read.get() + read as u64);
                    match state.read.get() > ALL_BYTES {
                        true => Poll::Ready(Err(io::Error::other("it talks without end"))),
                        false => Poll::Ready(Ok(())),
                    }
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => Poll::Pending,
                Err(e) => Poll::Ready(Err(e)),
            };
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            return match (&self.0.stream).write(bytes) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.0.full.set(true);
                    Poll::Pending
                }
                done => Poll::Ready(done),
            };
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.stream.shutdown(std::net::Shutdown::Write))
    }
}

fn failed(error: &h2::Error) -> Error {
    match error.get_io() {
        Some(e) => Error::sys(Op::AskEngine, io::Error::new(e.kind(), e.to_string())),
        None => bad(&format!("is no HTTP/2 ({error})")),
    }
}
