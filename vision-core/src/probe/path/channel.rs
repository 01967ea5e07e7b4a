use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::libc;
use nix::poll::PollFlags;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use socket2::Socket;

use super::answer::Heard;
use super::codec::{Codec, Secret, Shot};
use super::connect::Connects;
use super::queue::Queues;
use super::raw::Raw;
use super::{ProbeFlags, Probing, ProbingMethod};
use crate::base::{Error, Family, Gap, Op, Result, Timestamp, fill_random};
use crate::netns::Netns;
use crate::probe::machine::{Channel, Machine};
use crate::probe::ping::Clocks;
use crate::socket::{self, Kind, Options};
use crate::sys::sockopt;

/// Whom to ask and how.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) to: IpAddr,
    pub(crate) scope: u32,
    pub(crate) probing: Probing,
    pub(crate) flows: u16,
    pub(crate) flags: ProbeFlags,
    pub(crate) source_port: Option<u16>,
    pub(crate) options: Options,
}

/// The sockets of probes with limited life.
pub(crate) struct PathChannel {
    way: Way,
    from: IpAddr,
    probing: Probing,
}

enum Way {
    Raw(Raw),
    Queues(Queues),
    Connects(Connects),
}

/// A channel, and what it cannot do.
pub(crate) struct Opened {
    pub(crate) channel: PathChannel,
    pub(crate) gaps: Vec<Gap>,
}

/// The port of UDP probes where nobody named one: the one traceroute has always begun with.
pub(crate) const UDP_PORT: u16 = 33_434;

impl PathChannel {
    /// Opens the sockets in a namespace.
    pub(crate) fn open(netns: &Netns, ask: &Ask) -> Result<Opened> {
        netns.run(|| Self::open_here(netns, ask))?
    }

    fn open_here(netns: &Netns, ask: &Ask) -> Result<Opened> {
        let from = source(ask)?;
        let mut codec = codec(ask, from)?;
        let refused = match Raw::open(ask, &mut codec) {
            Ok(raw) => return Ok(Opened::new(Way::Raw(raw), from, ask.probing, Vec::new())),
            Err(refused @ Error::Permission { .. }) => refused,
            Err(other) => return Err(other),
        };
        let mut gaps =
            vec![Gap::because("labels, and what address translation rewrites", &refused)];
        if matches!(ask.probing, Probing::Tcp { .. }) {
            if ask.flags != ProbeFlags::Syn {
                return Err(refused);
            }
            let way = Way::Connects(Connects::open(netns.clone(), ask)?);
            return Ok(Opened::new(way, from, ask.probing, gaps));
        }
        match Queues::open(ask, codec) {
            Ok(queues) => Ok(Opened::new(Way::Queues(queues), from, ask.probing, gaps)),
            Err(Error::Permission { .. } | Error::Sys { .. }) if ask.probing == Probing::Icmp => {
                let ask = Ask { probing: Probing::Udp { port: UDP_PORT }, ..ask.clone() };
                let codec = self::codec(&ask, from)?;
                gaps.push(Gap::because("ICMP probes; UDP was used", &refused));
                let way = Way::Queues(Queues::open(&ask, codec)?);
                Ok(Opened::new(way, from, ask.probing, gaps))
            }
            Err(other) => Err(other),
        }
    }

    /// What is sent, which may be other than what was asked for.
    pub(crate) fn probing(&self) -> Probing {
        self.probing
    }

    pub(crate) fn from(&self) -> IpAddr {
        self.from
    }

    pub(crate) fn method(&self) -> ProbingMethod {
        match (&self.way, self.probing) {
            (Way::Raw(_), _) => ProbingMethod::Raw,
            (Way::Connects(_), _) => ProbingMethod::Connect,
            (Way::Queues(_), Probing::Icmp) => ProbingMethod::IcmpDatagram,
            (Way::Queues(_), _) => ProbingMethod::Udp,
        }
    }
}

impl Opened {
    fn new(way: Way, from: IpAddr, probing: Probing, gaps: Vec<Gap>) -> Self {
        Self { channel: PathChannel { way, from, probing }, gaps }
    }
}

