use crate::capture::Frame;
use crate::wire::packet::{Packet, Proto, flow};

/// Returns what of a packet is searched: what is behind the header of TCP, UDP or SCTP, behind the
/// checksum of ICMP, ICMPv6 or IGMP, and behind the IP header of any other protocol. `None` where
/// there is no IP header.
///
/// It ends where the IP packet does, without the padding of short frames. Tunnels are not entered.
pub fn searched<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let flow = flow(frame.link_type, frame.data)?;
    if !matches!(flow.key.protocol, ICMP | IGMP | ICMPV6) {
        return Some(flow.payload);
    }
    // Later fragments have no header to leave out.
    if flow.is_fragment && !begins(frame) {
        return Some(flow.payload);
    }
    Some(flow.payload.get(HEAD..).unwrap_or_default())
}

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const ICMPV6: u8 = 58;

/// Type, code and checksum.
const HEAD: usize = 4;

/// Tells whether a fragment is the first one.
fn begins(frame: &Frame<'_>) -> bool {
    let packet = Packet::decode_cut(frame.link_type, frame.data, frame.len as usize);
    let headed =
        |proto: &Proto<'_>| matches!(proto, Proto::Icmp(_) | Proto::Icmp6(_) | Proto::Igmp(_));
    packet.own().any(|layer| headed(&layer.proto))
}
