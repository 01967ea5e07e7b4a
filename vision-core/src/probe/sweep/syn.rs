//! A SYN to a port that most filters let through: open or closed, a host that is there answers.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};

use socket2::{SockAddr, SockFilter, Socket};

use super::channel::Voice;
use super::machine::{Ask, Heard};
use crate::base::{Error, Family, Op, Result};
use crate::probe::Method;
use crate::socket::{self, Kind, Options};
use crate::sys::batch::Arrived;
use crate::wire::icmp::strip_ipv4;
use crate::wire::segment::{Ends, Syn, SynAnswer};

/// The ports asked in turn.
const PORTS: [u16; 2] = [443, 80];
/// The bits of a sequence number that tell the round.
const ROUND: u32 = 0xff;
/// The longest IPv4 header and a TCP header.
const ROOM: usize = 60 + 60;

/// A raw socket that asks, a bound one that keeps its port from others, and a third that tells
/// which of our addresses a target would see.
pub(crate) struct SynVoice {
    socket: Socket,
    reserved: Socket,
    compass: Socket,
    family: Family,
    scope: u32,
    source_port: u16,
    key: RandomState,
}

impl SynVoice {
    /// Opens the sockets in the namespace of the calling thread.
    pub(crate) fn open(family: Family, scope: u32, options: &Options) -> Result<Self> {
        let socket = socket::open(Kind::TcpRaw(family), options)?;
        let mut bound = options.clone();
        bound.source.get_or_insert(SocketAddr::new(family.unspecified(), 0));
        let reserved = socket::open(Kind::Tcp(family), &bound)?;
        let compass = socket::open(Kind::Udp(family), options)?;
        let source_port = local(&reserved).map_or(0, |addr| addr.port());
        let filter = answers_to(family, source_port);
        socket.attach_filter(&filter).map_err(|e| Error::sys(Op::SetOption, e))?;
        let key = RandomState::new();
        Ok(Self { socket, reserved, compass, family, scope, source_port, key })
    }

    /// A number that nobody can guess; the low bits tell the round.
    fn sequence(&self, host: IpAddr, round: u16) -> u32 {
        let secret = self.key.hash_one(host) as u32;
        secret & !ROUND | u32::from(round) & ROUND
    }
}

fn local(socket: &Socket) -> Option<SocketAddr> {
    socket.local_addr().ok().and_then(|addr| addr.as_socket())
}

impl Voice for SynVoice {
    fn family(&self) -> Family {
        self.family
    }

    fn method(&self) -> Method {
        Method::Raw
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn room(&self) -> usize {
        ROOM
    }

    fn compose(&mut self, ask: &Ask, out: &mut Vec<u8>) -> SockAddr {
        let port = PORTS.get(usize::from(ask.round) % PORTS.len()).copied().unwrap_or(443);
        let peer = socket::with_scope(ask.to, port, self.scope);
        // Without a route the send fails, and says so.
        let seen = self.compass.connect(&peer.into()).ok().and_then(|()| local(&self.compass));
        let from = seen.or_else(|| local(&self.reserved)).map(|addr| addr.ip());
        let from = from.unwrap_or(self.family.unspecified());
        let sequence = self.sequence(ask.to, ask.round);
        let syn = Syn { source_port: self.source_port, port, sequence };
        syn.append(Ends { from, to: ask.to }, out);
        // A raw IPv6 socket takes no port.
        socket::with_scope(ask.to, 0, self.scope).into()
    }

    fn read(&self, got: &Arrived<'_>) -> Option<Option<Heard>> {
        let from = got.from?.ip();
        let segment = match self.family {
            Family::V4 => strip_ipv4(got.bytes).ok()?.1,
            Family::V6 => got.bytes,
        };
        let answer = SynAnswer::read(segment)?;
        let round = (answer.asked & ROUND) as u16;
        let is_ours = answer.asked == self.sequence(from, round);
        Some(is_ours.then_some(Heard { from, host: None, round: Some(round), lladdr: None }))
    }

    fn quoted(&self, bytes: &[u8]) -> Option<u16> {
        let syn = Syn::quoted(bytes).filter(|syn| syn.source_port == self.source_port)?;
        Some((syn.sequence & ROUND) as u16)
    }
}

/// A classic BPF program that lets segments to one port through (linux/bpf_common.h).
pub(crate) fn answers_to(family: Family, port: u16) -> Vec<SockFilter> {
    let is_ours = SockFilter::new(0x15, 0, 1, port.into());
    let accept = SockFilter::new(0x06, 0, 0, u32::MAX);
    let drop = SockFilter::new(0x06, 0, 0, 0);
    match family {
        Family::V4 => {
            let header_length = SockFilter::new(0xb1, 0, 0, 0);
            vec![header_length, SockFilter::new(0x48, 0, 0, 2), is_ours, accept, drop]
        }
        Family::V6 => vec![SockFilter::new(0x28, 0, 0, 2), is_ours, accept, drop],
    }
}
