use std::net::IpAddr;

use super::link::{family, family_type};
use super::part::{array, be16};
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
    let (kind, rest) = match link {
        LinkType::ETHERNET => {
            let (head, rest) = data.split_first_chunk::<14>()?;
            (be16(head, 12), rest)
        }
        other => {
            let link = rare(other, data)?;
            (link.kind, data.get(link.len..)?)
        }
    };
    let (kind, rest, vlan) = match kind {
        V4 | V6 => (kind, rest, None),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
            let tags = tags(rest)?;
            (tags.kind, rest.get(tags.len.into()..)?, Some(tags.id))
        }
        _ => return None,
    };
    match kind {
        V4 => ipv4(rest, vlan),
        _ => ipv6(rest, vlan),
    }
}

const V4: u16 = 0x0800;
const V6: u16 = 0x86dd;

/// A header whose only use is what follows it, small enough for a register.
#[derive(Clone, Copy)]
struct Link {
    kind: u16,
    len: usize,
}

/// VLAN tags, small enough for a register.
#[derive(Clone, Copy)]
struct Tags {
    kind: u16,
    id: u16,
    len: u16,
}

/// Reads tags up to an IP packet.
fn tags(data: &[u8]) -> Option<Tags> {
    let mut rest = data;
    // Not more than anybody stacks.
    for len in [4, 8, 12, 16, 20, 24, 28, 32] {
        let (tag, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        match be16(tag, 2) {
            kind @ (V4 | V6) => return Some(Tags { kind, id: be16(tag, 0) & 0xfff, len }),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => {}
            _ => return None,
        }
    }
    None
}

/// The link types other than Ethernet.
#[inline(never)]
fn rare(link: LinkType, data: &[u8]) -> Option<Link> {
    match link {
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType(12 | 14) => {
            match data.first()? >> 4 {
                4 => Some(Link { kind: V4, len: 0 }),
                6 => Some(Link { kind: V6, len: 0 }),
                _ => None,
            }
        }
        LinkType::LINUX_SLL => Some(Link { kind: be16(data.first_chunk::<16>()?, 14), len: 16 }),
        LinkType::LINUX_SLL2 => Some(Link { kind: be16(data.first_chunk::<20>()?, 0), len: 20 }),
        LinkType::NULL | LinkType::LOOP => {
            let kind = family_type(family(link, *data.first_chunk()?))?;
            Some(Link { kind, len: 4 })
        }
        LinkType::PPP | LinkType(50) => {
            let skip = if data.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
            match data.get(skip..)? {
                [0, 0x21, ..] => Some(Link { kind: V4, len: skip + 2 }),
                [0x21, ..] => Some(Link { kind: V4, len: skip + 1 }),
                [0, 0x57, ..] => Some(Link { kind: V6, len: skip + 2 }),
                [0x57, ..] => Some(Link { kind: V6, len: skip + 1 }),
                _ => None,
            }
        }
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
    let ip = Ip { ends, protocol: head[9], ttl: head[8], ip_len, vlan };
    let payload = data.get(header..).unwrap_or_default();
    let len = ip_len.saturating_sub(header as u32);
    Some(ip.flow(payload, len, fragment & 0x3fff != 0, fragment & 0x1fff == 0))
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
    let ends = (IpAddr::V6(array(head, 8).into()), IpAddr::V6(array(head, 24).into()));
    let mut ip = Ip { ends, protocol: head[6], ttl: head[7], ip_len: 40 + len, vlan };
    if !is_extension(ip.protocol) {
        return Some(ip.flow(payload, len, false, true));
    }
    let chain = extensions(ip.protocol, payload);
    ip.protocol = chain.protocol;
    let rest = payload.get(chain.len as usize..).unwrap_or_default();
    let len = len.saturating_sub(chain.len);
    Some(ip.flow(rest, len, chain.is_fragment, chain.has_ports))
}

/// Extension headers, small enough for a register.
#[derive(Clone, Copy)]
struct Chain {
    protocol: u8,
    is_fragment: bool,
    has_ports: bool,
    len: u32,
}

#[inline]
fn is_extension(header: u8) -> bool {
    matches!(header, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
}

/// Walks extension headers; each takes eight bytes at least, so this ends.
fn extensions(first: u8, mut data: &[u8]) -> Chain {
    let mut chain = Chain { protocol: first, is_fragment: false, has_ports: true, len: 0 };
    while let Some(head) = data.first_chunk::<8>()
        && is_extension(chain.protocol)
        && chain.has_ports
    {
        let size = match chain.protocol {
            51 => (usize::from(head[1]) + 2) * 4,
            44 => {
                let bits = be16(head, 2);
                chain.is_fragment |= bits & 0xfff9 != 0;
                chain.has_ports = bits & 0xfff8 == 0;
                8
            }
            _ => (usize::from(head[1]) + 1) * 8,
        };
        chain.protocol = head[0];
        chain.len += size as u32;
        data = data.get(size..).unwrap_or_default();
    }
    chain
}

/// The shortest header of the protocols that have ports.
const LEAST: [u8; 256] = {
    let mut least = [0; 256];
    least[6] = 20;
    least[17] = 8;
    least[132] = 12;
    least[136] = 8;
    least
};

/// What an IP header says.
struct Ip {
    ends: (IpAddr, IpAddr),
    protocol: u8,
    ttl: u8,
    ip_len: u32,
    vlan: Option<u16>,
}

impl Ip {
    /// Adds what the transport header says: `len` bytes on the wire, of which `data` was kept.
    #[inline]
    fn flow(self, data: &[u8], len: u32, is_fragment: bool, has_ports: bool) -> Flow<'_> {
        let least = LEAST.get(usize::from(self.protocol)).copied().unwrap_or_default();
        let (mut header, mut ports, mut tcp_flags) = (0, 0, 0);
        if let Some(four) = data.first_chunk::<4>().filter(|_| has_ports && least != 0) {
            ports = u32::from_be_bytes(*four);
            // Read whatever the protocol is: a mix of them would be hard to predict.
            let bits = data.first_chunk::<14>().map_or(0, |head| be16(head, 12));
            let is_tcp = self.protocol == 6;
            tcp_flags = if is_tcp { bits & 0x1ff } else { 0 };
            let said = if is_tcp { (bits >> 12) as u8 * 4 } else { 0 };
            header = usize::from(said.max(least));
        }
        let payload_len = len.saturating_sub(header as u32);
        let rest = data.get(header..).unwrap_or_default();
        let (src, dst) = self.ends;
        let (src_port, dst_port) = ((ports >> 16) as u16, ports as u16);
        Flow {
            key: FlowKey { src, dst, src_port, dst_port, protocol: self.protocol },
            tcp_flags,
            ttl: self.ttl,
            is_fragment,
            vlan: self.vlan,
            ip_len: self.ip_len,
            payload_len,
            // Without the padding of short frames.
            payload: rest.get(..payload_len as usize).unwrap_or(rest),
        }
    }
}
