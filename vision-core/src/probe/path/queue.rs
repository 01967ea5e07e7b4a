use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::poll::PollFlags;
use socket2::{SockAddr, Socket};

use super::Probing;
use super::answer::{Answer, Heard, Said};
use super::channel::{Ask, Watch, ask_for_stamps};
use super::codec::{Codec, Shot};
use crate::base::{Error, Family, Op, Reason, Result};
use crate::socket::{self, Kind, Options};
use crate::sys::sockopt;
use crate::wire::icmp::EchoMessage;

/// A datagram socket per flow, whose error queues have the answers; needs no capability.
pub(super) struct Queues {
    codec: Codec,
    sockets: Vec<Lane>,
    to: SockAddr,
    watch: Watch,
    buffer: Vec<u8>,
}

struct Lane {
    socket: Socket,
    ttl: u8,
    df: bool,
}

impl Queues {
    /// Opens the sockets in the namespace of the calling thread.
    pub(super) fn open(ask: &Ask, mut codec: Codec) -> Result<Self> {
        let family = codec.family();
        let (kind, port) = match ask.probing {
            Probing::Icmp => (Kind::IcmpDatagram(family), 0),
            Probing::Udp { port } | Probing::Tcp { port } => (Kind::Udp(family), port),
        };
        let to: SockAddr = socket::with_scope(ask.to, port, ask.scope).into();
        let mut sockets = Vec::new();
        for (flow, lane) in (0..).zip(&mut codec.lanes) {
            let wanted = ask.source_port.map(|port| port.saturating_add(flow));
            let source = wanted.map(|port| socket::with_scope(codec.from, port, ask.scope));
            let source = source.or(ask.options.source);
            let socket = socket::open(kind, &Options { source, ..ask.options.clone() })?;
            ask_for_stamps(&socket);
            if port > 0 {
                // Without a route it fails; so does sending, which tells.
                let _ = socket.connect(&to);
            }
            let local = socket.local_addr().ok().and_then(|local| local.as_socket());
            *lane = local.map_or(0, |local| local.port());
            sockets.push(Lane { socket, ttl: 0, df: false });
        }
        Ok(Self { codec, sockets, to, watch: Watch::start(), buffer: vec![0; 65_536] })
    }

    pub(super) fn send(&mut self, shot: &Shot, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        let packet = self.codec.packet(shot);
        // The kernel writes the IP header, and that of UDP.
        let headers = match self.codec.probing {
            Probing::Icmp => self.codec.ip_bytes(),
            _ => self.codec.ip_bytes() + 8,
        };
        let bytes = packet.get(headers..).unwrap_or_default();
        let Some(lane) = self.sockets.get_mut(usize::from(shot.flow)) else {
            return Ok(());
        };
        lane.prepare(shot, self.codec.family())?;
        let mut tries = 0;
        let failed = loop {
            hear(Heard::Sending { seq: shot.seq, at: self.watch.sending() });
            match socket::send_to(&lane.socket, bytes, &self.to) {
                Ok(()) => return Ok(()),
                // The error of an earlier probe, come between.
                Err(e) if tries < 8 && is_of_another(&e) => tries += 1,
                Err(e) => break e,
            }
        };
        let mut mtu = None;
        self.read_errors(&mut |heard| hear(heard), &mut mtu);
        hear(Heard::SendFailed { seq: shot.seq, reason: Reason::from(failed), mtu });
        Ok(())
    }

    fn read_errors(&self, hear: &mut dyn FnMut(Heard), mtu: &mut Option<u32>) {
        let family = self.codec.family();
        for lane in &self.sockets {
            while let Some(error) = socket::next_error(&lane.socket, family) {
                *mtu = error.local_mtu.or(*mtu);
                let at = self.watch.arrival(error.stamp);
                if error.icmp.is_some() {
                    hear(self.codec.queued(&error, at).map_or(Heard::Foreign, Heard::Answer));
                }
            }
        }
    }

    pub(super) fn drain(&mut self, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        self.read_errors(hear, &mut None);
        let Self { codec, sockets, watch, buffer, .. } = self;
        for lane in sockets {
            let _ = lane.socket.take_error();
            while let Ok(Some(got)) = socket::receive(&lane.socket, buffer) {
                let at = watch.arrival(got.stamp);
                let from = got.from.map(|from| from.ip());
                let answer = match codec.probing {
                    Probing::Icmp => {
                        let reply = EchoMessage::reply(codec.family(), got.bytes).ok().flatten();
                        let from = from.unwrap_or(codec.from);
                        reply.and_then(|reply| codec.echoed(from, got.ttl, &reply, at))
                    }
                    _ => Some(Answer::new(None, from, got.ttl, Said::Datagram, at)),
                };
                hear(answer.map_or(Heard::Foreign, Heard::Answer));
            }
        }
        Ok(())
    }

    pub(super) fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        for lane in &self.sockets {
            on(lane.socket.as_fd(), PollFlags::POLLIN);
        }
    }
}

impl Lane {
    fn prepare(&mut self, shot: &Shot, family: Family) -> Result<()> {
        let option = |e: io::Error| Error::sys(Op::SetOption, e);
        if shot.ttl != self.ttl {
            match family {
                Family::V4 => self.socket.set_ttl_v4(shot.ttl.into()),
                Family::V6 => self.socket.set_unicast_hops_v6(shot.ttl.into()),
            }
            .map_err(option)?;
            self.ttl = shot.ttl;
        }
        if shot.df && !self.df {
            // The bit set and the cached MTU ignored; only IPv6 can also keep from learning one.
            let (level, name, value) = match family {
                Family::V4 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
                Family::V6 => {
                    (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IP_PMTUDISC_INTERFACE)
                }
            };
            sockopt::set_int(&self.socket, level, name, value).map_err(option)?;
            self.df = true;
        }
        Ok(())
    }
}

/// Whether an error belongs to an earlier packet of the socket.
pub(super) fn is_of_another(error: &io::Error) -> bool {
    let errno = error.raw_os_error().unwrap_or_default();
    [libc::ECONNREFUSED, libc::EHOSTUNREACH, libc::EPROTO].contains(&errno)
}
