use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::{SockAddr, SockFilter, Socket};

use super::machine::{Burst, SweepInput, SweepMachine};
use crate::base::{Error, Family, Op, Reason, Result, Timestamp};
use crate::probe::machine::{Channel, Machine};
use crate::probe::ping::{Clocks, is_network_error, open_icmp};
use crate::probe::{IcmpError, Method};
use crate::socket::{self, Options};
use crate::sys::batch::{self, BATCH, Inbox};
use crate::sys::sockopt;
use crate::wire::icmp::strip_ipv4;

/// One ICMP socket per family asked.
pub(crate) struct SweepChannel {
    lanes: Vec<Lane>,
}

struct Lane {
    socket: Socket,
    family: Family,
    method: Method,
    inbox: Inbox,
    clocks: Clocks,
}

/// Room for the answers to everything that may be in flight while this process is not run.
const RECEIVE_BYTES: i32 = 8 << 20;
/// The longest IPv4 header and an ICMP header.
const HEADERS_BYTES: usize = 60 + 8;

impl SweepChannel {
    /// Opens the sockets in the namespace of the calling thread; `id` marks our raw requests.
    pub(crate) fn open(
        families: &[Family],
        options: &Options,
        id: u16,
        size_bytes: usize,
    ) -> Result<Self> {
        let lane = |family: &Family| Lane::open(*family, options, id, size_bytes);
        Ok(Self { lanes: families.iter().map(lane).collect::<Result<_>>()? })
    }

    pub(crate) fn methods(&self) -> Vec<(Family, Method)> {
        self.lanes.iter().map(|lane| (lane.family, lane.method)).collect()
    }
}

impl Lane {
    fn open(family: Family, options: &Options, id: u16, size_bytes: usize) -> Result<Self> {
        let (socket, method) = open_icmp(family, options)?;
        let failed = |e| Error::sys(Op::SetOption, e);
        if method == Method::Raw {
            socket.attach_filter(&replies_to(family, id)).map_err(failed)?;
        }
        widen(&socket);
        // Without the kernel's stamp a reply counts from the moment it is read.
        let _ = setsockopt(&socket, ReceiveTimestampns, &true);
        let inbox = Inbox::new(HEADERS_BYTES + size_bytes);
        Ok(Self { socket, family, method, inbox, clocks: Clocks::read() })
    }

    fn send(&mut self, burst: &Burst, machine: &mut SweepMachine) -> Result<()> {
        let to: Vec<SockAddr> = burst.to.iter().map(|to| SockAddr::from(*to)).collect();
        let size = burst.bytes.len().checked_div(to.len()).unwrap_or(0);
        let mut nth = 0;
        // The pending error of an earlier packet is no refusal of this one.
        let _ = self.socket.take_error();
        self.clocks = Clocks::read();
        let now = self.clocks.monotonic;
        machine.handle(SweepInput::Sending { at: now }, now);
        while let (Some(bytes), Some(to)) = (burst.bytes.get(nth * size..), to.get(nth..)) {
            if to.is_empty() {
                break;
            }
            match batch::send(&self.socket, bytes, size, to) {
                Ok(count) => nth += count,
                Err(e) if is_full(&e) => {
                    machine.handle(SweepInput::Full { nth }, now);
                    break;
                }
                Err(e) => {
                    let queued = socket::next_error(&self.socket, self.family);
                    if let Some(error) = queued.filter(|error| error.icmp.is_some()) {
                        // It was an earlier request that came back: this one may leave.
                        tell(self.family, &error, machine, now);
                        continue;
                    }
                    machine.handle(SweepInput::Refused { nth, reason: Reason::from(e) }, now);
                    nth += 1;
                }
            }
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut SweepMachine, now: Instant) -> Result<()> {
        while let Some(error) = socket::next_error(&self.socket, self.family) {
            tell(self.family, &error, machine, now);
        }
        let has_ip_header = self.method == Method::Raw && self.family == Family::V4;
        let read = Clocks::read();
        loop {
            let received = self.inbox.receive(&self.socket, |got| {
                let Some(from) = got.from.map(|from| from.ip()) else { return };
                let bytes = match has_ip_header {
                    false => Ok(got.bytes),
                    true => strip_ipv4(got.bytes).map(|(_, bytes)| bytes),
                };
                let Ok(bytes) = bytes else { return };
                let at = self.clocks.arrival_by(&read, got.stamp().and_then(timestamp));
                machine.handle(SweepInput::Message { from, at, bytes }, now);
            });
            match received {
                Ok(BATCH) => {}
                Ok(_) => return Ok(()),
                // The pending error of an earlier packet; the queue had the details.
                Err(e) if is_network_error(&e) => {}
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }
}

fn tell(family: Family, error: &socket::QueuedError, machine: &mut SweepMachine, now: Instant) {
    let to = error.to.map(|to| to.ip());
    if let (Some(fault), Some(to)) = (error.icmp, to) {
        let icmp = IcmpError::new(family, fault);
        machine.handle(SweepInput::Error { error: icmp, to, quoted: &error.payload }, now);
    }
}

fn is_full(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM))
}

fn timestamp((seconds, nanos): (i64, i64)) -> Option<Timestamp> {
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos).map(Timestamp::from_unix_nanos)
}

/// Makes the receive buffer as large as this process may.
pub(crate) fn widen(socket: &Socket) {
    // The limit of `net.core.rmem_max` holds without CAP_NET_ADMIN; what it allows is taken.
    let forced = sockopt::set_int(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, RECEIVE_BYTES);
    if forced.is_err() {
        let _ = sockopt::set_int(socket, libc::SOL_SOCKET, libc::SO_RCVBUF, RECEIVE_BYTES);
    }
}

/// A classic BPF program that lets echo replies with an identifier through: a raw socket would
/// otherwise hear every ICMP message of the namespace (linux/bpf_common.h).
fn replies_to(family: Family, id: u16) -> Vec<SockFilter> {
    let reply = match family {
        Family::V4 => 0,
        Family::V6 => 129,
    };
    let accept = SockFilter::new(0x06, 0, 0, u32::MAX);
    let drop = SockFilter::new(0x06, 0, 0, 0);
    let is_reply = SockFilter::new(0x15, 0, 3, reply);
    let is_ours = SockFilter::new(0x15, 0, 1, id.into());
    match family {
        Family::V4 => vec![
            // X is the length of the IP header.
            SockFilter::new(0xb1, 0, 0, 0),
            SockFilter::new(0x50, 0, 0, 0),
            is_reply,
            SockFilter::new(0x48, 0, 0, 4),
            is_ours,
            accept,
            drop,
        ],
        Family::V6 => vec![
            SockFilter::new(0x30, 0, 0, 0),
            is_reply,
            SockFilter::new(0x28, 0, 0, 4),
            is_ours,
            accept,
            drop,
        ],
    }
}

impl Channel<SweepMachine> for SweepChannel {
    fn perform(&mut self, burst: Burst, machine: &mut SweepMachine, _now: Instant) -> Result<()> {
        match self.lanes.iter_mut().find(|lane| lane.family == burst.family) {
            Some(lane) => lane.send(&burst, machine),
            None => Ok(()),
        }
    }

    fn drain(&mut self, machine: &mut SweepMachine, now: Instant) -> Result<()> {
        self.lanes.iter_mut().try_for_each(|lane| lane.drain(machine, now))
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        self.lanes.iter().for_each(|lane| on(lane.socket.as_fd(), PollFlags::POLLIN));
    }
}
