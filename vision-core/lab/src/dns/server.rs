//! The server's sockets and its log.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::poll::PollFlags;

use super::{codec::Request, codec::same_name, plan::replies, record::Type, script::DnsScript};
use crate::{
    error::Result,
    node::Node,
    server::{TICK, Worker, open, wait},
};

/// How a query came. Closed: the lab speaks these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// In a datagram.
    Udp,
    /// In a stream, with a length before it.
    Tcp,
}

/// A query the server got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// As spelled by the client, without the final dot.
    pub name: String,
    /// The type asked for.
    pub kind: Type,
    /// How it came.
    pub transport: Transport,
    /// From where; IPv4 as such.
    pub from: SocketAddr,
    /// When.
    pub at: Instant,
    /// The message id.
    pub id: u16,
    /// The UDP size the client offers, if it speaks EDNS.
    pub edns_bytes: Option<u16>,
}

/// A DNS server in a node, on UDP and TCP. Stops on drop.
#[derive(Debug)]
pub struct DnsServer {
    addr: SocketAddr,
    log: Arc<Mutex<Vec<Query>>>,
    _worker: Worker,
}

impl DnsServer {
    /// Serves `script` in `node` on `addr` (`0.0.0.0:53`; `[::]:53` takes both families).
    ///
    /// # Errors
    /// When the address does not parse or cannot be bound.
    pub fn start(node: &Node, addr: &str, script: DnsScript) -> Result<Self> {
        let what = format!("dns server on {addr}");
        let bind = || -> io::Result<_> {
            let udp = UdpSocket::bind(addr)?;
            let bound = udp.local_addr()?;
            let other = UdpSocket::bind(SocketAddr::new(bound.ip(), 0))?;
            let tcp = TcpListener::bind(bound)?;
            udp.set_nonblocking(true)?;
            tcp.set_nonblocking(true)?;
            Ok((udp, other, tcp, bound))
        };
        let (udp, other, tcp, bound) = open(node, &what, bind)?;
        let log = Arc::default();
        let mut serving = Serving {
            udp,
            other,
            tcp,
            script,
            conns: Vec::new(),
            due: Vec::new(),
            log: Arc::clone(&log),
        };
        Ok(Self { addr: bound, log, _worker: Worker::start(move || serving.turn()) })
    }

    /// Where it serves.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The queries so far, in order.
    #[must_use]
    pub fn queries(&self) -> Vec<Query> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the queries so far.
    pub fn forget(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

struct Serving {
    udp: UdpSocket,
    /// Replies from the wrong port go out here.
    other: UdpSocket,
    tcp: TcpListener,
    script: DnsScript,
    conns: Vec<Conn>,
    due: Vec<Due>,
    log: Arc<Mutex<Vec<Query>>>,
}

struct Conn {
    stream: Arc<TcpStream>,
    peer: SocketAddr,
    inbox: Vec<u8>,
    open: bool,
}

struct Due {
    at: Instant,
    to: To,
    bytes: Vec<u8>,
}

#[derive(Clone)]
enum To {
    Udp(SocketAddr),
    UdpFromOther(SocketAddr),
    Tcp(Arc<TcpStream>),
}

impl Serving {
    fn turn(&mut self) {
        let mut fds =
            vec![(self.udp.as_fd(), PollFlags::POLLIN), (self.tcp.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.conns.iter().map(|conn| (conn.stream.as_fd(), PollFlags::POLLIN)));
        let ready: Vec<bool> =
            wait(&fds, self.until_due()).iter().map(|flags| !flags.is_empty()).collect();
        for i in (0..self.conns.len()).filter(|i| ready[i + 2]) {
            self.read_stream(i);
        }
        self.conns.retain(|conn| conn.open);
        if ready[0] {
            self.read_datagram();
        }
        if ready[1] {
            self.accept();
        }
        self.send_due();
    }

    fn until_due(&self) -> Duration {
        let now = Instant::now();
        self.due.iter().map(|due| due.at.saturating_duration_since(now)).min().unwrap_or(TICK)
    }

    fn read_datagram(&mut self) {
        let mut buffer = [0; 4096];
        if let Ok((n, from)) = self.udp.recv_from(&mut buffer) {
            self.ask(&buffer[..n], from, Transport::Udp, &To::Udp(from));
        }
    }

    fn accept(&mut self) {
        let Ok((stream, peer)) = self.tcp.accept() else {
            return;
        };
        if stream.set_nonblocking(true).is_ok() {
            self.conns.push(Conn { stream: Arc::new(stream), peer, inbox: Vec::new(), open: true });
        }
    }

    /// Takes what has come on connection `i` and answers every complete message in it.
    fn read_stream(&mut self, i: usize) {
        let conn = &mut self.conns[i];
        let mut buffer = [0; 4096];
        match (&*conn.stream).read(&mut buffer) {
            Ok(n) if n > 0 => conn.inbox.extend_from_slice(&buffer[..n]),
            // Half-closed or broken: replies still due hold the stream open.
            _ => conn.open = false,
        }
        let (to, peer) = (To::Tcp(Arc::clone(&conn.stream)), conn.peer);
        while let Some(message) = take_message(&mut self.conns[i].inbox) {
            self.ask(&message, peer, Transport::Tcp, &to);
        }
    }

    fn ask(&mut self, message: &[u8], from: SocketAddr, transport: Transport, to: &To) {
        let Some(request) = Request::parse(message) else {
            return;
        };
        let at = Instant::now();
        let before = self.record(&request, from, transport, at);
        for reply in replies(&self.script, &request, transport, before) {
            let to = match to {
                To::Udp(peer) if reply.from_other_port => To::UdpFromOther(*peer),
                same => same.clone(),
            };
            self.due.push(Due { at: at + reply.after, to, bytes: reply.bytes });
        }
    }

    /// Logs the query and says how often the same was asked before.
    fn record(
        &self,
        request: &Request,
        from: SocketAddr,
        transport: Transport,
        at: Instant,
    ) -> usize {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let before = log
            .iter()
            .filter(|old| old.kind == request.kind && same_name(&old.name, &request.name))
            .count();
        log.push(Query {
            name: request.name.clone(),
            kind: request.kind,
            transport,
            from: SocketAddr::new(from.ip().to_canonical(), from.port()),
            at,
            id: request.id,
            edns_bytes: request.edns,
        });
        before
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        let mut later = Vec::new();
        for due in self.due.drain(..) {
            if due.at > now {
                later.push(due);
                continue;
            }
            // A reply that cannot be sent is a lost one; the client's view is what is tested.
            let _ = match &due.to {
                To::Udp(peer) => self.udp.send_to(&due.bytes, peer).map(|_| ()),
                To::UdpFromOther(peer) => self.other.send_to(&due.bytes, peer).map(|_| ()),
                To::Tcp(stream) => {
                    let mut framed = (due.bytes.len() as u16).to_be_bytes().to_vec();
                    framed.extend_from_slice(&due.bytes);
                    (&**stream).write_all(&framed)
                }
            };
        }
        self.due = later;
    }
}

/// The first complete message of a stream (RFC 1035 §4.2.2: two bytes of length before each).
fn take_message(inbox: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*inbox.first()?, *inbox.get(1)?]));
    if inbox.len() < 2 + length {
        return None;
    }
    let message = inbox[2..2 + length].to_vec();
    inbox.drain(..2 + length);
    Some(message)
}
