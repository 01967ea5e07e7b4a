use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

use super::machine::{DnsCommand, DnsInput};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::probe::machine::{BURST, Channel, Machine};
use crate::socket::{self, Kind, Options};

/// Pieces taken from one stream before the clock is looked at again; each may hold some ten thousand
/// messages that are none.
const PIECES: usize = 4;

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
}

struct Entry {
    socket: Socket,
    family: Family,
    kind: State,
}

enum State {
    Udp,
    /// What is still to be sent once the handshake is over.
    Connecting(Vec<u8>),
    Connected,
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
        Ok(Self { netns, options, epoll, sockets, buffer })
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

    fn connect(&mut self, slot: u64, to: SocketAddr, bytes: Vec<u8>) -> Result<Option<Reason>> {
        let socket = match self.socket(Kind::Tcp, to)? {
            Ok(socket) => socket,
            Err(reason) => return Ok(Some(reason)),
        };
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
        self.sockets.insert(slot, Entry { socket, family: Family::of(to.ip()), kind });
        Ok(())
    }

    fn read<M: DnsSpeaker>(&mut self, slot: u64, machine: &mut M, now: Instant) -> Result<()> {
        let Some(entry) = self.sockets.get_mut(&slot) else {
            return Ok(());
        };
        if let State::Udp = entry.kind {
            read_udp(slot, entry, &mut self.buffer, machine, now);
            return Ok(());
        }
        if let State::Connecting(_) = entry.kind {
            match entry.advance() {
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
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        let State::Connecting(pending) = &mut self.kind else {
            return Ok(true);
        };
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
        let mut events = [EpollEvent::empty(); 64];
        let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(count) => count,
            // Whatever is ready stays so and is found the next time.
            Err(nix::errno::Errno::EINTR) => return Ok(()),
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
