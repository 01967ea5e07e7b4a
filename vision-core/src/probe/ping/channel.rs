use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::{SockAddr, Socket};

use super::clocks::Clocks;
use super::machine::{IcmpOrLocal, PingInput, PingMachine, Request};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::probe::machine::{BURST, Channel, Machine};
use crate::probe::{IcmpError, Method};
use crate::socket::{self, Kind, Options, QueuedError};
use crate::wire::icmp::strip_ipv4;

/// One ICMP socket.
pub(crate) struct PingChannel {
    socket: Socket,
    family: Family,
    method: Method,
    to: SockAddr,
    buffer: Vec<u8>,
    clocks: Clocks,
}

impl PingChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(to: IpAddr, scope: u32, options: &Options) -> Result<Self> {
        let family = Family::of(to);
        let (socket, method) = open_icmp(family, options)?;
        let to = socket::with_scope(to, 0, scope).into();
        // Without the kernel's stamp a reply counts from the moment it is read.
        let _ = setsockopt(&socket, ReceiveTimestampns, &true);
        let (buffer, clocks) = (vec![0; 65_536], Clocks::read());
        Ok(Self { socket, family, method, to, buffer, clocks })
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    fn drain_replies(&mut self, machine: &mut PingMachine, now: Instant) -> Result<()> {
        let has_ip_header = self.method == Method::Raw && self.family == Family::V4;
        for _ in 0..BURST {
            let received = match socket::receive(&self.socket, &mut self.buffer) {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(()),
                // The pending error of an earlier packet; the queue has the details.
                Err(e) if is_network_error(&e) => continue,
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            };
            let Some(from) = received.from.map(|from| from.ip()) else {
                continue;
            };
            let (ttl, bytes) = match has_ip_header {
                false => (received.ttl, received.bytes),
                true => match strip_ipv4(received.bytes) {
                    Ok((ttl, bytes)) => (Some(ttl), bytes),
                    Err(_) => continue,
                },
            };
            let at = self.clocks.arrival(received.stamp);
            machine.handle(PingInput::Message { from, ttl, at, bytes }, now);
        }
        Ok(())
    }
}

/// Opens the socket that needs the fewest rights.
pub(crate) fn open_icmp(family: Family, options: &Options) -> Result<(Socket, Method)> {
    match socket::open(Kind::IcmpDatagram(family), options) {
        Ok(socket) => Ok((socket, Method::Datagram)),
        // Outside ping_group_range; what else is wrong shows with the raw socket again.
        Err(Error::Permission { op: Op::OpenRaw, .. } | Error::Sys { .. }) => {
            let raw = socket::open(Kind::IcmpRaw(family), options).map_err(|error| match error {
                Error::Permission { op: Op::OpenRaw, needs } => {
                    Error::Permission { op: Op::OpenEcho, needs }
                }
                other => other,
            });
            Ok((raw?, Method::Raw))
        }
        Err(e) => Err(e),
    }
}

pub(crate) fn is_network_error(error: &std::io::Error) -> bool {
    use nix::libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETDOWN, ENETUNREACH, EPROTO};
    let errno = error.raw_os_error().unwrap_or_default();
    [EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETDOWN, ENETUNREACH, EPROTO].contains(&errno)
}

fn origin(family: Family, error: &QueuedError) -> IcmpOrLocal {
    match error.icmp {
        Some(fault) => IcmpOrLocal::Icmp(IcmpError::new(family, fault)),
        None => IcmpOrLocal::Local { mtu: error.local_mtu },
    }
}

impl Channel<PingMachine> for PingChannel {
    fn perform(&mut self, request: Request, machine: &mut PingMachine, now: Instant) -> Result<()> {
        self.clocks = Clocks::read();
        machine.handle(PingInput::Sending { seq: request.seq, at: self.clocks.monotonic }, now);
        if let Err(e) = socket::send_to(&self.socket, &request.bytes, &self.to) {
            // EMSGSIZE is queued as well, with the MTU: the queue's entry says more.
            self.drain(machine, now)?;
            let failed = PingInput::SendFailed { seq: request.seq, reason: Reason::from(e) };
            machine.handle(failed, now);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut PingMachine, now: Instant) -> Result<()> {
        while let Some(error) = socket::next_error(&self.socket, self.family) {
            let what = origin(self.family, &error);
            machine.handle(PingInput::Error { error: what, quoted: &error.payload }, now);
        }
        self.drain_replies(machine, now)
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.socket.as_fd(), PollFlags::POLLIN);
    }
}
