use std::hint::black_box;
use std::net::IpAddr;

use super::part::{array, be16, be32};
use crate::wire::LinkType;

/// Who speaks with whom: what packets of one conversation have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct FlowKey {
    /// Where it comes from.
    pub src: IpAddr,
    /// Where it goes.
    pub dst: IpAddr,
    /// Port of the source; zero where the protocol or a later fragment has none.
    pub src_port: u16,
    /// Port of the destination; zero where the protocol or a later fragment has none.
    pub dst_port: u16,
    /// The protocol inside IP: 6 is TCP, 17 UDP.
    pub protocol: u8,
}

/// The outermost IP packet in short: whose it is and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow<'a> {
    /// Whose packet it is.
    pub key: FlowKey,
    /// The nine flags of TCP, FIN lowest; zero with other protocols.
    pub tcp_flags: u16,
    /// Hops left.
    pub ttl: u8,
    /// It is a piece of a packet; all but the first have no ports.
    pub is_fragment: bool,
    /// The innermost VLAN, where the frame is tagged.
    pub vlan: Option<u16>,
    /// Length of the IP packet in bytes, as its header says.
    pub ip_len: u32,
    /// Length of the payload on the wire in bytes: behind the ports' header, or behind that of IP.
    pub payload_len: u32,
    /// What of the payload was kept.
    pub payload: &'a [u8],
}

impl FlowKey {
    /// Gives the same key for both directions: the lower end first.
    #[must_use]
    pub fn undirected(self) -> Self {
        let Self { src, dst, src_port, dst_port, protocol } = self;
        match (src, src_port) <= (dst, dst_port) {
            true => self,
            false => Self { src: dst, dst: src, src_port: dst_port, dst_port: src_port, protocol },
        }
    }
}

/// Reads addresses, ports, lengths and flags of a packet; `None` where there is no IP header, or
/// not enough of it.
///
/// The fast path: it allocates nothing, verifies nothing and looks at no more than the headers.
/// Tunnels count as what carries them.
///
/// ```
/// use vision_core::wire::LinkType;
/// use vision_core::wire::packet::flow;
///
/// let bytes = [
///     0x45, 0, 0, 32, 0x12, 0x34, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
///     0xd4, 0x31, 0x23, 0x82, 0, 12, 0, 0, b'p', b'i', b'n', b'g', // UDP
/// ];
/// let flow = flow(LinkType::RAW, &bytes).expect("an IP packet");
/// assert_eq!((flow.key.src_port, flow.key.dst_port, flow.payload), (54321, 9090, &b"ping"[..]));
/// ```
#[inline]
pub fn flow(link: LinkType, data: &[u8]) -> Option<Flow<'_>> {
    match link {
        LinkType::ETHERNET => ethernet(data),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType(12 | 14) => ip(data, None),
        other => rare(other, data),
    }
}

/// Packets read together by [`flows`]: enough to hide what memory takes, few enough for the
/// nearest cache.
const BATCH: usize = 16;

/// Reads many packets that lie somewhere in memory, and hands over each with its place in the list.
///
/// Faster than [`flow`] on each where they are not in the cache: the headers of the next few are
/// fetched side by side, while one after the other each would wait for memory.
#[inline]
pub fn flows<'a>(
    link: LinkType,
    packets: &[&'a [u8]],
    mut each: impl FnMut(usize, Option<Flow<'a>>),
) {
    let mut at = 0;
    let mut batches = packets.chunks(BATCH);
    let mut now = batches.next().unwrap_or_default();
    touch(now);
    while !now.is_empty() {
        let ahead = batches.next().unwrap_or_default();
        touch(ahead);
        for packet in now {
            each(at, flow(link, packet));
            at += 1;
        }
        now = ahead;
    }
}

/// Reads a byte of each cache line that headers lie in, none of which waits for another.
#[inline]
fn touch(packets: &[&[u8]]) {
    let bytes = packets.iter().map(|packet| match packet {
        [first, ..] => *first ^ packet.get(53).copied().unwrap_or_default(),
        [] => 0,
    });
    black_box(bytes.fold(0, |all, byte| all ^ byte));
}

#[inline]
fn ethernet(data: &[u8]) -> Option<Flow<'_>> {
    let (head, rest) = data.split_first_chunk::<14>()?;
    by_type(be16(head, 12), rest)
}

#[inline]
fn by_type(kind: u16, data: &[u8]) -> Option<Flow<'_>> {
    match kind {
        0x0800 => ipv4(data, None),
        0x86dd => ipv6(data, None),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => tagged(data),
        _ => None,
    }
}

fn tagged(mut data: &[u8]) -> Option<Flow<'_>> {
    // Not more tags than anybody stacks.
    for _ in 0..8 {
        let (tag, rest) = data.split_first_chunk::<4>()?;
        let id = Some(be16(tag, 0) & 0xfff);
        match be16(tag, 2) {
            0x0800 => return ipv4(rest, id),
            0x86dd => return ipv6(rest, id),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => data = rest,
            _ => return None,
        }
    }
    None
}

