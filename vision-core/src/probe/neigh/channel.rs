use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{SockAddr, Socket};

use super::machine::{NeighInput, NeighMachine};
use super::station::Station;
use crate::base::{Error, Family, Op, Reason, Result, Ttl};
use crate::probe::machine::{Channel, Machine};
use crate::socket::{self, Kind, Options};
use crate::sys::packet;
use crate::wire::{arp, ndp};

/// A packet socket for ARP, a raw ICMPv6 socket for neighbour discovery.
pub(crate) struct NeighChannel {
    socket: Socket,
    family: Family,
    to: SockAddr,
}

impl NeighChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(to: IpAddr, station: &Station) -> Result<Self> {
        let (socket, to) = match to {
            IpAddr::V4(_) => {
                let kind = Kind::Packet { ifindex: station.ifindex, ethertype: arp::ETHERTYPE };
                let everyone = packet::address(station.ifindex, arp::ETHERTYPE, Some([0xff; 6]));
                (socket::open(kind, &Options::default())?, everyone)
            }
            IpAddr::V6(target) => {
                let socket = open_icmpv6(station)?;
                let group = ndp::solicited_node(target).into();
                (socket, socket::with_scope(group, 0, station.ifindex).into())
            }
        };
        let family = to.as_socket().map_or(Family::V4, |to: SocketAddr| Family::of(to.ip()));
        Ok(Self { socket, family, to })
    }

    fn drain_arp(&self, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        let mut buffer = [0; 128];
        let fd = self.socket.as_fd().as_raw_fd();
        loop {
            match recvfrom::<LinkAddr>(fd, &mut buffer) {
                Ok((len, from)) => {
                    // Our own request comes by as well.
                    let incoming = from.is_some_and(|from| from.pkttype() != libc::PACKET_OUTGOING);
                    let bytes = buffer.get(..len).filter(|_| incoming).unwrap_or_default();
                    machine.handle(NeighInput::Arp(bytes), now);
                }
                // A link that went down says nothing more; the probe's own end tells.
                Err(Errno::EAGAIN | Errno::ENETDOWN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(e) => return Err(Error::sys(Op::Receive, e)),
            }
        }
    }

    fn drain_icmpv6(&self, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        while socket::next_error(&self.socket, self.family).is_some() {}
        let mut buffer = [0; 2048];
        while let Some(got) =
            socket::receive(&self.socket, &mut buffer).map_err(|e| Error::sys(Op::Receive, e))?
        {
            let hop_limit = got.ttl.map(|ttl| ttl.0);
            machine.handle(NeighInput::Icmpv6 { hop_limit, bytes: got.bytes }, now);
        }
        Ok(())
    }
}

fn open_icmpv6(station: &Station) -> Result<Socket> {
    let set = |e| Error::sys(Op::SetOption, e);
    let speaks_for_nobody = station.source.is_unspecified();
    let source = socket::with_scope(station.source, 0, station.ifindex);
    let options = Options {
        interface: station.name_text().map(str::to_owned),
        source: (!speaks_for_nobody).then_some(source),
        // Receivers discard anything that a router could have passed on.
        ttl: Some(Ttl(255)),
        ..Options::default()
    };
    let socket = socket::open(Kind::IcmpRaw(Family::V6), &options)?;
    socket.set_multicast_hops_v6(255).map_err(set)?;
    socket.set_multicast_if_v6(station.ifindex).map_err(set)?;
    if speaks_for_nobody {
        // The kernel would put a source of its own choice into the header.
        socket.set_header_included_v6(true).map_err(set)?;
        // An own address under duplicate detection would take our packet for a rival's.
        socket.set_multicast_loop_v6(false).map_err(set)?;
    }
    Ok(socket)
}

impl Channel<NeighMachine> for NeighChannel {
    fn perform(&mut self, bytes: Vec<u8>, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        if let Err(e) = socket::send_to(&self.socket, &bytes, &self.to) {
            machine.handle(NeighInput::SendFailed(Reason::from(e)), now);
        }
        Ok(())
    }

    fn drain(&mut self, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        match self.family {
            Family::V4 => self.drain_arp(machine, now),
            Family::V6 => self.drain_icmpv6(machine, now),
        }
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.socket.as_fd(), PollFlags::POLLIN);
    }
}
