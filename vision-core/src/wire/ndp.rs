//! Neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4), without the IPv6 header.

use std::net::Ipv6Addr;

/// `ETH_P_IPV6`.
pub(crate) const ETHERTYPE: u16 = 0x86dd;
/// The next-header value of ICMPv6.
const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// The group every holder of an address listens on (RFC 4291 §2.7.1).
pub(crate) fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The Ethernet address that packets to a group go to (RFC 2464 §7).
pub(crate) fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

/// Writes a solicitation; the kernel fills in the checksum of a raw ICMPv6 socket.
pub(crate) fn solicitation(target: Ipv6Addr, source_mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(target.octets());
    bytes.extend([SOURCE_LINK_LAYER, 1]);
    bytes.extend(source_mac);
    bytes
}

/// Writes a whole IPv6 packet that asks whether anybody has an address, from one who has none
/// (RFC 4862 §5.4.2): the source is unspecified, so the link-layer option may not be there.
pub(crate) fn duplicate_probe(target: Ipv6Addr) -> Vec<u8> {
    let message_bytes: u16 = 24;
    let group = solicited_node(target);
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(target.octets());
    let pseudo_header = Ipv6Addr::UNSPECIFIED.octets().into_iter().chain(group.octets());
    let pseudo_header = pseudo_header.chain([0, 0, 0, message_bytes as u8, 0, 0, 0, ICMPV6]);
    let summed: Vec<u8> = pseudo_header.chain(message.iter().copied()).collect();
    message.splice(2..4, super::checksum(&summed).to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(message_bytes.to_be_bytes());
    packet.extend([ICMPV6, 255]);
    packet.extend(Ipv6Addr::UNSPECIFIED.octets());
    packet.extend(group.octets());
    packet.extend(message);
    packet
}

/// What an advertisement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Advertisement {
    pub(crate) target: Ipv6Addr,
    pub(crate) is_router: bool,
    /// The target's link-layer address, where the option is there.
    pub(crate) mac: Option<[u8; 6]>,
}

impl Advertisement {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let [ADVERTISEMENT, 0, _, _, flags, ..] = *head else {
            return None;
        };
        let (target, mut options) = rest.split_first_chunk::<16>()?;
        let mut mac = None;
        while let [kind, units, ..] = *options {
            // A length of zero would never end (RFC 4861 §4.6: discard the packet).
            let length = usize::from(units) * 8;
            let option = options.get(..length).filter(|option| !option.is_empty())?;
            if kind == TARGET_LINK_LAYER {
                mac = option.get(2..8).and_then(|mac| mac.try_into().ok());
            }
            options = options.get(length..)?;
        }
        let is_router = flags & 0x80 != 0;
        Some(Self { target: (*target).into(), is_router, mac })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solicited_node_group_keeps_the_last_24_bits() {
        let target: Ipv6Addr = "fd00::1:2a:bcde:f012".parse().expect("address");
        assert_eq!(solicited_node(target).to_string(), "ff02::1:ffde:f012");
        assert_eq!(group_mac(solicited_node(target)), [0x33, 0x33, 0xff, 0xde, 0xf0, 0x12]);
    }

    #[test]
    fn a_duplicate_probe_is_a_valid_packet_without_a_link_layer_address() {
        let target: Ipv6Addr = "fd00::7".parse().expect("address");
        let packet = duplicate_probe(target);
        let (ip, message) = etherparse::Ipv6Header::from_slice(&packet).expect("a header");
        assert_eq!((ip.hop_limit, ip.source_addr()), (255, Ipv6Addr::UNSPECIFIED));
        assert_eq!(ip.destination_addr(), solicited_node(target));
        assert_eq!(usize::from(ip.payload_length), message.len());
        let icmp = etherparse::Icmpv6Slice::from_slice(message).expect("a message");
        assert!(icmp.is_checksum_valid(ip.source, ip.destination));
    }

    #[test]
    fn an_advertisement_gives_the_target_and_its_mac() {
        let target: Ipv6Addr = "fd00::7".parse().expect("address");
        let mut bytes = solicitation(target, [2, 0, 0, 0, 0, 9]);
        bytes[0] = ADVERTISEMENT;
        bytes[4] = 0xc0;
        bytes[24] = TARGET_LINK_LAYER;
        let advert = Advertisement::parse(&bytes).expect("parses");
        assert_eq!(advert.target, target);
        assert!(advert.is_router);
        assert_eq!(advert.mac, Some([2, 0, 0, 0, 0, 9]));
        bytes[25] = 0;
        assert_eq!(Advertisement::parse(&bytes), None, "an endless option");
    }
}
