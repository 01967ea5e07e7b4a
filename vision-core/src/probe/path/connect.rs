use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;

use super::Probing;
use super::answer::{Answer, Heard, Said};
use super::channel::{Ask, Watch};
use super::codec::Shot;
use crate::base::{Error, Family, Op, Reason, Result, Ttl};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::socket::{self, Kind, Options};

/// One connection attempt per probe; needs no capability.
pub(super) struct Connects {
    netns: Netns,
    options: Options,
    to: SocketAddr,
    epoll: Epoll,
    open: VecDeque<(u32, Socket)>,
    watch: Watch,
}

/// Older attempts are given up.
const MAX_OPEN: usize = 256;

impl Connects {
    pub(super) fn open(netns: Netns, ask: &Ask) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let port = match ask.probing {
            Probing::Tcp { port } | Probing::Udp { port } => port,
            Probing::Icmp => 0,
        };
        let to = socket::with_scope(ask.to, port, ask.scope);
        let options = ask.options.clone();
        Ok(Self { netns, options, to, epoll, open: VecDeque::new(), watch: Watch::start() })
    }

    fn family(&self) -> Family {
        Family::of(self.to.ip())
    }

    pub(super) fn send(&mut self, shot: &Shot, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        let options = Options { ttl: Some(Ttl(shot.ttl)), ..self.options.clone() };
        let kind = Kind::Tcp(self.family());
        let socket = self.netns.run(|| socket::open(kind, &options))??;
        // Closing sends a reset: no TIME-WAIT is left behind and the peer forgets at once.
        let _ = socket.set_linger(Some(Duration::ZERO));
        hear(Heard::Sending { seq: shot.seq, at: self.watch.sending() });
        match socket.connect(&self.to.into()) {
            Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => {
                hear(Heard::SendFailed { seq: shot.seq, reason: Reason::from(e), mtu: None });
            }
            _ => {
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, shot.seq.into());
                self.epoll.add(&socket, event).map_err(|e| Error::sys(Op::Poll, e))?;
                self.open.push_back((shot.seq, socket));
            }
        }
        if self.open.len() > MAX_OPEN {
            self.open.pop_front();
        }
        Ok(())
    }

    pub(super) fn drain(&mut self, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(Error::sys(Op::Poll, e)),
            };
            for event in events.iter().take(count) {
                let place = self.open.iter().position(|(seq, _)| u64::from(*seq) == event.data());
                if let Some((seq, socket)) = place.and_then(|place| self.open.remove(place)) {
                    self.decided(seq, &socket, hear);
                }
            }
            if count < events.len() {
                return Ok(());
            }
        }
    }

    fn decided(&self, seq: u32, socket: &Socket, hear: &mut dyn FnMut(Heard)) {
        let mut at = self.watch.arrival(None);
        let there = self.to.ip();
        let (from, ttl, said) = match socket.take_error().unwrap_or_else(Some) {
            None => (Some(there), None, Said::Open { mss: None }),
            Some(error) => match socket::next_error(socket, self.family()) {
                Some(queued) if queued.icmp.is_some() => {
                    at = self.watch.arrival(queued.stamp);
                    let Some(fault) = queued.icmp else { return };
                    let icmp = IcmpError::new(self.family(), fault);
                    (icmp.from, queued.ttl, Said::Icmp(icmp))
                }
                _ if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                    (Some(there), None, Said::Closed)
                }
                // A timeout of the kernel's own is silence.
                _ => return,
            },
        };
        hear(Heard::Answer(Answer::new(Some(seq), from, ttl, said, at)));
    }

    pub(super) fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.epoll.0.as_fd(), PollFlags::POLLIN);
    }
}
