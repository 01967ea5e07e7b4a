use std::net::Ipv4Addr;

use super::Kind;
use super::part::{Part, array, be16};
use super::walk::{Next, Step, end};

/// An ARP or RARP message; addresses of other kinds than Ethernet and IPv4 are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arp {
    /// The kind of hardware; 1 is Ethernet.
    pub hardware: u16,
    /// The kind of protocol address, an Ethernet type.
    pub protocol: u16,
    /// 1 asks, 2 answers; RARP has 3 and 4.
    pub opcode: u16,
    /// Who says so.
    pub sender_mac: Option<[u8; 6]>,
    /// Its address.
    pub sender_ip: Option<Ipv4Addr>,
    /// Who is meant; zeroes in a request.
    pub target_mac: Option<[u8; 6]>,
    /// Whose hardware address is wanted.
    pub target_ip: Option<Ipv4Addr>,
}

pub(super) fn arp(part: Part<'_>) -> Step<'_> {
    let head = part.head::<8>(Kind::Arp)?;
    let (hardware, protocol, opcode) = (be16(head, 0), be16(head, 2), be16(head, 6));
    let [.., hardware_len, protocol_len, _, _] = *head;
    let (hardware_len, protocol_len) = (usize::from(hardware_len), usize::from(protocol_len));
    let len = 8 + 2 * (hardware_len + protocol_len);
    let bytes = part.bytes(len, Kind::Arp)?;
    let mac = |at| (hardware_len == 6).then(|| array(bytes, at));
    let is_ip = protocol == 0x0800 && protocol_len == 4;
    let ip = |at| is_ip.then(|| Ipv4Addr::from(array::<4>(bytes, at)));
    let arp = Arp {
        hardware,
        protocol,
        opcode,
        sender_mac: mac(8),
        sender_ip: ip(8 + hardware_len),
        target_mac: mac(8 + hardware_len + protocol_len),
        target_ip: ip(8 + 2 * hardware_len + protocol_len),
    };
    end(super::Proto::Arp(arp), len, Next::Nothing, part)
}
