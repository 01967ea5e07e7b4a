use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::{SockAddr, Socket};

use super::machine::{Ask, Burst, Heard, SweepInput, SweepMachine};
use crate::base::{Error, Family, Op, Reason, Result, Timestamp};
use crate::probe::machine::{Channel, Machine};
use crate::probe::ping::{Clocks, is_network_error};
use crate::probe::{IcmpError, Method};
use crate::socket;
use crate::sys::batch::{self, Arrived, BATCH, Inbox};
use crate::sys::sockopt;

/// One way of asking, with its socket.
pub(crate) trait Voice: Send {
    fn family(&self) -> Family;
    fn method(&self) -> Method;
    fn socket(&self) -> &Socket;
    /// Bytes of the longest answer worth reading.
    fn room(&self) -> usize;
    /// Appends a request, of the same length each time, and says where it goes.
    fn compose(&mut self, ask: &Ask, out: &mut Vec<u8>) -> SockAddr;
    /// Reads an answer: `None` if it is none of ours, `Some(None)` if it only looks like one.
    fn read(&self, got: &Arrived<'_>) -> Option<Option<Heard>>;
    /// Reads which request an error quotes.
    fn quoted(&self, bytes: &[u8]) -> Option<u16>;
}

/// What tells when a reply arrived.
// closed: the kernel or the own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stamps {
    Kernel,
    /// The moment of reading, which costs nothing.
    Reading,
}

/// One voice per family asked.
pub(crate) struct SweepChannel {
    lanes: Vec<Lane>,
}

struct Lane {
    voice: Box<dyn Voice>,
    inbox: Inbox,
    clocks: Clocks,
}

/// Room for the answers to everything that may be in flight while this process is not run.
const RECEIVE_BYTES: i32 = 8 << 20;

impl SweepChannel {
    pub(crate) fn new(voices: Vec<Box<dyn Voice>>, stamps: Stamps) -> Self {
        Self { lanes: voices.into_iter().map(|voice| Lane::new(voice, stamps)).collect() }
    }

    pub(crate) fn methods(&self) -> Vec<Method> {
        self.lanes.iter().map(|lane| lane.voice.method()).collect()
    }
}

impl Lane {
    fn new(voice: Box<dyn Voice>, stamps: Stamps) -> Self {
        widen(voice.socket());
        if stamps == Stamps::Kernel {
            // Without the kernel's stamp a reply counts from the moment it is read.
            let _ = setsockopt(voice.socket(), ReceiveTimestampns, &true);
        }
        Self { inbox: Inbox::new(voice.room()), voice, clocks: Clocks::read() }
    }

    fn send(&mut self, burst: &Burst, machine: &mut SweepMachine) {
        let mut bytes = Vec::new();
        let compose = |ask| self.voice.compose(ask, &mut bytes);
        let to: Vec<SockAddr> = burst.asks.iter().map(compose).collect();
        let size = bytes.len().checked_div(to.len()).unwrap_or(0);
        let mut nth = 0;
        // The pending error of an earlier packet is no refusal of this one.
        let _ = self.voice.socket().take_error();
        self.clocks = Clocks::read();
        let now = self.clocks.monotonic;
        machine.handle(SweepInput::Sending { at: now }, now);
        while let (Some(bytes), Some(to @ [_, ..])) = (bytes.get(nth * size..), to.get(nth..)) {
            match batch::send(self.voice.socket(), bytes, size, to) {
                Ok(count) => nth += count,
                Err(e) if is_full(&e) => return machine.handle(SweepInput::Full { nth }, now),
                // It was an earlier request that came back: this one may leave.
                Err(_) if self.drain_errors(machine, now) > 0 => {}
                Err(e) => {
                    machine.handle(SweepInput::Refused { nth, reason: Reason::from(e) }, now);
                    nth += 1;
                }
            }
        }
    }

    /// Tells the machine what the error queue holds; returns how much of it came from the network.
    fn drain_errors(&self, machine: &mut SweepMachine, now: Instant) -> usize {
        let family = self.voice.family();
        let mut count = 0;
        while let Some(error) = socket::next_error(self.voice.socket(), family) {
            let Some(fault) = error.icmp else { continue };
            count += 1;
            let round = self.voice.quoted(&error.payload);
            if let (Some(to), Some(round)) = (error.to.map(|to| to.ip()), round) {
                let error = IcmpError::new(family, fault);
                machine.handle(SweepInput::Error { error, to, round }, now);
            }
        }
        count
    }

    fn drain(&mut self, machine: &mut SweepMachine, now: Instant) -> Result<()> {
        self.drain_errors(machine, now);
        let (voice, read) = (&self.voice, Clocks::read());
        loop {
            let received = self.inbox.receive(voice.socket(), |got| match voice.read(&got) {
                None => {}
                Some(None) => machine.handle(SweepInput::Stray, now),
                Some(Some(heard)) => {
                    let at = self.clocks.arrival_by(&read, got.stamp().and_then(timestamp));
                    machine.handle(SweepInput::Heard { heard, at }, now);
                }
            });
            match received {
                Ok(BATCH) => {}
                Ok(_) => return Ok(()),
                // The pending error of an earlier packet, of which the queue had the details; and
                // a link that went down says nothing more.
                Err(e) if is_network_error(&e) => {}
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }
}

pub(crate) fn is_full(error: &std::io::Error) -> bool {
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

impl Channel<SweepMachine> for SweepChannel {
    fn perform(&mut self, burst: Burst, machine: &mut SweepMachine, _now: Instant) -> Result<()> {
        let mut lanes = self.lanes.iter_mut();
        if let Some(lane) = lanes.find(|lane| lane.voice.family() == burst.family) {
            lane.send(&burst, machine);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut SweepMachine, now: Instant) -> Result<()> {
        self.lanes.iter_mut().try_for_each(|lane| lane.drain(machine, now))
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        self.lanes.iter().for_each(|lane| on(lane.voice.socket().as_fd(), PollFlags::POLLIN));
    }
}
