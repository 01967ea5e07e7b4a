use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::{SockAddr, SockFilter, Socket};

use super::{SynOutcome, SynSegment};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::netns::Netns;
use crate::probe::IcmpError;
use crate::probe::machine::{BURST, Channel, Machine};
use crate::probe::ping::{Clocks, is_network_error};
use crate::probe::rounds::{Heard, Rounds};
use crate::socket::{self, Datagram, Kind, Options};
use crate::wire::icmp::strip_ipv4;
use crate::wire::segment::{Ends, Syn, SynAnswer};

/// A raw socket that asks and hears, and bound ones that keep the ports in use from others.
///
/// The kernel knows no connection on such a port and answers a SYN-ACK with a reset by itself.
pub(crate) struct SynChannel {
    netns: Netns,
    socket: Socket,
    family: Family,
    ends: Ends,
    port: u16,
    at: SockAddr,
    options: Options,
    /// Of the last requests, the newest last.
    reserved: VecDeque<Socket>,
    /// When request `n + 1` left, and from which port.
    sent: Vec<(Instant, u16)>,
    key: RandomState,
    buffer: Vec<u8>,
    clocks: Clocks,
    /// Why the host cannot be asked.
    refusal: Option<Reason>,
}

/// Ports kept at the same time; an answer that comes after so many further requests is late.
const RESERVED: usize = 64;

impl SynChannel {
    /// Opens the socket in a namespace.
    pub(crate) fn open(
        netns: Netns,
        to: IpAddr,
        scope: u32,
        port: u16,
        options: &Options,
    ) -> Result<Self> {
        let family = Family::of(to);
        let socket = netns.run(|| socket::open(Kind::TcpRaw(family), options))??;
        // Without the kernel's stamp an answer counts from the moment it is read.
        let _ = setsockopt(&socket, ReceiveTimestampns, &true);
        // Only this host is heard; and the route says which address of ours it sees.
        let peer = socket::with_scope(to, 0, scope);
        // What stands against it, a route that is missing or prohibits, is told of each request.
        let refusal = socket.connect(&peer.into()).err().map(Reason::from);
        let from = local_addr(&socket)?.ip();
        let failed = |e| Error::sys(Op::SetOption, e);
        socket.attach_filter(&answers_from(family, port)).map_err(failed)?;
        let mut options = options.clone();
        options.source = Some(socket::with_scope(from, 0, scope));
        Ok(Self {
            netns,
            socket,
            family,
            ends: Ends { from, to },
            port,
            at: peer.into(),
            options,
            reserved: VecDeque::new(),
            sent: Vec::new(),
            key: RandomState::new(),
            buffer: vec![0; 2048],
            clocks: Clocks::read(),
            refusal,
        })
    }

    /// A number that nobody can guess.
    fn sequence(&self, nth: u16) -> u32 {
        self.key.hash_one(nth) as u32
    }

    /// Keeps a port of ours from others, the oldest one no longer.
    fn reserve(&mut self) -> Result<u16> {
        let open = || socket::open(Kind::Tcp(self.family), &self.options);
        let socket = self.netns.run(open)??;
        let port = local_addr(&socket)?.port();
        if self.reserved.len() >= RESERVED {
            self.reserved.pop_front();
        }
        self.reserved.push_back(socket);
        Ok(port)
    }

    /// Which request went out from this port with this number, and when.
    fn request(&self, source_port: u16, sequence: u32) -> Option<(u16, Instant)> {
        let recent = self.sent.iter().enumerate().rev().take(RESERVED);
        let mut ours = recent.filter_map(|(index, (at, port))| {
            let nth = u16::try_from(index + 1).ok()?;
            (*port == source_port && self.sequence(nth) == sequence).then_some((nth, *at))
        });
        ours.next()
    }

