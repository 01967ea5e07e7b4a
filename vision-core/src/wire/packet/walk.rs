use super::part::Part;
use super::{Fault, Kind, Layer, Proto, app, arp, icmp, ipv4, ipv6, link, sctp, tcp, tunnel, udp};
use crate::wire::LinkType;

/// Headers read from one packet at most: four times what stacked tunnels come to.
const MAX_LAYERS: usize = 96;

/// A packet, layer by layer, outermost first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Packet<'a> {
    /// The bytes that were kept, the first layer's first.
    pub data: &'a [u8],
    /// Length on the wire; more than `data` holds when the capture cut the packet.
    pub wire_len: usize,
    /// The headers that could be read.
    pub layers: Vec<Layer<'a>>,
    /// What follows the last of them, without padding.
    pub payload: &'a [u8],
    /// Where the payload begins, in bytes from the start of the packet.
    pub payload_offset: usize,
    /// Length of the payload on the wire; more than is there when the capture cut it.
    pub payload_len: usize,
    /// Why reading stopped, where it did so early.
    pub fault: Option<Fault>,
}

/// What comes after a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    Ethernet,
    Sll,
    Sll2,
    Loopback(LinkType),
    Ppp,
    PppProtocol(u16),
    Llc,
    EtherType(u16),
    Ip,
    Quoted,
    Protocol(u8),
    Mpls,
    MplsPayload,
    /// On which port of UDP.
    Vxlan(u16),
    DnsOverTcp,
    App(Kind),
}

/// A header that was read and what to read next.
pub(super) struct Found<'a> {
    proto: Proto<'a>,
    len: usize,
    next: Next,
    rest: Part<'a>,
}

pub(super) type Step<'a> = Result<Option<Found<'a>>, Fault>;

/// A header of `len` bytes in `part`, which ends where its own length field says.
#[inline]
pub(super) fn end<'a>(proto: Proto<'a>, len: usize, next: Next, part: Part<'a>) -> Step<'a> {
    Ok(Some(Found { proto, len, next, rest: part.after(len) }))
}

impl<'a> Packet<'a> {
    /// Reads a packet that is all there.
    pub fn decode(link: LinkType, data: &'a [u8]) -> Self {
        Self::decode_cut(link, data, data.len())
    }

    /// Reads what the capture kept of a packet of `wire_len` bytes.
    pub fn decode_cut(link: LinkType, data: &'a [u8], wire_len: usize) -> Self {
        let mut packet = Self::empty(data);
        packet.walk(link, Part::new(data, wire_len));
        packet
    }

    /// Reads another packet into the memory of this one.
    pub fn reuse<'b>(self, link: LinkType, data: &'b [u8], wire_len: usize) -> Packet<'b> {
        let mut packet = Packet { layers: self.into_memory().layers, ..Packet::empty(data) };
        packet.walk(link, Part::new(data, wire_len));
        packet
    }

    /// Lets go of the bytes and keeps the memory.
    pub fn into_memory(self) -> Packet<'static> {
        let mut layers = self.layers;
        layers.clear();
        // Nothing is left in it, so this changes the lifetime and keeps the allocation.
        Packet { layers: layers.into_iter().map_while(|_| None).collect(), ..Packet::default() }
    }

    /// Returns the headers outside of what an ICMP error quotes.
    pub fn own(&self) -> impl Iterator<Item = &Layer<'a>> {
        self.layers.iter().take_while(|layer| !layer.is_quoted)
    }

    fn empty(data: &'a [u8]) -> Self {
        let (payload_offset, payload_len) = (0, data.len());
        Self { data, payload: data, payload_offset, payload_len, ..Packet::default() }
    }

    fn walk(&mut self, link: LinkType, mut part: Part<'a>) {
        let mut next = match link {
            LinkType::ETHERNET => Next::Ethernet,
            // 12 and 14 are what BSDs wrote for raw packets.
            LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 | LinkType(12 | 14) => Next::Ip,
            LinkType::LINUX_SLL => Next::Sll,
            LinkType::LINUX_SLL2 => Next::Sll2,
            LinkType::NULL | LinkType::LOOP => Next::Loopback(link),
            LinkType::PPP | LinkType(50) => Next::Ppp,
            _ => Next::Nothing,
        };
        self.wire_len = part.wire;
        let mut is_quoted = false;
        loop {
            is_quoted |= next == Next::Quoted;
            match step(next, part) {
                Ok(Some(found)) if self.layers.len() < MAX_LAYERS => {
                    let (offset, len, proto) = (part.at, found.len, found.proto);
                    self.layers.push(Layer { offset, len, is_quoted, proto });
                    (next, part) = (found.next, found.rest);
                }
                Ok(Some(found)) => {
                    self.fault = Some(part.malformed(found.proto.kind()));
                    break;
                }
                Ok(None) => break,
                // A quote is a prefix by nature (RFC 792, RFC 4443 §2.4).
                Err(fault) => {
                    self.fault = Some(fault).filter(|_| !is_quoted);
                    break;
                }
            }
        }
        self.payload = part.data;
        self.payload_offset = part.at;
        self.payload_len = part.wire;
    }
}

