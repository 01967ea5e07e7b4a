//! A packet as far as it is known, for a walk through the rules on paper.

use std::net::{IpAddr, Ipv6Addr};

use crate::base::{Error, Result};

/// A packet of a connection, the first unless said otherwise: addresses, ports, protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// From where.
    pub src: IpAddr,
    /// To where.
    pub dst: IpAddr,
    /// From which port, if known.
    pub src_port: Option<u16>,
    /// To which port, if known.
    pub dst_port: Option<u16>,
    /// The IP protocol's number.
    pub protocol: u8,
    /// Where it comes in, if known.
    pub iif: Option<String>,
    /// Where it goes out, if known.
    pub oif: Option<String>,
    /// Which packet of the connection it is.
    pub part: FlowPart,
    /// Whether a bridge hands it from port to port: the tables of the bridge family see it then, and no
    /// others.
    pub bridged: bool,
}

/// Which packet of a connection walks through the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FlowPart {
    /// The first one: connection tracking calls it `new`.
    #[default]
    First,
    /// The first answer: `established`, in the direction of the replies.
    Answer,
    /// One that belongs to no connection and cannot begin one: `invalid`.
    Stray,
    /// The question for a neighbour that comes before all: an ARP request, or in IPv6 a neighbour
    /// solicitation. Connection tracking leaves it alone.
    Solicitation,
    /// The answer to it: an ARP reply or a neighbour advertisement.
    Advertisement,
}

impl FlowPart {
    /// `NF_CT_STATE_BIT` as rules compare it (linux/netfilter/nf_conntrack_common.h).
    pub(super) fn state(self) -> u32 {
        match self {
            Self::First => 8,
            Self::Answer => 2,
            Self::Stray => 1,
            Self::Solicitation | Self::Advertisement => 64,
        }
    }

    /// Tells whether it is about a neighbour.
    pub(super) fn is_discovery(self) -> bool {
        matches!(self, Self::Solicitation | Self::Advertisement)
    }

    /// TCP flags of the segment, where they are known.
    fn tcp_flags(self) -> Option<u8> {
        match self {
            Self::First => Some(2),
            Self::Answer => Some(0x12),
            _ => None,
        }
    }

    /// `IP_CT_DIR_*`, where there is one.
    pub(super) fn direction(self) -> Option<u8> {
        match self {
            Self::First => Some(0),
            Self::Answer => Some(1),
            _ => None,
        }
    }
}

impl std::str::FromStr for Flow {
    type Err = Error;

    /// Reads `SRC[:PORT] -> DST[:PORT]/PROTOCOL`; IPv6 addresses with ports stand in brackets.
    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| {
            let form = "give SRC:PORT -> DST:PORT/tcp, as in `10.0.0.7:40000 -> 10.0.1.9:443/tcp`";
            Error::invalid("flow", format!("`{text}` {why}; {form}"))
        };
        let (src, rest) = text.split_once("->").ok_or_else(|| bad("has no `->`"))?;
        let (dst, protocol) = match rest.rsplit_once('/') {
            Some((dst, protocol)) => (dst, protocol.trim()),
            None => return Err(bad("names no protocol")),
        };
        let known =
            [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("sctp", 132), ("udplite", 136)];
        let named = known.iter().find(|it| it.0 == protocol).map(|it| it.1);
        let protocol = named.or_else(|| protocol.parse().ok());
        let protocol = protocol.ok_or_else(|| bad("has a protocol nobody knows"))?;
        let (src, src_port) = end(src.trim()).ok_or_else(|| bad("has a bad source"))?;
        let (dst, dst_port) = end(dst.trim()).ok_or_else(|| bad("has a bad destination"))?;
        if src.is_ipv4() != dst.is_ipv4() {
            return Err(bad("mixes IPv4 and IPv6"));
        }
        Ok(Self {
            src,
            dst,
            src_port,
            dst_port,
            protocol,
            iif: None,
            oif: None,
            part: FlowPart::First,
            bridged: false,
        })
    }
}

fn end(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(addr) = text.parse::<std::net::SocketAddr>() {
        return Some((addr.ip(), Some(addr.port())));
    }
    let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(text);
    Some((bare.parse().ok()?, None))
}

impl Flow {
    /// Bytes of an Ethernet header, as far as they are known.
    pub(super) fn link(&self) -> Vec<Option<u8>> {
        let mut head = vec![None; 12];
        head.extend(self.ether_type().map(Some));
        head
    }

    /// The Ethernet type in the order of the wire.
    pub(super) fn ether_type(&self) -> [u8; 2] {
        match (self.src.is_ipv6(), self.part.is_discovery()) {
            (true, _) => [0x86, 0xdd],
            (false, true) => [0x08, 0x06],
            (false, false) => [0x08, 0x00],
        }
    }