/// The link types that are not worth a place in the fast path.
#[cold]
fn rare(link: LinkType, data: &[u8]) -> Option<Flow<'_>> {
    match link {
        LinkType::LINUX_SLL => {
            let (head, rest) = data.split_first_chunk::<16>()?;
            by_type(be16(head, 14), rest)
        }
        LinkType::LINUX_SLL2 => {
            let (head, rest) = data.split_first_chunk::<20>()?;
            by_type(be16(head, 0), rest)
        }
        LinkType::NULL | LinkType::LOOP => ip(data.get(4..)?, None),
        LinkType::PPP => {
            let data = data.strip_prefix(&[0xff, 0x03]).unwrap_or(data);
            match data {
                [0, 0x21, rest @ ..] | [0x21, rest @ ..] => ipv4(rest, None),
                [0, 0x57, rest @ ..] | [0x57, rest @ ..] => ipv6(rest, None),
                _ => None,
            }
        }
        _ => None,
    }
}

#[inline]
fn ip(data: &[u8], vlan: Option<u16>) -> Option<Flow<'_>> {
    match data.first()? >> 4 {
        4 => ipv4(data, vlan),
        6 => ipv6(data, vlan),
        _ => None,
    }
}

#[inline]
fn ipv4(data: &[u8], vlan: Option<u16>) -> Option<Flow<'_>> {
    let head = data.first_chunk::<20>()?;
    let header = usize::from(head[0] & 15) * 4;
    if head[0] >> 4 != 4 || header < 20 {
        return None;
    }
    let fragment = be16(head, 6);
    // Zero is left to the card that cuts large segments.
    let ip_len = match be16(head, 2) {
        0 => data.len() as u32,
        len => u32::from(len),
    };
    let ends = (IpAddr::V4(array(head, 12).into()), IpAddr::V4(array(head, 16).into()));
    let mut flow = begin(ends, head[9], ip_len, vlan);
    flow.ttl = head[8];
    flow.is_fragment = fragment & 0x3fff != 0;
    let payload = data.get(header..).unwrap_or_default();
    let len = ip_len.saturating_sub(header as u32);
    Some(if fragment & 0x1fff == 0 { ports(flow, payload, len) } else { body(flow, payload, len) })
}

#[inline]
fn ipv6(data: &[u8], vlan: Option<u16>) -> Option<Flow<'_>> {
    let (head, payload) = data.split_first_chunk::<40>()?;
    if head[0] >> 4 != 6 {
        return None;
    }
    // Zero is a jumbogram, or left to the card that cuts large segments.
    let len = match be16(head, 4) {
        0 => payload.len() as u32,
        len => u32::from(len),
    };
    let source = IpAddr::V6(array(head, 8).into());
    let ends = (source, IpAddr::V6(array(head, 24).into()));
    let mut flow = begin(ends, head[6], 40 + len, vlan);
    flow.ttl = head[7];
    match head[6] {
        0 | 43 | 44 | 51 | 60 | 135 | 139 | 140 => Some(extended(flow, payload, len)),
        _ => Some(ports(flow, payload, len)),
    }
}

/// Walks extension headers; each takes eight bytes at least, so this ends.
fn extended<'a>(mut flow: Flow<'a>, mut data: &'a [u8], mut len: u32) -> Flow<'a> {
    while let Some(head) = data.first_chunk::<8>() {
        let size = match flow.key.protocol {
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(head[1]) + 1) * 8,
            51 => (usize::from(head[1]) + 2) * 4,
            44 => {
                let bits = be16(head, 2);
                flow.is_fragment = bits & 0xfff9 != 0;
                if bits & 0xfff8 != 0 {
                    flow.key.protocol = head[0];
                    return body(flow, data.get(8..).unwrap_or_default(), len.saturating_sub(8));
                }
                8
            }
            _ => break,
        };
        flow.key.protocol = head[0];
        data = data.get(size..).unwrap_or_default();
        len = len.saturating_sub(size as u32);
    }
    ports(flow, data, len)
}

#[inline]
fn begin<'a>(ends: (IpAddr, IpAddr), protocol: u8, ip_len: u32, vlan: Option<u16>) -> Flow<'a> {
    let key = FlowKey { src: ends.0, dst: ends.1, src_port: 0, dst_port: 0, protocol };
    let (payload, payload_len) = (&[][..], 0);
    Flow { key, tcp_flags: 0, ttl: 0, is_fragment: false, vlan, ip_len, payload_len, payload }
}

#[inline]
fn ports<'a>(mut flow: Flow<'a>, data: &'a [u8], len: u32) -> Flow<'a> {
    let header = match (flow.key.protocol, data.first_chunk::<4>()) {
        (6, Some(_)) => {
            let bits = data.get(12..).and_then(|rest| rest.first_chunk()).copied();
            let bits = bits.map_or(0, u16::from_be_bytes);
            flow.tcp_flags = bits & 0x1ff;
            usize::from(bits >> 12).max(5) * 4
        }
        (17 | 136, Some(_)) => 8,
        (132, Some(_)) => 12,
        _ => return body(flow, data, len),
    };
    let both = be32(data, 0);
    (flow.key.src_port, flow.key.dst_port) = ((both >> 16) as u16, both as u16);
    body(flow, data.get(header..).unwrap_or_default(), len.saturating_sub(header as u32))
}

/// What is left, without the padding of short frames.
#[inline]
fn body<'a>(mut flow: Flow<'a>, data: &'a [u8], len: u32) -> Flow<'a> {
    flow.payload_len = len;
    flow.payload = data.get(..len as usize).unwrap_or(data);
    flow
}