fn step(next: Next, part: Part<'_>) -> Step<'_> {
    match next {
        Next::Nothing => Ok(None),
        Next::Ethernet => link::ethernet(part),
        Next::Sll => link::sll(part),
        Next::Sll2 => link::sll2(part),
        Next::Loopback(link) => link::loopback(link, part),
        Next::Ppp => link::ppp(part),
        Next::PppProtocol(protocol) => by_ppp(protocol, part),
        Next::Llc => link::llc(part),
        Next::EtherType(kind) => by_ethertype(kind, part),
        Next::Ip | Next::Quoted => by_version(part),
        Next::Protocol(protocol) => by_protocol(protocol, part),
        Next::Mpls => tunnel::mpls(part),
        Next::MplsPayload => tunnel::mpls_payload(part),
        Next::Vxlan(4790) => tunnel::vxlan_gpe(part),
        Next::Vxlan(_) => tunnel::vxlan(part),
        Next::DnsOverTcp => app::dns_over_tcp(part),
        Next::App(kind) => app::read(kind, part),
    }
}

/// Reads IPv4 or IPv6 by the first four bits.
pub(super) fn by_version(part: Part<'_>) -> Step<'_> {
    match part.data.first().map(|first| first >> 4) {
        Some(6) => ipv6::ipv6(part),
        _ => ipv4::ipv4(part),
    }
}

pub(super) fn by_ppp(protocol: u16, part: Part<'_>) -> Step<'_> {
    match protocol {
        0x0021 => ipv4::ipv4(part),
        0x0057 => ipv6::ipv6(part),
        0x0281 => tunnel::mpls(part),
        _ => Ok(None),
    }
}

pub(super) fn by_ethertype(kind: u16, part: Part<'_>) -> Step<'_> {
    match kind {
        0x0800 => ipv4::ipv4(part),
        0x86dd => ipv6::ipv6(part),
        0x0806 | 0x8035 => arp::arp(part),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => link::vlan(part),
        0x8847 | 0x8848 => tunnel::mpls(part),
        0x8863 | 0x8864 => tunnel::pppoe(part),
        0x88cc => tunnel::lldp(part),
        0x6558 => link::ethernet(part),
        0x880b => link::ppp(part),
        _ => Ok(None),
    }
}

fn by_protocol(protocol: u8, part: Part<'_>) -> Step<'_> {
    match protocol {
        6 => tcp::tcp(part),
        17 => udp::udp(part, false),
        136 => udp::udp(part, true),
        1 => icmp::icmp(part),
        58 => icmp::icmp6(part),
        2 => icmp::igmp(part),
        132 => sctp::sctp(part),
        47 => tunnel::gre(part),
        4 => ipv4::ipv4(part),
        41 => ipv6::ipv6(part),
        137 => tunnel::mpls(part),
        143 => link::ethernet(part),
        50 => tunnel::esp(part),
        51 => tunnel::ah(part),
        44 => ipv6::fragment(part),
        0 | 43 | 60 | 135 | 139 | 140 => ipv6::extension(protocol, part),
        _ => Ok(None),
    }
}
