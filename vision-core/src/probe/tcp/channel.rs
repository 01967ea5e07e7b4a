use std::collections::HashMap;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

use super::machine::{Talker, TcpCommand, TcpInput};
use super::resets::ResetWatch;
use super::talk::KEPT_BYTES;
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::probe::driver;
use crate::probe::machine::Channel;
use crate::socket::{self, Kind, Options};

/// The connections being opened or talked over, in an epoll of their own.
pub(crate) struct TcpChannel {
    netns: Netns,
    options: Options,
    epoll: Epoll,
    then: Then,
    sockets: HashMap<usize, Connection>,
    buffer: Vec<u8>,
    resets: Option<ResetWatch>,
}

/// What follows a handshake.
// closed: a connection serves for something or it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The connection is closed.
    Close,
    /// It is kept, and read from.
    Talk,
}

struct Connection {
    socket: Socket,
    family: Family,
    is_open: bool,
}

impl TcpChannel {
    /// With an address, resets from there are watched where that is permitted.
    pub(crate) fn open(
        netns: Netns,
        options: Options,
        then: Then,
        watch: Option<IpAddr>,
    ) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let resets = match watch {
            Some(from) => netns.run(|| ResetWatch::open(from).ok())?,
            None => None,
        };
        let buffer = match then {
            Then::Close => Vec::new(),
            Then::Talk => vec![0; KEPT_BYTES],
        };
        let sockets = HashMap::new();
        Ok(Self { netns, options, epoll, then, sockets, buffer, resets })
    }

    fn connect(
        &mut self,
        slot: usize,
        to: SocketAddr,
        machine: &mut impl Talker,
    ) -> Result<Option<Reason>> {
        let family = Family::of(to.ip());
        let options = self.options.clone();
        let socket = self.netns.run(|| socket::open(Kind::Tcp(family), &options))??;
        // Closing sends a reset: no TIME-WAIT is left behind and the peer forgets at once.
        let _ = socket.set_linger(Some(Duration::ZERO));
        // Entering the namespace and opening the socket are no part of the handshake.
        let now = driver::now();
        machine.handle(TcpInput::Connecting { slot }, now);
        let started = loop {
            match socket.connect(&to.into()) {
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
                other => break other,
            }
        };
        match started {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Ok(Some(Reason::from(e))),
            _ => {
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, slot as u64);
                self.epoll.add(&socket, event).map_err(|e| Error::sys(Op::Poll, e))?;
                self.sockets.insert(slot, Connection { socket, family, is_open: false });
                Ok(None)
            }
        }
    }

    fn close(&mut self, slot: usize) {
        // Dropping the socket takes it out of the epoll as well.
        self.sockets.remove(&slot);
    }

    /// Reads what the kernel says about a connection, and tells the machine.
    fn ready(&mut self, slot: usize, machine: &mut impl Talker, now: Instant) -> Result<()> {
        match self.sockets.get(&slot) {
            None => Ok(()),
            Some(connection) if connection.is_open => {
                self.read(slot, machine, now);
                Ok(())
            }
            Some(_) => self.decided(slot, machine, now),
        }
    }

    fn decided(&mut self, slot: usize, machine: &mut impl Talker, now: Instant) -> Result<()> {
        let Some(mut connection) = self.sockets.remove(&slot) else {
            return Ok(());
        };
        let Connection { socket, family, .. } = &connection;
        let local = socket.local_addr().ok().and_then(|addr| addr.as_socket());
        if let Some(error) = socket.take_error().unwrap_or_else(Some) {
            let icmp = socket::next_error(socket, *family).and_then(|queued| queued.icmp);
            let icmp = icmp.map(|fault| IcmpError::new(*family, fault));
            let ttl = self.resets.as_mut().zip(local).and_then(|(r, l)| r.ttl_to(l.port()));
            let reason = Reason::from(error);
            machine.handle(TcpInput::Failed { slot, reason, icmp, ttl }, now);
            return Ok(());
        }
        if self.then == Then::Talk {
            let mut event = EpollEvent::new(EpollFlags::EPOLLIN, slot as u64);
            let changed = self.epoll.modify(socket, &mut event);
            changed.map_err(|e| Error::sys(Op::Poll, e))?;
            connection.is_open = true;
            self.sockets.insert(slot, connection);
        }
        machine.handle(TcpInput::Connected { slot, local }, now);
        Ok(())
    }

    /// One read only: a peer that never stops must not keep the other connections waiting.
    fn read(&mut self, slot: usize, machine: &mut impl Talker, now: Instant) {
        let Some(connection) = self.sockets.get(&slot) else {
            return;
        };
        let reason = match (&connection.socket).read(&mut self.buffer) {
            Ok(0) => None,
            Ok(length) => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                return machine.handle(TcpInput::Data { slot, bytes }, now);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return,
            Err(e) => Some(Reason::from(e)),
        };
        self.close(slot);
        machine.handle(TcpInput::Ended { slot, reason }, now);
    }

    /// What a fresh connection's send buffer does not take is not sent; the report counts.
    fn send(&mut self, slot: usize, bytes: &[u8], machine: &mut impl Talker, now: Instant) {
        let Some(connection) = self.sockets.get(&slot) else {
            return;
        };
        match connection.socket.send(bytes) {
            Ok(count) => machine.handle(TcpInput::Sent { slot, count }, now),
            // The reading side says what is wrong, and has what came before.
            Err(_) => self.read(slot, machine, now),
        }
    }
}

impl<M: Talker> Channel<M> for TcpChannel {
    fn perform(&mut self, command: TcpCommand, machine: &mut M, now: Instant) -> Result<()> {
        match command {
            TcpCommand::Close { slot } => self.close(slot),
            TcpCommand::Send { slot, bytes } => self.send(slot, &bytes, machine, now),
            TcpCommand::Connect { slot, to } => {
                if let Some(reason) = self.connect(slot, to, machine)? {
                    let failed = TcpInput::Failed { slot, reason, icmp: None, ttl: None };
                    machine.handle(failed, driver::now());
                }
            }
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut M, now: Instant) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(Error::sys(Op::Poll, e)),
            };
            for event in events.iter().take(count) {
                let slot = usize::try_from(event.data()).unwrap_or(usize::MAX);
                self.ready(slot, machine, now)?;
            }
            if count < events.len() {
                return Ok(());
            }
        }
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.epoll.0.as_fd(), PollFlags::POLLIN);
    }
}
