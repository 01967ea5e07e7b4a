use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::poll::PollFlags;
use socket2::{SockAddr, SockFilter, Socket};

use super::Probing;
use super::answer::{Answer, Heard, Said};
use super::channel::{Ask, Watch, ask_for_stamps, learn_nothing, listening, with_port};
use super::codec::{Codec, Shot};
use super::queue::is_of_another;
use crate::base::{Error, Family, Op, Reason, Result, Ttl};
use crate::socket::{self, Kind};
use crate::sys::sockopt;
use crate::wire::icmp::strip_ipv4;

/// Whole packets out, ICMP messages and TCP segments in; needs `CAP_NET_RAW`.
pub(super) struct Raw {
    codec: Codec,
    sender: Socket,
    to: SockAddr,
    icmp: Socket,
    tcp: Option<Socket>,
    /// They hold the ports of the flows, so that the kernel gives them to nobody else.
    holders: Vec<Socket>,
    watch: Watch,
    buffer: Vec<u8>,
}

const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

impl Raw {
    /// Opens the sockets in the namespace of the calling thread.
    pub(super) fn open(ask: &Ask, codec: &mut Codec) -> Result<Self> {
        let family = codec.family();
        let sender = socket::open(Kind::Whole(family), &ask.options)?;
        learn_nothing(&sender, family)?;
        let icmp = socket::open(Kind::IcmpRaw(family), &listening(&ask.options))?;
        listen(&icmp, family, &answers_only(family))?;
        let tcp = match ask.probing {
            Probing::Tcp { port } => {
                let socket = socket::open(Kind::TcpRaw(family), &listening(&ask.options))?;
                listen(&socket, family, &from_port_only(family, port))?;
                Some(socket)
            }
            _ => None,
        };
        let holders = hold(ask, codec)?;
        // A raw socket takes no port.
        let to = socket::with_scope(ask.to, 0, ask.scope).into();
        let (watch, buffer) = (Watch::start(), vec![0; 65_536]);
        Ok(Self { codec: codec.clone(), sender, to, icmp, tcp, holders, watch, buffer })
    }

    pub(super) fn send(&mut self, shot: &Shot, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        let packet = self.codec.packet(shot);
        hear(Heard::Sending { seq: shot.seq, at: self.watch.sending() });
        // Nothing comes back to this socket, so no error of an earlier packet can be in the way.
        if let Err(e) = self.sender.send_to(&packet, &self.to) {
            let mtu = socket::next_error(&self.sender, self.codec.family());
            let mtu = mtu.and_then(|queued| queued.local_mtu);
            hear(Heard::SendFailed { seq: shot.seq, reason: Reason::from(e), mtu });
        }
        Ok(())
    }

    pub(super) fn drain(&mut self, hear: &mut dyn FnMut(Heard)) -> Result<()> {
        let Self { codec, icmp, tcp, holders, watch, buffer, .. } = self;
        let v4 = codec.family() == Family::V4;
        while let Some(got) = take(icmp, buffer, v4)? {
            let at = watch.arrival(got.stamp);
            if let Some(answer) = codec.icmp(got.from, got.ttl, got.bytes, at) {
                hear(Heard::Answer(answer));
            }
        }
        if let Some(tcp) = tcp {
            while let Some(got) = take(tcp, buffer, v4)? {
                let at = watch.arrival(got.stamp);
                if let Some(answer) = codec.tcp(got.from, got.ttl, got.bytes, at) {
                    hear(Heard::Answer(answer));
                }
            }
            return Ok(());
        }
        for holder in holders {
            // An error comes first, and but once: that of a probe, which the ICMP socket has as well.
            let mut refused = false;
            loop {
                let got = match socket::receive(holder, buffer) {
                    Ok(Some(got)) => got,
                    Err(_) if !refused => {
                        refused = true;
                        continue;
                    }
                    _ => break,
                };
                let from = got.from.map(|from| from.ip()).or(Some(codec.to));
                let at = watch.arrival(got.stamp);
                hear(Heard::Answer(Answer::new(None, from, got.ttl, Said::Datagram, at)));
            }
        }
        Ok(())
    }

    pub(super) fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        on(self.icmp.as_fd(), PollFlags::POLLIN);
        let udp = self.holders.iter().filter(|_| self.tcp.is_none());
        for socket in self.tcp.iter().chain(udp) {
            on(socket.as_fd(), PollFlags::POLLIN);
        }
    }
}