    fn read(&self, received: &Datagram<'_>) -> Option<Heard<SynOutcome>> {
        let (ttl, segment, ip) = match self.family {
            Family::V4 => {
                let (ttl, segment) = strip_ipv4(received.bytes).ok()?;
                (Some(ttl), segment, received.bytes.first_chunk::<8>())
            }
            Family::V6 => (received.ttl, received.bytes, None),
        };
        let answer = SynAnswer::read(segment)?;
        let Some((nth, sent)) = self.request(answer.to_port, answer.asked) else {
            return Some(Heard::Stray);
        };
        let rtt = self.clocks.arrival(received.stamp).saturating_duration_since(sent);
        let segment = SynSegment {
            rtt,
            flags: answer.flags(),
            window: answer.window,
            ttl,
            ip_id: ip.map(|[_, _, _, _, high, low, ..]| u16::from_be_bytes([*high, *low])),
            df: ip.map(|header| header[6] & 0x40 != 0),
        };
        let outcome = match answer.is_open {
            true => SynOutcome::SynAck(segment),
            false => SynOutcome::Reset(segment),
        };
        Some(Heard::Outcome { nth, outcome })
    }
}

impl Channel<Rounds<SynOutcome>> for SynChannel {
    fn perform(&mut self, nth: u16, machine: &mut Rounds<SynOutcome>, now: Instant) -> Result<()> {
        if let Some(reason) = self.refusal {
            let outcome = SynOutcome::LocalError(reason);
            machine.handle(Heard::Outcome { nth, outcome }, now);
            return Ok(());
        }
        let source_port = self.reserve()?;
        let syn = Syn { source_port, port: self.port, sequence: self.sequence(nth) };
        let mut bytes = Vec::new();
        syn.append(self.ends, &mut bytes);
        self.clocks = Clocks::read();
        self.sent.push((self.clocks.monotonic, source_port));
        if let Err(e) = socket::send_to(&self.socket, &bytes, &self.at) {
            self.drain(machine, now)?;
            let outcome = SynOutcome::LocalError(Reason::from(e));
            machine.handle(Heard::Outcome { nth, outcome }, now);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut Rounds<SynOutcome>, now: Instant) -> Result<()> {
        while let Some(error) = socket::next_error(&self.socket, self.family) {
            let quoted = Syn::quoted(&error.payload).filter(|syn| syn.port == self.port);
            let ours = quoted.and_then(|syn| self.request(syn.source_port, syn.sequence));
            if let (Some((nth, _)), Some(fault)) = (ours, error.icmp) {
                let outcome = SynOutcome::Unreachable(IcmpError::new(self.family, fault));
                machine.handle(Heard::Outcome { nth, outcome }, now);
            }
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let result = self.drain_answers(&mut buffer, machine, now);
        self.buffer = buffer;
        result
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.socket.as_fd(), PollFlags::POLLIN);
    }
}

impl SynChannel {
    fn drain_answers(
        &self,
        buffer: &mut [u8],
        machine: &mut Rounds<SynOutcome>,
        now: Instant,
    ) -> Result<()> {
        for _ in 0..BURST {
            match socket::receive(&self.socket, buffer) {
                Ok(Some(received)) => {
                    self.read(&received).into_iter().for_each(|heard| machine.handle(heard, now));
                }
                Ok(None) => return Ok(()),
                // The pending error of an earlier request; the queue has the details.
                Err(e) if is_network_error(&e) => {}
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
        Ok(())
    }
}

/// A classic BPF program that lets segments from one port through (linux/bpf_common.h).
fn answers_from(family: Family, port: u16) -> Vec<SockFilter> {
    let is_theirs = SockFilter::new(0x15, 0, 1, port.into());
    let (accept, drop) = (SockFilter::new(0x06, 0, 0, u32::MAX), SockFilter::new(0x06, 0, 0, 0));
    match family {
        // The length of the IPv4 header goes before the place.
        Family::V4 => vec![
            SockFilter::new(0xb1, 0, 0, 0),
            SockFilter::new(0x48, 0, 0, 0),
            is_theirs,
            accept,
            drop,
        ],
        Family::V6 => vec![SockFilter::new(0x28, 0, 0, 0), is_theirs, accept, drop],
    }
}

fn local_addr(socket: &Socket) -> Result<SocketAddr> {
    let addr = socket.local_addr().map_err(|e| Error::sys(Op::Bind, e))?;
    let missing = || Error::sys(Op::Bind, std::io::Error::from_raw_os_error(libc::EAFNOSUPPORT));
    addr.as_socket().ok_or_else(missing)
}
