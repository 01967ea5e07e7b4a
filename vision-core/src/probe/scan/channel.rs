use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::poll::PollFlags;

use super::connect::ConnectChannel;
use super::machine::{ScanCommand, ScanMachine};
use super::syn::SynChannel;
use super::udp::UdpScanChannel;
use crate::base::Result;
use crate::probe::machine::Channel;

/// The sockets of a scan, by its technique.
pub(crate) enum ScanChannel {
    Connect(ConnectChannel),
    HalfOpen(SynChannel),
    Udp(UdpScanChannel),
}

impl Channel<ScanMachine> for ScanChannel {
    fn perform(
        &mut self,
        command: ScanCommand,
        machine: &mut ScanMachine,
        _now: Instant,
    ) -> Result<()> {
        match (self, command) {
            (Self::Connect(channel), ScanCommand::Shoot(shots)) => {
                channel.shoot(&shots, machine)?
            }
            (Self::Connect(channel), ScanCommand::Abandon(ports)) => channel.abandon(&ports),
            (Self::HalfOpen(channel), ScanCommand::Shoot(shots)) => channel.shoot(&shots, machine),
            (Self::Udp(channel), ScanCommand::Shoot(shots)) => channel.shoot(&shots, machine),
            // There is nothing that would have to be forgotten.
            (_, ScanCommand::Abandon(_)) => {}
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut ScanMachine, now: Instant) -> Result<()> {
        match self {
            Self::Connect(channel) => channel.drain(machine),
            Self::HalfOpen(channel) => channel.drain(machine, now),
            Self::Udp(channel) => channel.drain(machine, now),
        }
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        let fd = match self {
            Self::Connect(channel) => channel.as_fd(),
            Self::HalfOpen(channel) => channel.as_fd(),
            Self::Udp(channel) => channel.as_fd(),
        };
        on(fd, PollFlags::POLLIN);
    }
}
