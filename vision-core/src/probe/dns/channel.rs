use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

use super::machine::{DnsCommand, DnsInput};
use super::secure::{Client, Session, Told};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::machine::{BURST, Channel, Machine};
use crate::probe::{IcmpError, driver};
use crate::socket::{self, BATCH, Inbox, Kind, Options};

/// Pieces taken from one stream before the clock is looked at again; each may hold some ten thousand
/// messages that are none.
const PIECES: usize = 4;
/// How long a lane that had replies is left to gather more before it is read again.
const GATHER: Duration = Duration::from_micros(60);
/// Bytes of answers a lane may hold.
const LANE_BUFFER: usize = 1 << 20;

/// The sockets of DNS queries: one per query, each with a port the kernel picks at random.
///
/// Datagram sockets are **not** connected. A connected one would never see a reply from another
/// address, which is exactly what a broken address translation makes; so every datagram reaches
/// the machine, which accepts none whose sender is not the server asked. ICMP errors reach an
/// unconnected socket as well, through `IP_RECVERR`.
pub(crate) struct DnsChannel {
    netns: Netns,
    options: Options,
    epoll: Epoll,
    sockets: HashMap<u64, Entry>,
    buffer: Vec<u8>,
    /// How connections are secured, if they are.
    client: Option<Client>,
    /// Present once there are lanes.
    inbox: Option<Inbox>,
    /// Replies that the last look at the lanes found.
    found: usize,
}

struct Entry {
    socket: Socket,
    to: SocketAddr,
    family: Family,
    kind: State,
}

enum State {
    Udp,
    /// Datagrams of many queries.
    Lane,
    /// What is still to be sent once the handshake is over.
    Connecting(Vec<u8>),
    Connected,
    /// The handshake of TCP is over, and that of TLS under way or over.
    Secured(Box<Session>),
}

/// Any machine that speaks to this channel.
pub(crate) trait DnsSpeaker:
    for<'a> Machine<Command = DnsCommand, Input<'a> = DnsInput<'a>>
{
}

impl<M> DnsSpeaker for M where M: for<'a> Machine<Command = DnsCommand, Input<'a> = DnsInput<'a>> {}

