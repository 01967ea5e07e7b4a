use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;

use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{SockAddr, Socket};

use super::ScanReason;
use super::machine::{ScanInput, ScanMachine, Shot};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::probe::driver;
use crate::probe::machine::Machine;
use crate::socket::{self, Kind, Options};
use crate::sys::sockopt;

/// Sockets that connect over and over: a failed or undone connect leaves a socket as good as new.
pub(crate) struct ConnectChannel {
    netns: Netns,
    options: Options,
    to: IpAddr,
    scope: u32,
    epoll: Epoll,
    lines: Vec<Line>,
    idle: Vec<usize>,
    busy: HashMap<u16, usize>,
    /// This process may open no more.
    is_full: bool,
}

struct Line {
    socket: Socket,
    /// What it is connecting to.
    shot: Option<Shot>,
}

/// So many sockets are opened at once, for entering a namespace takes longer than opening them.
const MORE: usize = 64;
/// Descriptors that others need: the session, and whoever runs it.
const SPARE: usize = 8;

impl ConnectChannel {
    pub(crate) fn open(netns: Netns, to: IpAddr, scope: u32, options: &Options) -> Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let epoll = epoll.map_err(|e| Error::sys(Op::Poll, e))?;
        let (options, lines, idle) = (options.clone(), Vec::new(), Vec::new());
        let (busy, is_full) = (HashMap::new(), false);
        let mut channel = Self { netns, options, to, scope, epoll, lines, idle, busy, is_full };
        channel.grow()?;
        Ok(channel)
    }

    /// Opens more sockets; as many as this process may have and a few less, of which one at least
    /// must be.
    fn grow(&mut self) -> Result<()> {
        if self.is_full {
            return Ok(());
        }
        let (family, options) = (Family::of(self.to), &self.options);
        let open = || -> Vec<Result<Socket>> {
            (0..MORE).map(|_| socket::open(Kind::Tcp(family), options)).collect()
        };
        let (mut sockets, mut refusal) = (Vec::new(), None);
        for opened in self.netns.run(open)? {
            match opened {
                Ok(socket) => sockets.push(socket),
                Err(error) => refusal = Some(error),
            }
        }
        if let Some(error) = refusal {
            if sockets.is_empty() && self.lines.is_empty() {
                return Err(error);
            }
            self.is_full = true;
            let least = usize::from(self.lines.is_empty());
            sockets.truncate(sockets.len().saturating_sub(SPARE).max(least));
        }
        for socket in sockets {
            let at = self.lines.len();
            let flags = EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
            let added = self.epoll.add(&socket, EpollEvent::new(flags, at as u64));
            added.map_err(|e| Error::sys(Op::Poll, e))?;
            self.lines.push(Line { socket, shot: None });
            self.idle.push(at);
        }
        Ok(())
    }

    pub(crate) fn shoot(&mut self, shots: &[Shot], machine: &mut ScanMachine) -> Result<()> {
        let now = driver::now();
        machine.handle(ScanInput::Sending { at: now }, now);
        for (nth, shot) in shots.iter().enumerate() {
            if self.idle.is_empty() {
                self.grow()?;
            }
            let Some(at) = self.idle.pop() else {
                machine.handle(ScanInput::Full { nth }, now);
                return Ok(());
            };
            let to = self.address(shot.port);
            let Some(line) = self.lines.get_mut(at) else { continue };
            line.shot = Some(*shot);
            self.busy.insert(shot.port, at);
            match connect(&line.socket, &to) {
                Ok(()) => self.decided(at, Ok(()), machine),
                Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => {}
                Err(e) if e.raw_os_error() == Some(libc::EADDRNOTAVAIL) => {
                    // All local ports are in use for a moment.
                    self.release(at);
                    machine.handle(ScanInput::Full { nth }, now);
                    return Ok(());
                }
                Err(e) if is_verdict(&e) => self.decided(at, Err(e), machine),
                Err(e) => {
                    self.release(at);
                    machine.handle(ScanInput::Refused { nth, reason: Reason::from(e) }, now);
                }
            }
        }
        Ok(())
    }

    fn address(&self, port: u16) -> SockAddr {
        socket::with_scope(self.to, port, self.scope).into()
    }

    /// Makes a line free for the next port; a connect that failed has left nothing to undo.
    fn release(&mut self, at: usize) {
        if let Some(line) = self.lines.get_mut(at)
            && let Some(shot) = line.shot.take()
        {
            self.busy.remove(&shot.port);
            self.idle.push(at);
        }
    }

    /// Ends a connection with a reset, or an attempt without a word.
    fn undo(&mut self, at: usize) {
        if let Some(line) = self.lines.get(at) {
            let _ = sockopt::disconnect(&line.socket);
            let _ = line.socket.take_error();
        }
        self.release(at);
    }

    fn decided(&mut self, at: usize, how: std::io::Result<()>, machine: &mut ScanMachine) {
        let Some(line) = self.lines.get(at) else { return };
        let Some(Shot { port, attempt }) = line.shot else { return };
        let now = driver::now();
        let is_open = how.is_ok();
        let what = match how {
            Ok(()) => ScanReason::SynAck,
            Err(e) => {
                let family = Family::of(self.to);
                let icmp = socket::next_error(&line.socket, family).and_then(|error| error.icmp);
                match icmp {
                    Some(fault) => ScanReason::Icmp(IcmpError::new(family, fault)),
                    None if e.raw_os_error() == Some(libc::ECONNREFUSED) => ScanReason::Reset,
                    None => ScanReason::Local(Reason::from(e)),
                }
            }
        };
        machine.handle(ScanInput::Heard { port, attempt: Some(attempt), at: now, what }, now);
        match is_open {
            true => self.undo(at),
            false => self.release(at),
        }
    }

    pub(crate) fn abandon(&mut self, ports: &[u16]) {
        for port in ports {
            if let Some(at) = self.busy.get(port).copied() {
                self.undo(at);
            }
        }
    }

    pub(crate) fn drain(&mut self, machine: &mut ScanMachine) -> Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        loop {
            let count = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => count,
                Err(nix::errno::Errno::EINTR) => continue,
                Err(e) => return Err(Error::sys(Op::Poll, e)),
            };
            for event in events.iter().take(count) {
                self.ready(usize::try_from(event.data()).unwrap_or(usize::MAX), machine);
            }
            if count < events.len() {
                return Ok(());
            }
        }
    }

    /// Asks what became of a connection by connecting again (connect(2)).
    fn ready(&mut self, at: usize, machine: &mut ScanMachine) {
        let Some(line) = self.lines.get(at) else { return };
        let Some(shot) = line.shot else { return };
        match connect(&line.socket, &self.address(shot.port)) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::EALREADY | libc::EINPROGRESS)) => {
                self.still_trying(at, machine);
            }
            how => self.decided(at, how, machine),
        }
    }

    /// The news was of an earlier use of the socket, or of an ICMP error that came before
    /// connect(2) returned: that one the kernel takes for a passing one (net/ipv4/tcp_ipv4.c), and
    /// would hear of again with its next SYN.
    fn still_trying(&mut self, at: usize, machine: &mut ScanMachine) {
        let Some(line) = self.lines.get(at) else { return };
        let Some(Shot { port, attempt }) = line.shot else { return };
        let family = Family::of(self.to);
        let queued = socket::next_error(&line.socket, family);
        // Of an earlier use it tells nothing.
        let about = queued.filter(|e| e.to.is_none_or(|to| to.port() == port));
        let icmp = about.and_then(|e| e.icmp).map(|fault| IcmpError::new(family, fault));
        if let Some(icmp) = icmp.filter(IcmpError::is_final) {
            let (at_now, what) = (driver::now(), ScanReason::Icmp(icmp));
            let heard = ScanInput::Heard { port, attempt: Some(attempt), at: at_now, what };
            machine.handle(heard, at_now);
            self.undo(at);
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

fn connect(socket: &Socket, to: &SockAddr) -> std::io::Result<()> {
    loop {
        match socket.connect(to) {
            Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
            other => return other,
        }
    }
}

/// Whether an errno is what the network said, and not what the own kernel thinks.
fn is_verdict(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(libc::ECONNREFUSED)
}
