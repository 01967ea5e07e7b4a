use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::poll::PollFlags;
use socket2::Socket;

use super::machine::{Send, UdpInput, UdpMachine};
use crate::base::{Family, Reason, Result};
use crate::probe::IcmpError;
use crate::probe::machine::{BURST, Channel, Machine};
use crate::socket::{self, Kind, Options};

/// One connected UDP socket; the kernel lets only the peer's datagrams in.
pub(crate) struct UdpChannel {
    socket: Socket,
    family: Family,
    /// Why connect(2) refused, told to the machine with the first datagram.
    refused: Option<Reason>,
}

impl UdpChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(to: SocketAddr, options: &Options) -> Result<Self> {
        let family = Family::of(to.ip());
        let socket = socket::open(Kind::Udp(family), options)?;
        let refused = socket.connect(&to.into()).err().map(Reason::from);
        Ok(Self { socket, family, refused })
    }
}

impl Channel<UdpMachine> for UdpChannel {
    fn perform(&mut self, send: Send, machine: &mut UdpMachine, now: Instant) -> Result<()> {
        let result = match self.refused {
            Some(reason) => Err(reason),
            None => {
                let _ = self.socket.take_error();
                self.socket.send(&send.0).map(drop).map_err(Reason::from)
            }
        };
        if let Err(reason) = result {
            machine.handle(UdpInput::SendFailed(reason), now);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut UdpMachine, now: Instant) -> Result<()> {
        while let Some(error) = socket::next_error(&self.socket, self.family) {
            if let Some(fault) = error.icmp {
                machine.handle(UdpInput::Icmp(IcmpError::new(self.family, fault)), now);
            }
        }
        let mut buffer = [0; 65_536];
        // An error here is one the queue has told already.
        for _ in 0..BURST {
            let Ok(Some(got)) = socket::receive(&self.socket, &mut buffer) else {
                break;
            };
            machine.handle(UdpInput::Reply(got.bytes), now);
        }
        Ok(())
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.socket.as_fd(), PollFlags::POLLIN);
    }
}