impl DnsChannel {
    pub(crate) fn open(netns: Netns, options: Options) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let (sockets, buffer) = (HashMap::new(), vec![0; 0x1_0000]);
        Ok(Self { netns, options, epoll, sockets, buffer, client: None, inbox: None, found: 0 })
    }

    /// Secures every connection.
    #[cfg(feature = "tls")]
    pub(super) fn secured(self, client: Client) -> Self {
        Self { client: Some(client), ..self }
    }

    /// Opens the socket of one query; a family the kernel lacks is an answer, not an error.
    fn socket(&self, kind: fn(Family) -> Kind, to: SocketAddr) -> Result<Result<Socket, Reason>> {
        let family = Family::of(to.ip());
        let opened = self.netns.run(|| socket::open(kind(family), &self.options))?;
        match opened {
            Ok(socket) => Ok(Ok(socket)),
            Err(Error::Sys { source, .. }) => Ok(Err(Reason::from(source))),
            Err(error) => Err(error),
        }
    }

    fn send_udp(&mut self, slot: u64, to: SocketAddr, bytes: &[u8]) -> Result<Option<Reason>> {
        let socket = match self.socket(Kind::Udp, to)? {
            Ok(socket) => socket,
            Err(reason) => return Ok(Some(reason)),
        };
        if let Err(error) = socket::send_to(&socket, bytes, &to.into()) {
            return Ok(Some(Reason::from(error)));
        }
        self.keep(slot, socket, to, State::Udp, EpollFlags::EPOLLIN)?;
        Ok(None)
    }

    fn send_batch<M: DnsSpeaker>(
        &mut self,
        lane: u64,
        to: SocketAddr,
        datagrams: &[Vec<u8>],
        (machine, now): (&mut M, Instant),
    ) -> Result<()> {
        let mut refused = None;
        if !self.sockets.contains_key(&lane) {
            match self.socket(Kind::Udp, to)? {
                Ok(socket) => {
                    // Many answers arrive at once; what the kernel grants is its own affair.
                    let _ = socket.set_recv_buffer_size(LANE_BUFFER);
                    self.keep(lane, socket, to, State::Lane, EpollFlags::EPOLLIN)?;
                    self.inbox.get_or_insert_with(Inbox::new);
                }
                Err(reason) => refused = Some(reason),
            }
        }
        let mut sent = 0;
        if let Some(entry) = self.sockets.get(&lane) {
            let _ = entry.socket.take_error();
            let mut full = 0;
            while sent < datagrams.len() {
                let rest = datagrams.get(sent..).unwrap_or_default();
                let (count, errno) = socket::send_many(&entry.socket, to, rest);
                sent += count;
                match errno {
                    None if count > 0 => {}
                    // The device's queue is full: it empties within moments.
                    Some(Errno::EAGAIN | Errno::ENOBUFS) if full < 100 => {
                        full += 1;
                        std::thread::sleep(GATHER);
                    }
                    other => {
                        refused = Some(Reason::new(other.unwrap_or(Errno::EIO) as i32));
                        break;
                    }
                }
            }
        }
        for bytes in datagrams.get(sent..).unwrap_or_default() {
            let reason = refused.unwrap_or(Reason::new(libc::EIO));
            machine.handle(DnsInput::Bounced { slot: lane, bytes, reason, icmp: None }, now);
        }
        Ok(())
    }

    fn connect(&mut self, slot: u64, to: SocketAddr, bytes: Vec<u8>) -> Result<Option<Reason>> {
        let socket = match self.socket(Kind::Tcp, to)? {
            Ok(socket) => socket,
            Err(reason) => return Ok(Some(reason)),
        };
        // A query behind the end of a handshake must not wait for its acknowledgement.
        let _ = socket.set_tcp_nodelay(true);
        match socket.connect(&to.into()) {
            Err(e) if !is_pending(&e) => return Ok(Some(Reason::from(e))),
            _ => {}
        }
        self.keep(slot, socket, to, State::Connecting(bytes), EpollFlags::EPOLLOUT)?;
        Ok(None)
    }

    fn keep(
        &mut self,
        slot: u64,
        socket: Socket,
        to: SocketAddr,
        kind: State,
        flags: EpollFlags,
    ) -> Result<()> {
        let event = EpollEvent::new(flags, slot);
        self.epoll.add(&socket, event).map_err(|e| Error::sys(Op::Poll, e))?;
        self.sockets.insert(slot, Entry { socket, to, family: Family::of(to.ip()), kind });
        Ok(())
    }

    fn read<M: DnsSpeaker>(&mut self, slot: u64, machine: &mut M, now: Instant) -> Result<()> {
        let Some(entry) = self.sockets.get_mut(&slot) else {
            return Ok(());
        };
        match entry.kind {
            State::Udp => {
                read_udp(slot, entry, &mut self.buffer, machine, now);
                return Ok(());
            }
            State::Lane => {
                if let Some(inbox) = &mut self.inbox {
                    self.found += read_lane(slot, entry, inbox, machine, now);
                }
                return Ok(());
            }
            _ => {}
        }
        if let State::Connecting(_) = entry.kind {
            match entry.advance(self.client.as_ref()) {
                Ok(false) => return Ok(()),
                Ok(true) => {
                    machine.handle(DnsInput::Connected { slot }, now);
                    let event = &mut EpollEvent::new(EpollFlags::EPOLLIN, slot);
                    let modified = self.epoll.modify(&entry.socket, event);
                    modified.map_err(|e| Error::sys(Op::Poll, e))?;
                }
                Err(error) => {
                    let input = entry.failure(slot, error);
                    self.sockets.remove(&slot);
                    machine.handle(input, now);
                    return Ok(());
                }
            }
        }
        if let State::Secured(session) = &mut entry.kind {
            let ended = turn(slot, (&mut entry.socket, session), machine, now);
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, session.wants_write());
            let event = &mut EpollEvent::new(flags, slot);
            let modified = self.epoll.modify(&entry.socket, event);
            modified.map_err(|e| Error::sys(Op::Poll, e))?;
            if ended {
                self.sockets.remove(&slot);
            }
            return Ok(());
        }
        if read_tcp(slot, entry, &mut self.buffer, machine, now) {
            self.sockets.remove(&slot);
        }
        Ok(())
    }
}

fn is_pending(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EAGAIN | libc::EINTR))
}

impl Entry {
    /// Finishes the handshake and sends the query; `false` means that it is not over yet.
    fn advance(&mut self, client: Option<&Client>) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        let State::Connecting(pending) = &mut self.kind else {
            return Ok(true);
        };
        if let Some(client) = client {
            let session = client.session(self.to, pending).map_err(io::Error::other)?;
            self.kind = State::Secured(Box::new(session));
            return Ok(true);
        }
        while !pending.is_empty() {
            match self.socket.write(pending) {
                Ok(sent) => drop(pending.drain(..sent)),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(e) => return Err(e),
            }
        }
        self.kind = State::Connected;
        Ok(true)
    }

    fn failure(&self, slot: u64, error: io::Error) -> DnsInput<'static> {
        let queued = socket::next_error(&self.socket, self.family);
        let icmp = queued.and_then(|q| q.icmp).map(|fault| IcmpError::new(self.family, fault));
        DnsInput::Failed { slot, reason: Reason::from(error), icmp }
    }
}

