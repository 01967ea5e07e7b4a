//! ARP for IPv4 over Ethernet (RFC 826), without the Ethernet header.

use std::net::Ipv4Addr;

/// `ETH_P_ARP`.
pub(crate) const ETHERTYPE: u16 = 0x0806;

/// A request or reply; other hardware and protocol types are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) operation: u16,
    pub(crate) sender_mac: [u8; 6],
    pub(crate) sender_ip: Ipv4Addr,
    pub(crate) target_mac: [u8; 6],
    pub(crate) target_ip: Ipv4Addr,
}

pub(crate) const REQUEST: u16 = 1;
pub(crate) const REPLY: u16 = 2;

impl Arp {
    pub(crate) fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        let head = [0, 1, 0x08, 0x00, 6, 4];
        let fields = head
            .into_iter()
            .chain(self.operation.to_be_bytes())
            .chain(self.sender_mac)
            .chain(self.sender_ip.octets())
            .chain(self.target_mac)
            .chain(self.target_ip.octets());
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<8>()?;
        let [0, 1, 0x08, 0x00, 6, 4, op_high, op_low] = *head else {
            return None;
        };
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender_ip, rest) = rest.split_first_chunk::<4>()?;
        let (target_mac, rest) = rest.split_first_chunk::<6>()?;
        let (target_ip, _) = rest.split_first_chunk::<4>()?;
        Some(Self {
            operation: u16::from_be_bytes([op_high, op_low]),
            sender_mac: *sender_mac,
            sender_ip: (*sender_ip).into(),
            target_mac: *target_mac,
            target_ip: (*target_ip).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_round_trips_and_every_prefix_is_safe() {
        let arp = Arp {
            operation: REQUEST,
            sender_mac: [2, 0, 0, 0, 0, 1],
            sender_ip: Ipv4Addr::new(10, 0, 0, 1),
            target_mac: [0; 6],
            target_ip: Ipv4Addr::new(10, 0, 0, 2),
        };
        let bytes = arp.to_bytes();
        assert_eq!(Arp::parse(&bytes), Some(arp));
        for end in 0..bytes.len() {
            assert_eq!(Arp::parse(&bytes[..end]), None);
        }
    }
}
