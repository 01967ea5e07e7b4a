use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use super::answer::{Answer, QuoteFacts, Said};
use super::change::changes;
use super::{Flags, Probing};
use crate::base::{Family, Ttl};
use crate::probe::IcmpError;
use crate::socket::{IcmpFault, QueuedError};
use crate::wire::checksum;
use crate::wire::icmp::EchoMessage;
use crate::wire::quote::{IcmpQuote, Quoted};

/// One probe to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shot {
    /// Counts from zero over the whole run.
    pub(crate) seq: u32,
    pub(crate) ttl: u8,
    /// Which of the flows, from zero.
    pub(crate) flow: u16,
    /// Length of the whole IP packet.
    pub(crate) size_bytes: u16,
    /// Whether routers may not fragment it.
    pub(crate) df: bool,
}

/// Writes probes and tells whose answer is whose. All fields that routers choose a path by stay the
/// same within one flow; what tells probes apart is elsewhere (Augustin et al., "Avoiding traceroute
/// anomalies with Paris traceroute", 2006).
#[derive(Debug, Clone)]
pub(crate) struct Codec {
    pub(crate) probing: Probing,
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) tos: u8,
    pub(crate) flags: Flags,
    /// Source port or echo identifier of every flow.
    pub(crate) lanes: Vec<u16>,
    /// What nobody else knows.
    pub(crate) secret: Secret,
    /// The highest sequence number sent.
    pub(crate) latest: Option<u32>,
}

/// What forgers would have to guess.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Secret {
    pub(crate) cookie: [u8; 8],
    pub(crate) number: u32,
}

/// The cookie, the number on the wire, and two bytes that keep the checksum what it is to be.
const PAYLOAD_BYTES: usize = 12;
const PORTS_BYTES: usize = 8;
/// A TCP header with the one option that every SYN has, the MSS.
const TCP_BYTES: usize = 24;
/// Numbers on the wire are 1 to 65 534, for as UDP checksums zero and its negative mean other things.
const WIRE: u32 = 65_534;
const DONT_FRAGMENT: [u8; 2] = [0x40, 0];

