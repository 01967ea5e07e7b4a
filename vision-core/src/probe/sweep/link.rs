//! Who is on the link: ARP for IPv4, neighbour discovery for IPv6.

use std::net::{IpAddr, Ipv4Addr};

use socket2::{SockAddr, Socket};

use super::channel::Voice;
use super::machine::{Ask, Heard};
use crate::base::{Family, LinkAddr, Result};
use crate::probe::Method;
use crate::probe::neigh::{Station, open_icmpv6, open_packet};
use crate::socket;
use crate::sys::batch::Arrived;
use crate::wire::arp::{self, Arp};
use crate::wire::ndp::{self, Advertisement};

/// Room for an ARP message and the padding of the shortest Ethernet frame.
const ARP_ROOM: usize = 64;
/// Room for an advertisement with a few options.
const ND_ROOM: usize = 256;

/// A packet socket that asks who has an IPv4 address.
pub(crate) struct ArpVoice {
    socket: Socket,
    everyone: SockAddr,
    mac: [u8; 6],
    source: Ipv4Addr,
}

impl ArpVoice {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(station: &Station) -> Result<Self> {
        let (socket, everyone) = open_packet(station, arp::ETHERTYPE, [0xff; 6])?;
        let source = match station.source {
            IpAddr::V4(source) => source,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        Ok(Self { socket, everyone, mac: station.mac, source })
    }
}

impl Voice for ArpVoice {
    fn family(&self) -> Family {
        Family::V4
    }

    fn method(&self) -> Method {
        Method::Packet
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn room(&self) -> usize {
        ARP_ROOM
    }

    fn compose(&mut self, ask: &Ask, out: &mut Vec<u8>) -> SockAddr {
        let target_ip = match ask.to {
            IpAddr::V4(to) => to,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        let request = Arp {
            operation: arp::REQUEST,
            sender_mac: self.mac,
            sender_ip: self.source,
            target_mac: [0; 6],
            target_ip,
        };
        out.extend(request.to_bytes());
        self.everyone.clone()
    }

    fn read(&self, got: &Arrived<'_>) -> Option<Option<Heard>> {
        let reply = Arp::parse(got.bytes).filter(|arp| arp.operation == arp::REPLY)?;
        // Replies to others come by as well.
        (reply.target_mac == self.mac).then_some(())?;
        let lladdr = LinkAddr::from_bytes(&reply.sender_mac);
        Some(Some(Heard { from: reply.sender_ip.into(), host: None, round: None, lladdr }))
    }

    fn quoted(&self, _bytes: &[u8]) -> Option<u16> {
        None
    }
}

/// A raw ICMPv6 socket that solicits neighbours.
pub(crate) struct NdVoice {
    socket: Socket,
    ifindex: u32,
    mac: [u8; 6],
}

impl NdVoice {
    /// Opens the socket in the namespace of the calling thread.
    pub(crate) fn open(station: &Station) -> Result<Self> {
        let socket = open_icmpv6(station)?;
        Ok(Self { socket, ifindex: station.ifindex, mac: station.mac })
    }
}

impl Voice for NdVoice {
    fn family(&self) -> Family {
        Family::V6
    }

    fn method(&self) -> Method {
        Method::Raw
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn room(&self) -> usize {
        ND_ROOM
    }

    fn compose(&mut self, ask: &Ask, out: &mut Vec<u8>) -> SockAddr {
        let target = match ask.to {
            IpAddr::V6(to) => to,
            IpAddr::V4(to) => to.to_ipv6_mapped(),
        };
        out.extend(ndp::solicitation(target, self.mac));
        socket::with_scope(ndp::solicited_node(target).into(), 0, self.ifindex).into()
    }

    fn read(&self, got: &Arrived<'_>) -> Option<Option<Heard>> {
        let advertisement = Advertisement::parse(got.bytes)?;
        // What a router passed on is none (RFC 4861 §7.1.2).
        if got.ttl() != Some(255) {
            return Some(None);
        }
        let lladdr = advertisement.mac.and_then(|mac| LinkAddr::from_bytes(&mac));
        Some(Some(Heard { from: advertisement.target.into(), host: None, round: None, lladdr }))
    }

    fn quoted(&self, _bytes: &[u8]) -> Option<u16> {
        None
    }
}