fn read_udp<M: DnsSpeaker>(
    slot: u64,
    entry: &Entry,
    buffer: &mut [u8],
    machine: &mut M,
    now: Instant,
) {
    while let Some(queued) = socket::next_error(&entry.socket, entry.family) {
        let icmp = queued.icmp.map(|fault| IcmpError::new(entry.family, fault));
        let reason = Reason::new(queued.errno);
        // Too big is for the kernel to act upon; the query was short anyway.
        if reason.errno != libc::EMSGSIZE {
            machine.handle(DnsInput::Failed { slot, reason, icmp }, now);
        }
    }
    for _ in 0..BURST {
        match socket::receive(&entry.socket, buffer) {
            Ok(None) => break,
            Ok(Some(datagram)) => {
                let (from, bytes) = (datagram.from, datagram.bytes);
                machine.handle(DnsInput::Datagram { slot, from, bytes }, now);
            }
            // The error of an entry that the queue had already told.
            Err(_) => {}
        }
    }
}

/// Reads a batch of a lane's replies; returns how many there were.
fn read_lane<M: DnsSpeaker>(
    slot: u64,
    entry: &Entry,
    inbox: &mut Inbox,
    machine: &mut M,
    now: Instant,
) -> usize {
    let mut all = 0;
    for _ in 0..BURST / BATCH {
        let count = inbox.receive(&entry.socket, |from, bytes| {
            machine.handle(DnsInput::Datagram { slot, from, bytes }, now);
        });
        match count {
            Ok(count) => {
                all += count;
                if count < BATCH {
                    break;
                }
            }
            // An error waits in the queue.
            Err(_) => {
                while let Some(queued) = socket::next_error(&entry.socket, entry.family) {
                    let icmp = queued.icmp.map(|fault| IcmpError::new(entry.family, fault));
                    let (bytes, reason) = (&queued.payload, Reason::new(queued.errno));
                    machine.handle(DnsInput::Bounced { slot, bytes, reason, icmp }, now);
                }
            }
        }
    }
    all
}

/// Moves a secured connection on; `true` means that nothing more will come.
fn turn<M: DnsSpeaker>(
    slot: u64,
    (socket, session): (&mut Socket, &mut Session),
    machine: &mut M,
    now: Instant,
) -> bool {
    let mut fault = false;
    let turned = session.turn(socket, &mut |told| match told {
        // A handshake takes long enough to count what this very turn took of it.
        Told::Ready(version) => {
            machine.handle(DnsInput::Secured { slot, version }, driver::now());
        }
        Told::Bytes(bytes) => machine.handle(DnsInput::Stream { slot, bytes }, now),
        Told::Fault(why) => {
            fault = true;
            machine.handle(DnsInput::NotSecured { slot, why }, now);
        }
    });
    match turned {
        Ok(false) => fault,
        Ok(true) => {
            machine.handle(DnsInput::Closed { slot }, now);
            true
        }
        Err(error) => {
            let reason = Reason::from(error);
            machine.handle(DnsInput::Failed { slot, reason, icmp: None }, now);
            true
        }
    }
}

/// Reads what there is; `true` means that nothing more will come.
fn read_tcp<M: DnsSpeaker>(
    slot: u64,
    entry: &mut Entry,
    buffer: &mut [u8],
    machine: &mut M,
    now: Instant,
) -> bool {
    for _ in 0..PIECES {
        match entry.socket.read(buffer) {
            Ok(0) => {
                machine.handle(DnsInput::Closed { slot }, now);
                return true;
            }
            Ok(length) => {
                let bytes = buffer.get(..length).unwrap_or_default();
                machine.handle(DnsInput::Stream { slot, bytes }, now);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
            Err(e) => {
                machine.handle(entry.failure(slot, e), now);
                return true;
            }
        }
    }
    false
}

impl<M: DnsSpeaker> Channel<M> for DnsChannel {
    fn perform(&mut self, command: DnsCommand, machine: &mut M, now: Instant) -> Result<()> {
        let (slot, refused) = match command {
            DnsCommand::Udp { slot, to, bytes } => (slot, self.send_udp(slot, to, &bytes)?),
            DnsCommand::Tcp { slot, to, bytes } => (slot, self.connect(slot, to, bytes)?),
            DnsCommand::Batch { lane, to, datagrams } => {
                return self.send_batch(lane, to, &datagrams, (machine, now));
            }
            DnsCommand::Close { slot } => {
                // Dropping the socket takes it out of the epoll as well.
                self.sockets.remove(&slot);
                return Ok(());
            }
        };
        if let Some(reason) = refused {
            machine.handle(DnsInput::Failed { slot, reason, icmp: None }, now);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut M, now: Instant) -> Result<()> {
        if (1..BATCH).contains(&std::mem::take(&mut self.found)) {
            // More replies are on their way: a batch costs little more than one.
            std::thread::sleep(GATHER);
        }
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            // Whatever is ready stays so and is found the next time.
            Err(Errno::EINTR) => return Ok(()),
            Err(e) => return Err(Error::sys(Op::Poll, e)),
        };
        for event in events.iter().take(count) {
            self.read(event.data(), machine, now)?;
        }
        Ok(())
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.epoll.0.as_fd(), PollFlags::POLLIN);
    }
}
