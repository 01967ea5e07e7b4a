use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::libc;
use socket2::Socket;

use super::ScanReason;
use super::machine::{ScanInput, ScanMachine, Shot};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::probe::IcmpError;
use crate::probe::driver;
use crate::probe::machine::Machine;
use crate::probe::ping::is_network_error;
use crate::probe::sweep::{answers_to, is_full, widen};
use crate::socket::{self, Kind, Options};
use crate::sys::batch::{self, BATCH, Inbox};
use crate::wire::icmp::strip_ipv4;
use crate::wire::segment::{Ends, SYN_BYTES, Syn, SynAnswer};

/// A raw socket that asks and hears, and a bound one that keeps its port from others.
///
/// The kernel knows no connection on that port and answers a SYN-ACK with a reset by itself.
pub(crate) struct SynChannel {
    socket: Socket,
    _reserved: Socket,
    family: Family,
    ends: Ends,
    source_port: u16,
    key: RandomState,
    inbox: Inbox,
    /// Why the host cannot be asked.
    refusal: Option<Reason>,
}

/// The longest IPv4 header and the longest TCP header.
const HEADERS_BYTES: usize = 60 + 60;

impl SynChannel {
    /// Opens the sockets in the namespace of the calling thread.
    pub(crate) fn open(to: IpAddr, scope: u32, options: &Options) -> Result<Self> {
        let family = Family::of(to);
        let socket = socket::open(Kind::TcpRaw(family), options)?;
        // Only this host is heard; and the route says which address of ours it sees.
        let peer = socket::with_scope(to, 0, scope);
        // What stands against it, a route that is missing or prohibits, is told of each port.
        let refusal = socket.connect(&peer.into()).err().map(Reason::from);
        let from = local_addr(&socket)?.ip();
        let mut bound = options.clone();
        bound.source = Some(with_port(socket_source(options, from, scope), 0));
        let reserved = socket::open(Kind::Tcp(family), &bound)?;
        let source_port = local_addr(&reserved)?.port();
        let failed = |e| Error::sys(Op::SetOption, e);
        socket.attach_filter(&answers_to(family, source_port)).map_err(failed)?;
        widen(&socket);
        Ok(Self {
            socket,
            _reserved: reserved,
            family,
            ends: Ends { from, to },
            source_port,
            key: RandomState::new(),
            inbox: Inbox::new(HEADERS_BYTES),
            refusal,
        })
    }

    /// A number that nobody can guess; the high bits tell the attempt. So those of two attempts lie
    /// far apart: a host that has heard the first, whose answer was lost, would take a second one
    /// close by for a mistake and end the connection with a reset, as if nobody listened
    /// (net/ipv4/tcp_minisocks.c `tcp_check_req`).
    fn sequence(&self, port: u16, attempt: u8) -> u32 {
        let secret = self.key.hash_one(port) as u32;
        secret >> ATTEMPT_BITS | u32::from(attempt) << (u32::BITS - ATTEMPT_BITS)
    }

    fn attempt(&self, port: u16, sequence: u32) -> Option<u8> {
        let attempt = (sequence >> (u32::BITS - ATTEMPT_BITS)) as u8;
        (sequence == self.sequence(port, attempt)).then_some(attempt)
    }

    pub(crate) fn shoot(&mut self, shots: &[Shot], machine: &mut ScanMachine) {
        let mut bytes = Vec::with_capacity(SYN_BYTES * shots.len());
        for shot in shots {
            let sequence = self.sequence(shot.port, shot.attempt);
            let syn = Syn { source_port: self.source_port, port: shot.port, sequence };
            syn.append(self.ends, &mut bytes);
        }
        let now = driver::now();
        machine.handle(ScanInput::Sending { at: now }, now);
        if let Some(reason) = self.refusal {
            let refused = |nth| ScanInput::Refused { nth, reason };
            return (0..shots.len()).for_each(|nth| machine.handle(refused(nth), now));
        }
        let mut nth = 0;
        while let Some(rest) = bytes.get(nth * SYN_BYTES..).filter(|rest| !rest.is_empty()) {
            match batch::send(&self.socket, rest, SYN_BYTES, &[]) {
                Ok(count) => nth += count,
                Err(e) if is_full(&e) => {
                    machine.handle(ScanInput::Full { nth }, now);
                    return;
                }
                Err(e) => {
                    // The pending error of an earlier probe stops this call, not this probe.
                    if self.drain_errors(machine, driver::now()) == 0 {
                        machine.handle(ScanInput::Refused { nth, reason: Reason::from(e) }, now);
                        nth += 1;
                    }
                }
            }
        }
    }

    fn drain_errors(&self, machine: &mut ScanMachine, now: Instant) -> usize {
        let mut count = 0;
        while let Some(error) = socket::next_error(&self.socket, self.family) {
            let Some(fault) = error.icmp else { continue };
            count += 1;
            let icmp = IcmpError::new(self.family, fault);
            let quoted = Syn::quoted(&error.payload);
            let attempt = quoted.filter(|syn| syn.source_port == self.source_port);
            let attempt =
                attempt.and_then(|syn| Some((syn.port, self.attempt(syn.port, syn.sequence)?)));
            machine.handle(
                match attempt {
                    Some((port, attempt)) if icmp.is_final() => {
                        let what = ScanReason::Icmp(icmp);
                        ScanInput::Heard { port, attempt: Some(attempt), at: now, what }
                    }
                    _ => ScanInput::Stray,
                },
                now,
            );
        }
        count
    }

    pub(crate) fn drain(&mut self, machine: &mut ScanMachine, now: Instant) -> Result<()> {
        self.drain_errors(machine, now);
        let mut inbox = std::mem::replace(&mut self.inbox, Inbox::new(1));
        let result = loop {
            let received = inbox.receive(&self.socket, |got| {
                machine.handle(self.read(got.bytes, now), now);
            });
            match received {
                Ok(BATCH) => {}
                Ok(_) => break Ok(()),
                Err(e) if is_network_error(&e) => {}
                Err(e) => break Err(Error::sys(Op::Receive, e)),
            }
        };
        self.inbox = inbox;
        result
    }

    fn read(&self, bytes: &[u8], at: Instant) -> ScanInput {
        let segment = match self.family {
            Family::V4 => strip_ipv4(bytes).map_or(&[][..], |(_, segment)| segment),
            Family::V6 => bytes,
        };
        let answer = SynAnswer::read(segment).filter(|a| a.to_port == self.source_port);
        let known = answer.and_then(|a| Some((a, self.attempt(a.from_port, a.asked)?)));
        match known {
            None => ScanInput::Stray,
            Some((answer, attempt)) => ScanInput::Heard {
                port: answer.from_port,
                attempt: Some(attempt),
                at,
                what: if answer.is_open { ScanReason::SynAck } else { ScanReason::Reset },
            },
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How many bits of a sequence number tell the attempt.
const ATTEMPT_BITS: u32 = 4;

fn local_addr(socket: &Socket) -> Result<SocketAddr> {
    let addr = socket.local_addr().map_err(|e| Error::sys(Op::Bind, e))?;
    let missing = || Error::sys(Op::Bind, std::io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    addr.as_socket().ok_or_else(missing)
}

fn socket_source(options: &Options, from: IpAddr, scope: u32) -> SocketAddr {
    options.source.unwrap_or_else(|| socket::with_scope(from, 0, scope))
}

fn with_port(mut addr: SocketAddr, port: u16) -> SocketAddr {
    addr.set_port(port);
    addr
}
