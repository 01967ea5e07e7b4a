use std::net::IpAddr;
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
use crate::probe::machine::{BURST, Channel, Machine};
use crate::socket::{self, Kind, Options};
use crate::sys::packet;
use crate::wire::{arp, ndp};

/// A packet socket for ARP, a raw ICMPv6 socket for neighbour discovery.
pub(crate) struct NeighChannel {
    socket: Socket,
    /// What asks in place of `socket`.
    speaker: Option<Socket>,
    family: Family,
    to: SockAddr,
}

impl NeighChannel {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(asked: IpAddr, station: &Station) -> Result<Self> {
        let (socket, speaker, to) = match asked {
            IpAddr::V4(_) => {
                let (socket, everyone) = open_packet(station, arp::ETHERTYPE, [0xff; 6])?;
                (socket, None, everyone)
            }
            IpAddr::V6(target) if station.source.is_unspecified() => {
                // The IPv6 layer sends nothing without an address to send from.
                let group = ndp::group_mac(ndp::solicited_node(target));
                let (speaker, group) = open_packet(station, ndp::ETHERTYPE, group)?;
                (open_icmpv6(station)?, Some(speaker), group)
            }
            IpAddr::V6(target) => {
                let group = ndp::solicited_node(target).into();
                let to = socket::with_scope(group, 0, station.ifindex).into();
                (open_icmpv6(station)?, None, to)
            }
        };
        let family = Family::of(asked);
        Ok(Self { socket, speaker, family, to })
    }

    fn drain_arp(&self, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        let mut buffer = [0; 128];
        let fd = self.socket.as_fd().as_raw_fd();
        for _ in 0..BURST {
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
        Ok(())
    }

    fn drain_icmpv6(&self, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        while socket::next_error(&self.socket, self.family).is_some() {}
        let mut buffer = [0; 2048];
        for _ in 0..BURST {
            let received = socket::receive(&self.socket, &mut buffer);
            let Some(got) = received.map_err(|e| Error::sys(Op::Receive, e))? else {
                break;
            };
            let hop_limit = got.ttl.map(|ttl| ttl.0);
            machine.handle(NeighInput::Icmpv6 { hop_limit, bytes: got.bytes }, now);
        }
        Ok(())
    }
}

/// A socket on the interface, and the link-layer address it sends to.
pub(crate) fn open_packet(
    station: &Station,
    ethertype: u16,
    to: [u8; 6],
) -> Result<(Socket, SockAddr)> {
    let ifindex = station.ifindex;
    // Of IPv6 packets nothing is to be heard: there may be very many.
    let heard = if ethertype == arp::ETHERTYPE { ethertype } else { 0 };
    let socket = socket::open(Kind::Packet { ifindex, ethertype: heard }, &Options::default())?;
    Ok((socket, packet::address(ifindex, ethertype, Some(to))))
}

pub(crate) fn open_icmpv6(station: &Station) -> Result<Socket> {
    let source = socket::with_scope(station.source, 0, station.ifindex);
    let options = Options {
        interface: station.name_text().map(str::to_owned),
        source: Some(source).filter(|source| !source.ip().is_unspecified()),
        // Receivers discard anything that a router could have passed on.
        ttl: Some(Ttl(255)),
        ..Options::default()
    };
    let socket = socket::open(Kind::IcmpRaw(Family::V6), &options)?;
    let set = |e| Error::sys(Op::SetOption, e);
    socket.set_multicast_hops_v6(255).map_err(set)?;
    socket.set_multicast_if_v6(station.ifindex).map_err(set)?;
    Ok(socket)
}

impl Channel<NeighMachine> for NeighChannel {
    fn perform(&mut self, bytes: Vec<u8>, machine: &mut NeighMachine, now: Instant) -> Result<()> {
        let speaker = self.speaker.as_ref().unwrap_or(&self.socket);
        if let Err(e) = socket::send_to(speaker, &bytes, &self.to) {
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
