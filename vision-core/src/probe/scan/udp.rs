use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use socket2::{SockAddr, Socket};

use super::ScanReason;
use super::machine::{ScanInput, ScanMachine, Shot};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::probe::IcmpError;
use crate::probe::driver;
use crate::probe::machine::Machine;
use crate::probe::ping::is_network_error;
use crate::probe::sweep::{is_full, widen};
use crate::probe::udp::UdpPayload;
use crate::socket::{self, Kind, Options};
use crate::sys::batch::{self, BATCH, Inbox};

/// One socket for all ports; its error queue tells which port an ICMP error is about.
pub(crate) struct UdpScanChannel {
    socket: Socket,
    family: Family,
    to: IpAddr,
    scope: u32,
    inbox: Inbox,
}

impl UdpScanChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(to: IpAddr, scope: u32, options: &Options) -> Result<Self> {
        let family = Family::of(to);
        let socket = socket::open(Kind::Udp(family), options)?;
        widen(&socket);
        Ok(Self { socket, family, to, scope, inbox: Inbox::new(64) })
    }

    pub(crate) fn shoot(&mut self, shots: &[Shot], machine: &mut ScanMachine) {
        let now = driver::now();
        machine.handle(ScanInput::Sending { at: now }, now);
        let mut nth = 0;
        while let Some(shot) = shots.get(nth) {
            let bytes = UdpPayload::usual(shot.port).bytes();
            let to = SockAddr::from(socket::with_scope(self.to, shot.port, self.scope));
            let sent = match bytes.is_empty() {
                // A batch of messages without bytes is no batch.
                true => self.socket.send_to(&[], &to),
                false => batch::send(&self.socket, &bytes, bytes.len(), &[to]),
            };
            match sent {
                Ok(_) => nth += 1,
                Err(e) if is_full(&e) => return machine.handle(ScanInput::Full { nth }, now),
                Err(e) => {
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
            let about = error.to.filter(|to| to.ip() == self.to && icmp.is_final());
            machine.handle(
                match about {
                    None => ScanInput::Stray,
                    Some(to) => {
                        let what = ScanReason::Icmp(icmp);
                        ScanInput::Heard { port: to.port(), attempt: None, at: now, what }
                    }
                },
                now,
            );
        }
        count
    }

    pub(crate) fn drain(&mut self, machine: &mut ScanMachine, now: Instant) -> Result<()> {
        self.drain_errors(machine, now);
        loop {
            let to = self.to;
            let received = self.inbox.receive(&self.socket, |got| {
                machine.handle(
                    match got.from.filter(|from| from.ip() == to) {
                        None => ScanInput::Stray,
                        Some(from) => {
                            let (port, what) = (from.port(), ScanReason::Reply);
                            ScanInput::Heard { port, attempt: None, at: now, what }
                        }
                    },
                    now,
                );
            });
            match received {
                Ok(BATCH) => {}
                Ok(_) => return Ok(()),
                Err(e) if is_network_error(&e) => {}
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
