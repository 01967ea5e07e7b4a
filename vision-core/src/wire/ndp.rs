//! Neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4), without the IPv6 header.

use std::net::Ipv6Addr;

const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;

/// The group every holder of an address listens on (RFC 4291 §2.7.1).
pub(crate) fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// Writes a solicitation; the kernel fills in the checksum of a raw ICMPv6 socket.
pub(crate) fn solicitation(target: Ipv6Addr, source_mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(target.octets());
    bytes.extend([SOURCE_LINK_LAYER, 1]);
    bytes.extend(source_mac);
    bytes
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