/// The address the kernel would send from; unspecified where it has no route.
fn source(ask: &Ask) -> Result<IpAddr> {
    if let Some(source) = ask.options.source {
        return Ok(source.ip());
    }
    let family = Family::of(ask.to);
    let socket = socket::open(Kind::Udp(family), &ask.options)?;
    let to = socket::with_scope(ask.to, UDP_PORT, ask.scope);
    let local = socket.connect(&to.into()).and_then(|()| socket.local_addr());
    let none: IpAddr = match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    };
    Ok(local.ok().and_then(|local| local.as_socket()).map_or(none, |local| local.ip()))
}

fn codec(ask: &Ask, from: IpAddr) -> Result<Codec> {
    let mut random = [0; 14];
    fill_random(&mut random)?;
    let [cookie @ .., a, b, c, d, e, f] = random;
    let id = u16::from_be_bytes([e, f]);
    let lanes = (0..ask.flows).map(|flow| id.wrapping_add(flow)).collect();
    Ok(Codec {
        probing: ask.probing,
        from,
        to: ask.to,
        tos: ask.options.dscp.unwrap_or_default() << 2,
        flags: ask.flags,
        lanes,
        secret: Secret { cookie, number: u32::from_be_bytes([a, b, c, d]) },
        latest: None,
    })
}

/// Has the kernel neither obey nor learn a path MTU through this socket (ip(7)).
pub(super) fn learn_nothing(socket: &Socket, family: Family) -> Result<()> {
    // The numbers are the same for both families (uapi/linux/in.h, in6.h).
    let (level, name) = match family {
        Family::V4 => (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER),
        Family::V6 => (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER),
    };
    let set = sockopt::set_int(socket, level, name, libc::IP_PMTUDISC_INTERFACE);
    set.map_err(|e| Error::sys(Op::SetOption, e))
}

/// Without the kernel's stamp an answer counts from the moment it is read.
pub(super) fn ask_for_stamps(socket: &Socket) {
    let _ = setsockopt(socket, ReceiveTimestampns, &true);
}

/// Options without an address, for sockets that listen only.
pub(super) fn listening(options: &Options) -> Options {
    Options { interface: options.interface.clone(), ..Options::default() }
}

pub(super) fn with_port(options: &Options, from: IpAddr, scope: u32, port: u16) -> Options {
    let source: SocketAddr = socket::with_scope(from, port, scope);
    Options { source: Some(source), ..options.clone() }
}

/// From the stamps of packets to the clock that times are measured on, with many under way.
pub(super) struct Watch {
    /// Two readings, the newer one perhaps younger than a packet that waits to be read.
    older: Clocks,
    newer: Clocks,
}

/// After this long a reading is replaced, before the clocks drift apart.
const REREAD: Duration = Duration::from_millis(500);

impl Watch {
    pub(super) fn start() -> Self {
        let now = Clocks::read();
        Self { older: now, newer: now }
    }

    /// Reads the clocks just before a packet is sent.
    pub(super) fn sending(&mut self) -> Instant {
        let now = Clocks::read();
        if now.monotonic.saturating_duration_since(self.newer.monotonic) > REREAD {
            self.older = self.newer;
            self.newer = now;
        }
        now.monotonic
    }

    pub(super) fn arrival(&self, stamp: Option<Timestamp>) -> Instant {
        self.older.arrival(stamp)
    }
}

impl<M> Channel<M> for PathChannel
where
    M: for<'a> Machine<Command = Shot, Input<'a> = Heard>,
{
    fn perform(&mut self, shot: Shot, machine: &mut M, now: Instant) -> Result<()> {
        let mut hear = |heard| machine.handle(heard, now);
        match &mut self.way {
            Way::Raw(raw) => raw.send(&shot, &mut hear),
            Way::Queues(queues) => queues.send(&shot, &mut hear),
            Way::Connects(connects) => connects.send(&shot, &mut hear),
        }
    }

    fn drain(&mut self, machine: &mut M, now: Instant) -> Result<()> {
        let mut hear = |heard| machine.handle(heard, now);
        match &mut self.way {
            Way::Raw(raw) => raw.drain(&mut hear),
            Way::Queues(queues) => queues.drain(&mut hear),
            Way::Connects(connects) => connects.drain(&mut hear),
        }
    }

    fn watch(&self, on: &mut dyn FnMut(BorrowedFd<'_>, PollFlags)) {
        match &self.way {
            Way::Raw(raw) => raw.watch(on),
            Way::Queues(queues) => queues.watch(on),
            Way::Connects(connects) => connects.watch(on),
        }
    }
}
