//! A TCP server with one behaviour for all its clients.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::{
    libc,
    poll::PollFlags,
    sys::socket::{Backlog, Shutdown, listen, setsockopt, shutdown, sockopt},
};

use super::{TICK, Worker, open, wait};
use crate::{
    error::{Error, Result},
    node::Node,
};

/// What a [`TcpServer`] does with its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpBehaviour {
    /// Accepts, reads and discards.
    Accept,
    /// Accepts, sends these bytes, then reads and discards.
    Banner(Vec<u8>),
    /// Accepts and sends back what it reads.
    Echo,
    /// Accepts, and answers the first bytes it reads.
    Answer {
        /// How long that takes.
        after: Duration,
        /// What it says.
        bytes: Vec<u8>,
    },
    /// Accepts and never reads: the window closes.
    NeverRead,
    /// Listens and never accepts: the accept queue fills.
    NeverAccept {
        /// `listen(2)`'s backlog; the queue holds one more.
        backlog: i32,
    },
    /// Accepts and closes in order (FIN).
    CloseAtOnce,
    /// Accepts and resets (RST).
    Reset,
}

/// A TCP server in a node. Stops on drop.
#[derive(Debug)]
pub struct TcpServer {
    addr: SocketAddr,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
    _worker: Worker,
}

impl TcpServer {
    /// Listens in `node` on `addr` (`0.0.0.0:80`; `[::]:80` takes both families; port 0 picks one).
    ///
    /// # Errors
    /// When the address does not parse or cannot be bound.
    pub fn start(node: &Node, addr: &str, behaviour: TcpBehaviour) -> Result<Self> {
        let what = format!("tcp server on {addr}");
        let bind = || -> io::Result<TcpListener> {
            let listener = TcpListener::bind(addr)?;
            if let TcpBehaviour::NeverAccept { backlog } = behaviour {
                // A second listen(2) sets a new backlog.
                listen(&listener, Backlog::new(backlog)?)?;
            }
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = open(node, &what, bind)?;
        let addr = listener.local_addr().map_err(Error::io(what))?;
        let peers = Arc::default();
        let mut serving =
            Serving { listener, behaviour, conns: Vec::new(), peers: Arc::clone(&peers) };
        Ok(Self { addr, peers, _worker: Worker::start(move || serving.turn()) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The clients accepted so far, IPv4 ones as such.
    #[must_use]
    pub fn peers(&self) -> Vec<SocketAddr> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Serving {
    listener: TcpListener,
    behaviour: TcpBehaviour,
    conns: Vec<Conn>,
    peers: Arc<Mutex<Vec<SocketAddr>>>,
}

struct Conn {
    stream: TcpStream,
    out: Vec<u8>,
    reads: bool,
    open: bool,
    asked: bool,
    /// When an answer is due, once it was asked for.
    due: Option<Instant>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Closing is not enough: a child just forked may hold a copy, and clients would still be let in.
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
    }
}

impl Serving {
    fn turn(&mut self) {
        let accepts = !matches!(self.behaviour, TcpBehaviour::NeverAccept { .. });
        let mut fds = vec![(
            self.listener.as_fd(),
            if accepts { PollFlags::POLLIN } else { PollFlags::empty() },
        )];
        let waiting = self.conns.iter().filter(|conn| conn.wants() != PollFlags::empty());
        fds.extend(waiting.map(|conn| (conn.stream.as_fd(), conn.wants())));
        let ready = wait(&fds, TICK);
        let echo = self.behaviour == TcpBehaviour::Echo;
        let waiting = self.conns.iter_mut().filter(|conn| conn.wants() != PollFlags::empty());
        for (conn, flags) in waiting.zip(&ready[1..]).filter(|(_, flags)| !flags.is_empty()) {
            conn.turn(*flags, echo);
        }
        if let TcpBehaviour::Answer { after, bytes } = &self.behaviour {
            self.conns.iter_mut().for_each(|conn| conn.answer(*after, bytes));
        }
        self.conns.retain(|conn| conn.open);
        if ready[0].contains(PollFlags::POLLIN) {
            self.accept();
        }
    }

    fn accept(&mut self) {
        let Ok((stream, peer)) = self.listener.accept() else {
            return;
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
        let mut conn =
            Conn { stream, out: Vec::new(), reads: true, open: true, asked: false, due: None };
        match &self.behaviour {
            TcpBehaviour::CloseAtOnce => {
                // Said aloud for the same reason as in `drop`.
                let _ = conn.stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            TcpBehaviour::Reset => {
                let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
                // Can only fail on a socket that is gone, and then there is nothing to reset.
                let _ = setsockopt(&conn.stream, sockopt::Linger, &at_once);
                return;
            }
            TcpBehaviour::Banner(bytes) => conn.out.clone_from(bytes),
            TcpBehaviour::NeverRead => conn.reads = false,
            TcpBehaviour::Accept
            | TcpBehaviour::Echo
            | TcpBehaviour::Answer { .. }
            | TcpBehaviour::NeverAccept { .. } => {}
        }
        if conn.stream.set_nonblocking(true).is_ok() {
            self.conns.push(conn);
        }
    }
}

impl Conn {
    /// Begins to wait when it was asked something, and answers when the time has come.
    fn answer(&mut self, after: Duration, bytes: &[u8]) {
        let now = Instant::now();
        if std::mem::take(&mut self.asked) && self.due.is_none() {
            self.due = Some(now + after);
        }
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.out.extend_from_slice(bytes);
        }
    }

    fn wants(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        // An echo client that never reads must not fill this process' memory.
        flags.set(PollFlags::POLLIN, self.reads && self.out.len() < 1 << 20);
        flags.set(PollFlags::POLLOUT, !self.out.is_empty());
        flags
    }

    fn turn(&mut self, flags: PollFlags, echo: bool) {
        if flags.contains(PollFlags::POLLOUT) {
            match self.stream.write(&self.out) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(error) => self.open = error.kind() == ErrorKind::WouldBlock,
            }
        }
        if self.reads
            && flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
        {
            let mut buffer = [0; 16384];
            match self.stream.read(&mut buffer) {
                Ok(0) => self.reads = false,
                Ok(n) if echo => self.out.extend_from_slice(&buffer[..n]),
                Ok(_) => self.asked = true,
                Err(error) => self.open = error.kind() == ErrorKind::WouldBlock,
            }
        }
        if flags.contains(PollFlags::POLLERR) || (!self.reads && self.out.is_empty()) {
            self.open = false;
        }
    }
}