/// Takes a port per flow; for echo requests the identifiers chosen at random stay.
fn hold(ask: &Ask, codec: &mut Codec) -> Result<Vec<Socket>> {
    let family = codec.family();
    let (kind, port) = match ask.probing {
        Probing::Icmp => return Ok(Vec::new()),
        Probing::Udp { port } => (Kind::Udp(family), port),
        Probing::Tcp { .. } => (Kind::Tcp(family), 0),
    };
    let mut holders = Vec::new();
    for (flow, lane) in (0..).zip(&mut codec.lanes) {
        let wanted = ask.source_port.map_or(0, |port| port.saturating_add(flow));
        let options = with_port(&ask.options, codec.from, ask.scope, wanted);
        let socket = socket::open(kind, &options)?;
        learn_nothing(&socket, family)?;
        keep_no_errors(&socket, family)?;
        if port > 0 {
            ask_for_stamps(&socket);
            // Without a route it fails; so does sending, which tells.
            let _ = socket.connect(&socket::with_scope(ask.to, port, ask.scope).into());
        }
        let local = socket.local_addr().ok().and_then(|local| local.as_socket());
        *lane = local.map_or(wanted, |local| local.port());
        holders.push(socket);
    }
    Ok(holders)
}

/// A message with its IP header taken off.
struct Got<'a> {
    from: IpAddr,
    ttl: Option<Ttl>,
    stamp: Option<crate::base::Timestamp>,
    bytes: &'a [u8],
}

fn take<'a>(socket: &Socket, buffer: &'a mut [u8], v4: bool) -> Result<Option<Got<'a>>> {
    let got = match socket::receive(socket, buffer) {
        Err(e) if is_of_another(&e) => None,
        got => got.map_err(|e| Error::sys(Op::Receive, e))?,
    };
    Ok(got.map(|got| {
        let from = got.from.map_or(IpAddr::from([0; 4]), |from| from.ip());
        let stripped = if v4 { strip_ipv4(got.bytes).ok() } else { None };
        let (ttl, bytes) = match stripped {
            Some((ttl, bytes)) => (Some(ttl), bytes),
            None if v4 => (None, &[][..]),
            None => (got.ttl, got.bytes),
        };
        Got { from, ttl, stamp: got.stamp, bytes }
    }))
}

fn keep_no_errors(socket: &Socket, family: Family) -> Result<()> {
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_RECVERR),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
    };
    let set = sockopt::set_int(socket, level, name, 0);
    set.map_err(|e| Error::sys(Op::SetOption, e))?;
    // What it has kept until now would wake the reader for ever.
    while socket::next_error(socket, family).is_some() {}
    let _ = socket.take_error();
    Ok(())
}

/// Lets in what the filter lets in. Errors of packets like ours reach every raw socket as messages;
/// in its error queue they would take the room of messages, and teach the kernel (raw(7)).
fn listen(socket: &Socket, family: Family, filter: &[SockFilter]) -> Result<()> {
    learn_nothing(socket, family)?;
    keep_no_errors(socket, family)?;
    let option = |e| Error::sys(Op::SetOption, e);
    socket.attach_filter(filter).map_err(option)?;
    // As much as the kernel's limit allows.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    ask_for_stamps(socket);
    Ok(())
}

fn load_ip_header_length() -> SockFilter {
    SockFilter::new(0xb1, 0, 0, 0)
}

fn accept() -> SockFilter {
    SockFilter::new(0x06, 0, 0, u32::MAX)
}

fn drop_it() -> SockFilter {
    SockFilter::new(0x06, 0, 0, 0)
}

/// A classic BPF program (linux/bpf_common.h): echo replies and errors, not the neighbours' talk.
fn answers_only(family: Family) -> Vec<SockFilter> {
    let (types, mut program): (&[u32], Vec<SockFilter>) = match family {
        Family::V4 => {
            let load_type = SockFilter::new(0x50, 0, 0, 0);
            (&[0, 3, 11, 12], vec![load_ip_header_length(), load_type])
        }
        Family::V6 => (&[1, 2, 3, 4, 129], vec![SockFilter::new(0x30, 0, 0, 0)]),
    };
    let count = types.len() as u8;
    for (left, kind) in (0..count).rev().zip(types) {
        program.push(SockFilter::new(0x15, left + 1, 0, *kind));
    }
    program.extend([drop_it(), accept()]);
    program
}

/// Segments from one port; a raw socket would otherwise hear every segment of the namespace.
fn from_port_only(family: Family, port: u16) -> Vec<SockFilter> {
    let (mut program, mode) = match family {
        Family::V4 => (vec![load_ip_header_length()], 0x48),
        Family::V6 => (Vec::new(), 0x28),
    };
    program.push(SockFilter::new(mode, 0, 0, 0));
    program.extend([SockFilter::new(0x15, 0, 1, port.into()), accept(), drop_it()]);
    program
}