impl Codec {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.to)
    }

    /// The shortest packet that can be told apart from others.
    pub(crate) fn least_bytes(family: Family, probing: Probing) -> u16 {
        let transport = match probing {
            Probing::Icmp | Probing::Udp { .. } => PORTS_BYTES + PAYLOAD_BYTES,
            Probing::Tcp { .. } => TCP_BYTES,
        };
        (ip_bytes(family) + transport) as u16
    }

    /// Writes a whole packet, its IP header included.
    pub(crate) fn packet(&mut self, shot: &Shot) -> Vec<u8> {
        self.latest = self.latest.max(Some(shot.seq));
        let wire = self.wire(shot.seq);
        let size = usize::from(shot.size_bytes);
        let room = size.saturating_sub(ip_bytes(self.family()));
        let lane = self.lanes.get(usize::from(shot.flow)).copied().unwrap_or_default();
        let transport = match self.probing {
            Probing::Icmp => self.echo(lane, wire, room),
            Probing::Udp { port } => self.datagram(lane, port, wire, room),
            Probing::Tcp { port } => self.segment(lane, port, wire, room),
        };
        let mut packet = self.ip_header(shot, lane, wire, transport.len());
        packet.extend(transport);
        packet
    }

    /// Bytes of the IP header in front of the rest.
    pub(crate) fn ip_bytes(&self) -> usize {
        ip_bytes(self.family())
    }

    fn ip_header(&self, shot: &Shot, lane: u16, wire: u16, length: usize) -> Vec<u8> {
        let mut header = Vec::with_capacity(usize::from(shot.size_bytes));
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let total = (length + 20) as u16;
                header.extend([0x45, self.tos]);
                header.extend(total.to_be_bytes());
                header.extend(wire.to_be_bytes());
                header.extend(if shot.df { DONT_FRAGMENT } else { [0, 0] });
                // The kernel fills the checksum in.
                header.extend([shot.ttl, self.protocol(), 0, 0]);
                header.extend(from.octets());
                header.extend(to.octets());
            }
            (from, to) => {
                // The label belongs to the flow (RFC 6437).
                let label = (self.secret.number ^ u32::from(lane)) & 0xf_ffff;
                let word = 6 << 28 | u32::from(self.tos) << 20 | label;
                header.extend(word.to_be_bytes());
                header.extend((length as u16).to_be_bytes());
                header.extend([self.protocol(), shot.ttl]);
                header.extend(v6(from).octets());
                header.extend(v6(to).octets());
            }
        }
        header
    }

    fn protocol(&self) -> u8 {
        match (self.probing, self.family()) {
            (Probing::Icmp, Family::V4) => 1,
            (Probing::Icmp, Family::V6) => 58,
            (Probing::Udp { .. }, _) => 17,
            (Probing::Tcp { .. }, _) => 6,
        }
    }

    fn payload(&self, wire: u16, room: usize) -> Vec<u8> {
        let mut payload = Vec::with_capacity(room);
        payload.extend(self.secret.cookie);
        payload.extend(wire.to_be_bytes());
        payload.resize(room.max(PAYLOAD_BYTES), 0);
        payload
    }

    fn echo(&self, id: u16, wire: u16, room: usize) -> Vec<u8> {
        let payload = self.payload(wire, room.saturating_sub(PORTS_BYTES));
        let kind = if self.family() == Family::V4 { 8 } else { 128 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(id.to_be_bytes());
        message.extend(wire.to_be_bytes());
        message.extend(payload);
        let pseudo = self.family() == Family::V6;
        // Routers that balance look at the checksum where ports would be.
        self.settle(message, 2, Some(id ^ 0x5555), pseudo)
    }

    fn datagram(&self, lane: u16, port: u16, wire: u16, room: usize) -> Vec<u8> {
        let payload = self.payload(wire, room.saturating_sub(PORTS_BYTES));
        let mut datagram = Vec::with_capacity(PORTS_BYTES + payload.len());
        datagram.extend(lane.to_be_bytes());
        datagram.extend(port.to_be_bytes());
        datagram.extend(((payload.len() + PORTS_BYTES) as u16).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        // The only field of the eight bytes that every router quotes which is free.
        self.settle(datagram, 6, Some(wire), true)
    }

    fn segment(&self, lane: u16, port: u16, wire: u16, room: usize) -> Vec<u8> {
        let token = self.token(wire).to_be_bytes();
        let mut segment = Vec::with_capacity(room);
        segment.extend(lane.to_be_bytes());
        segment.extend(port.to_be_bytes());
        segment.extend(token);
        // A reset that answers an acknowledgement repeats its number.
        segment.extend(if self.flags.has_ack() { token } else { [0; 4] });
        segment.extend([(TCP_BYTES as u8 / 4) << 4, self.flags.bits(), 0xfa, 0xf0]);
        segment.extend([0, 0, 0, 0]);
        let mss = if self.family() == Family::V4 { 1460_u16 } else { 1440 };
        segment.extend([2, 4]);
        segment.extend(mss.to_be_bytes());
        segment.resize(room.max(TCP_BYTES), 0);
        self.settle(segment, 16, None, true)
    }

    /// Puts the checksum in; with one wanted, the payload's last two bytes of twelve make it right.
    fn settle(&self, mut bytes: Vec<u8>, at: usize, want: Option<u16>, pseudo: bool) -> Vec<u8> {
        let sum = |bytes: &[u8]| {
            let mut all = if pseudo { self.pseudo_header(bytes.len()) } else { Vec::new() };
            all.extend(bytes);
            checksum(&all)
        };
        let made = match want {
            None => sum(&bytes),
            Some(want) => {
                put(&mut bytes, at, want);
                let rest = sum(&bytes);
                put(&mut bytes, PORTS_BYTES + PAYLOAD_BYTES - 2, rest);
                want
            }
        };
        put(&mut bytes, at, made);
        bytes
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        let mut header = Vec::with_capacity(40 + length);
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                header.extend(from.octets());
                header.extend(to.octets());
                header.extend([0, self.protocol()]);
                header.extend((length as u16).to_be_bytes());
            }
            (from, to) => {
                header.extend(v6(from).octets());
                header.extend(v6(to).octets());
                header.extend((length as u32).to_be_bytes());
                header.extend([0, 0, 0, self.protocol()]);
            }
        }
        header
    }

    fn wire(&self, seq: u32) -> u16 {
        let sum = u64::from(self.secret.number) + u64::from(seq);
        (sum % u64::from(WIRE) + 1) as u16
    }

    /// Finds the number that was sent, among the latest ones.
    fn seq(&self, wire: u16) -> Option<u32> {
        let latest = self.latest?;
        let behind = (u32::from(self.wire(latest)) + WIRE - u32::from(wire)) % WIRE;
        latest.checked_sub(behind).filter(|_| wire > 0)
    }

    fn token(&self, wire: u16) -> u32 {
        self.secret.number.wrapping_add(u32::from(wire) << 16)
    }

    /// The number within a TCP sequence number; what is acknowledged may be a little more.
    fn of_token(&self, token: u32) -> (u16, u16) {
        let sum = token.wrapping_sub(self.secret.number);
        ((sum >> 16) as u16, sum as u16)
    }

    /// Reads an ICMP message that came to a raw socket.
    pub(crate) fn icmp(
        &self,
        from: IpAddr,
        ttl: Option<Ttl>,
        bytes: &[u8],
        at: Instant,
    ) -> Option<Answer> {
        if let Ok(Some(reply)) = EchoMessage::reply(self.family(), bytes) {
            let ours = self.lanes.contains(&reply.id);
            return self.echoed(from, ttl, &reply, at).filter(|_| ours);
        }
        let quote = IcmpQuote::read(self.family(), bytes)?;
        let seq = self.quoted(&quote.quoted)?;
        let changed = changes(self, &quote.quoted, self.wire(seq));
        let facts = QuoteFacts { ttl: quote.quoted.ttl, changed };
        let fault =
            IcmpFault { from: Some(from), kind: quote.kind, code: quote.code, mtu: quote.mtu };
        let said = Said::Icmp(IcmpError::new(self.family(), fault));
        let answer = Answer::new(Some(seq), Some(from), ttl, said, at);
        Some(Answer { labels: quote.labels, quote: Some(facts), ..answer })
    }

    /// Reads an echo reply whose identifier is ours.
    pub(crate) fn echoed(
        &self,
        from: IpAddr,
        ttl: Option<Ttl>,
        reply: &EchoMessage<'_>,
        at: Instant,
    ) -> Option<Answer> {
        if self.probing != Probing::Icmp || from != self.to {
            return None;
        }
        let wire = self.of_payload(reply.payload)?.filter(|wire| *wire == reply.seq)?;
        Some(Answer::new(Some(self.seq(wire)?), Some(from), ttl, Said::Echo, at))
    }

    /// The number in a payload; the outer `None` if it is not ours, the inner if it is cut off.
    fn of_payload(&self, payload: &[u8]) -> Option<Option<u16>> {
        match payload.split_first_chunk::<8>() {
            Some((cookie, _)) if *cookie != self.secret.cookie => None,
            Some((_, rest)) => Some(rest.first_chunk::<2>().map(|wire| u16::from_be_bytes(*wire))),
            None => Some(None),
        }
    }

    fn quoted(&self, quoted: &Quoted<'_>) -> Option<u32> {
        if quoted.protocol != self.protocol() {
            return None;
        }
        let (head, payload) = quoted.transport.split_first_chunk::<PORTS_BYTES>()?;
        let [a, b, c, d, e, f, g, h] = head.map(u16::from);
        let [first, second, third, fourth] = [a << 8 | b, c << 8 | d, e << 8 | f, g << 8 | h];
        let wire = match self.probing {
            Probing::Icmp => {
                let request = if self.family() == Family::V4 { 0x0800 } else { 0x8000 };
                let known = first == request && self.lanes.contains(&third);
                let inside = self.of_payload(payload)?;
                (known && inside.is_none_or(|wire| wire == fourth)).then_some(fourth)?
            }
            Probing::Udp { port } => match self.of_payload(payload)? {
                Some(wire) => wire,
                None if self.lanes.contains(&first) => match quoted.destination == self.to {
                    true => (second == port).then_some(fourth)?,
                    // Whoever changed the address has changed the checksum with it.
                    false => quoted.id?,
                },
                None => return None,
            },
            Probing::Tcp { .. } => {
                let known = self.lanes.contains(&first);
                let (wire, more) = self.of_token(u32::from(third) << 16 | u32::from(fourth));
                (known && more == 0).then_some(wire)?
            }
        };
        self.seq(wire)
    }

    /// Reads a TCP segment from the destination.
    pub(crate) fn tcp(
        &self,
        from: IpAddr,
        ttl: Option<Ttl>,
        segment: &[u8],
        at: Instant,
    ) -> Option<Answer> {
        let Probing::Tcp { port } = self.probing else { return None };
        let header = segment.first_chunk::<20>()?;
        let [p0, p1, l0, l1, s0, s1, s2, s3, a0, a1, a2, a3, _, flags, ..] = *header;
        let lane = u16::from_be_bytes([l0, l1]);
        let ours = u16::from_be_bytes([p0, p1]) == port && self.lanes.contains(&lane);
        if from != self.to || !ours {
            return None;
        }
        let [syn, reset, ack] = [0x02, 0x04, 0x10].map(|bit| flags & bit != 0);
        let acked = u32::from_be_bytes([a0, a1, a2, a3]).wrapping_sub(1);
        let repeated = u32::from_be_bytes([s0, s1, s2, s3]);
        // What answers an acknowledgement has no number of its own.
        let (wire, _) = self.of_token(if ack { acked } else { repeated });
        let said = match (syn && ack, reset) {
            (true, false) => Said::Open { mss: mss(segment) },
            (_, true) => Said::Closed,
            _ => return None,
        };
        Some(Answer::new(Some(self.seq(wire)?), Some(from), ttl, said, at))
    }

    /// Reads an entry of a probe socket's error queue, which holds no other's errors.
    pub(crate) fn queued(&self, error: &QueuedError, at: Instant) -> Option<Answer> {
        let icmp = IcmpError::new(self.family(), error.icmp?);
        let wire = match self.probing {
            Probing::Icmp => Some(EchoMessage::quoted_request(self.family(), &error.payload)?.1),
            _ => self.of_payload(&error.payload)?,
        };
        let seq = match wire {
            Some(wire) => Some(self.seq(wire)?),
            None => None,
        };
        Some(Answer::new(seq, icmp.from, error.ttl, Said::Icmp(icmp), at))
    }
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

fn ip_bytes(family: Family) -> usize {
    match family {
        Family::V4 => 20,
        Family::V6 => 40,
    }
}

fn v6(addr: IpAddr) -> Ipv6Addr {
    match addr {
        IpAddr::V6(v6) => v6,
        IpAddr::V4(v4) => Ipv4Addr::to_ipv6_mapped(&v4),
    }
}

/// The maximum segment size option of a SYN (RFC 9293 §3.7.1).
fn mss(segment: &[u8]) -> Option<u16> {
    let end = usize::from(segment.get(12)? >> 4) * 4;
    let mut options = segment.get(20..end)?;
    loop {
        match *options {
            [1, ref rest @ ..] => options = rest,
            [2, 4, high, low, ..] => return Some(u16::from_be_bytes([high, low])),
            [kind, length, ..] if kind > 1 && length >= 2 => {
                options = options.get(usize::from(length)..)?;
            }
            _ => return None,
        }
    }
}