    /// Bytes of the network header, as far as they are known.
    pub(super) fn network(&self) -> Vec<Option<u8>> {
        let some = |bytes: &[u8]| bytes.iter().copied().map(Some).collect::<Vec<_>>();
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) if self.part.is_discovery() => {
                let operation = if self.part == FlowPart::Solicitation { 1 } else { 2 };
                let mut head = some(&[0, 1, 8, 0, 6, 4, 0, operation]);
                head.resize(14, None);
                head.extend(some(&src.octets()));
                head.resize(24, None);
                head.extend(some(&dst.octets()));
                head
            }
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut head = vec![None; 12];
                if let Some(place) = head.get_mut(9) {
                    *place = Some(self.protocol);
                }
                head.extend(some(&src.octets()));
                head.extend(some(&dst.octets()));
                head
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut head = vec![None; 8];
                if let Some(place) = head.get_mut(6) {
                    *place = Some(self.protocol);
                }
                head.extend(some(&src.octets()));
                head.extend(match self.part {
                    FlowPart::Solicitation => some(&solicited(dst).octets()),
                    _ => some(&dst.octets()),
                });
                head
            }
            _ => Vec::new(),
        }
    }

    /// Bytes of the transport header, as far as they are known.
    pub(super) fn transport(&self) -> Vec<Option<u8>> {
        if self.part.is_discovery() && self.src.is_ipv6() {
            let kind = if self.part == FlowPart::Solicitation { 135 } else { 136 };
            return vec![Some(kind), Some(0)];
        }
        if !matches!(self.protocol, 6 | 17 | 33 | 132 | 136) {
            return Vec::new();
        }
        let bytes = |port: Option<u16>| match port.map(u16::to_be_bytes) {
            Some([a, b]) => [Some(a), Some(b)],
            None => [None; 2],
        };
        let mut head = [bytes(self.src_port), bytes(self.dst_port)].concat();
        if self.protocol == 6 {
            head.resize(13, None);
            head.push(self.part.tcp_flags());
        }
        head
    }
}

/// The group that whoever has an address listens to (RFC 4291 §2.7.1).
fn solicited(addr: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b] = addr.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (a & 0xff), b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_with_and_without_ports_are_read() {
        let flow: Flow = "10.0.0.7:4000 -> 10.0.1.9:443/tcp".parse().expect("a flow");
        assert_eq!((flow.src_port, flow.dst_port, flow.protocol), (Some(4000), Some(443), 6));
        let flow: Flow = "fd00::1->[fd00::2]:53/udp".parse().expect("a flow");
        assert_eq!((flow.src_port, flow.dst_port, flow.protocol), (None, Some(53), 17));
    }

    #[test]
    fn questions_for_neighbours_have_headers_of_their_own() {
        let known = |head: &[Option<u8>], from: usize, len: usize| {
            head.iter().skip(from).take(len).copied().collect::<Option<Vec<u8>>>()
        };
        let mut arp: Flow = "10.0.0.7 -> 10.0.1.9/0".parse().expect("a flow");
        arp.part = FlowPart::Advertisement;
        let head = arp.network();
        assert_eq!(known(&head, 0, 8), Some(vec![0, 1, 8, 0, 6, 4, 0, 2]));
        assert_eq!(known(&head, 14, 4), Some(vec![10, 0, 0, 7]));
        assert_eq!(known(&head, 24, 4), Some(vec![10, 0, 1, 9]));
        assert_eq!((known(&head, 8, 6), arp.transport().len()), (None, 0));
        let mut nd: Flow = "fd00::1 -> fd00::12:3456/icmpv6".parse().expect("a flow");
        nd.part = FlowPart::Solicitation;
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().expect("an address");
        assert_eq!(known(&nd.network(), 24, 16), Some(group.octets().to_vec()));
        assert_eq!(nd.transport(), [Some(135), Some(0)]);
    }

    #[test]
    fn what_is_wrong_is_named_with_the_form_that_is_right() {
        for (text, why) in [
            ("10.0.0.7", "has no `->`"),
            ("10.0.0.7 -> 10.0.0.8", "names no protocol"),
            ("10.0.0.7 -> 10.0.0.8/quic", "has a protocol nobody knows"),
            ("10.0.0.7 -> fd00::1/tcp", "mixes"),
            ("x -> 10.0.0.8/tcp", "bad source"),
        ] {
            let error = text.parse::<Flow>().expect_err(text).to_string();
            assert!(error.contains(why) && error.contains("10.0.1.9:443/tcp"), "{error}");
        }
    }
}
