use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

use super::machine::{TcpCommand, TcpInput, TcpMachine};
use super::resets::ResetWatch;
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::probe::machine::{Channel, Machine};
use crate::socket::{self, Kind, Options};

/// The connections being opened, in an epoll of their own.
pub(crate) struct TcpChannel {
    netns: Netns,
    options: Options,
    epoll: Epoll,
    sockets: HashMap<usize, (Socket, Family)>,
    resets: Option<ResetWatch>,
}

impl TcpChannel {
    /// With an address, resets from there are watched where that is permitted.
    pub(crate) fn open(netns: Netns, options: Options, watch: Option<IpAddr>) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let resets = match watch {
            Some(from) => netns.run(|| ResetWatch::open(from).ok())?,
            None => None,
        };
        Ok(Self { netns, options, epoll, sockets: HashMap::new(), resets })
    }

    fn connect(&mut self, slot: usize, to: SocketAddr) -> Result<Option<Reason>> {
        let family = Family::of(to.ip());
        let options = self.options.clone();
        let socket = self.netns.run(|| socket::open(Kind::Tcp(family), &options))??;
        // Closing sends a reset: no TIME-WAIT is left behind and the peer forgets at once.
        let _ = socket.set_linger(Some(Duration::ZERO));
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
                self.sockets.insert(slot, (socket, family));
                Ok(None)
            }
        }
    }

    fn close(&mut self, slot: usize) {
        // Dropping the socket takes it out of the epoll as well.
        self.sockets.remove(&slot);
    }

    fn outcome(&mut self, slot: usize) -> Option<TcpInput> {
        let (socket, family) = self.sockets.remove(&slot)?;
        let error = socket.take_error().unwrap_or_else(Some);
        let icmp = socket::next_error(&socket, family).and_then(|queued| queued.icmp);
        Some(match error {
            None => {
                let local = socket.local_addr().ok().and_then(|addr| addr.as_socket());
                TcpInput::Connected { slot, local }
            }
            Some(e) => {
                let icmp = icmp.map(|fault| IcmpError::new(family, fault));
                let local = socket.local_addr().ok().and_then(|addr| addr.as_socket());
                let ttl = self.resets.as_mut().zip(local).and_then(|(r, l)| r.ttl_to(l.port()));
                TcpInput::Failed { slot, reason: Reason::from(e), icmp, ttl }
            }
        })
    }
}

impl Channel<TcpMachine> for TcpChannel {
    fn perform(
        &mut self,
        command: TcpCommand,
        machine: &mut TcpMachine,
        now: Instant,
    ) -> Result<()> {
        match command {
            TcpCommand::Abandon { slot } => self.close(slot),
            TcpCommand::Connect { slot, to } => {
                if let Some(reason) = self.connect(slot, to)? {
                    machine.handle(TcpInput::Failed { slot, reason, icmp: None, ttl: None }, now);
                }
            }
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut TcpMachine, now: Instant) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(Error::sys(Op::Poll, e)),
            };
            for event in events.iter().take(count) {
                let slot = usize::try_from(event.data()).unwrap_or(usize::MAX);
                if let Some(input) = self.outcome(slot) {
                    machine.handle(input, now);
                }
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
